"""PRDNet in all its modes for one crystal as loops over NumPy arrays, written from its definitions (float64, eval).

The exact mode's angle part is the mean over pairs of bonds by itself; the model never makes the pairs.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import eval_legendre, spherical_jn

from models.twin_regnet import Floats, State, batch_norm, linear, sigmoid, silu
from recipnet import Crystal
from recipnet.models.atoms import cgcnn92


class Edge(NamedTuple):
    centre: int
    neighbour: int
    vector: Floats

    @property
    def length(self) -> float:
        return float(np.sqrt(self.vector @ self.vector))


def images(crystal: Crystal, reach: int = 4) -> list[list[Edge]]:
    """All edges of each atom to images of up to ``reach`` cells, shortest first."""
    out = []
    for i in range(len(crystal)):
        found = []
        for j in range(len(crystal)):
            for n in np.ndindex(*(2 * reach + 1,) * 3):
                shift = np.array(n) - reach
                edge = Edge(i, j, (crystal.frac_coords[j] + shift - crystal.frac_coords[i]) @ crystal.lattice)
                if edge.length > 1e-8:
                    found.append(edge)
        out.append(sorted(found, key=lambda edge: edge.length))
    return out


def paper_edges(crystal: Crystal, k: int) -> list[Edge]:
    """The k nearest of each atom with whole last shells, every one of them in both directions."""
    edges = []
    for found in images(crystal):
        for edge in found:
            if edge.length <= found[k - 1].length + 1e-9:
                edges += [edge, Edge(edge.neighbour, edge.centre, -edge.vector)]
    return edges


def layer_norm(state: State, name: str, x: Floats) -> Floats:
    scaled = (x - x.mean()) / np.sqrt(((x - x.mean()) ** 2).mean() + 1e-5)
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def normed_mlp(state: State, name: str, x: Floats, maps: int) -> Floats:
    """Places in the sequence: map, norm, SiLU, dropout (after the first only)."""
    place = 0
    for number in range(maps):
        x = linear(state, f"{name}.{place}", x)
        if number < maps - 1:
            x = silu(layer_norm(state, f"{name}.{place + 1}", x))
            place += 4 if number == 0 else 3
    return x


def rbf1(x: float, start: float, stop: float, count: int) -> Floats:
    spacing = (stop - start) / (count - 1)
    return np.array([np.exp(-((x - (start + m * spacing)) ** 2) / spacing) for m in range(count)])


def rbf2(x: float, start: float, stop: float, count: int) -> Floats:
    spacing = (stop - start) / (count - 1)
    return np.array([np.exp(-(((x - (start + m * spacing)) / spacing) ** 2)) for m in range(count)])


def envelope(x: float) -> float:
    return 1 - 6 * x**5 + 15 * x**4 - 10 * x**3 if x < 1 else 0.0


@cache
def zeros(degree: int, count: int) -> list[float]:
    """Positive zeros of j_l, bracketed on a fine grid."""
    grid = np.arange(1.0, np.pi * (count + degree + 2), 0.05)
    values = spherical_jn(degree, grid)
    found = [
        brentq(lambda x: spherical_jn(degree, x), a, b, xtol=1e-14, rtol=1e-15)
        for a, b, u, v in zip(grid, grid[1:], values, values[1:], strict=False)
        if u * v < 0
    ]
    return found[:count]


def sbf(distance: float, angle: float, reach: float, count: int) -> Floats:
    legendre = [1.0, np.cos(angle), (3 * np.cos(angle) ** 2 - 1) / 2]
    out = []
    for degree in range(3):
        harmonic = np.sqrt((2 * degree + 1) / (4 * np.pi)) * legendre[degree]
        for zero in zeros(degree, count):
            norm = np.sqrt(spherical_jn(degree + 1, zero) ** 2 / 2)
            out.append(spherical_jn(degree, zero * distance / reach) / norm * harmonic)
    return np.array(out)


def angle_between(u: Floats, v: Floats) -> float:
    return float(np.arccos(np.clip(u @ v / np.sqrt((u @ u) * (v @ v)), -1.0, 1.0)))


def plain_mlp(state: State, name: str, x: Floats) -> Floats:
    return linear(state, f"{name}.2", silu(linear(state, f"{name}.0", x)))


def angles_exact(
    state: State, edges: list[Edge], weight: list[float], reach: float, count: int, degree: int
) -> list[Floats]:
    out = []
    for edge in edges:
        total, seen = 1e-3, np.zeros((degree + 1) * count)
        for f, other in enumerate(edges):
            if other.centre == edge.centre:
                total += weight[f]
                legendre = eval_legendre(np.arange(degree + 1), np.cos(angle_between(edge.vector, other.vector)))
                seen += weight[f] * np.outer(legendre, rbf2(other.length, 0.0, reach, count)).reshape(-1)
        out.append(plain_mlp(state, "angles.mlp", seen / total))
    return out


def angles_paper(state: State, edges: list[Edge], count: int) -> list[Floats]:
    out = []
    for e, edge in enumerate(edges):
        seen = [
            plain_mlp(state, "angles.mlp", sbf(other.length, angle_between(edge.vector, other.vector), 8.0, count))
            for f, other in enumerate(edges)
            if f != e and other.centre == edge.centre
        ]
        out.append(np.mean(seen, axis=0))
    return out


def attention(
    state: State, name: str, h: Floats, e: list[Floats], edges: list[Edge], weight: list[float], heads: int, paper: bool
) -> Floats:
    atoms, width = h.shape
    received = np.zeros((atoms, heads, width))
    for number, edge in enumerate(edges):
        i, j = edge.centre, edge.neighbour
        of = {
            (what, atom): linear(state, f"{name}.{what}", h[atom]).reshape(heads, width)
            for what in ("query", "key", "value")
            for atom in (i, j)
        }
        e_hat = linear(state, f"{name}.edge", e[number]).reshape(heads, width)
        for head in range(heads):
            q = np.concatenate([of["query", i][head]] * 3)
            k = np.concatenate([of["key", i][head], of["key", j][head], e_hat[head]])
            v = np.concatenate([of["value", i][head], of["value", j][head], e_hat[head]])
            gate = sigmoid(layer_norm(state, f"{name}.gate_norm", q * k / np.sqrt(3 * width)))
            m = linear(state, f"{name}.message_out", linear(state, f"{name}.message_in", v) * gate)
            received[i, head] += weight[number] * layer_norm(state, f"{name}.message_norm", m)
    outer = batch_norm if paper else layer_norm
    combined = [linear(state, f"{name}.combine", received[i].reshape(-1)) for i in range(atoms)]
    return np.array(
        [silu(outer(state, f"{name}.norm", combined[i])) + linear(state, f"{name}.skip", h[i]) for i in range(atoms)]
    )


def atom_states(state: State, crystal: Crystal, options: dict[str, Any], paper: bool) -> Floats:
    """Features of the atoms after the last layer."""
    reach = 8.0 if paper else options["cutoff"]
    if paper:
        edges = paper_edges(crystal, options["k"])
        weight = [1.0] * len(edges)
    else:
        edges = [edge for found in images(crystal) for edge in found if edge.length < reach]
        weight = [envelope(edge.length / reach) for edge in edges]
    count = options["num_angle_radial"]
    if paper:
        around = angles_paper(state, edges, count)
    else:
        around = angles_exact(state, edges, weight, reach, count, options["angle_degree"])
    e = []
    for edge, seen in zip(edges, around, strict=True):
        x = np.concatenate([rbf1(edge.length, 0.0, reach, options["num_radial"]), seen])
        e.append(normed_mlp(state, "graph.edge_dense", x, 3))
    h = []
    for z in crystal.numbers:
        x = linear(state, "graph.embedding.linear", cgcnn92()[z].astype(np.float64))
        if "graph.embedding.learned" in state:
            x = x + state["graph.embedding.learned"][z - 1]
        h.append(linear(state, "graph.atom_dense.3", silu(layer_norm(state, "graph.atom_dense.0", x))))
    h = np.array(h)
    for layer in range(options["layers"]):
        o = attention(state, f"graph.attention.{layer}", h, e, edges, weight, options["heads"], paper)
        step = np.array([layer_norm(state, f"graph.norms.{layer}", row) for row in o])
        h = h + step if options.get("residual", True) else step
    return h


def head(state: State, g: Floats, d: Floats) -> Floats:
    z = normed_mlp(state, "head.fuse", np.concatenate([g, d]), 2) + g
    return linear(state, "head.out.2", silu(linear(state, "head.out.0", z)))


def ball(crystal: Crystal, d_min: float) -> list[tuple[NDArray[np.int64], float]]:
    """One of each +-h with |h B| <= 2 pi / d_min, and that length, from a large box."""
    b = 2 * np.pi * np.linalg.inv(crystal.lattice).T
    out = []
    for n in np.ndindex(17, 17, 17):
        h = np.array(n) - 8
        q = float(np.linalg.norm(h @ b))
        if tuple(h) > (0, 0, 0) and q <= 2 * np.pi / d_min:
            out.append((h, q))
    return out


def intensities(
    state: State, crystal: Crystal, h: Floats, d_min: float, num_radial: int
) -> list[tuple[NDArray[np.int64], float, NDArray[np.complex128], Floats]]:
    """Reflection, |G|, F without and its profile phi with the envelope left to the caller."""
    full = "diffraction.full.out.weight" in state
    a = None if full else np.array([linear(state, "diffraction.amplitude", row) for row in h])
    q_max, out = 2 * np.pi / d_min, []
    for hkl, q in ball(crystal, d_min):
        f, radial = 0.0, rbf2(q, 0.0, q_max, num_radial)
        for i in range(len(crystal)):
            if full:
                inner = linear(state, "diffraction.full.atom", h[i]) + state["diffraction.full.length.weight"] @ radial
                factor = linear(state, "diffraction.full.out", silu(inner))
            else:
                factor = a[i]
            f = f + factor * np.exp(2j * np.pi * (hkl @ crystal.frac_coords[i]))
        phi = 1.0 if full else plain_mlp(state, "diffraction.profile", radial)
        out.append((hkl, q, f / len(crystal), phi))
    return out


def diffraction_exact(
    state: State, crystal: Crystal, h: Floats, options: dict[str, Any], num_radial: int = 32
) -> Floats:
    d_min, level, shells = options["d_min"], options["level"], options["shells"]
    q_max = 2 * np.pi / d_min
    rows = intensities(state, crystal, h, d_min, num_radial)
    strong = [(q, np.abs(f) ** 2 * (envelope(q / q_max) * phi) ** 2) for _, q, f, phi in rows]
    if level == "set":
        total = 0.0
        for q, i in strong:
            seen = plain_mlp(state, "diffraction.each", np.concatenate([np.log1p(i), rbf2(q, 0.0, q_max, num_radial)]))
            total = total + i.sum() / (1 + i.sum()) * seen
        return total
    powder = np.zeros((shells, options["form_factors"]))
    for q, i in strong:
        powder += np.outer(rbf2(q, 0.0, q_max, shells), i)
    features = np.log1p(powder * np.exp(state["diffraction.log_scale"])).reshape(-1)
    if level == "pairs":
        q_pairs = 2 * np.pi / options["d_pairs"]
        both = {}
        for hkl, q, f, phi in rows:
            if q <= q_pairs:
                both[tuple(hkl)] = (q, f * phi * envelope(q / q_pairs))
                both[tuple(-hkl)] = (q, f.conj() * phi * envelope(q / q_pairs))
        triple = np.zeros_like(powder)
        for one, (q1, f1) in both.items():
            for two, (q2, f2) in both.items():
                three = tuple(-np.add(one, two))
                if one > (0, 0, 0) and three in both:
                    q3, f3 = both[three]
                    triple += np.outer(rbf2((q1 + q2 + q3) / 3, 0.0, q_pairs, shells), (f1 * f2 * f3).real)
        scaled = triple * np.exp(state["diffraction.pair_log_scale"])
        features = np.concatenate([features, np.arcsinh(scaled).reshape(-1)])
    return normed_mlp(state, "diffraction.dense", features, 2)


def box(m: int, n: int | None) -> list[tuple[int, int, int]]:
    side = range(-m, m + 1)
    cube = [(h, k, l) for h in side for k in side for l in side if (h, k, l) != (0, 0, 0)]  # noqa: E741
    if n is None:
        cube = [t for t in cube if t > (0, 0, 0)]
    cube.sort(key=lambda t: (t[0] ** 2 + t[1] ** 2 + t[2] ** 2, t))
    return cube[:: len(cube) // n][:n] if n is not None and len(cube) > n else cube


def diffraction_paper(state: State, crystal: Crystal, h: Floats, m: int, n: int | None) -> Floats:
    """``n`` None: |F|^2 of the half cube (the crystal given in its reduced cell), else Re and Im."""
    factors = [normed_mlp(state, "diffraction.factors", row, 3) for row in h]
    f = np.array(
        [
            sum(
                factors[i][place] * np.exp(2j * np.pi * np.dot(hkl, crystal.frac_coords[i]))
                for i in range(len(crystal))
            )
            for place, hkl in enumerate(box(m, n))
        ]
    )
    seen = np.abs(f) ** 2 if n is None else np.concatenate([f.real, f.imag])
    return normed_mlp(state, "diffraction.dense", seen, 3)
