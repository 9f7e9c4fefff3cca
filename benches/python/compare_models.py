"""Every model in its small preset, side by side: errors with their spread over seeds, size, and speed.

    python benches/python/compare_models.py
    python benches/python/compare_models.py --models regnet --data e_form --seeds 2 --epochs 5

Tables for log10 of both moduli (one run with two outputs) and for the embedded formation energies:

- the same number of epochs for every model;
- the same wall-clock time for PRDNet, ReGNet, their ablations (or those of --timed) and the best baseline: the slowest
  has --epochs, the others as many as fit into its time by the fastest epoch that each has shown (or --budget seconds);
- every ablation beside its model: without the reciprocal part, and a wider network without it that has as many
  parameters.

Each run is a `recipnet-train` of its own, seeded, in its own folder below --output; a finished one is not done again, a
stopped one goes on, so the script can be stopped and called again. The CSV is written after each run. Each of --jobs
runs at a time has --threads threads; with more of both than quiet cores the times mean nothing.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from _record import table, versions, write

ELASTIC = Path(__file__).resolve().parents[3] / "shared" / "data" / "mp_elastic.parquet"
COMMAND = [sys.executable, "-c", "from recipnet.cli import train; train()"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """A model with changes of its preset; ``like`` names the variant whose size it is widened to."""

    model: str
    options: dict[str, Any] = field(default_factory=dict)
    like: str = ""
    ours: bool = False


VARIANTS = {
    "regnet": Variant("regnet", ours=True),
    "regnet, no reciprocal block": Variant("regnet", {"reciprocal_blocks": 0}, ours=True),
    "regnet, no reciprocal block, equal size": Variant("regnet", {"reciprocal_blocks": 0}, "regnet", ours=True),
    "prdnet": Variant("prdnet", ours=True),
    "prdnet, no diffraction": Variant("prdnet", {"diffraction": False}, ours=True),
    "prdnet, no diffraction, equal size": Variant("prdnet", {"diffraction": False}, "prdnet", ours=True),
}


#: Neither the model of a paper that reads reciprocal space nor the one without structure is a baseline.
NO_BASELINES = ("regnet_mt", "composition")


def variants() -> dict[str, Variant]:
    """Those above, and every other model as its preset has it."""
    from recipnet import models

    return VARIANTS | {name: Variant(name) for name in models.names() if name not in VARIANTS}


@cache
def preset(model: str, name: str) -> tuple[str, dict[str, Any]]:
    """Mode and options that a preset has for a model."""
    from recipnet.training.config import defaults

    section = defaults(model, preset=name)["model"]
    return section["mode"], section["options"]


def parameters(model: str, mode: str, options: dict[str, Any], targets: int) -> int:
    """How many a network has."""
    from recipnet import models

    return sum(p.numel() for p in models.build(model, mode, targets, **options).parameters())


@cache
def options_of(name: str, preset_name: str, targets: int) -> dict[str, Any]:
    """Changes of the preset, with the width that gives the size of the variant that it is compared with."""
    known = variants()
    variant = known[name]
    if not variant.like:
        return variant.options
    mode, base = preset(variant.model, preset_name)
    other = known[variant.like]
    wanted = parameters(other.model, mode, base | options_of(variant.like, preset_name, targets), targets)
    step = max(2, base.get("heads", 1))
    widths = range(base["channels"], 4 * base["channels"], step)

    def distance(width: int) -> int:
        return abs(parameters(variant.model, mode, base | variant.options | {"channels": width}, targets) - wanted)

    best, previous = widths[0], math.inf
    for width in widths:  # the size only grows
        found = distance(width)
        if found > previous:
            break
        best, previous = width, found
    return variant.options | {"channels": best}


def datasets(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """Overrides that choose the data."""
    moduli = [
        f"data.path={arguments.elastic}",
        "data.target_names=['k_vrh', 'g_vrh']",
        "data.units=['GPa', 'GPa']",
        "data.transform=log10",
    ]
    return {"elastic": moduli, "e_form": ["data.path=embedded", "data.target_names=['e_form']"]}


class Comparison:
    """All runs of one call, and the table of them."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.rows: list[Row] = []
        self._lock = threading.Lock()

    def overrides(self, data: str, name: str, epochs: int) -> list[str]:
        """What `recipnet-train` is told, but for the seed."""
        chosen = datasets(self.arguments)[data]
        options = options_of(name, self.arguments.preset, 2 if data == "elastic" else 1)
        return [
            *chosen,
            f"model.name={variants()[name].model}",
            f"model.preset={self.arguments.preset}",
            *(f"model.options.{key}={json.dumps(value)}" for key, value in options.items()),
            f"training.epochs={epochs}",
            "output.baseline=false",
            "output.plots=false",
            *self.arguments.set,
        ]

    def folder(self, data: str, name: str, seed: int, overrides: list[str]) -> Path:
        """One parent folder for each different run."""
        key = hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:8]
        short = "-".join(name.replace(",", "").split())
        return Path(self.arguments.output) / data / f"{short}-{seed}-{key}"

    def run(self, kind: str, data: str, name: str, seed: int, epochs: int) -> list[Row]:
        """Train, unless it is done; a row for each target."""
        overrides = self.overrides(data, name, epochs)
        parent = self.folder(data, name, seed, overrides)
        threads = str(self.arguments.threads)
        environment = os.environ | {"OMP_NUM_THREADS": threads, "RECIPNET_NUM_THREADS": threads}
        done = sorted(parent.glob("2*/test_metrics.json"))
        if not done:
            started = sorted(parent.glob("2*/config.toml"))
            extra = ["--resume", str(started[-1].parent)] if started else ["--output", str(parent)]
            if not started:
                for key in [f"training.seed={seed}", *overrides]:
                    extra += ["--set", key]
            parent.mkdir(parents=True, exist_ok=True)
            with (parent / "log.txt").open("a", encoding="utf-8") as log:
                subprocess.run(COMMAND + extra, check=True, env=environment, stdout=log)
            done = sorted(parent.glob("2*/test_metrics.json"))
        folder = done[-1].parent
        if not (folder / "inference.json").exists():
            measure = [sys.executable, str(Path(__file__).resolve()), "--measure", str(folder)]
            subprocess.run(measure, check=True, env=environment)
        rows = self.read(kind, data, name, seed, folder)
        with self._lock:
            self.rows += rows
            same = [row for row in self.rows if row["data"] == data]
            write(f"compare_models_{data}", same, versions("torch", "lightning", "numpy"))
            for row in rows:
                print({key: row[key] for key in ("kind", "data", "run", "seed", "target", "test MAE")}, flush=True)
        return rows

    def read(self, kind: str, data: str, name: str, seed: int, folder: Path) -> list[Row]:
        """What a finished run says of itself."""
        metrics = json.loads((folder / "test_metrics.json").read_text(encoding="utf-8"))
        model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        with (folder / "metrics.csv").open(encoding="utf-8") as file:
            epochs = list(csv.DictReader(file))
        seconds = [float(row["time_s"]) for row in epochs]
        inference = json.loads((folder / "inference.json").read_text(encoding="utf-8"))
        common = {
            "kind": kind,
            "data": data,
            "run": name,
            "mode": model["model"]["mode"],
            "seed": seed,
            "parameters": model["parameters"],
            "epochs": len(epochs),
            "best epoch": model["epoch"],
        }
        speed = {
            "s training": round(len(seconds) * statistics.median(seconds), 1),  # a pause does not count
            "s per epoch (fastest)": round(min(seconds), 3),
            "crystals/s training": round(max(float(row["crystals_per_s"]) for row in epochs), 1),
            "crystals/s inference": inference["crystals_per_s"],
        }
        return [
            {
                **common,
                "target": target,
                "unit": found["unit"],
                "test MAE": round(found["mae"], 6),
                "MAD/MAE": round(found["ratio"], 3),
                **speed,
            }
            for target, found in metrics.items()
        ]

    def many(self, jobs: Iterable[tuple[str, str, str, int, int]]) -> None:
        """Several runs, --jobs at a time, in the order given."""
        with ThreadPoolExecutor(self.arguments.jobs) as pool:
            for future in [pool.submit(self.run, *job) for job in jobs]:
                future.result()

    def seeds(self, name: str) -> range:
        """Of one variant."""
        return range(self.arguments.seeds if variants()[name].ours else min(1, self.arguments.seeds))

    def score(self, data: str, name: str) -> float:
        """Mean over targets and seeds of MAE over MAD, at equal epochs."""
        rows = [r for r in self.rows if (r["kind"], r["data"], r["run"]) == ("equal epochs", data, name)]
        return statistics.mean(1.0 / r["MAD/MAE"] for r in rows) if rows else math.inf

    def fastest(self, data: str, name: str) -> float:
        """Seconds of the fastest epoch of a variant."""
        return min(r["s per epoch (fastest)"] for r in self.rows if (r["data"], r["run"]) == (data, name))

    def compare(self, data: str) -> None:
        """Equal epochs, then equal time."""
        arguments = self.arguments
        names = [name for name in variants() if name in arguments.models]
        self.many(("equal epochs", data, name, s, arguments.epochs) for name in names for s in self.seeds(name))
        if arguments.no_equal_time:
            return
        rest = [name for name in names if not variants()[name].ours and name not in NO_BASELINES]
        timed = [name for name in names if name in (arguments.timed or VARIANTS)]
        if rest:
            timed.append(min(rest, key=lambda name: self.score(data, name)))
        if not timed:
            return
        budget = arguments.budget or max(self.fastest(data, name) for name in timed) * arguments.epochs
        jobs = []
        for name in timed:
            epochs = max(1, math.floor(budget / self.fastest(data, name)))
            jobs += [("equal time", data, name, s, epochs) for s in self.seeds(name)]
        self.many(jobs)


def summary(rows: list[Row]) -> list[Row]:
    """Mean and spread over the seeds."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["kind"], row["data"], row["run"], row["target"]), []).append(row)
    out = []
    for (kind, data, run, target), members in groups.items():
        errors = [row["test MAE"] for row in members]
        out.append(
            {
                "kind": kind,
                "data": data,
                "run": run,
                "mode": members[0]["mode"],
                "parameters": members[0]["parameters"],
                "epochs": members[0]["epochs"],
                "target": target,
                "unit": members[0]["unit"],
                "seeds": len(errors),
                "test MAE, mean": round(statistics.mean(errors), 5),
                "test MAE, st. dev.": round(statistics.stdev(errors), 5) if len(errors) > 1 else "",
                "MAD/MAE": round(statistics.mean(row["MAD/MAE"] for row in members), 2),
                "crystals/s training": max(row["crystals/s training"] for row in members),
                "crystals/s inference": max(row["crystals/s inference"] for row in members),
                "s training": round(statistics.mean(row["s training"] for row in members), 1),
            }
        )
    return out


def measure(folder: Path) -> None:
    """Write inference.json: crystals/s of predicting the run's test crystals, crystals to values; best of three."""
    import recipnet as rn
    from recipnet.training.config import read_toml, validate
    from recipnet.training.runner import read_data

    test = read_data(validate(read_toml(folder / "config.toml"))).subset("test")
    crystals, predictor = test.crystals[test.rows.tolist()], rn.load(folder)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        predictor.predict(crystals)
        times.append(time.perf_counter() - began)
    found = {"crystals_per_s": round(len(test) / min(times), 1), "crystals": len(test)}
    (folder / "inference.json").write_text(json.dumps(found), encoding="utf-8")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", metavar="NAME", help="variants; default: all that there are")
    parser.add_argument("--data", nargs="+", choices=["elastic", "e_form"], default=["elastic", "e_form"])
    parser.add_argument("--elastic", type=Path, default=ELASTIC, help="Parquet file with k_vrh and g_vrh in GPa")
    parser.add_argument("--seeds", type=int, default=3, help="of PRDNet, ReGNet and their ablations; the rest has one")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument(
        "--budget", type=float, default=0.0, help="seconds of training at equal time; 0: of the slowest"
    )
    parser.add_argument("--no-equal-time", action="store_true")
    parser.add_argument(
        "--timed",
        nargs="+",
        metavar="NAME",
        help="of the variants, those at equal time; default: all",
    )
    parser.add_argument("--preset", default="small")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="for every run, as recipnet-train")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("runs/compare"))
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        measure(arguments.measure)
        return
    known = variants()
    arguments.models = arguments.models or list(known)
    for name in [*arguments.models, *(arguments.timed or [])]:
        if name not in known:
            parser.error(f"no variant {name!r}; there are: " + "; ".join(known))
    if "elastic" in arguments.data and not arguments.elastic.is_file():
        parser.error(
            f"{arguments.elastic}: no such file; name it with --elastic, or leave the moduli out: --data e_form"
        )
    comparison = Comparison(arguments)
    for data in arguments.data:
        comparison.compare(data)
        found = summary([row for row in comparison.rows if row["data"] == data])
        print(table(found))
        print(write(f"compare_models_{data}_summary", found, versions("torch", "lightning", "numpy")))


if __name__ == "__main__":
    main()
