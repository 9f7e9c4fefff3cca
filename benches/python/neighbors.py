"""Neighbour lists and reflections against pymatgen, vesin and gemmi, on the embedded crystals.

    python benches/python/neighbors.py [--crystals 500] [--repeats 5]

Each peer gets its own objects ready-made; timed is the call that makes the list, structure by structure for the peers
(they have no batches) and both ways for recipnet. Lists are compared in size first, so that the same work is timed.
"""

from __future__ import annotations

import argparse
from functools import partial
from importlib import resources

import gemmi
import numpy as np
import vesin
from _record import median_time, table, versions, write
from pymatgen.optimization.neighbors import find_points_in_spheres

import recipnet as rn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--crystals", type=int, default=500)
parser.add_argument("--repeats", type=int, default=5)
arguments = parser.parse_args()

source = resources.files("recipnet.data").joinpath("embedded/mp2018_subset.parquet")
batch = rn.read_many(str(source))[0][: arguments.crystals]
singles = [batch[i] for i in range(len(batch))]
carts = [np.ascontiguousarray(c.cart_coords) for c in singles]
periodic = np.array([1, 1, 1], dtype=np.int64)


def pymatgen_radius(cutoff: float) -> int:
    count = 0
    for crystal, cart in zip(singles, carts, strict=True):
        found = find_points_in_spheres(cart, cart, r=cutoff, pbc=periodic, lattice=crystal.lattice, tol=1e-8)
        count += int(np.count_nonzero(found[3] > 1e-8))
    return count


def vesin_radius(cutoff: float) -> int:
    calculator = vesin.NeighborList(cutoff=cutoff, full_list=True)
    count = 0
    for crystal, cart in zip(singles, carts, strict=True):
        found = calculator.compute(points=cart, box=crystal.lattice, periodic=True, quantities="ijSdD")
        count += len(found[0])
    return count


def pymatgen_nearest(k: int) -> int:
    """The list of the smallest radius that holds k neighbours of every atom, sorted and cut with ties."""
    count = 0
    for crystal, cart in zip(singles, carts, strict=True):
        radius = 4.0
        while True:
            i, _, _, d = find_points_in_spheres(cart, cart, r=radius, pbc=periodic, lattice=crystal.lattice, tol=1e-8)
            keep = d > 1e-8
            i, d = i[keep], d[keep]
            per = np.bincount(i, minlength=len(cart))
            if per.min() >= k:
                break
            radius *= 1.3
        order = np.lexsort((d, i))
        d, starts = d[order], np.concatenate([[0], np.cumsum(per)[:-1]])
        last = d[starts + k - 1] + 1e-3
        count += int(np.count_nonzero(d <= np.repeat(last, per)))
    return count


def gemmi_reflections(d_min: float) -> int:
    group = gemmi.SpaceGroup("P 1")
    count = 0
    for crystal in singles:
        lengths = np.linalg.norm(crystal.lattice, axis=1)
        unit = crystal.lattice / lengths[:, None]
        cosines = [unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]]
        cell = gemmi.UnitCell(*lengths, *np.degrees(np.arccos(cosines)))
        count += len(gemmi.make_miller_array(cell, group, d_min))
    return count


def one_by_one(function, *args, **kwargs):
    return lambda: [function(crystal, *args, threads=1, **kwargs) for crystal in singles]


tasks = {
    "radius 5 A": (
        lambda threads: rn.neighbors(batch, 5.0, threads=threads),
        one_by_one(rn.neighbors, 5.0),
        {"pymatgen": lambda: pymatgen_radius(5.0), "vesin": lambda: vesin_radius(5.0)},
    ),
    "radius 8 A": (
        lambda threads: rn.neighbors(batch, 8.0, threads=threads),
        one_by_one(rn.neighbors, 8.0),
        {"pymatgen": lambda: pymatgen_radius(8.0), "vesin": lambda: vesin_radius(8.0)},
    ),
    "nearest 16, ties": (
        lambda threads: rn.nearest_neighbors(batch, 16, threads=threads),
        one_by_one(rn.nearest_neighbors, 16),
        {"pymatgen list + lexsort": lambda: pymatgen_nearest(16)},
    ),
    "half sphere, 0.8 A, scan order": (
        lambda threads: rn.reflections(batch, 0.8, order="scan", threads=threads),
        one_by_one(rn.reflections, 0.8, order="scan"),
        {"gemmi": lambda: gemmi_reflections(0.8)},
    ),
}

rows: list[dict[str, object]] = []
for task, (batched, single, peers) in tasks.items():
    ours = len(batched(1))
    times = {"recipnet batch, 1 thread": partial(batched, 1), "recipnet batch, 2 threads": partial(batched, 2)}
    times["recipnet one by one, 1 thread"] = single
    for peer, function in peers.items():
        if abs(function() - ours) > 1e-4 * ours:
            raise SystemExit(f"{task}: {peer} finds {function()}, recipnet {ours}")
        times[peer] = function
    medians = {}
    for name, function in times.items():
        middle, fastest, slowest = (1e6 * t / len(batch) for t in median_time(function, arguments.repeats))
        medians[name] = middle
        rows.append({
            "task": task,
            "program": name,
            "us per crystal (median)": f"{middle:.1f}",
            "min": f"{fastest:.1f}",
            "max": f"{slowest:.1f}",
            "times recipnet batch, 1 thread": f"{middle / medians['recipnet batch, 1 thread']:.2f}",
        })  # fmt: skip

print(table(rows))
print(write("neighbors", rows, versions("pymatgen", "vesin", "gemmi", "numpy")))
