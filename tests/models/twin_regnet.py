"""ReGNet's paper mode for one crystal as loops over NumPy arrays, written from its definition (float64)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipnet import Crystal

Floats = NDArray[np.float64]
State = dict[str, Floats]


def silu(x: Floats) -> Floats:
    return x / (1.0 + np.exp(-x))


def sigmoid(x: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-x))


def linear(state: State, name: str, x: Floats) -> Floats:
    out = state[f"{name}.weight"] @ x
    return out + state[f"{name}.bias"] if f"{name}.bias" in state else out


def batch_norm(state: State, name: str, x: Floats) -> Floats:
    """As it stands in eval mode: a fixed affine map."""
    scaled = (x - state[f"{name}.running_mean"]) / np.sqrt(state[f"{name}.running_var"] + 1e-5)
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def paper_edges(crystal: Crystal, k: int, reach: int = 4) -> list[tuple[int, int, float]]:
    """Edges (i, j, distance): each pair of a list of k nearest, whole last shells, in both directions."""
    images = [np.array(n) for n in np.ndindex(*(2 * reach + 1,) * 3)]
    edges: list[tuple[int, int, float]] = []
    for i in range(len(crystal)):
        found = []
        for j in range(len(crystal)):
            for image in images:
                vector = (crystal.frac_coords[j] + (image - reach) - crystal.frac_coords[i]) @ crystal.lattice
                distance = float(np.sqrt(vector @ vector))
                if distance > 1e-8:
                    found.append((distance, j))
        found.sort()
        for distance, j in found:
            if distance <= found[k - 1][0] + 1e-9:
                edges += [(i, j, distance), (j, i, distance)]
    return edges


def residual(state: State, name: str, x: Floats) -> Floats:
    return (x + silu(linear(state, f"{name}.second", silu(linear(state, f"{name}.first", x))))) / np.sqrt(2.0)


def gaussians(x: float, start: float, stop: float, count: int) -> Floats:
    """RBF2: exp(-((x - c_m) / spacing)^2)."""
    spacing = (stop - start) / (count - 1)
    return np.array([np.exp(-(((x - (start + m * spacing)) / spacing) ** 2)) for m in range(count)])


def reciprocal_block(state: State, name: str, h: list[Floats], crystal: Crystal, volume: bool) -> list[Floats]:
    x = [residual(state, f"{name}.pre", row) for row in h]
    b = 2.0 * np.pi * np.linalg.inv(crystal.lattice).T
    out = []
    for i in range(len(crystal)):
        total = np.zeros_like(x[0])
        for axis in range(3):
            wave = sum(x[j] * np.exp(-2j * np.pi * crystal.frac_coords[j, axis]) for j in range(len(crystal)))
            if f"{name}.vector" in state:
                weight = state[f"{name}.vector"]
            else:
                count = state[f"{name}.filter.weight"].shape[1]
                weight = linear(state, f"{name}.filter", gaussians(float(np.linalg.norm(b[axis])), 0.0, 4.0, count))
            if volume:
                weight = weight * 20.0 / abs(np.linalg.det(crystal.lattice))
            total = total + weight * (np.exp(2j * np.pi * crystal.frac_coords[i, axis]) * wave).real
        out.append(total)
    out = [silu(linear(state, f"{name}.dense", row)) for row in out]
    return [residual(state, f"{name}.post.1", residual(state, f"{name}.post.0", row)) for row in out]


def predict(state: State, crystal: Crystal, features: Floats, **options: Any) -> Floats:
    """Outputs ``(T,)``; arguments as :func:`pooled`."""
    return linear(state, "head.2", silu(linear(state, "head.0", pooled(state, crystal, features, **options))))


def pooled(
    state: State,
    crystal: Crystal,
    features: Floats,
    *,
    k: int,
    blocks: int,
    reciprocal_blocks: int,
    source: str = "local",
    volume: bool = False,
    radial_range: tuple[float, float] = (-4.0, 4.0),
) -> Floats:
    """Mean of the atoms' features, ``(C,)``; ``features`` has one row of element features per atomic number."""
    h = [linear(state, "embedding.linear", features[z]) for z in crystal.numbers]
    count = state["edge_linear.weight"].shape[1]
    edges = []
    for i, j, distance in paper_edges(crystal, k):
        basis = gaussians(-0.75 / distance, *radial_range, count)
        edges.append((i, j, np.log1p(np.exp(linear(state, "edge_linear", basis)))))
    glob = [silu(linear(state, "global_in", row)) for row in h] if reciprocal_blocks else []
    for block in range(blocks):
        name = f"local.{block}"
        sums = [np.zeros_like(h[0]) for _ in h]
        for i, j, v in edges:
            z = np.concatenate([h[i], h[j], v])
            gate = linear(state, f"{name}.gate_out", silu(linear(state, f"{name}.gate_in", z)))
            value = linear(state, f"{name}.value_out", silu(linear(state, f"{name}.value_in", z)))
            sums[i] = sums[i] + sigmoid(batch_norm(state, f"{name}.gate_norm", gate)) * value
        h = [
            np.maximum(0.0, row + batch_norm(state, f"{name}.norm", total)) for row, total in zip(h, sums, strict=True)
        ]
        place = block - (blocks - reciprocal_blocks)
        if place >= 0:
            change = reciprocal_block(state, f"reciprocal.{place}", h if source == "local" else glob, crystal, volume)
            glob = [a + b for a, b in zip(glob, change, strict=True)]
            h = [a + b for a, b in zip(h, glob, strict=True)]
    return sum(h) / len(h)
