"""SchNet by its definition, one edge after the other."""

from __future__ import annotations

import numpy as np

from models.baselines import Arrays, linear, ssp
from models.twin_graphs import radius
from recipnet import Crystal


def filters(w: Arrays, block: int, distance: float, cutoff: float) -> np.ndarray:
    centres = np.arange(round(cutoff / 0.1) + 1) * 0.1
    basis = np.exp(-10.0 * (distance - centres) ** 2)
    return ssp(linear(w, f"interactions.{block}.filter.2", ssp(linear(w, f"interactions.{block}.filter.0", basis))))


def message(w: Arrays, block: int, h: np.ndarray, edges: list, cutoff: float, smooth: bool) -> np.ndarray:
    total = np.zeros_like(h)
    for i, j, _, d in edges:
        x = d / cutoff
        factor = 1 - 6 * x**5 + 15 * x**4 - 10 * x**3 if smooth else 1.0
        total[i] += factor * linear(w, f"interactions.{block}.inward", h[j]) * filters(w, block, d, cutoff)
    return linear(w, f"interactions.{block}.outward.2", ssp(linear(w, f"interactions.{block}.outward.0", total)))


def predict(w: Arrays, crystal: Crystal, blocks: int, cutoff: float, smooth: bool) -> np.ndarray:
    edges = radius(crystal, cutoff)
    h = np.array([w["embedding.vectors"][z - 1] for z in crystal.numbers])
    for block in range(blocks):
        h = h + message(w, block, h, edges, cutoff, smooth)
    return np.mean([linear(w, "head.2", ssp(linear(w, "head.0", row))) for row in h], axis=0)
