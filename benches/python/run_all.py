"""What `make bench` runs: every script with a peer, then the table.

    python benches/python/run_all.py [--only SCRIPT …] [--limit 300] [-- OPTIONS OF THE SCRIPTS]

A script that fails, or that takes longer than ``--limit`` seconds, is named at the end and in the table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
from pathlib import Path

import readme_table
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

FOLDER = Path(__file__).resolve().parent
#: Scripts whose rows are no part of the table.
OTHERS = ("read_cifs", "symmetry_search", "fourier_basis")
#: NumPy's products and the peers' own loops on one thread, as recipnet's first row.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def run(name: str, options: list[str], limit: float, console: Console) -> str:
    """Run a script and show what it prints; returns what went wrong."""
    command = [sys.executable, "-u", str(FOLDER / f"{name}.py"), *options]
    environment = os.environ | ONE_THREAD
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(limit, stop)
        timer.start()
        assert process.stdout is not None
        for line in process.stdout:
            console.print(line.rstrip(), markup=False, highlight=False, soft_wrap=True)
        code = process.wait()
        timer.cancel()
    if late.is_set():
        return f"took longer than {limit:g} s"
    return f"exit code {code}" if code else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="SCRIPT", choices=(*readme_table.SCRIPTS, *OTHERS))
    parser.add_argument("--limit", type=float, default=300.0, help="seconds that one script may take (default: 300)")
    parser.add_argument("options", nargs="*", help="options of the table's scripts, after --")
    arguments = parser.parse_args()
    names = arguments.only or [*readme_table.SCRIPTS, *OTHERS]
    console = Console()
    wrong: dict[str, str] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task("", total=len(names))
        for name in names:
            progress.update(bar, description=f"{name}.py")
            options = arguments.options if name in readme_table.SCRIPTS else []
            if problem := run(name, options, arguments.limit, progress.console):
                wrong[name] = problem
            progress.advance(bar)
    for name, problem in wrong.items():
        console.print(f"{name}.py: {problem}", style="bold red")
    readme_table.main(["--unfinished", *(name for name in wrong if name in readme_table.SCRIPTS)])


if __name__ == "__main__":
    main()
