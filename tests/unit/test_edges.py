"""Edges as objects: vectors that are made when they are read, copies, and what is refused."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import recipnet as rn
from hard_cells import hard_crystals
from recipnet.errors import ArgumentError, CrystalError

NAMES = ("index", "shift", "vector", "distance", "offsets", "atom_offsets")


def batch() -> rn.CrystalBatch:
    return rn.CrystalBatch.from_crystals(crystal for crystal, _ in hard_crystals().values())


def by_hand(crystals: rn.CrystalBatch, edges: rn.Edges) -> np.ndarray:
    (i, j), cells = edges.index, crystals.lattices[np.repeat(np.arange(len(crystals)), np.diff(edges.offsets))]
    apart = (crystals.frac_coords[j] - crystals.frac_coords[i]) + edges.shift
    return np.einsum("ea,eab->eb", apart, cells)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_vectors_are_those_of_the_definition(dtype: type) -> None:
    crystals = batch()
    for edges in (rn.neighbors(crystals, 4.0, dtype=dtype), rn.nearest_neighbors(crystals, 9, dtype=dtype)):
        vector = edges.vector
        assert vector.dtype == dtype
        assert vector.flags.c_contiguous
        assert vector.flags.writeable
        assert vector is edges.vector
        np.testing.assert_allclose(
            vector, by_hand(crystals, edges), rtol=0, atol=1e-12 if dtype is np.float64 else 2e-6
        )
        lengths = np.linalg.norm(vector.astype(np.float64), axis=1)
        np.testing.assert_allclose(edges.distance, lengths, rtol=1e-15 if dtype is np.float64 else 2e-7)
        assert not np.signbit(vector[vector == 0]).any()


def test_a_reverse_edge_is_the_exact_negative() -> None:
    edges = rn.nearest_neighbors(batch(), 8, edges="union")
    rows = {}
    for e, (i, j) in enumerate(edges.index.T.tolist()):
        rows[i, j, *edges.shift[e].tolist()] = e
    for (i, j, *shift), e in rows.items():
        back = rows[j, i, *(-n for n in shift)]
        assert edges.distance[e] == edges.distance[back]
        assert (edges.vector[e] == -edges.vector[back]).all()


def test_vectors_are_of_the_coordinates_that_the_edges_were_found_in() -> None:
    crystals = batch()
    edges, expected = rn.neighbors(crystals, 4.0), rn.neighbors(crystals, 4.0).vector
    crystals.frac_coords[:] += 0.1 * np.arange(crystals.frac_coords.size).reshape(-1, 3)
    crystals.lattices[:] *= 1.5
    np.testing.assert_array_equal(edges.vector, expected)


def test_vectors_are_the_same_bytes_for_all_threads() -> None:
    crystals = [rn.sample("quartz")] * 400
    alone = rn.neighbors(crystals, 6.0, threads=1).vector
    assert rn.neighbors(crystals, 6.0, threads=2).vector.tobytes() == alone.tobytes()
    edges = rn.neighbors(crystals, 6.0)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: edges.vector.tobytes(), range(8)))
    assert set(found) == {alone.tobytes()}


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda edges: pickle.loads(pickle.dumps(edges))])
def test_copies_are_equal(again) -> None:
    edges = rn.neighbors(rn.sample("silicon"), 4.0)
    other = again(edges)
    assert other == edges == rn.neighbors(rn.sample("silicon"), 4.0)
    assert other != rn.neighbors(rn.sample("silicon"), 5.0)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(other, name), getattr(edges, name))


def test_edges_of_your_own_arrays() -> None:
    edges = rn.neighbors(rn.sample("silicon"), 2.5)
    own = rn.Edges(*(getattr(edges, name) for name in NAMES))
    assert own.vector is edges.vector
    assert len(own) == len(edges)
    np.testing.assert_array_equal(rn.triplets(own).angle, rn.triplets(edges).angle)
    with pytest.raises(AttributeError, match="frozen"):
        own.vector = edges.vector


def test_edges_that_were_changed_before_their_vectors_were_read() -> None:
    edges = rn.neighbors(rn.sample("silicon"), 2.5)
    edges.index[1, 3] = 99
    with pytest.raises(ArgumentError, match="of edge 3 is none of 8 atoms"):
        _ = edges.vector
    edges = rn.neighbors(rn.sample("silicon"), 2.5)
    edges.atom_offsets[1] = 100
    with pytest.raises(CrystalError, match="atom_offsets"):
        _ = edges.vector


def test_no_edges_have_no_vectors() -> None:
    assert rn.neighbors(rn.sample("silicon"), 0.5).vector.shape == (0, 3)
    assert rn.neighbors([], 4.0).vector.shape == (0, 3)
