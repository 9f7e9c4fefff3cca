"""Symmetry search against moyopy on the embedded crystals, at one symprec.

    python benches/python/symmetry_search.py [--crystals 2000] [--repeats 5]

Both start from arrays in memory and end with number, operations, orbits and standard cells at hand: recipnet from a
`CrystalBatch`, in one call; moyopy from lists of numbers (which its `Cell` takes), one cell after the other, the making
of the `Cell` included and, in a second row, left out. Numbers of groups are compared first.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time

import moyopy
from _crystals import embedded
from _record import table, versions, write

import recipnet as rn

logging.disable(logging.WARNING)  # moyopy reports operations that a cell omits

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--crystals", type=int, default=2000)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--symprec", type=float, default=0.01)
arguments = parser.parse_args()

batch = rn.read_many(str(embedded()))[0][: arguments.crystals]
lists = [(c.lattice.tolist(), c.frac_coords.tolist(), c.numbers.tolist()) for c in batch]
cells = [moyopy.Cell(*one) for one in lists]


def moyopy_from_lists() -> list[int]:
    return [moyopy.MoyoDataset(moyopy.Cell(*one), symprec=arguments.symprec).number for one in lists]


def moyopy_from_cells() -> list[int]:
    return [moyopy.MoyoDataset(cell, symprec=arguments.symprec).number for cell in cells]


def recipnet(threads: int) -> list[int]:
    return [result.number for result in rn.find_symmetry(batch, arguments.symprec, threads=threads)]


ours, theirs = recipnet(1), moyopy_from_lists()
differ = sum(a != b for a, b in zip(ours, theirs, strict=True))
print(f"{differ} of {len(ours)} crystals have another number")

times = {
    "recipnet batch, 1 thread": lambda: recipnet(1),
    "recipnet batch, 2 threads": lambda: recipnet(2),
    "moyopy, from lists": moyopy_from_lists,
    "moyopy, Cell ready-made": moyopy_from_cells,
}
# In turns, so that a busy machine slows all of them alike.
taken: dict[str, list[float]] = {name: [] for name in times}
for _ in range(arguments.repeats):
    for name, function in times.items():
        began = time.perf_counter()
        function()
        taken[name].append(1e6 * (time.perf_counter() - began) / len(batch))
rows: list[dict[str, object]] = []
first = statistics.median(taken["recipnet batch, 1 thread"])
for name, runs in taken.items():
    middle, fastest, slowest = statistics.median(runs), min(runs), max(runs)
    rows.append({
        "program": name,
        "us per crystal (median)": f"{middle:.1f}",
        "min": f"{fastest:.1f}",
        "max": f"{slowest:.1f}",
        "times recipnet batch, 1 thread": f"{middle / first:.2f}",
        "crystals": len(batch),
        "other numbers": differ,
    })  # fmt: skip
print(table(rows))
print(write("symmetry_search", rows, versions("moyopy", "numpy")))
