"""The default run, three seeds, beside the composition network and the same model without its reciprocal block.

    python benches/python/train_default.py [--seeds 3] [--jobs 2] [--output runs/bench]

Every run is a `recipnet-train` of its own in its own folder; a finished one is not done again, a stopped one goes on,
so the script can be stopped and called again. "equal time" trains the ablation for as many epochs as fit into the time
of the full model, by their fastest epochs (wall time). Each of the --jobs runs at a time has one thread, so give it no
more jobs than quiet cores.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from _record import table, versions, write

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--jobs", type=int, default=2)
parser.add_argument("--output", type=Path, default=Path("runs/bench"))
arguments = parser.parse_args()

COMMAND = [sys.executable, "-c", "from recipnet.cli import train; train()"]
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "RECIPNET_NUM_THREADS": "1"}
PLAIN = ["model.options.reciprocal_blocks=0"]


def run(name: str, seed: int, overrides: list[str]) -> dict[str, object]:
    """One training; its test metrics, seconds and the median seconds of an epoch."""
    parent = arguments.output / f"{name}-{seed}"
    done = sorted(parent.glob("*/test_metrics.json"))
    if not done:
        started = sorted(parent.glob("*/config.toml"))
        extra = ["--resume", str(started[-1].parent)] if started else ["--output", str(parent)]
        if not started:
            for key in [f"training.seed={seed}", *overrides]:
                extra += ["--set", key]
        subprocess.run(COMMAND + extra, check=True, env=os.environ | ENVIRONMENT, stdout=subprocess.DEVNULL)
        done = sorted(parent.glob("*/test_metrics.json"))
    folder = done[-1].parent
    metrics = next(iter(json.loads(done[-1].read_text(encoding="utf-8")).values()))
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    seconds = [float(row["time_s"]) for row in rows]
    return {
        "run": name,
        "seed": seed,
        "parameters": model["parameters"],
        "epochs": len(rows),
        "test MAE eV/atom": round(metrics["mae"], 5),
        "MAD": round(metrics["mad"], 4),
        "MAD/MAE": round(metrics["ratio"], 2),
        "s per epoch (fastest)": round(min(seconds), 2),
        "s per epoch (median)": round(statistics.median(seconds), 2),
        "s training": round(sum(seconds), 1),
        "crystals/s": round(statistics.median(float(row["crystals_per_s"]) for row in rows)),
    }


def run_all(jobs: list[tuple[str, int, list[str]]]) -> list[dict[str, object]]:
    """Several runs, ``--jobs`` at a time, in the order given."""
    with ThreadPoolExecutor(arguments.jobs) as pool:
        rows = []
        for row in pool.map(lambda job: run(*job), jobs):
            print(row, flush=True)
            rows.append(row)
        return rows


seeds, few = range(arguments.seeds), range(min(2, arguments.seeds))
rows = run_all(
    [("regnet", seed, []) for seed in seeds]
    + [("regnet, no reciprocal block, equal epochs", seed, PLAIN) for seed in few]
    + [("composition", seed, ["model.name=composition"]) for seed in seeds]
)
full = min(float(row["s per epoch (fastest)"]) for row in rows if row["run"] == "regnet")
plain = min(float(row["s per epoch (fastest)"]) for row in rows if "equal epochs" in str(row["run"]))
epochs = math.floor(int(next(row["epochs"] for row in rows if row["run"] == "regnet")) * full / plain)
more = [*PLAIN, f"training.epochs={epochs}"]
rows += run_all([("regnet, no reciprocal block, equal time", seed, more) for seed in few])

print(table(rows))
for name in dict.fromkeys(str(row["run"]) for row in rows):
    errors = [float(row["test MAE eV/atom"]) for row in rows if row["run"] == name]
    print(f"{name}: mean test MAE {statistics.mean(errors):.4f} eV/atom over {len(errors)} seeds")
print(write("train_default", rows, versions("torch", "lightning", "numpy")))
