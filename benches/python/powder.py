"""Powder lines, CuKa, 0 to 90 degrees, against pymatgen's XRDCalculator.

    python benches/python/powder.py STRUCTURES.parquet [--crystals 100] [--repeats 5]

pymatgen gets its structures ready-made. Before timing, lines are compared by place and, to 3 % of the strongest (its
form factors are another fit), by intensity.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
from _record import median_time, table, versions, write
from pymatgen.analysis.diffraction.xrd import XRDCalculator

import recipnet as rn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("structures")
parser.add_argument("--crystals", type=int, default=100)
parser.add_argument("--repeats", type=int, default=5)
arguments = parser.parse_args()

batch = rn.read_many(arguments.structures)[0][: arguments.crystals]
singles = [batch[i] for i in range(len(batch))]
structures = [crystal.to_pymatgen() for crystal in singles]
calculator = XRDCalculator(wavelength="CuKa", symprec=0)


def by_pymatgen() -> list[object]:
    return [calculator.get_pattern(structure, two_theta_range=(0, 90)) for structure in structures]


found = rn.powder_pattern(batch)
for b, peer in enumerate(by_pymatgen()):
    rows = slice(found.offsets[b], found.offsets[b + 1])
    # Cells with rounded parameters split lines by less than 1e-3 degree, each program at its own places: windows are
    # compared, and patterns scaled to one sum.
    x, y = np.asarray(peer.x), np.asarray(peer.y)
    scale = y.sum() / found.intensity[rows].sum()
    for angle in x:
        ours = scale * found.intensity[rows][np.abs(found.two_theta[rows] - angle) < 1e-3].sum()
        theirs = y[np.abs(x - angle) < 1e-3].sum()
        assert abs(ours - theirs) < 0.03 * y.max(), (batch.ids[b], angle, ours, theirs)

programs = {
    "recipnet batch, 1 thread": partial(rn.powder_pattern, batch, threads=1),
    "recipnet batch, 2 threads": partial(rn.powder_pattern, batch, threads=2),
    "recipnet one by one": lambda: [rn.powder_pattern(crystal) for crystal in singles],
    "pymatgen": by_pymatgen,
}
rows_out: list[dict[str, str]] = []
first = 0.0
for name, function in programs.items():
    middle, fastest, slowest = (1e6 * t / len(batch) for t in median_time(function, arguments.repeats))
    first = first or middle
    rows_out.append({
        "task": f"powder lines, {len(found) / len(batch):.0f} a crystal",
        "program": name,
        "us per crystal (median)": f"{middle:.1f}",
        "min": f"{fastest:.1f}",
        "max": f"{slowest:.1f}",
        "times recipnet": f"{middle / first:.2f}",
    })  # fmt: skip
print(table(rows_out))
print(write("powder", rows_out, versions("numpy", "pymatgen-core")))
