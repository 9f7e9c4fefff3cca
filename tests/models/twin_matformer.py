"""Matformer by definition: a set of keys as in its graphs, then one edge and one head after the other."""

from __future__ import annotations

import numpy as np

from models.baselines import Arrays, batch_norm, layer_norm, linear, sigmoid, silu, softplus
from models.twin_graphs import nearest, radius
from recipnet import Crystal
from recipnet.models.atoms import cgcnn92


def graph(crystal: Crystal, k: int, lattice_edges: bool) -> list[tuple[int, int, float]]:
    """(centre, neighbour, distance) of both directions of every key (min(i, j), max(i, j), image)."""
    found = nearest(crystal, k)
    keys = set()
    for i, j, cell, _ in found:
        keys.add((i, j, cell) if i <= j else (j, i, tuple(-n for n in cell)))
    near = radius(crystal, 8.0)
    enough = all(sum(edge[0] == i for edge in near) >= k for i in range(len(crystal)))
    if lattice_edges and enough:
        for i in range(len(crystal)):
            keys |= {(i, i, image) for image in [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]}
    edges = []
    frac = crystal.frac_coords % 1.0
    for i, j, cell in keys:
        distance = float(np.linalg.norm((frac[j] - frac[i] + cell) @ crystal.lattice))
        edges += [(i, j, distance), (j, i, distance)]
    return edges


def attention(w: Arrays, name: str, heads: int, h: np.ndarray, edges: list) -> np.ndarray:
    atoms, c = h.shape
    total = np.zeros((atoms, heads, c))
    q, k, v = (linear(w, f"{name}.{part}", h).reshape(atoms, heads, c) for part in ("query", "key", "value"))
    for i, j, e in edges:
        e_hat = linear(w, f"{name}.edge", e).reshape(heads, c)
        for a in range(heads):
            query = np.concatenate([q[i, a], q[i, a], q[i, a]])
            key = np.concatenate([k[i, a], k[j, a], e_hat[a]])
            value = np.concatenate([v[i, a], v[j, a], e_hat[a]])
            gate = sigmoid(layer_norm(w, f"{name}.gate_norm", query * key / np.sqrt(3 * c)))
            mixed = linear(w, f"{name}.message_in", value) * gate
            total[i, a] += layer_norm(w, f"{name}.message_norm", linear(w, f"{name}.message_out", mixed))
    joined = linear(w, f"{name}.combine", total.reshape(atoms, heads * c))
    return silu(batch_norm(w, f"{name}.norm", joined)) + linear(w, f"{name}.skip", h)


def predict(
    w: Arrays, crystal: Crystal, blocks: int, heads: int, k: int, num_radial: int, lattice_edges: bool = True
) -> np.ndarray:
    table = cgcnn92().astype(float)
    h = np.array([linear(w, "embedding.linear", table[z]) for z in crystal.numbers])
    spacing = 8.0 / (num_radial - 1)
    centres = spacing * np.arange(num_radial)
    edges = []
    for i, j, d in graph(crystal, k, lattice_edges):
        basis = np.exp(-((d - centres) ** 2) / spacing)
        edges.append((i, j, linear(w, "edges.3", softplus(linear(w, "edges.1", basis)))))
    for block in range(blocks):
        h = attention(w, f"layers.{block}", heads, h, edges)
    return linear(w, "head.2", silu(linear(w, "head.0", h.mean(0))))
