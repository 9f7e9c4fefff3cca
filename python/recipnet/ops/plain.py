"""The operators in plain torch, one crystal after the other: what a CUDA tensor gets where CuPy is missing.

Also the parts that are plain torch everywhere: which atom and which reflection a term belongs to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from recipnet.ops.table import add_values, values_at

Batch = tuple[Tensor, ...]


def term_rows(size: int, batch: Batch) -> tuple[Tensor, Tensor]:
    """Atom and reflection of each of the ``size`` terms, atom-major inside a crystal; no synchronisation."""
    frac, _, atom_offsets, hkl_offsets = batch
    crystal = torch.repeat_interleave(
        torch.arange(atom_offsets.shape[0] - 1, device=frac.device), atom_offsets.diff(), output_size=frac.shape[0]
    )
    count = hkl_offsets.diff()[crystal]
    atom = torch.repeat_interleave(torch.arange(frac.shape[0], device=frac.device), count, output_size=size)
    first = count.cumsum(0) - count
    reflection = torch.arange(size, device=frac.device) - first[atom] + hkl_offsets[crystal[atom]]
    return atom, reflection


def _phases(batch: Batch) -> Iterator[tuple[slice, slice, Tensor]]:
    """Atoms, reflections and ``exp(+2 pi i h.x)`` (H_b, N_b) of each crystal; turns are taken in float64."""
    frac, hkl, atom_offsets, hkl_offsets = batch
    kind = torch.complex64 if frac.dtype == torch.float32 else torch.complex128
    for atoms, rows in zip(pairwise(atom_offsets.tolist()), pairwise(hkl_offsets.tolist()), strict=True):
        turns = hkl[slice(*rows)].double() @ frac[slice(*atoms)].double().T
        angle = (turns - turns.round()) * (2.0 * math.pi)
        yield slice(*atoms), slice(*rows), torch.polar(torch.ones_like(angle), angle).to(kind)


def channel_forward(q: Tensor, batch: Batch) -> Tensor:
    parts = [phase @ q[atoms].to(phase.dtype) for atoms, _, phase in _phases(batch)]
    return torch.cat([q.new_zeros((0, q.shape[1]), dtype=batch[0].dtype.to_complex()), *parts])


def channel_adjoint(t: Tensor, batch: Batch) -> Tensor:
    parts = [(phase.mH @ t[rows]).real for _, rows, phase in _phases(batch)]
    return torch.cat([batch[0].new_zeros((0, t.shape[1])), *parts])


def channel_position_gradient(q: Tensor, t: Tensor, batch: Batch) -> Tensor:
    parts = []
    for atoms, rows, phase in _phases(batch):
        dot = t[rows] @ q[atoms].to(t.dtype).T
        slope = (phase.conj() * dot).imag * (2.0 * math.pi)
        parts.append(slope.T @ batch[1][rows].to(slope.dtype))
    return torch.cat([batch[0].new_zeros((0, 3)), *parts])


def term_forward(weights: Tensor, batch: Batch) -> Tensor:
    parts, first = [], 0
    for _, _, phase in _phases(batch):
        block = weights[first : first + phase.numel()].view(phase.shape[1], phase.shape[0]).T
        parts.append((phase * block.to(batch[0].dtype)).sum(1))
        first += phase.numel()
    return torch.cat([weights.new_zeros(0, dtype=batch[0].dtype.to_complex()), *parts])


def term_adjoint(g: Tensor, terms: int, batch: Batch) -> Tensor:
    parts = [(phase.conj() * g[rows, None]).real.T.reshape(-1) for _, rows, phase in _phases(batch)]
    return torch.cat([batch[0].new_zeros(0), *parts])


def term_position_gradient(weights: Tensor, g: Tensor, batch: Batch) -> Tensor:
    parts, first = [], 0
    for _, rows, phase in _phases(batch):
        block = weights[first : first + phase.numel()].view(phase.shape[1], phase.shape[0])
        slope = (phase.conj() * g[rows, None]).imag.T * block * (2.0 * math.pi)
        parts.append(slope @ batch[1][rows].to(slope.dtype))
        first += phase.numel()
    return torch.cat([batch[0].new_zeros((0, 3)), *parts])


def _places(kinds: Tensor, count: int, batch: Batch) -> Tensor:
    """Place in (H, count) of each term."""
    atom, reflection = term_rows(int((batch[2].diff() * batch[3].diff()).sum()), batch)
    return reflection * count + kinds[atom]


def _weights(values: Tensor, places: Tensor, kinds: Tensor, order: int, batch: Batch) -> Tensor:
    """Those of the terms, from a table."""
    return values_at(values, places, order).flatten()[_places(kinds, values.shape[0], batch)]


def table_forward(values: Tensor, places: Tensor, kinds: Tensor, order: int, batch: Batch) -> Tensor:
    return term_forward(_weights(values, places, kinds, order, batch), batch)


def table_adjoint(
    g: Tensor, places: Tensor, kinds: Tensor, order: int, rows: int, columns: int, batch: Batch
) -> Tensor:
    where = _places(kinds, rows, batch)
    by_term = term_adjoint(g, len(where), batch)
    # index_put sorts, so that the sum does not depend on the order of threads
    by_kind = by_term.new_zeros(g.shape[0] * rows).index_put((where,), by_term, accumulate=True)
    return add_values(by_kind.view(g.shape[0], rows), places, columns, order)


def table_position_gradient(
    values: Tensor, places: Tensor, kinds: Tensor, order: int, g: Tensor, batch: Batch
) -> Tensor:
    return term_position_gradient(_weights(values, places, kinds, order, batch), g, batch)
