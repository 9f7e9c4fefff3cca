"""Crystals and changes of description that the invariance tests of every model share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recipnet import Crystal

Floats = NDArray[np.float64]


def random_crystals(count: int = 4, seed: int = 0) -> list[Crystal]:
    """Triclinic crystals of 2 to 5 atoms, at least 1.6 angstrom apart, cells of 60 to 160 cubic angstrom."""
    rng = np.random.default_rng(seed)
    out: list[Crystal] = []
    while len(out) < count:
        lattice = np.diag(rng.uniform(3.8, 5.2, 3)) + rng.uniform(-0.9, 0.9, (3, 3))
        frac = rng.uniform(0.0, 1.0, (int(rng.integers(2, 6)), 3))
        if np.linalg.det(lattice) > 50.0 and shortest(lattice, frac) > 1.6:
            out.append(Crystal(lattice, rng.integers(1, 60, len(frac)).astype(np.uint8), frac))
    return out


def tied_crystal() -> Crystal:
    """Layers of copper and gold on a simple cubic lattice, two atoms of each: the twelve second neighbours of an atom
    are of both kinds, so a list that is cut after twelve neighbours must choose."""
    frac = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.5], [0.5, 0.0, 0.0], [0.5, 0.0, 0.5]])
    return Crystal(np.diag([5.4, 2.7, 5.4]), np.array([29, 79, 29, 79], np.uint8), frac)


def cubic_crystal(seed: int = 1) -> Crystal:
    """A cubic cell with three atoms at general places: the axes of its reduced cell could as well be others."""
    rng = np.random.default_rng(seed)
    while True:
        lattice, frac = np.eye(3) * rng.uniform(4.0, 5.0), rng.uniform(0.0, 1.0, (3, 3))
        if shortest(lattice, frac) > 1.6:
            return Crystal(lattice, np.array([8, 26, 41], np.uint8), frac)


def shortest(lattice: Floats, frac: Floats) -> float:
    """Shortest distance between two atoms or an atom and its image."""
    shifts = np.mgrid[-1:2, -1:2, -1:2].reshape(3, -1).T
    delta = frac[None, :, None] - frac[:, None, None] + shifts
    distance = np.linalg.norm(delta @ lattice, axis=-1)
    distance[distance < 1e-9] = np.inf
    return float(distance.min())


def change_cell(crystal: Crystal, m: NDArray[np.int64]) -> Crystal:
    """The same crystal in the cell ``M L``; a supercell if ``|det M| > 1``."""
    m = np.asarray(m)
    index = round(abs(np.linalg.det(m)))
    inverse = np.linalg.inv(m)
    reach = int(np.abs(m).sum())
    grid = np.mgrid[tuple(slice(-reach, reach + 1) for _ in range(3))].reshape(3, -1).T
    inside = grid @ inverse
    keep = np.all((inside > -1e-9) & (inside < 1.0 - 1e-9), axis=1)
    shifts = grid[keep]
    assert len(shifts) == index
    frac = (crystal.frac_coords[None] + shifts[:, None]).reshape(-1, 3) @ inverse
    return Crystal(m @ crystal.lattice, np.tile(crystal.numbers, index), frac)


def rotation(rng: np.random.Generator, improper: bool) -> Floats:
    """A random orthogonal matrix, with determinant -1 if improper."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    if (np.linalg.det(q) < 0) != improper:
        q[0] *= -1.0
    return q


def unimodular(rng: np.random.Generator, words: int = 4) -> NDArray[np.int64]:
    """A random word in GL(3, Z) with entries of at most 5."""
    while True:
        m = np.eye(3, dtype=np.int64)
        for _ in range(words):
            i, j = rng.permutation(3)[:2]
            step = np.eye(3, dtype=np.int64)
            step[i, j] = rng.integers(-2, 3)
            m = step @ m
        m = m[rng.permutation(3)] * rng.choice([-1, 1], 3)[:, None]
        if np.abs(m).max() <= 5:
            return m


def _permuted(c: Crystal, rng: np.random.Generator) -> Crystal:
    order = rng.permutation(len(c))
    return Crystal(c.lattice, c.numbers[order], c.frac_coords[order])


Change = Callable[[Crystal, np.random.Generator], Crystal]

#: Name to change of description; none of them changes the crystal.
CHANGES: dict[str, Change] = {
    "atom order": _permuted,
    "wrapping": lambda c, rng: Crystal(c.lattice, c.numbers, c.frac_coords + rng.integers(-3, 4, (len(c), 3))),
    "origin": lambda c, rng: Crystal(c.lattice, c.numbers, c.frac_coords + rng.uniform(-1, 1, 3)),
    "rotation": lambda c, rng: Crystal(c.lattice @ rotation(rng, improper=False), c.numbers, c.frac_coords),
    "improper rotation": lambda c, rng: Crystal(c.lattice @ rotation(rng, improper=True), c.numbers, c.frac_coords),
    "a + b": lambda c, _: change_cell(c, np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]])),
    "axis permutation": lambda c, _: change_cell(c, np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])),
    "axis inversion": lambda c, _: change_cell(c, np.diag([-1, 1, -1])),
    "unimodular": lambda c, rng: change_cell(c, unimodular(rng)),
    "supercell 2x1x1": lambda c, _: change_cell(c, np.diag([2, 1, 1])),
    "supercell 2x2x2": lambda c, _: change_cell(c, np.diag([2, 2, 2])),
    "supercell of index 3": lambda c, _: change_cell(c, np.array([[1, 1, 0], [-1, 2, 0], [0, 1, 1]])),
}
