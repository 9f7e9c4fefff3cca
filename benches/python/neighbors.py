"""Neighbour lists against pymatgen, vesin, matscipy, ASE and jarvis-tools; and the memory of 100,000 atoms.

    python benches/python/neighbors.py [--source FILE.parquet] [--crystals 500] [--repeats 7] [--skip-memory]

Peers get their own objects ready-made; timed is the call that makes indices, shifts and distances, and in tasks that
say so the vectors, which pymatgen leaves to NumPy. Sizes are compared first.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from _crystals import sheared, silicon
from _jarvis import graphs
from _race import Call, Peer, Race, options

import recipnet as rn

PERIODIC = np.array([1, 1, 1], dtype=np.int64)


def cells(crystals: Sequence[rn.Crystal]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(c.lattice, np.ascontiguousarray(c.cart_coords)) for c in crystals]


def pymatgen(crystals: Sequence[rn.Crystal], cutoff: float) -> Call:
    from pymatgen.optimization.neighbors import find_points_in_spheres

    given = cells(crystals)

    def run() -> int:
        count = 0
        for lattice, cart in given:
            found = find_points_in_spheres(cart, cart, r=cutoff, pbc=PERIODIC, lattice=lattice, tol=1e-8)
            count += int(np.count_nonzero(found[3] > 1e-8))  # it lists each atom as its own neighbour
        return count

    return run


def pymatgen_vectors(crystals: Sequence[rn.Crystal], cutoff: float) -> Call:
    from pymatgen.optimization.neighbors import find_points_in_spheres

    given = cells(crystals)

    def run() -> int:
        count = 0
        for lattice, cart in given:
            i, j, images, d = find_points_in_spheres(cart, cart, r=cutoff, pbc=PERIODIC, lattice=lattice, tol=1e-8)
            keep = d > 1e-8
            i, j, images = i[keep], j[keep], images[keep]
            count += len(cart[j] + images @ lattice - cart[i])
        return count

    return run


def vesin(crystals: Sequence[rn.Crystal], cutoff: float, threads: int, quantities: str = "ijSd") -> Call:
    import vesin

    given = cells(crystals)
    calculator = vesin.NeighborList(cutoff=cutoff, full_list=True, n_threads=threads)
    compute = partial(calculator.compute, periodic=True, quantities=quantities)
    return lambda: sum(len(compute(points=cart, box=lattice)[0]) for lattice, cart in given)


def matscipy(crystals: Sequence[rn.Crystal], cutoff: float, quantities: str = "ijdS") -> Call:
    from matscipy.neighbours import neighbour_list

    given = cells(crystals)
    compute = partial(neighbour_list, quantities, cutoff=cutoff, pbc=[True] * 3)
    return lambda: sum(len(compute(positions=cart, cell=lattice)[0]) for lattice, cart in given)


def ase(crystals: Sequence[rn.Crystal], cutoff: float) -> Call:
    from ase.neighborlist import primitive_neighbor_list

    given = cells(crystals)
    return lambda: sum(
        len(primitive_neighbor_list("ijdS", [True] * 3, lattice, cart, cutoff)[0]) for lattice, cart in given
    )


def pymatgen_nearest(crystals: Sequence[rn.Crystal], k: int) -> Call:
    """The list of the smallest radius, in steps, that holds k neighbours of every atom, sorted and cut with ties."""
    from pymatgen.optimization.neighbors import find_points_in_spheres

    given = cells(crystals)

    def one(lattice: np.ndarray, cart: np.ndarray) -> int:
        radius = 4.0
        while True:
            i, _, _, d = find_points_in_spheres(cart, cart, r=radius, pbc=PERIODIC, lattice=lattice, tol=1e-8)
            keep = d > 1e-8
            i, d = i[keep], d[keep]
            per = np.bincount(i, minlength=len(cart))
            if per.min() >= k:
                break
            radius *= 1.3
        d = d[np.lexsort((d, i))]
        last = d[np.concatenate([[0], np.cumsum(per)[:-1]]) + k - 1] + 1e-3
        return int(np.count_nonzero(d <= np.repeat(last, per)))

    return lambda: sum(one(*cell) for cell in given)


def jarvis_nearest(crystals: Sequence[rn.Crystal], k: int) -> Call:
    nearest_neighbor_edges = graphs().nearest_neighbor_edges
    atoms = [crystal.to_jarvis() for crystal in crystals]

    def run() -> int:
        lists = [nearest_neighbor_edges(a, cutoff=8, max_neighbors=k, use_canonize=False) for a in atoms]
        return sum(len(images) for edges in lists for images in edges.values())

    return run


def ours(function: Callable[..., rn.Edges], argument: float, crystals: rn.CrystalBatch) -> Callable[[int], rn.Edges]:
    return lambda threads: function(crystals, argument, threads=threads)


def with_vectors(cutoff: float, crystals: rn.CrystalBatch) -> Callable[[int], rn.Edges]:
    def run(threads: int) -> rn.Edges:
        edges = rn.neighbors(crystals, cutoff, threads=threads)
        _ = edges.vector
        return edges

    return run


def resident(peak: bool) -> float:
    """Resident memory in MiB: the largest so far, or that of this moment (Linux)."""
    name = "VmHWM" if peak else "VmRSS"  # getrusage would begin with the peak of the process that started this one
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def memory() -> None:
    """100,000 atoms and some, in a process of its own, so that its peak is its own."""
    batch = silicon((23, 23, 24))
    before = resident(peak=False)
    edges = rn.neighbors(batch, 5.0)
    arrays = sum(a.nbytes for a in (edges.index, edges.shift, edges.vector, edges.distance)) / 2**20
    grown = resident(peak=True) - before
    print(f"{len(batch.numbers)} atoms, {len(edges)} edges: peak memory grows by {grown:.0f} MiB for {arrays:.0f} MiB")


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--skip-memory", action="store_true", help="leave the memory of 100,000 atoms out")
    parser.add_argument(
        "--memory-only", action="store_true", help="print the memory of 100,000 atoms, and nothing else"
    )
    arguments = parser.parse_args()
    if arguments.memory_only:
        memory()
        return
    race = Race("neighbors", arguments)

    def radius(cutoff: float, slow: bool = False) -> list[Peer]:
        return [
            Peer("pymatgen find_points_in_spheres", "pymatgen-core", partial(pymatgen, cutoff=cutoff)),
            Peer("vesin", "vesin", partial(vesin, cutoff=cutoff, threads=1)),
            Peer("vesin", "vesin", partial(vesin, cutoff=cutoff, threads=2), threads=2),
            Peer("matscipy", "matscipy", partial(matscipy, cutoff=cutoff)),
            Peer("ASE", "ase", partial(ase, cutoff=cutoff), slow=slow),
        ]

    for cutoff, goal in ((5.0, 15), (8.0, 10)):
        task = f"radius list, {cutoff:g} angstrom"
        race.run(task, partial(ours, rn.neighbors, cutoff), radius(cutoff, slow=True), goal=goal)
        vectors = [
            Peer("pymatgen find_points_in_spheres, NumPy", "pymatgen-core", partial(pymatgen_vectors, cutoff=cutoff)),
            Peer("vesin", "vesin", partial(vesin, cutoff=cutoff, threads=1, quantities="ijSdD")),
            Peer("matscipy", "matscipy", partial(matscipy, cutoff=cutoff, quantities="ijdDS")),
        ]
        race.run(f"radius list with vectors, {cutoff:g} angstrom", partial(with_vectors, cutoff), vectors, goal=None)
    large, skewed = silicon(), sheared()
    name = f"{len(large.numbers)} silicon atoms"
    race.run(f"{name}, 5 angstrom", partial(ours, rn.neighbors, 5.0), radius(5.0), goal=6, crystals=large, data=name)
    name = "12 atoms in a sheared cell"
    race.run(f"{name}, 5 angstrom", partial(ours, rn.neighbors, 5.0), radius(5.0), goal=15, crystals=skewed, data=name)
    nearest = [
        Peer("pymatgen list and lexsort", "pymatgen-core", partial(pymatgen_nearest, k=16)),
        Peer(
            "jarvis-tools",
            "jarvis-tools",
            partial(jarvis_nearest, k=16),
            slow=True,
            tolerance=0.3,
            note="a tie is equality of floating-point numbers: fewer edges",
        ),
    ]
    race.run("16 nearest with ties", partial(ours, rn.nearest_neighbors, 16), nearest, goal=25)
    if not arguments.skip_memory:
        subprocess.run([sys.executable, __file__, "--memory-only"], check=True)


if __name__ == "__main__":
    main()
