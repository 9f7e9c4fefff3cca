"""Triplets: every pair of edges of an atom, and angles that depend on the structure alone."""

from __future__ import annotations

import numpy as np
import pytest

import recipnet as rn
from hard_cells import crystal, hard_crystals
from recipnet.errors import ArgumentError, LimitError

HARD = hard_crystals()


def twin(edges: rn.Edges) -> tuple[list[tuple[int, int]], list[float]]:
    pairs, angles = [], []
    for begin, end in zip(edges.atom_offsets[:-1].tolist(), edges.atom_offsets[1:].tolist(), strict=True):
        for e in range(begin, end):
            for f in range(begin, end):
                if e != f:
                    u, v = edges.vector[e].astype(float), edges.vector[f].astype(float)
                    lengths = np.linalg.norm(u) * np.linalg.norm(v)
                    pairs.append((e, f))
                    with np.errstate(invalid="ignore"):
                        angles.append(np.arccos(np.clip(u @ v / lengths if lengths else np.nan, -1, 1)))
    return pairs, angles


@pytest.mark.parametrize("name", HARD)
def test_hard_cells_equal_all_pairs(name: str) -> None:
    c, cutoff = HARD[name]
    edges = rn.neighbors(c, 0.5 * cutoff)
    if len(edges) > 3000:
        edges = rn.nearest_neighbors(c, 4)
    found = rn.triplets(edges)
    pairs, angles = twin(edges)
    assert list(zip(*found.index.tolist(), strict=True)) == pairs
    # arccos loses half the digits at 0 and pi.
    np.testing.assert_allclose(found.angle, angles, rtol=0, atol=3e-7)
    assert found.index.dtype == np.int64
    assert found.offsets.tolist() == [0, len(found)]


def test_batches_offsets_and_precision() -> None:
    batch = rn.CrystalBatch.from_crystals([rn.sample("quartz"), rn.sample("silicon"), rn.sample("rutile")])
    edges = rn.neighbors(batch, 3.2)
    found = rn.triplets(edges, threads=1)
    owner = np.searchsorted(edges.offsets, found.index, side="right") - 1
    assert (owner[0] == owner[1]).all()
    assert (np.searchsorted(owner[0], np.arange(4)) == found.offsets).all()
    for b in range(3):
        alone = rn.triplets(rn.neighbors(batch[b], 3.2))
        rows = slice(*found.offsets[b : b + 2].tolist())
        assert alone.angle.tobytes() == found.angle[rows].tobytes()
        assert (alone.index + edges.offsets[b] == found.index[:, rows]).all()
    single = rn.triplets(rn.neighbors(batch, 3.2, dtype=np.float32))
    assert single.angle.dtype == np.float32
    np.testing.assert_allclose(single.angle, found.angle, atol=1e-6)
    assert "triplets of 3 crystals" in repr(found)
    for array in (found.index, found.angle, found.offsets):
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_symmetric_and_sharp_at_the_ends() -> None:
    # A straight chain and a hair's breadth off it.
    c = crystal(np.diag([3.0, 50.0, 50.0]), [[0.0, 0.0, 0.0], [0.5, 1e-9, 0.0]])
    edges = rn.neighbors(c, 1.6)
    found = rn.triplets(edges)
    by_pair = dict(zip(zip(*found.index.tolist(), strict=True), found.angle.tolist(), strict=True))
    assert all(by_pair[f, e] == angle for (e, f), angle in by_pair.items())
    np.testing.assert_allclose(np.pi - found.angle, 2 * 50e-9 / 1.5, rtol=1e-6)


def test_angles_do_not_see_the_cell() -> None:
    c = rn.sample("quartz")
    change = np.array([[1, 2, 0], [0, 1, -1], [1, 2, 1]])
    other = crystal(change @ c.lattice, c.frac_coords @ np.linalg.inv(change) + 3)
    mine, theirs = (rn.triplets(rn.neighbors(x, 3.0)) for x in (c, other))
    np.testing.assert_allclose(np.sort(mine.angle), np.sort(theirs.angle), atol=1e-9)


def test_coincident_atoms_have_no_angle() -> None:
    c = crystal(np.eye(3) * 3.0, [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
    edges = rn.neighbors(c, 3.0)
    found = rn.triplets(edges)
    without = (edges.distance[found.index] == 0.0).any(axis=0)
    assert without.any()
    assert (np.isnan(found.angle) == without).all()


def test_what_is_refused() -> None:
    edges = rn.neighbors(rn.sample("silicon"), 2.5)
    assert len(rn.triplets(edges, max_triplets=96)) == 96
    with pytest.raises(LimitError, match="max_triplets = 95"):
        rn.triplets(edges, max_triplets=95)
    for wrong in (edges.index, None, (1, 2)):
        with pytest.raises(ArgumentError, match=r"recipnet\.Edges"):
            rn.triplets(wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="max_triplets"):
        rn.triplets(edges, max_triplets=-1)
    edges.atom_offsets[3] = 10**6
    with pytest.raises(ValueError, match="atom_offsets"):
        rn.triplets(edges)
