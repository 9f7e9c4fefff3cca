"""SchNet with Ewald blocks by definition: one reciprocal index after the other, over one atom after the other."""

from __future__ import annotations

import numpy as np

from models.baselines import Arrays, linear, silu, ssp
from models.twin_graphs import radius
from models.twin_schnet import message
from recipnet import Crystal

Box = tuple[int, int, int]


def residual(w: Arrays, name: str, x: np.ndarray) -> np.ndarray:
    return (x + silu(linear(w, f"{name}.second", silu(linear(w, f"{name}.first", x))))) / np.sqrt(2.0)


def far(
    w: Arrays, block: int, h: np.ndarray, crystal: Crystal, box: tuple[int, int, int], residuals: int
) -> np.ndarray:
    x = residual(w, f"ewald.{block}.pre", h)
    filters = w["down.weight"].T @ w[f"ewald.{block}.up.weight"].T
    reciprocal = 2.0 * np.pi * np.linalg.inv(crystal.lattice).T
    total, place = np.zeros_like(h), 0
    for a in range(-box[0], box[0] + 1):
        for b in range(-box[1], box[1] + 1):
            for c in range(-box[2], box[2] + 1):
                if (a, b, c) <= (0, 0, 0):
                    continue
                k = a * reciprocal[0] + b * reciprocal[1] + c * reciprocal[2]
                wave = sum(x[j] * np.exp(-1j * k @ p) for j, p in enumerate(crystal.cart_coords))
                for i, p in enumerate(crystal.cart_coords):
                    total[i] += 0.01 * filters[place] * (np.exp(1j * k @ p) * wave).real
                place += 1
    y = silu(linear(w, f"ewald.{block}.dense", total))
    for n in range(residuals):
        y = residual(w, f"ewald.{block}.post.{n}", y)
    return y


def predict(w: Arrays, crystal: Crystal, blocks: int, cutoff: float, box: Box, residuals: int) -> np.ndarray:
    edges = radius(crystal, cutoff)
    h = np.array([w["embedding.vectors"][z - 1] for z in crystal.numbers])
    for block in range(blocks):
        near = message(w, block, h, edges, cutoff, smooth=False)
        h = (h + near + far(w, block, h, crystal, box, residuals)) / np.sqrt(3.0)
    return np.mean([linear(w, "head.2", ssp(linear(w, "head.0", row))) for row in h], axis=0)
