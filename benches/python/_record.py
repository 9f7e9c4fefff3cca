"""What every benchmark shares: medians, the machine, and a CSV in benches/results."""

from __future__ import annotations

import csv
import platform
import statistics
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).resolve().parent.parent / "results"


def median_time(function: Callable[[], object], repeats: int) -> tuple[float, float, float]:
    """Median, fastest and slowest of ``repeats`` runs after one that warms up, in seconds."""
    function()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return statistics.median(times), min(times), max(times)


def processor() -> str:
    """Name and number of the processors."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        return f"{len(names)} x {names[0]}"
    except (OSError, IndexError):
        return platform.processor()


def versions(*names: str) -> str:
    """``name version`` of each package."""
    return "; ".join(f"{name} {version(name)}" for name in ("recipnet", *names))


def write(name: str, rows: list[dict[str, object]], packages: str) -> Path:
    """Write rows with date, machine and versions; returns the path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.csv"
    common = {"date": date.today().isoformat(), "machine": processor(), "versions": packages}
    rows = [row | common for row in rows]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def table(rows: list[dict[str, object]]) -> str:
    """Rows as a Markdown table."""
    keys = list(rows[0])
    lines = ["| " + " | ".join(keys) + " |", "|" + " --- |" * len(keys)]
    lines += ["| " + " | ".join(str(row[key]) for key in keys) + " |" for row in rows]
    return "\n".join(lines)
