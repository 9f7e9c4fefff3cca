"""MEGNet by definition, one crystal, one bond, one atom after the other."""

from __future__ import annotations

import numpy as np

from models.baselines import Arrays, linear, sigmoid, ssp
from models.twin_graphs import radius
from recipnet import Crystal


def dense(w: Arrays, name: str, x: np.ndarray, layers: int, last: bool = True) -> np.ndarray:
    for n in range(layers):
        x = linear(w, f"{name}.{2 * n}", x)
        if last or n < layers - 1:
            x = ssp(x)
    return x


def mean(rows: list[np.ndarray], width: int) -> np.ndarray:
    return np.mean(rows, axis=0) if rows else np.zeros(width)


def set2set(w: Arrays, name: str, rows: list[np.ndarray], passes: int) -> np.ndarray:
    hidden = w[f"{name}.project.bias"].size
    memory = [linear(w, f"{name}.project", x) for x in rows]
    cell, out = np.zeros(hidden), np.zeros(2 * hidden)
    for _ in range(passes):
        enter, keep, new, leave = np.split(linear(w, f"{name}.gates", out), 4)
        cell = sigmoid(keep) * cell + sigmoid(enter) * np.tanh(new)
        query = sigmoid(leave) * np.tanh(cell)
        shares = [np.exp(m @ query) for m in memory]
        read = sum((s * m for s, m in zip(shares, memory, strict=True)), np.zeros(hidden))
        out = np.concatenate([query, read / sum(shares) if shares else read])
    return out


def predict(w: Arrays, crystal: Crystal, blocks: int, cutoff: float, passes: int) -> np.ndarray:
    edges = radius(crystal, cutoff)
    centres = np.linspace(0.0, 5.0, 100)
    atoms = range(len(crystal))
    v = [dense(w, "embedding.1", w["embedding.0.vectors"][z - 1], 2) for z in crystal.numbers]
    e = [dense(w, "bonds.1", np.exp(-((d - centres) ** 2) / 0.5**2), 2) for *_, d in edges]
    u = dense(w, "state", np.zeros(2), 2)
    for block in range(blocks):
        name = f"blocks.{block}"
        a, b, c = v, e, u
        if block > 0:
            a = [dense(w, f"{name}.before_atoms", x, 2) for x in a]
            b = [dense(w, f"{name}.before_bonds", x, 2) for x in b]
            c = dense(w, f"{name}.before_state", c, 2)
        b = [
            dense(w, f"{name}.bonds", np.concatenate([a[i], a[j], b[n], c]), 3, last=False)
            for n, (i, j, *_) in enumerate(edges)
        ]
        of = [mean([b[n] for n, edge in enumerate(edges) if edge[0] == i], len(c)) for i in atoms]
        a = [dense(w, f"{name}.atoms", np.concatenate([of[i], a[i], c]), 3, last=False) for i in atoms]
        c = dense(w, f"{name}.state", np.concatenate([mean(b, len(c)), mean(a, len(c)), c]), 3, last=False)
        v, e, u = [x + y for x, y in zip(v, a, strict=True)], [x + y for x, y in zip(e, b, strict=True)], u + c
    pooled = np.concatenate([set2set(w, "atom_set", v, passes), set2set(w, "bond_set", e, passes), u])
    return linear(w, "head.1", dense(w, "head.0", pooled, 2))
