"""Time and memory of reading shapes on which a reader with a quadratic step gets stuck.

    python benches/python/pathological.py [--smallest 1] [--largest 16] [--repeats 3] [--check 1.3]

Each shape is read at sizes that double from ``--smallest`` to ``--largest`` MiB (256 is the largest file that the
reader takes unless told). Times are processor time, the least of the repeats. The ratios are those of the times for
twice the size: 2 where the time is linear, 4 where it is quadratic; the exponent is the slope of log(time) over
log(size) through all sizes. Peak memory, over the size of the text, is that of
reading the largest in a fresh process, the text included.
Written to benches/results/pathological.csv; exit code 1 where an exponent is above ``--check``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from _record import table, versions, write

MIB = 1 << 20
CELL = "data_a " + " ".join(
    f"_cell_{name} {value}"
    for name, value in zip(
        ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"),
        (40, 50, 60, 90, 90, 90),
        strict=True,
    )
)
ATOMS = " loop_ _atom_site_label _atom_site_fract_x _atom_site_fract_y _atom_site_fract_z\n"
OPERATIONS = " loop_ _symmetry_equiv_pos_as_xyz\n"
#: Name of the shape, what stands once in front, and what is repeated: ``{n}`` counts, ``{x}``, ``{y}`` and ``{z}`` are
#: digits that fill the cell evenly.
SHAPES: dict[str, tuple[str, str]] = {
    "open quotes": ("data_a\n", "'a "),
    "open text field": ("data_a _b\n;", "; "),
    "many blocks": ("", "data_a _b c\n"),
    "many blocks of other names": ("", "data_{n} _b c\n"),
    "one tag repeated": ("data_a\n", "_t y\n"),
    "many tags": ("data_a\n", "_t{n} 1\n"),
    "one long loop": ("data_a loop_ _b ", "1 "),
    "values without tags": ("data_a _b 1\n", "2 "),
    "one long word": ("data_a _b ", "x"),
    "frames": ("data_a\n", "save_f _b 1 save_\n"),
    "nested lists": ("#\\#CIF_2.0\ndata_a loop_ _b ", "[1 [2]] "),
    "one operation repeated": (CELL + ATOMS + "Fe 0 0 0\n" + OPERATIONS, "x,y,z\n"),
    "many operations": (CELL + ATOMS + "Fe 0 0 0\n" + OPERATIONS, "x+{n}/48,y,z\n"),
    "atoms at one place": (CELL + OPERATIONS + "x,y,z\n" + ATOMS, "Fe .123 .234 .345\n"),
    "disordered atoms at one place": (
        CELL + OPERATIONS + "x,y,z\n-x,-y,-z\n" + ATOMS.replace("\n", " _atom_site_occupancy\n"),
        "Fe{n} .123 .234 .345 .1\n",
    ),
    "atoms in a row": (CELL + OPERATIONS + "x,y,z\n" + ATOMS, "Fe{n} .{x} .5 .5\n"),
    "atoms at many places": (CELL + OPERATIONS + "x,y,z\n" + ATOMS, "Fe{n} .{x} .{y} .{z}\n"),
}


def make(shape: str, size: int) -> bytes:
    """A text of about ``size`` bytes."""
    head, part = SHAPES[shape]
    # Numbers of eight digits, so that the text is as long as asked for.
    wide = {name: 10**8 for name in "nxyz"}
    count = (size - len(head)) // (len(part.format(**wide)) - part.count("{"))
    if "{" not in part:
        return (head + part * count).encode()
    steps = {"n": 1, "x": 61_803_399, "y": 41_421_356, "z": 73_205_081}
    parts = (part.format(**{k: f"{n * step % 10**8:08d}" for k, step in steps.items()}) for n in range(count))
    return (head + "".join(parts)).encode()


def read(text: bytes) -> str:
    """What comes of it: the code of the error, or the number of atoms."""
    import recipnet as rn

    try:
        crystal = rn.parse(text, max_bytes=max(len(text), 256 * MIB))
    except rn.errors.RecipnetError as error:
        return str(getattr(error, "code", type(error).__name__))
    return f"{len(crystal)} atoms, {len(crystal.warnings)} warnings"


def peak(path: str) -> float:
    """Peak memory of reading a file over its size, less what the process takes before it."""

    # The rusage of a process begins with the peak of the one that started it; this does not.
    def resident() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    read(b"data_a")
    before = resident()
    text = Path(path).read_bytes()
    read(text)
    return (resident() - before) / len(text)


def fastest(work: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest run: the others were disturbed."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smallest", type=int, default=1, help="MiB")
    parser.add_argument("--largest", type=int, default=16, help="MiB")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--check", type=float, default=1.3, help="largest accepted exponent")
    arguments = parser.parse_args()
    sizes = [arguments.smallest]
    while 2 * sizes[-1] <= arguments.largest:
        sizes.append(2 * sizes[-1])
    rows: list[dict[str, object]] = []
    context = multiprocessing.get_context("spawn")
    for shape in SHAPES:
        times, outcome, read_sizes = [], "", []
        for mib in sizes:
            text = make(shape, mib * MIB)
            outcome = read(text)
            read_sizes.append(len(text))
            times.append(fastest(lambda text=text: read(text), arguments.repeats))
        exponent = float(np.polyfit(np.log(read_sizes), np.log(times), 1)[0])
        with tempfile.NamedTemporaryFile() as handle, context.Pool(1) as pool:
            handle.write(make(shape, sizes[-1] * MIB))
            handle.flush()
            memory = pool.apply(peak, (handle.name,))
        rows.append(
            {"shape": shape, "outcome": outcome}
            | {f"{mib} MiB, ms": round(1e3 * seconds, 1) for mib, seconds in zip(sizes, times, strict=True)}
            | {"ratios for twice the size": " ".join(f"{b / a:.2f}" for a, b in pairwise(times))}
            | {"exponent": round(exponent, 2), "memory over size": round(memory, 1)}
        )
        print(rows[-1], flush=True)
    print(table(rows))
    print(write("pathological", rows, versions("numpy")))
    return 1 if any(float(str(row["exponent"])) > arguments.check for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
