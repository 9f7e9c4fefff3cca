"""The Fourier sums by their definition: one crystal after the other, a phase for each term, in complex128."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor


def phases(frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor):
    """Atoms, reflections and exp(+2 pi i h.x) (H_b, N_b) of each crystal."""
    for atoms, rows in zip(pairwise(atom_offsets.tolist()), pairwise(hkl_offsets.tolist()), strict=True):
        turns = hkl[slice(*rows)].double() @ frac[slice(*atoms)].double().T
        yield slice(*atoms), slice(*rows), torch.exp(2j * torch.pi * (turns - turns.round().detach()))


def forward(q: Tensor, *batch: Tensor) -> Tensor:
    out = torch.zeros(len(batch[1]), q.shape[1], dtype=torch.complex128)
    for atoms, rows, phase in phases(*batch):
        out[rows] = phase @ q[atoms].to(torch.complex128)
    return out


def adjoint(t: Tensor, *batch: Tensor) -> Tensor:
    out = torch.zeros(len(batch[0]), t.shape[1], dtype=torch.float64)
    for atoms, rows, phase in phases(*batch):
        out[atoms] = (phase.mH @ t[rows].to(torch.complex128)).real
    return out


def convolve(q: Tensor, weight: Tensor, *batch: Tensor) -> Tensor:
    return adjoint(weight.double() * forward(q, *batch), *batch)


def term_forward(weights: Tensor, *batch: Tensor) -> Tensor:
    out, first = torch.zeros(len(batch[1]), dtype=torch.complex128), 0
    for _, rows, phase in phases(*batch):
        block = weights[first : first + phase.numel()].double().view(phase.shape[1], phase.shape[0])
        out[rows] = (phase.T * block).sum(0)
        first += phase.numel()
    return out
