"""Neighbour lists against pymatgen, ASE and vesin, on real crystals and on hard cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import recipnet as rn
from hard_cells import hard_crystals

ase_neighborlist = pytest.importorskip("ase.neighborlist")
pymatgen_neighbors = pytest.importorskip("pymatgen.optimization.neighbors")
vesin = pytest.importorskip("vesin")

HARD = hard_crystals()
Key = tuple[int, int, int, int, int]


def keys(i: np.ndarray, j: np.ndarray, shift: np.ndarray) -> list[Key]:
    rows = np.column_stack([i, j, np.rint(shift).astype(int)])
    return sorted(map(tuple, rows.tolist()))


def ours(c: rn.Crystal, cutoff: float) -> list[Key]:
    edges = rn.neighbors(c, cutoff)
    return keys(*edges.index, edges.shift)


def from_pymatgen(c: rn.Crystal, cutoff: float) -> list[Key]:
    cart = np.ascontiguousarray(c.cart_coords)
    periodic = np.array([1, 1, 1], dtype=np.int64)
    lattice = np.ascontiguousarray(c.lattice)
    i, j, shift, _ = pymatgen_neighbors.find_points_in_spheres(cart, cart, cutoff, periodic, lattice)
    itself = (i == j) & (shift == 0).all(axis=1)
    return keys(i[~itself], j[~itself], shift[~itself])


def from_ase(c: rn.Crystal, cutoff: float) -> list[Key]:
    i, j, shift = ase_neighborlist.primitive_neighbor_list(
        "ijS", [True] * 3, np.asarray(c.lattice), c.cart_coords, cutoff, self_interaction=False
    )
    return keys(i, j, shift)


def from_vesin(c: rn.Crystal, cutoff: float) -> list[Key]:
    calculator = vesin.NeighborList(cutoff=cutoff, full_list=True)
    i, j, shift = calculator.compute(
        points=np.asarray(c.cart_coords), box=np.asarray(c.lattice), periodic=True, quantities="ijS"
    )
    return keys(i, j, shift)


PEERS = {"pymatgen": from_pymatgen, "ase": from_ase, "vesin": from_vesin}


def margin(c: rn.Crystal, cutoff: float) -> float:
    """A cut-off near the given one with no distance on it, where peers may round either way."""
    distances = np.sort(rn.neighbors(c, cutoff + 0.1).distance)
    gaps = np.diff(distances, prepend=0.0, append=cutoff + 0.2)
    place = np.concatenate([[0.0], distances])
    near = np.flatnonzero((gaps > 1e-4) & (place > cutoff - 0.1) & (place + gaps / 2 > 0))
    widest = near[np.argmax(gaps[near])] if len(near) else None
    return cutoff if widest is None else float(place[widest] + gaps[widest] / 2)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", [n for n in HARD if n not in ("no atoms", "rows at one point", "a mixed site")])
def test_hard_cells(name: str, peer: str) -> None:
    c, cutoff = HARD[name]
    if (peer, name) == ("vesin", "left-handed"):
        pytest.skip("vesin is asked about right-handed cells only")
    cutoff = margin(c, cutoff)
    assert ours(c, cutoff) == PEERS[peer](c, cutoff)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", ["quartz", "silicon"])
def test_samples(name: str, peer: str) -> None:
    c = rn.sample(name)
    for cutoff in (2.6, 5.0, 8.1):
        cutoff = margin(c, cutoff)
        assert ours(c, cutoff) == PEERS[peer](c, cutoff)


def test_real_crystals(shared_dir: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = shared_dir / "data" / "mp_20_partial.parquet"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    table = parquet.read_table(path, columns=["natoms", "lattice", "numbers", "frac"])
    rows = np.random.default_rng(0).choice(len(table), 300, replace=False)
    crystals = []
    for row in table.take(rows).to_pylist():
        lattice, frac = np.reshape(row["lattice"], (3, 3)), np.reshape(row["frac"], (-1, 3))
        crystals.append(rn.Crystal(lattice, row["numbers"], frac))
    for c in crystals:
        cutoff = margin(c, 5.0)
        mine = ours(c, cutoff)
        assert mine == from_pymatgen(c, cutoff)
        if np.linalg.det(np.asarray(c.lattice)) > 0:
            assert mine == from_vesin(c, cutoff)
    for c in crystals[:60]:
        cutoff = margin(c, 5.0)
        assert ours(c, cutoff) == from_ase(c, cutoff)


def test_nearest_against_pymatgen_spheres() -> None:
    """The k-th distance by sorting a sphere that surely holds it."""
    for name in ("quartz", "silicon"):
        c = rn.sample(name)
        for k in (1, 4, 12, 25):
            edges = rn.nearest_neighbors(c, k)
            cart = np.ascontiguousarray(c.cart_coords)
            periodic = np.array([1, 1, 1], dtype=np.int64)
            sphere = pymatgen_neighbors.find_points_in_spheres(
                cart, cart, 9.0, periodic, np.ascontiguousarray(c.lattice)
            )
            for atom in range(len(c)):
                distances = np.sort(sphere[3][sphere[0] == atom])[1:]
                shell = distances[distances <= distances[k - 1] + 1e-3]
                mine = edges.distance[edges.atom_offsets[atom] : edges.atom_offsets[atom + 1]]
                np.testing.assert_allclose(mine, shell, atol=1e-9)
