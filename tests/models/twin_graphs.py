"""Neighbours by looking at every image in a generous box of cells: what the model twins stand on."""

from __future__ import annotations

from itertools import product

import numpy as np

from recipnet import Crystal

#: centre, neighbour, cell of the neighbour, distance
Edge = tuple[int, int, tuple[int, int, int], float]


def radius(crystal: Crystal, cutoff: float) -> list[Edge]:
    """All pairs within ``cutoff``, from wrapped coordinates, sorted by centre and distance."""
    lattice, frac = crystal.lattice, crystal.frac_coords % 1.0
    heights = 1.0 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    reach = [range(-n, n + 1) for n in (np.ceil(cutoff / heights) + 1).astype(int)]
    edges: list[Edge] = []
    for i in range(len(crystal)):
        for j in range(len(crystal)):
            for cell in product(*reach):
                distance = float(np.linalg.norm((frac[j] - frac[i] + cell) @ lattice))
                if distance <= cutoff + 1e-8 and (i, j, cell) != (i, i, (0, 0, 0)):
                    edges.append((i, j, cell, distance))
    return sorted(edges, key=lambda edge: (edge[0], edge[3]))


def nearest(crystal: Crystal, k: int, start: float = 8.0) -> list[Edge]:
    """The k nearest of every atom and all that are as far as the k-th (up to rounding)."""
    cutoff = start
    while True:
        found = radius(crystal, cutoff)
        rows = [[edge for edge in found if edge[0] == i] for i in range(len(crystal))]
        if all(len(row) >= k for row in rows):
            return [edge for row in rows for edge in row if edge[3] <= row[k - 1][3] + 1e-9]
        cutoff *= 1.5
