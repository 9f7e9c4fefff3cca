"""Reflections against gemmi: half sphere in scan order, full sorted lists, unique ones under the Laue class.

    python benches/python/reflections.py [--source FILE.parquet] [--crystals 500] [--repeats 5]

gemmi makes indices only, crystal by crystal, from cells that are ready-made. Unique reflections are those of the
conventional cells that the symmetry search finds. Lists are compared in size first.
"""

from __future__ import annotations

import argparse
from functools import partial
from importlib import resources

import gemmi
import numpy as np
from _record import median_time, table, versions, write

import recipnet as rn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--source")
parser.add_argument("--crystals", type=int, default=500)
parser.add_argument("--repeats", type=int, default=5)
arguments = parser.parse_args()

source = arguments.source or str(resources.files("recipnet.data").joinpath("embedded/mp2018_subset.parquet"))
batch = rn.read_many(source, on_error="skip")[0]
batch = batch[np.flatnonzero(np.diff(batch.offsets) <= 20)]
batch = batch[np.linspace(0, len(batch) - 1, arguments.crystals).astype(int)]
found = rn.find_symmetry(batch)
standard = rn.CrystalBatch.from_crystals([one.standard for one in found])


def gemmi_cells(crystals) -> list[gemmi.UnitCell]:
    cells = []
    for crystal in crystals:
        lengths = np.linalg.norm(crystal.lattice, axis=1)
        unit = crystal.lattice / lengths[:, None]
        cosines = [unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]]
        cells.append(gemmi.UnitCell(*lengths, *np.degrees(np.arccos(cosines))))
    return cells


P1 = gemmi.SpaceGroup("P 1")
plain = [(cell, P1) for cell in gemmi_cells(batch)]
symmetric = [
    (cell, gemmi.find_spacegroup_by_ops(gemmi.GroupOps([gemmi.Op(text) for text in c.symmetry.operations.to_xyz()])))
    for cell, c in zip(gemmi_cells(standard), standard, strict=True)
]
keep = [place for place, (_, group) in enumerate(symmetric) if group is not None]
symmetric, standard = [symmetric[place] for place in keep], standard[np.array(keep, dtype=int)]


def gemmi_reflections(cells, d_min: float) -> int:
    return sum(len(gemmi.make_miller_array(cell, group, d_min)) for cell, group in cells)


rows: list[dict[str, object]] = []
unique = {"unique": "laue", "absences": "drop"}
tasks = [
    ("half sphere, 0.8 A, scan order, hkl only", batch, plain, 0.8, {"order": "scan"}),
    ("half sphere, 0.5 A, scan order, hkl only", batch, plain, 0.5, {"order": "scan"}),
    ("half sphere, 0.8 A, sorted, all arrays", batch, plain, 0.8, {}),
    ("half sphere, 0.5 A, sorted, all arrays", batch, plain, 0.5, {}),
    ("unique, 0.8 A, scan order, hkl only", standard, symmetric, 0.8, {"order": "scan", **unique}),
    ("unique, 0.5 A, scan order, hkl only", standard, symmetric, 0.5, {"order": "scan", **unique}),
]
for task, crystals, cells, d_min, options in tasks:
    singles = list(crystals)
    ours = len(rn.reflections(crystals, d_min, **options))
    theirs = gemmi_reflections(cells, d_min)
    if abs(ours - theirs) > 2e-3 * ours:
        raise SystemExit(f"{task}: gemmi finds {theirs}, recipnet {ours}")
    times = {
        "recipnet batch, 1 thread": partial(rn.reflections, crystals, d_min, threads=1, **options),
        "recipnet batch, 2 threads": partial(rn.reflections, crystals, d_min, threads=2, **options),
        "recipnet one by one, 1 thread": lambda singles=singles, d_min=d_min, options=options: [
            rn.reflections(c, d_min, threads=1, **options) for c in singles
        ],
        "gemmi, hkl only": partial(gemmi_reflections, cells, d_min),
    }
    base = 0.0
    for name, call in times.items():
        middle, fastest, slowest = (1e6 * t / len(crystals) for t in median_time(call, arguments.repeats))
        base = base or middle
        rows.append({
            "task": task,
            "program": name,
            "us per crystal (median)": f"{middle:.1f}",
            "min": f"{fastest:.1f}",
            "max": f"{slowest:.1f}",
            "times recipnet batch, 1 thread": f"{middle / base:.2f}",
        })  # fmt: skip

print(table(rows))
print(write("reflections", rows, versions("gemmi", "numpy")))
