"""Instructions of the crate's paths on six small crystals, under callgrind.

    python benches/python/instructions.py [--times 10]

The program of benches/rust runs a path once and ``1 + times`` times; the difference is that path alone, whatever else
the machine does. valgrind does not know AVX-512: the AVX2 path is counted. Without valgrind or cargo the script says so
and writes nothing.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

from _record import table, write

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "benches" / "rust"


def built() -> Path:
    """The program, built as the extension is, and beside it: most of what it needs is there."""
    target = ROOT / "target"
    command = ["cargo", "build", "--release", "--locked", "--bin", "instructions", "--target-dir", str(target)]
    subprocess.run(command, cwd=PACKAGE, check=True)
    return target / "release" / "instructions"


def counted(program: Path, path: str, times: int) -> int:
    """Instructions of the whole process."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(program), path, str(times)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise SystemExit(f"callgrind printed no count:\n{done.stderr}")
    return int(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10, help="calls whose mean is taken (default: 10)")
    arguments = parser.parse_args()
    for tool in ("valgrind", "cargo"):
        if shutil.which(tool) is None:
            print(f"{tool} is not installed: no instructions are counted")
            return
    program = built()
    lines = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()
    rows: list[dict[str, object]] = []
    for crystals, path in (line.split("\t") for line in lines):
        once, more = (counted(program, path, times) for times in (1, 1 + arguments.times))
        each = (more - once) / arguments.times / int(crystals)
        rows.append({"path": path, "crystals": crystals, "instructions per crystal": f"{each:.0f}"})
    print(table(rows))
    print(write("instructions", rows, subprocess.getoutput("valgrind --version")))


if __name__ == "__main__":
    sys.exit(main())
