"""Where the time of the benchmarks goes: shares of the crate's files, sampled while a task runs again and again.

    python benches/python/stages.py [--seconds 3] [--only TASK ...]

Needs Linux with perf, addr2line, readelf and cargo. The extension is built once more with line tables (in
target/stages), and put into a copy of the package. A sample counts for the file of the innermost function of the crate
that is no helper; what lies outside the crate counts for its library. One thread, the crystals of the other scripts.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from _crystals import sheared, silicon, small, source, texts
from _record import table, versions, write

import recipnet as rn

ROOT = Path(__file__).resolve().parents[2]
#: Files that others call for single numbers.
HELPERS = ("scalar.rs", "machine.rs", "math.rs", "elementary.rs", "parallel.rs")
MOST = 5

Task = Callable[[], object]


def tasks() -> dict[str, Callable[[], Task]]:
    """What is run, by name; each makes ready what it needs."""

    def batch() -> rn.CrystalBatch:
        return small(source(), 500)

    def factors(crystals: rn.CrystalBatch, d_min: float, dtype: str = "float64") -> Task:
        found = rn.reflections(crystals, d_min)
        return lambda: rn.structure_factors(crystals, found, threads=1, dtype=dtype)

    def neighbors(crystals: rn.CrystalBatch, cutoff: float) -> Task:
        return lambda: rn.neighbors(crystals, cutoff, threads=1)

    def unique(d_min: float) -> Task:
        standard = rn.CrystalBatch.from_crystals([found.standard for found in rn.find_symmetry(batch())])
        options = {"order": "scan", "unique": "laue", "absences": "drop", "threads": 1}
        return lambda: rn.reflections(standard, d_min, **options)

    def graphs(given: list[str]) -> Task:
        return lambda: rn.neighbors(rn.parse_many(given, threads=1)[0], 5.0, threads=1)

    def alignn(given: list[str]) -> Task:
        options = {"shell_tol": 0.0, "edges": "paper_canonical", "threads": 1}
        return lambda: rn.nearest_neighbors(rn.parse_many(given, threads=1)[0], 12, **options)

    def again(function: Callable[..., object], *arguments: object) -> Task:
        return lambda: function(*arguments, threads=1)

    return {
        "radius list, 5 angstrom": lambda: neighbors(batch(), 5.0),
        "radius list, 8 angstrom": lambda: neighbors(batch(), 8.0),
        "10648 silicon atoms, 5 angstrom": lambda: neighbors(silicon(), 5.0),
        "12 atoms in a sheared cell, 5 angstrom": lambda: neighbors(sheared(), 5.0),
        "16 nearest with ties": lambda: again(rn.nearest_neighbors, batch(), 16),
        "reflections, 0.8 angstrom, sorted": lambda: again(rn.reflections, batch(), 0.8),
        "reflections, 0.5 angstrom, sorted": lambda: again(rn.reflections, batch(), 0.5),
        "reflections, 0.8 angstrom, unique": lambda: unique(0.8),
        "reflections, 0.5 angstrom, unique": lambda: unique(0.5),
        "F(hkl), 0.8 angstrom": lambda: factors(batch(), 0.8),
        "F(hkl), 0.5 angstrom": lambda: factors(batch(), 0.5),
        "F(hkl), 10648 silicon atoms": lambda: factors(silicon(), 2.0, "float32"),
        "powder lines": lambda: again(rn.powder_pattern, batch()),
        "CIF text to graph": lambda: graphs(texts(source(), batch())),
        "CIF text to ALIGNN's graph": lambda: alignn(texts(source(), batch())),
    }


def run(name: str) -> None:
    """Make a task ready, say so, and run it until the caller goes away."""
    task = tasks()[name]()
    task()
    print("ready", flush=True)
    while True:
        task()


def package(folder: Path) -> Path:
    """A copy of the package with an extension that has line tables; returns the extension."""
    target = ROOT / "target" / "stages"
    environment = os.environ | {"CARGO_PROFILE_RELEASE_DEBUG": "line-tables-only", "PYO3_PYTHON": sys.executable}
    command = ["cargo", "build", "--release", "--locked", "-p", "recipnet-python", "--target-dir", str(target)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    shutil.copytree(Path(rn.__file__).parent, folder / "recipnet")
    for old in (folder / "recipnet").glob("_core*.so"):
        old.unlink()
    extension = folder / "recipnet" / "_core.abi3.so"
    shutil.copy(target / "release" / "lib_core.so", extension)
    return extension


def samples(name: str, folder: Path, seconds: float) -> str:
    """Addresses and libraries of the samples of a running task, as perf prints them."""
    environment = os.environ | {"PYTHONPATH": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--run", name]
    data = folder / "perf.data"
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline().strip() != "ready":
                raise SystemExit(f"{name}: the task did not start")
            record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "4000", "-o", str(data), "-p", str(process.pid)]
            subprocess.run([*record, "--", "sleep", str(seconds)], check=True, capture_output=True)
        finally:
            process.kill()
    script = ["perf", "script", "-i", str(data), "-F", "ip,sym,dso", "--show-mmap-events"]
    return subprocess.run(script, capture_output=True, text=True, check=True).stdout


def shares(script: str, extension: Path) -> Counter[str]:
    """Samples by file of the crate, or by library."""
    headers = subprocess.run(["readelf", "-lW", str(extension)], capture_output=True, text=True, check=True).stdout
    segment = next(line.split() for line in headers.splitlines() if " R E " in line)
    into_file = int(segment[2], 16) - int(segment[1], 16)
    start, found, addresses = 0, Counter[str](), Counter[int]()
    for line in script.splitlines():
        mapped = re.search(r"\[0x(\w+)\(\w+\) @ (?:0x)?(\w+) .* r-xp .*" + re.escape(extension.name), line)
        if mapped is not None:
            start = int(mapped[1], 16) - int(mapped[2], 16)
        elif "PERF_RECORD" not in line and line.strip():
            address, library = int(line.split()[0], 16), line.rsplit("(", 1)[-1].rstrip(")")
            if library.endswith(extension.name):
                addresses[address - start + into_file] += 1
            else:
                found["kernel" if "kernel" in library else Path(library).name.split(".")[0]] += 1
    command = ["addr2line", "-e", str(extension), "-i", "-a", *map(hex, addresses)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for block in re.split(r"^0x", lines, flags=re.MULTILINE)[1:]:
        address, *places = block.splitlines()
        files = [place.split(":")[0] for place in places if "/rust/recipnet-" in place]
        names = [file.split("/src/")[1] if "-core/" in file else "bindings" for file in files]
        own = next((name for name in names if name not in HELPERS), "the crate")
        found[own] += addresses[int(address, 16)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each task (default: 3)")
    parser.add_argument("--only", nargs="+", metavar="TASK", choices=list(tasks()), help="some of the tasks")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(arguments.run)
        return
    for tool in ("perf", "addr2line", "readelf", "cargo"):
        if shutil.which(tool) is None:
            print(f"{tool} is not installed: nothing is sampled")
            return
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        extension = package(folder)
        for task in arguments.only or tasks():
            found = shares(samples(task, folder, arguments.seconds), extension)
            total = found.total()
            largest = "; ".join(f"{file} {100 * count / total:.0f} %" for file, count in found.most_common(MOST))
            rows.append({"task": task, "samples": total, "largest shares": largest})
            print(f"{task}: {largest}", flush=True)
    print(table(rows))
    print(write("stages", rows, versions("numpy")))


if __name__ == "__main__":
    main()
