"""Cells and atoms that make neighbour searches fail, and a brute-force twin in NumPy."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

import recipnet as rn

Floats = NDArray[np.float64]


def from_parameters(a: float, b: float, c: float, alpha: float, beta: float, gamma: float) -> Floats:
    """Rows a, b, c: c along z, a in the xz plane."""
    alpha, beta, gamma = np.deg2rad([alpha, beta, gamma])
    x = (np.cos(alpha) * np.cos(beta) - np.cos(gamma)) / (np.sin(alpha) * np.sin(beta))
    return np.array(
        [
            [a * np.sin(beta), 0.0, a * np.cos(beta)],
            [-b * np.sin(alpha) * x, b * np.sin(alpha) * np.sqrt(1 - x * x), b * np.cos(alpha)],
            [0.0, 0.0, c],
        ]
    )


def crystal(lattice: Floats, frac: Floats, **extra: object) -> rn.Crystal:
    """A crystal of carbon atoms."""
    frac = np.asarray(frac, dtype=np.float64).reshape(-1, 3)
    return rn.Crystal(lattice, np.full(len(frac), 6), frac, **extra)  # type: ignore[arg-type]


def hard_crystals() -> dict[str, tuple[rn.Crystal, float]]:
    """Name: (crystal, cut-off)."""
    rng = np.random.default_rng(20)
    cubic = 3.0 * np.eye(3)
    sheared = np.array([[1, 0, 0], [4, 1, 0], [-5, 3, 1]]) @ (4.0 * np.eye(3) + 0.1)
    return {
        "rhombohedral, 10 degrees": (crystal(from_parameters(9, 9, 9, 10, 10, 10), rng.random((3, 3))), 4.0),
        "monoclinic, 150 degrees": (crystal(from_parameters(4, 5, 9, 90, 150, 90), rng.random((4, 3))), 5.0),
        "flat, 1000 to 1": (crystal(np.diag([1000.0, 3.0, 1.0]), rng.random((3, 3))), 4.0),
        "one atom, cut-off of five cells": (crystal(cubic, np.array([[0.3, 0.2, 0.9]])), 15.0),
        "left-handed": (crystal(from_parameters(4, 5, 6, 70, 80, 100)[[1, 0, 2]], rng.random((4, 3))), 5.0),
        "sheared": (crystal(sheared, rng.random((4, 3))), 5.0),
        "atoms far outside": (crystal(cubic + 0.2, 200.0 * rng.random((4, 3)) - 100.0), 4.0),
        "rows at one point": (crystal(cubic, [[0.1, 0.1, 0.1]] * 2 + [[0.6, 0.1, 0.1]], site=[0, 1, 2]), 4.0),
        "a mixed site": (crystal(cubic, [[0.1, 0.1, 0.1]] * 2 + [[0.6, 0.1, 0.1]], site=[0, 0, 1]), 4.0),
        "cluster in vacuum": (crystal(60.0 * np.eye(3), 0.05 * rng.random((12, 3))), 3.0),
        "across the boundary": (crystal(cubic, [[0.0, 0.0, 0.0], [1.0 - 1e-13, -1e-13, 0.5]]), 3.0),
        "tiny cell": (crystal(0.4 * np.eye(3), [[0.0, 0.0, 0.0]]), 1.3),
        "no atoms": (crystal(cubic, np.zeros((0, 3))), 4.0),
    }


def brute_force(c: rn.Crystal, cutoff: float) -> list[tuple[int, int, tuple[int, int, int], float]]:
    """All (i, j, shift, distance) by trying a generous box of images, in the documented order."""
    lattice, frac = np.asarray(c.lattice), np.asarray(c.frac_coords)
    spacing = 1.0 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    reach = np.ceil(cutoff / spacing).astype(int) + 2
    box = np.array(list(product(*(range(-r, r + 1) for r in reach))))
    rows = []
    for i in range(len(frac)):
        mine = []
        for j in range(len(frac)):
            shifts = box - np.rint(frac[j] - frac[i]).astype(int)
            distance = np.linalg.norm((frac[j] - frac[i] + shifts) @ lattice, axis=1)
            keep = distance <= cutoff + 1e-8
            if i == j:
                keep &= (shifts != 0).any(axis=1)
            elif c.site[i] == c.site[j]:
                keep &= distance > 1e-8
            mine += [(j, tuple(s.tolist()), float(d)) for s, d in zip(shifts[keep], distance[keep], strict=True)]
        mine.sort(key=lambda row: row[2])
        start = 0
        for end in range(1, len(mine) + 1):
            if end == len(mine) or mine[end][2] - mine[end - 1][2] > 1e-9:
                mine[start:end] = sorted(mine[start:end])
                start = end
        rows += [(i, *row) for row in mine]
    return rows
