"""CGCNN by definition, one edge after the other."""

from __future__ import annotations

import numpy as np

from models.baselines import Arrays, batch_norm, linear, sigmoid, softplus
from models.twin_graphs import radius as within
from recipnet import Crystal
from recipnet.models.atoms import cgcnn92


def graph(crystal: Crystal, k: int, radius: float) -> list[list[tuple[int, float]]]:
    """Of each atom the first k by distance (ties by atom), filled up with the first atom at radius + 1."""
    found = within(crystal, radius)
    rows = []
    for i in range(len(crystal)):
        # the distances of a shell differ by rounding
        row = sorted((round(d, 9), j, d) for a, j, _, d in found if a == i)[:k]
        rows.append([(j, d) for _, j, d in row] + [(0, radius + 1.0)] * (k - len(row)))
    return rows


def predict(w: Arrays, crystal: Crystal, blocks: int, k: int, radius: float) -> np.ndarray:
    table = cgcnn92().astype(float)
    h = np.array([linear(w, "embedding.linear", table[z]) for z in crystal.numbers])
    rows = graph(crystal, k, radius)
    centres = 0.2 * np.arange(round(radius / 0.2) + 1)
    for block in range(blocks):
        name, new = f"layers.{block}", []
        for i, row in enumerate(rows):
            total = np.zeros(h.shape[1])
            for j, d in row:
                z = np.concatenate([h[i], h[j], np.exp(-(((d - centres) / 0.2) ** 2))])
                gate, core = np.split(batch_norm(w, f"{name}.edge_norm", linear(w, f"{name}.linear", z)), 2)
                total += sigmoid(gate) * softplus(core)
            new.append(softplus(h[i] + batch_norm(w, f"{name}.norm", total)))
        h = np.array(new)
    return linear(w, "head", softplus(linear(w, "pooled", softplus(h.mean(0)))))
