"""Ragged batches for the kernels, and what each kernel has to give: the sums in float64, term by term."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from recipnet.ops.table import stencil

# Crystals without atoms, without reflections, with one of each, and around the edges of tiles of 16, 64 and 128.
ATOMS = [3, 0, 1, 200, 5, 17, 129, 1, 128]
REFLECTIONS = [40, 5, 1, 300, 0, 7, 128, 127, 2]
KINDS = 4
COLUMNS = 9  # of tables
LIMIT = {"f32": 1e-5, "bf16": 1e-5, "fp16": 1e-5, "f64": 1e-12}


@dataclass(frozen=True)
class Case:
    """``frac`` and all other values are such that the type holds them exactly."""

    frac: np.ndarray
    hkl: np.ndarray
    atom_offsets: np.ndarray
    hkl_offsets: np.ndarray
    rng: np.random.Generator
    order: int = 0

    @property
    def terms(self) -> int:
        return int((np.diff(self.atom_offsets) * np.diff(self.hkl_offsets)).sum())

    @property
    def term_ends(self) -> np.ndarray:
        return np.cumsum(np.diff(self.atom_offsets) * np.diff(self.hkl_offsets))

    @property
    def kinds(self) -> np.ndarray:
        """Runs of a kind, and kinds in turns."""
        return np.arange(len(self.frac), dtype=np.int64) ** 2 // 3 % KINDS

    @property
    def places(self) -> np.ndarray:
        """In tables: both ends, and between."""
        places = np.linspace(COLUMNS - 3.0, 0.0, len(self.hkl)) if len(self.hkl) > 1 else np.full(len(self.hkl), 0.7)
        return places.astype(self.frac.dtype)

    def read(self, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights (H, KINDS) from a table, and the same over absolute values."""
        cell, weights = stencil(torch.from_numpy(self.places.astype(np.float64)), COLUMNS, self.order)
        near = table.T[cell.numpy()[:, None] + np.arange(4)]
        parts = torch.stack(weights, 1).numpy()[:, :, None] * near
        return parts.sum(1), np.abs(parts).sum(1)

    def parts(self):
        """Atoms, reflections, terms and phases (N_b, H_b) of each crystal."""
        first = 0
        for atoms, rows in zip(pairwise(self.atom_offsets), pairwise(self.hkl_offsets), strict=True):
            turns = self.frac[slice(*atoms)].astype(np.float64) @ self.hkl[slice(*rows)].astype(np.float64).T
            phase = np.exp(2j * np.pi * (turns - np.rint(turns)))
            yield slice(*atoms), slice(*rows), slice(first, first + phase.size), phase
            first += phase.size


def make_case(atoms: list[int], reflections: list[int], real: type, seed: int = 7) -> Case:
    rng = np.random.default_rng(seed)
    offsets = [np.concatenate([[0], np.cumsum(counts)]).astype(np.int64) for counts in (atoms, reflections)]
    frac = rng.uniform(-1.5, 1.5, (sum(atoms), 3)).astype(real)
    hkl = rng.integers(-36, 37, (sum(reflections), 3), dtype=np.int32)
    return Case(frac, hkl, *offsets, rng)


def stored(values: np.ndarray, suffix: str) -> tuple[np.ndarray, np.ndarray]:
    """Values as a kernel of this suffix reads them, and the same in float64."""
    if suffix == "bf16":
        bits = (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        return bits, (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    kept = values.astype({"f32": np.float32, "f64": np.float64, "fp16": np.float16}[suffix])
    return kept, kept.astype(np.float64)


def expected(kernel: str, case: Case, values: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Result of a kernel and the scale of its error: the same sum over absolute values."""
    atoms, rows = len(case.frac), len(case.hkl)
    columns = values[0].shape[1] if values[0].ndim > 1 else 1
    h = 2 * np.pi * case.hkl.astype(np.float64)
    if kernel in ("structure_factor", "term_forward"):
        out, scale = np.zeros(rows, complex), np.zeros(rows)
        for a, r, t, phase in case.parts():
            w = values[0][a][:, None] if kernel == "structure_factor" else values[0][t].reshape(phase.shape)
            out[r] = (w * phase).sum(0)
            scale[r] = np.broadcast_to(np.abs(w), phase.shape).sum(0)
    elif kernel == "term_adjoint":
        out, scale = np.zeros(case.terms), np.zeros(case.terms)
        for _, r, t, phase in case.parts():
            out[t] = (phase.conj() * values[0][r]).real.ravel()
            scale[t] = np.broadcast_to(np.abs(values[0][r]), phase.shape).ravel()
    elif kernel == "table_forward":
        out, scale = np.zeros(rows, complex), np.zeros(rows)
        w, size = case.read(values[0])
        for a, r, _, phase in case.parts():
            out[r] = (w[r][:, case.kinds[a]].T * phase).sum(0)
            scale[r] = size[r][:, case.kinds[a]].sum(1)
    elif kernel == "kind_adjoint":
        out, scale = np.zeros((rows, KINDS)), np.zeros((rows, KINDS))
        for a, r, _, phase in case.parts():
            one = np.eye(KINDS)[case.kinds[a]]
            out[r] = (phase.conj() * values[0][r]).real.T @ one
            scale[r] = np.abs(values[0][r])[:, None] * one.sum(0)
    elif kernel == "channel_forward":
        out, scale = np.zeros((rows, columns), complex), np.zeros((rows, columns))
        for a, r, _, phase in case.parts():
            out[r] = phase.T @ values[0][a]
            scale[r] = np.abs(values[0][a]).sum(0)
    elif kernel == "channel_adjoint":
        out, scale = np.zeros((atoms, columns)), np.zeros((atoms, columns))
        for a, r, _, phase in case.parts():
            out[a] = (phase.conj() @ values[0][r]).real
            scale[a] = np.abs(values[0][r]).sum(0)
    else:
        out, scale = np.zeros((atoms, 3)), np.zeros((atoms, 3))
        for a, r, t, phase in case.parts():
            if kernel == "term_position_gradient":
                dot = values[0][t].reshape(phase.shape) * values[1][r]
                size = np.abs(dot)
            elif kernel == "table_position_gradient":
                w, size = (v[r][:, case.kinds[a]].T for v in case.read(values[0]))
                dot, size = w * values[1][r], size * np.abs(values[1][r])
            else:
                dot = values[0][a] @ values[1][r].T
                size = np.abs(values[0][a]) @ np.abs(values[1][r]).T
            out[a] = (phase.conj() * dot).imag @ h[r]
            scale[a] = size @ np.abs(h[r])
    return out, scale
