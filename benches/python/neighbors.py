"""Neighbour lists against pymatgen and vesin: small, sheared and large crystals, and the memory of 100,000 atoms.

    python benches/python/neighbors.py [--source FILE.parquet] [--crystals 500] [--repeats 5] [--skip-memory]

Each peer gets its own objects ready-made; timed is the call that makes the list, structure by structure for the peers
(they have no batches) and both ways for recipnet. Lists are compared in size first, so that the same work is timed.
Without ``--source`` the crystals are those that ship with the package.

Memory that a process touches for the first time is slow on virtual machines. Before anything is timed one array of
31 MiB is taken and freed, as any real program does: glibc then keeps freed memory, for every program here.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
import vesin
from _record import median_time, table, versions, write
from pymatgen.optimization.neighbors import find_points_in_spheres

import recipnet as rn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--source")
parser.add_argument("--crystals", type=int, default=500)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--skip-memory", action="store_true")
parser.add_argument("--memory-only", action="store_true")
arguments = parser.parse_args()
PERIODIC = np.array([1, 1, 1], dtype=np.int64)


def diamond(cells: tuple[int, int, int]) -> rn.CrystalBatch:
    """Silicon, a = 5.43 angstrom, rattled by 0.05 angstrom."""
    corner = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0], [1, 1, 1], [1, 3, 3], [3, 1, 3], [3, 3, 1]]) / 4
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in cells), indexing="ij"), axis=-1).reshape(-1, 1, 3)
    cart = 5.43 * (grid + corner).reshape(-1, 3)
    cart += np.random.default_rng(1).normal(0.0, 0.05, cart.shape)
    edges = 5.43 * np.array(cells)
    return rn.CrystalBatch.from_arrays(np.diag(edges)[None], np.full(len(cart), 14), cart / edges, [0, len(cart)])


def sheared() -> rn.CrystalBatch:
    cell = np.array([[6.0, 0.0, 0.0], [31.3, 6.5, 0.0], [-21.9, 17.8, 7.0]])
    frac = np.random.default_rng(2).random((12, 3))
    return rn.CrystalBatch.from_arrays(cell[None], np.full(12, 6), frac, [0, 12])


def small() -> rn.CrystalBatch:
    source = arguments.source or str(resources.files("recipnet.data").joinpath("embedded/mp2018_subset.parquet"))
    batch = rn.read_many(source, on_error="skip")[0]
    batch = batch[np.flatnonzero(np.diff(batch.offsets) <= 20)]
    return batch[np.linspace(0, len(batch) - 1, arguments.crystals).astype(int)]


def pymatgen_radius(crystals, cutoff: float) -> int:
    count = 0
    for crystal, cart in crystals:
        found = find_points_in_spheres(cart, cart, r=cutoff, pbc=PERIODIC, lattice=crystal.lattice, tol=1e-8)
        count += int(np.count_nonzero(found[3] > 1e-8))
    return count


def vesin_radius(crystals, cutoff: float) -> int:
    calculator = vesin.NeighborList(cutoff=cutoff, full_list=True)
    count = 0
    for crystal, cart in crystals:
        found = calculator.compute(points=cart, box=crystal.lattice, periodic=True, quantities="ijSdD")
        count += len(found[0])
    return count


def pymatgen_nearest(crystals, k: int) -> int:
    """The list of the smallest radius that holds k neighbours of every atom, sorted and cut with ties."""
    count = 0
    for crystal, cart in crystals:
        radius = 4.0
        while True:
            i, _, _, d = find_points_in_spheres(cart, cart, r=radius, pbc=PERIODIC, lattice=crystal.lattice, tol=1e-8)
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


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def current() -> float:
    """Resident memory of this moment in MiB; what was taken and given back before does not count (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


if arguments.memory_only:
    # 100,000 atoms and some: a process of its own, so that its peak is its own.
    batch = diamond((23, 23, 24))
    before = current()
    edges = rn.neighbors(batch, 5.0)
    arrays = sum(a.nbytes for a in (edges.index, edges.shift, edges.vector, edges.distance)) / 2**20
    print(len(batch.numbers), len(edges), f"{arrays:.0f}", f"{peak() - before:.0f}")
    raise SystemExit

np.empty(31 << 17)
rows: list[dict[str, object]] = []
cases = {"small": small(), "sheared": sheared(), "large": diamond((11, 11, 11))}
tasks = [
    ("small, radius 5 A", "small", rn.neighbors, 5.0, {"pymatgen": pymatgen_radius, "vesin": vesin_radius}),
    ("small, radius 8 A", "small", rn.neighbors, 8.0, {"pymatgen": pymatgen_radius, "vesin": vesin_radius}),
    ("small, nearest 16 with ties", "small", rn.nearest_neighbors, 16, {"pymatgen list, lexsort": pymatgen_nearest}),
    ("sheared, radius 5 A", "sheared", rn.neighbors, 5.0, {"pymatgen": pymatgen_radius, "vesin": vesin_radius}),
    ("large, radius 5 A", "large", rn.neighbors, 5.0, {"pymatgen": pymatgen_radius, "vesin": vesin_radius}),
]
for task, case, function, argument, peers in tasks:
    batch = cases[case]
    singles = list(batch)
    crystals = [(c, np.ascontiguousarray(c.cart_coords)) for c in singles]
    ours = len(function(batch, argument, threads=1))
    # One sheared crystal is over in microseconds: a timing is many of them.
    loops = 200 if case == "sheared" else 1

    def repeat(call, loops=loops):
        return lambda: [call() for _ in range(loops)]

    times = {
        "recipnet batch, 1 thread": repeat(partial(function, batch, argument, threads=1)),
        "recipnet batch, 2 threads": repeat(partial(function, batch, argument, threads=2)),
        "recipnet one by one, 1 thread": repeat(
            lambda singles=singles, function=function, argument=argument: [
                function(c, argument, threads=1) for c in singles
            ]
        ),
    }
    for peer, call in peers.items():
        count = call(crystals, argument)
        if abs(count - ours) > 1e-4 * ours:
            raise SystemExit(f"{task}: {peer} finds {count}, recipnet {ours}")
        times[peer] = repeat(partial(call, crystals, argument))
    base = 0.0
    for name, call in times.items():
        middle, fastest, slowest = (1e6 * t / (len(batch) * loops) for t in median_time(call, arguments.repeats))
        base = base or middle
        rows.append({
            "task": task,
            "program": name,
            "us per crystal (median)": f"{middle:.1f}",
            "min": f"{fastest:.1f}",
            "max": f"{slowest:.1f}",
            "times recipnet batch, 1 thread": f"{middle / base:.2f}",
        })  # fmt: skip

if not arguments.skip_memory:
    command = [sys.executable, __file__, "--memory-only"]
    atoms, count, arrays, grown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    rows.append({
        "task": f"{atoms} atoms, {count} edges, radius 5 A",
        "program": f"recipnet: peak memory grows by {grown} MiB for {arrays} MiB of arrays",
        "us per crystal (median)": "", "min": "", "max": "", "times recipnet batch, 1 thread": "",
    })  # fmt: skip

print(table(rows))
print(write("neighbors", rows, versions("pymatgen", "vesin", "numpy")))
