"""CIF text to graph: parsed, and the neighbours within 5 angstrom of each atom; and ALIGNN's graph.

    python benches/python/cif_to_graph.py [--source FILE.parquet] [--crystals 500] [--repeats 7]

Texts are the file's column ``cif``, or, where it has none, as `recipnet.write` writes its crystals. Numbers of edges
are compared first. ALIGNN's graphs are made by jarvis-tools' reader and its lists of 12 neighbours, ties kept and each
edge once; timed are these lists, without the tensors that it makes of them.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from _crystals import texts
from _jarvis import graphs
from _race import Call, Peer, Race, options

import recipnet as rn

CUTOFF = 5.0
PERIODIC = np.array([1, 1, 1], dtype=np.int64)


def gemmi_vesin(given: Sequence[str], quantities: str = "ijSd") -> Call:
    import gemmi
    import vesin

    calculator = vesin.NeighborList(cutoff=CUTOFF, full_list=True, n_threads=1)

    def one(text: str) -> int:
        structure = gemmi.make_small_structure_from_block(gemmi.cif.read_string(text).sole_block())
        sites = structure.get_all_unit_cell_sites()
        numbers = np.array([site.element.atomic_number for site in sites], dtype=np.uint8)
        frac = np.array([site.fract.tolist() for site in sites])
        lattice = np.array(structure.cell.orth.mat.tolist()).T
        found = calculator.compute(points=frac @ lattice, box=lattice, periodic=True, quantities=quantities)
        return len(found[0]) if len(numbers) else 0

    return lambda: sum(map(one, given))


def pymatgen(given: Sequence[str]) -> Call:
    from pymatgen.io.cif import CifParser
    from pymatgen.optimization.neighbors import find_points_in_spheres

    def one(text: str) -> int:
        (structure,) = CifParser.from_str(text).parse_structures(primitive=False)
        cart, lattice = structure.cart_coords, np.ascontiguousarray(structure.lattice.matrix)
        found = find_points_in_spheres(cart, cart, r=CUTOFF, pbc=PERIODIC, lattice=lattice, tol=1e-8)
        return int(np.count_nonzero(found[3] > 1e-8))

    def run() -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return sum(map(one, given))

    return run


def ase(given: Sequence[str]) -> Call:
    from ase.io.cif import read_cif
    from ase.neighborlist import neighbor_list

    def one(text: str) -> int:
        atoms = read_cif(io.StringIO(text), index=0)
        return len(neighbor_list("ijdS", atoms, CUTOFF)[0])

    return lambda: sum(map(one, given))


def jarvis(given: Sequence[str]) -> Call:
    from jarvis.core.atoms import Atoms

    def one(text: str) -> int:
        atoms = Atoms.from_cif(from_string=text, get_primitive_atoms=False, use_cif2cell=False)
        return sum(map(len, atoms.get_all_neighbors(r=CUTOFF)))

    return lambda: sum(map(one, given))


def alignn(given: Sequence[str]) -> Call:
    from jarvis.core.atoms import Atoms

    nearest_neighbor_edges = graphs().nearest_neighbor_edges

    def one(text: str) -> int:
        atoms = Atoms.from_cif(from_string=text, get_primitive_atoms=False, use_cif2cell=False)
        edges = nearest_neighbor_edges(atoms, cutoff=8.0, max_neighbors=12, use_canonize=True)
        return 2 * sum(map(len, edges.values()))  # recipnet lists both directions

    return lambda: sum(map(one, given))


def ours(given: Sequence[str]) -> Callable[[int], rn.Edges]:
    def run(threads: int) -> rn.Edges:
        batch, _ = rn.parse_many(given, threads=threads)
        return rn.neighbors(batch, CUTOFF, threads=threads)

    return run


def ours_with_vectors(given: Sequence[str]) -> Callable[[int], rn.Edges]:
    plain = ours(given)

    def run(threads: int) -> rn.Edges:
        edges = plain(threads)
        _ = edges.vector
        return edges

    return run


def our_nearest(given: Sequence[str]) -> Callable[[int], rn.Edges]:
    def run(threads: int) -> rn.Edges:
        batch, _ = rn.parse_many(given, threads=threads)
        return rn.nearest_neighbors(batch, 12, shell_tol=0.0, edges="paper_canonical", threads=threads)

    return run


def main() -> None:
    arguments = options(__doc__).parse_args()
    race = Race("cif_to_graph", arguments)
    given = texts(race.source, race.small)
    peers = [
        Peer("gemmi, vesin, NumPy", "gemmi", gemmi_vesin),
        Peer("pymatgen", "pymatgen", pymatgen, slow=True),
        Peer("ASE", "ase", ase, slow=True),
        Peer("jarvis-tools", "jarvis-tools", jarvis, slow=True),
    ]
    race.run("CIF text to graph, 5 angstrom", ours, peers, goal=25, crystals=given)
    peers = [Peer("gemmi, vesin, NumPy", "gemmi", partial(gemmi_vesin, quantities="ijSdD"))]
    race.run("CIF text to graph with vectors, 5 angstrom", ours_with_vectors, peers, goal=None, crystals=given)
    peers = [
        Peer(
            "jarvis-tools",
            "jarvis-tools",
            alignn,
            slow=True,
            tolerance=0.3,
            note="a tie is equality of floating-point numbers",
        ),
    ]
    race.run("CIF text to ALIGNN's graph, 12 nearest", our_nearest, peers, goal=800, crystals=given)


if __name__ == "__main__":
    main()
