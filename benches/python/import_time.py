"""What `import recipnet` costs on top of `import numpy`: medians of alternating fresh processes.

    python benches/python/import_time.py [RUNS]

Appends one line to ``benches/results/import_time.csv``.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import platform
import statistics
import subprocess
import sys

import numpy

CODE = "import time; t = time.perf_counter(); import numpy; import {name}; print(time.perf_counter() - t)"
RESULTS = os.path.join(os.path.dirname(__file__), "..", "results", "import_time.csv")
HEADER = ("date", "machine", "cpus", "python", "numpy", "runs", "numpy_ms", "recipnet_ms", "difference_ms")


def once(name: str) -> float:
    """Milliseconds of one fresh process."""
    command = [sys.executable, "-c", CODE.format(name=name)]
    # Compiled files may be cached, as they are in any installation.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return 1e3 * float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=int, nargs="?", default=15)
    runs = parser.parse_args().runs
    once("recipnet")
    times = [(once("numpy"), once("recipnet")) for _ in range(runs)]
    base, full = (statistics.median(column) for column in zip(*times, strict=True))
    row = (
        datetime.date.today().isoformat(),
        platform.machine(),
        os.cpu_count(),
        platform.python_version(),
        numpy.__version__,
        runs,
        f"{base:.1f}",
        f"{full:.1f}",
        f"{full - base:.1f}",
    )
    os.makedirs(os.path.dirname(RESULTS), exist_ok=True)
    new = not os.path.exists(RESULTS)
    with open(RESULTS, "a", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        if new:
            writer.writerow(HEADER)
        writer.writerow(row)
    print(", ".join(f"{name} {value}" for name, value in zip(HEADER, row, strict=True)))


if __name__ == "__main__":
    main()
