"""Strictly relevant lattice vectors: known counts, any basis, facets that fill the cell."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import recipnet as rn
from hard_cells import crystal, from_parameters, hard_crystals
from recipnet.errors import ArgumentError

FCC = np.array([[0, 2, 2], [2, 0, 2], [2, 2, 0]], dtype=float)
BCC = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]], dtype=float)
KNOWN = {
    "cubic": (np.eye(3) * 4.0, 6),
    "tetragonal": (np.diag([4.0, 4.0, 6.5]), 6),
    "orthorhombic": (np.diag([4.0, 5.0, 6.5]), 6),
    "hexagonal": (from_parameters(3, 3, 5, 90, 90, 120), 8),
    "monoclinic": (from_parameters(4, 5, 6, 90, 103, 90), 8),
    "fcc": (FCC, 12),
    "bcc": (BCC, 14),
    "triclinic": (from_parameters(4, 5, 6, 80, 85, 75), 14),
}


def vectors_of(lattice: np.ndarray, **options: object) -> rn.VoronoiVectors:
    return rn.voronoi_vectors(crystal(lattice, [[0.0, 0.0, 0.0]]), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", KNOWN)
def test_counts_in_any_basis(name: str) -> None:
    lattice, count = KNOWN[name]
    plain = vectors_of(lattice)
    assert len(plain) == count
    rng = np.random.default_rng(count)
    for _ in range(5):
        change = np.eye(3, dtype=int)
        for _ in range(6):
            a, b = rng.choice(3, 2, replace=False)
            change[a] += rng.integers(-2, 3) * change[b]
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        if 1 / np.linalg.norm(np.linalg.inv(change @ lattice), axis=0).max() < 0.15:
            continue
        other = vectors_of(change @ lattice @ turn)
        apart = np.linalg.norm(other.vector[:, None] - plain.vector @ turn, axis=2)
        assert (apart.min(axis=1) < 1e-9).all()
        assert len(other) == count
        np.testing.assert_allclose(other.area, plain.area[apart.argmin(axis=1)], atol=1e-9)


@pytest.mark.parametrize("name", KNOWN)
def test_arrays_say_what_they_say(name: str) -> None:
    lattice, _ = KNOWN[name]
    found = vectors_of(lattice)
    np.testing.assert_allclose(found.vector, found.index @ lattice, atol=1e-14)
    np.testing.assert_allclose(found.length, np.linalg.norm(found.vector, axis=1), rtol=1e-15)
    np.testing.assert_allclose((found.area * found.length).sum() / 6, abs(np.linalg.det(lattice)), rtol=1e-10)
    assert (np.diff(found.length) > -1e-8).all()
    rows = {tuple(row) for row in found.index.tolist()}
    assert rows == {tuple(-x for x in row) for row in rows}
    assert found.index.dtype == np.int32
    assert found.offsets.tolist() == [0, len(found)]
    single = vectors_of(lattice, dtype=np.float32)
    assert (single.vector == found.vector.astype(np.float32)).all()


def twin(lattice: np.ndarray) -> set[tuple[int, ...]]:
    """v is relevant exactly if no lattice point is as near to v/2 as 0 and v are."""
    points = np.array(list(product(range(-6, 7), repeat=3)))
    cart = points @ lattice
    out = set()
    for v, x in zip(points, cart, strict=True):
        if np.abs(v).max() <= 3 and v.any():
            nearest = np.partition(np.linalg.norm(cart - 0.5 * x, axis=1), 2)[:3]
            half = 0.5 * np.linalg.norm(x)
            if nearest[2] > half + 1e-6 and abs(nearest[0] - half) < 1e-6:
                out.add(tuple(v.tolist()))
    return out


def test_random_lattices_equal_brute_force() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        # Not sheared much: the twin looks at coefficients up to 3.
        lattice = np.diag(rng.uniform(3, 6, size=3)) + rng.normal(size=(3, 3))
        found = vectors_of(lattice, tol=0)
        assert {tuple(row) for row in found.index.tolist()} == twin(lattice)


def test_storage_noise_adds_no_facets() -> None:
    rng = np.random.default_rng(4)
    for lattice, count in KNOWN.values():
        noisy = lattice + rng.uniform(-1e-5, 1e-5, size=(3, 3))
        assert len(vectors_of(noisy)) == count
        sharp = vectors_of(noisy, tol=0)
        assert len(sharp) >= count
        # What appears without tolerance is nearly empty: the area is continuous.
        assert np.sort(sharp.area)[: len(sharp) - count].max(initial=0.0) < 1e-3


def test_hard_cells_are_closed_and_filled() -> None:
    batch = rn.CrystalBatch.from_crystals([c for c, _ in hard_crystals().values()])
    found = rn.voronoi_vectors(batch, tol=0)
    for b, lattice in enumerate(batch.lattices):
        rows = slice(*found.offsets[b : b + 2].tolist())
        assert 6 <= rows.stop - rows.start <= 14
        volume = (found.area[rows] * found.length[rows]).sum() / 6
        np.testing.assert_allclose(volume, abs(np.linalg.det(lattice)), rtol=1e-6)
        alone = rn.voronoi_vectors(batch[b], tol=0, threads=1)
        assert alone.vector.tobytes() == found.vector[rows].tobytes()
    assert f"{len(batch)} crystals" in repr(found)


def test_what_is_refused() -> None:
    for tol in (-1e-3, np.nan, 2e3, "a"):
        with pytest.raises(ArgumentError, match="tol"):
            vectors_of(np.eye(3) * 3, tol=tol)
    assert rn.voronoi_vectors([]).offsets.tolist() == [0]
