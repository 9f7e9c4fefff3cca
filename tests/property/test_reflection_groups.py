"""Orbits and absences of all 230 groups, in their usual axes and in odd ones, against brute force; the order by d."""

from __future__ import annotations

import numpy as np
import pytest

import recipnet as rn
from hard_cells import crystal, from_parameters

SYSTEMS = {
    "triclinic": (range(1, 3), (4.1, 5.0, 6.3, 75.0, 85.0, 110.0)),
    "monoclinic": (range(3, 16), (5.0, 4.4, 6.0, 90.0, 105.0, 90.0)),
    "orthorhombic": (range(16, 75), (4.0, 5.0, 6.0, 90.0, 90.0, 90.0)),
    "tetragonal": (range(75, 143), (4.5, 4.5, 6.0, 90.0, 90.0, 90.0)),
    "trigonal": (range(143, 168), (4.4, 4.4, 7.0, 90.0, 90.0, 120.0)),
    "hexagonal": (range(168, 195), (4.4, 4.4, 5.0, 90.0, 90.0, 120.0)),
    "cubic": (range(195, 231), (5.4, 5.4, 5.4, 90.0, 90.0, 90.0)),
}
AXES = {
    "usual": np.eye(3, dtype=int),
    "cyclic": np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]),
    "sheared": np.array([[1, 1, 0], [0, 1, 0], [-1, 0, 1]]),
    "far sheared": np.array([[1, 5, 0], [0, 1, -3], [0, 0, 1]]),
}


def code(hkl: np.ndarray) -> np.ndarray:
    """A number for each reflection, in lexicographic order."""
    return ((hkl[..., 0] + 500) * 1000 + hkl[..., 1] + 500) * 1000 + hkl[..., 2] + 500


def twin(full: np.ndarray, operations: rn.Operations) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether each reflection of the sphere is the largest of its orbit, how many the orbit has, whether F vanishes."""
    h = full.astype(np.int64)
    rotations, first = np.unique(operations.rotations.astype(np.int64), axis=0, return_inverse=True)
    images = h @ rotations
    orbits = np.sort(np.concatenate([code(images), code(-images)]), axis=0)
    sizes = 1 + (np.diff(orbits, axis=0) != 0).sum(axis=0)
    stays = (images == h).all(axis=2)[first.ravel()]
    turns = operations.translations.astype(np.int64) @ h.T % operations.denominator != 0
    return orbits[-1] == code(h), sizes, (stays & turns).any(axis=0)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("system", SYSTEMS)
def test_all_groups_equal_brute_force(system: str, axes: str) -> None:
    numbers, parameters = SYSTEMS[system]
    basis = AXES[axes]
    c = crystal(basis.T @ from_parameters(*parameters), [[0, 0, 0]])
    d_min = 1.25
    full = rn.reflections(c, d_min, unique="none", order="scan").hkl
    for number in numbers:
        group = rn.SpaceGroup(number).operations.change_basis(basis)
        largest, sizes, absent = twin(full, group)
        unique = rn.reflections(c, d_min, unique="laue", order="scan", operations=group)
        assert np.array_equal(unique.hkl, full[largest]), number
        assert np.array_equal(unique.multiplicity, sizes[largest]), number
        assert np.array_equal(unique.absent, absent[largest]), number
        for kind, rows in {
            "laue": largest,
            "friedel": code(full) > code(np.zeros(3, dtype=int)),
            "none": sizes > 0,
        }.items():
            kept = rn.reflections(c, d_min, unique=kind, order="scan", operations=group, absences="drop")
            assert np.array_equal(kept.hkl, full[rows & ~absent]), (number, kind)
        by_d = rn.reflections(c, d_min, unique="laue", operations=group, absences="drop")
        assert sorted(by_d.hkl.tolist()) == full[largest & ~absent].tolist()
        assert by_d.multiplicity.sum() == (~absent).sum()
        assert not by_d.absent.any()


def by_rule(refl: rn.Reflections) -> list[list[int]]:
    rows = sorted(zip(refl.d_spacing.tolist(), refl.hkl.tolist(), strict=True), reverse=True)
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or rows[end - 1][0] - rows[end][0] > 1e-9:
            rows[start:end] = sorted(rows[start:end], key=lambda row: row[1], reverse=True)
            start = end
    return [row[1] for row in rows]


@pytest.mark.parametrize("split", [0.0, 1e-14, 1e-12, 1e-10, 1e-9, 3e-9, 1e-8, 1e-6])
@pytest.mark.parametrize("angle", [60.0, 90.0])
def test_shells_that_are_nearly_one_are_sorted_by_the_rule(split: float, angle: float) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        lengths = 4.2 * (1 + split * rng.random(3))
        angles = angle + np.rad2deg(split) * rng.random(3)
        c = crystal(from_parameters(*lengths, *angles), [[0, 0, 0]])
        refl = rn.reflections(c, 0.7, unique="none")
        assert refl.hkl.tolist() == by_rule(refl)


@pytest.mark.parametrize(
    "lattice",
    [
        np.diag([900.0, 1.1, 1.3]),
        np.diag([40.0, 0.5, 9.0]),
        # Indices that take more than 40 bits.
        np.array([[9000.0, 0.0, 0.0], [9000.0, 1.2, 0.0], [9000.0, 0.0, 1.3]]),
    ],
)
def test_long_and_skewed_cells_are_sorted_by_the_rule(lattice: np.ndarray) -> None:
    refl = rn.reflections(crystal(lattice, [[0, 0, 0]]), 0.9)
    assert len(refl) > 0
    assert refl.hkl.tolist() == by_rule(refl)
    scan = rn.reflections(crystal(lattice, [[0, 0, 0]]), 0.9, order="scan")
    assert sorted(refl.hkl.tolist()) == scan.hkl.tolist()
