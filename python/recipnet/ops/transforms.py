"""Forward and adjoint Fourier sums of atom channels over ragged batches, in plain torch.

Definitions: docs/conventions.md, operations 2 and 3 of the structure-factor section. Both are exact
sums; no interpolation and no symmetry is used. The phases are reduced to turns in [-1/2, 1/2) before
sine and cosine, so that large indices lose no accuracy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor


@dataclass(frozen=True)
class _Group:
    """Crystals of similar size, padded to one dense block; padding is zero in both tables."""

    cos: Tensor  # (B_g, H_max, N_max)
    sin: Tensor
    atom_rows: Tensor  # (B_g * N_max,) rows of the batch; padding points to a row of zeros behind it
    hkl_rows: Tensor  # (B_g * H_max,)


@dataclass(frozen=True)
class PhaseTable:
    """cos and sin of ``2 pi h.x`` of one ragged batch.

    One table serves every transform of a batch, since phases do not depend on channels. Crystals are
    grouped by their number of reflections, so that the dense blocks hold little padding.
    """

    groups: tuple[_Group, ...]
    atom_slot: Tensor  # (N,) place of each atom in the groups' outputs, one after the other
    hkl_slot: Tensor  # (H,)

    @classmethod
    def build(cls, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor) -> PhaseTable:
        """Table of a batch: ``frac (N, 3)``, ``hkl (H, 3)`` integers, offsets ``(B + 1,)``."""
        atoms, reflections = atom_offsets.tolist(), hkl_offsets.tolist()
        num_atoms = [b - a for a, b in pairwise(atoms)]
        num_hkl = [b - a for a, b in pairwise(reflections)]
        x, h = _with_zero_row(frac), _with_zero_row(hkl.to(frac.dtype))
        groups, atom_order, hkl_order = [], [], []
        for members in _similar(num_hkl):
            atom_rows = _rows([atoms[b] for b in members], [num_atoms[b] for b in members], len(frac))
            hkl_rows = _rows([reflections[b] for b in members], [num_hkl[b] for b in members], len(hkl))
            atom_rows, hkl_rows = atom_rows.to(frac.device), hkl_rows.to(frac.device)
            turns = torch.einsum("bhd,bnd->bhn", h[hkl_rows], x[atom_rows])
            angle = (turns - torch.round(turns)) * (2.0 * math.pi)
            full = (hkl_rows < len(hkl))[:, :, None] & (atom_rows < len(frac))[:, None, :]
            mask = full.to(frac.dtype)
            atom_rows, hkl_rows = atom_rows.flatten(), hkl_rows.flatten()
            groups.append(_Group(torch.cos(angle) * mask, torch.sin(angle) * mask, atom_rows, hkl_rows))
            atom_order.append(atom_rows)
            hkl_order.append(hkl_rows)
        return cls(tuple(groups), _inverse(atom_order, frac), _inverse(hkl_order, hkl))

    def forward(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Real and imaginary part of ``sum_j q_j exp(+2 pi i h.x_j)``: ``(N, C) -> (H, C)`` twice."""
        q = _with_zero_row(q)
        real, imag = [], []
        for group in self.groups:
            block = _take(q, group.atom_rows, len(group.cos))
            real.append(torch.bmm(group.cos, block).flatten(0, 1))
            imag.append(torch.bmm(group.sin, block).flatten(0, 1))
        return _collect(real, self.hkl_slot, q), _collect(imag, self.hkl_slot, q)

    def adjoint(self, real: Tensor, imag: Tensor) -> Tensor:
        """``sum_h Re[conj(exp(+2 pi i h.x_j)) t_h]``: ``(H, C)`` twice ``-> (N, C)``."""
        real, imag = _with_zero_row(real), _with_zero_row(imag)
        out = []
        for group in self.groups:
            even = torch.bmm(group.cos.transpose(1, 2), _take(real, group.hkl_rows, len(group.cos)))
            odd = torch.bmm(group.sin.transpose(1, 2), _take(imag, group.hkl_rows, len(group.cos)))
            out.append((even + odd).flatten(0, 1))
        return _collect(out, self.atom_slot, real)

    def convolve(self, q: Tensor, weight: Tensor) -> Tensor:
        """Adjoint of ``weight * forward(q)``, ``weight (H, C)`` real, without leaving the dense blocks."""
        q, weight = _with_zero_row(q), _with_zero_row(weight)
        out = []
        for group in self.groups:
            block = _take(q, group.atom_rows, len(group.cos))
            filtered = _take(weight, group.hkl_rows, len(group.cos))
            even = torch.bmm(group.cos.transpose(1, 2), torch.bmm(group.cos, block) * filtered)
            odd = torch.bmm(group.sin.transpose(1, 2), torch.bmm(group.sin, block) * filtered)
            out.append((even + odd).flatten(0, 1))
        return _collect(out, self.atom_slot, q)


def _similar(counts: list[int]) -> list[list[int]]:
    """Members of each group: none has less than half of the group's largest count."""
    groups: list[list[int]] = []
    largest = 0
    for crystal in sorted(range(len(counts)), key=lambda b: -counts[b]):
        if not groups or 2 * counts[crystal] < largest:
            groups.append([])
            largest = counts[crystal]
        groups[-1].append(crystal)
    return groups


def _rows(starts: list[int], counts: list[int], padding: int) -> Tensor:
    """Row numbers ``(members, widest)``; places past a member's count hold ``padding``."""
    place = torch.arange(max(counts))[None, :]
    rows = torch.tensor(starts)[:, None] + place
    return torch.where(place < torch.tensor(counts)[:, None], rows, padding)


def _inverse(order: list[Tensor], values: Tensor) -> Tensor:
    slot = torch.empty(len(values) + 1, dtype=torch.int64, device=values.device)
    if order:
        flat = torch.cat(order)
        slot[flat] = torch.arange(len(flat), device=values.device)
    return slot[: len(values)]


def _with_zero_row(values: Tensor) -> Tensor:
    return torch.cat([values, values.new_zeros((1, values.shape[1]))])


def _take(values: Tensor, rows: Tensor, members: int) -> Tensor:
    """Rows of ``values`` as a block; expanded ``gather`` has a parallel backward on the CPU."""
    taken = values.gather(0, rows[:, None].expand(-1, values.shape[1]))
    return taken.view(members, -1, values.shape[1])


def _collect(blocks: list[Tensor], slot: Tensor, like: Tensor) -> Tensor:
    if not blocks:
        return like.new_zeros((len(slot), like.shape[1]))
    return torch.cat(blocks).index_select(0, slot)


def recip_forward(q: Tensor, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor) -> Tensor:
    r"""Sum atom channels into reflections, ``S[h, c] = sum_j q[j, c] exp(+2 pi i h.x_j)``.

    Parameters
    ----------
    q : Tensor, shape (N, C)
        Real channels of every atom of the batch.
    frac : Tensor, shape (N, 3)
        Fractional coordinates; wrapping does not matter.
    hkl : Tensor, shape (H, 3)
        Integer indices of all reflections of the batch.
    atom_offsets, hkl_offsets : Tensor, shape (B + 1,)
        Rows of crystal ``b`` are ``offsets[b]:offsets[b + 1]``.

    Returns
    -------
    Tensor, shape (H, C), complex

    Examples
    --------
    Two equal atoms, body centred: h + k + l odd is absent.

    >>> import torch
    >>> frac = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]], dtype=torch.float64)
    >>> hkl = torch.tensor([[1, 0, 0], [1, 1, 0]], dtype=torch.int32)
    >>> offsets = torch.tensor([0, 2])
    >>> recip_forward(torch.ones(2, 1, dtype=torch.float64), frac, hkl, offsets, offsets).abs().round().flatten()
    tensor([0., 2.], dtype=torch.float64)
    """
    return torch.complex(*PhaseTable.build(frac, hkl, atom_offsets, hkl_offsets).forward(q))


def recip_adjoint(t: Tensor, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor) -> Tensor:
    r"""Bring reflections back to atoms, ``y[j, c] = sum_h Re[conj(exp(+2 pi i h.x_j)) t[h, c]]``.

    The adjoint of :func:`recip_forward`: ``Re <t, forward(q)> = <adjoint(t), q>``.

    Parameters
    ----------
    t : Tensor, shape (H, C), complex
    frac, hkl, atom_offsets, hkl_offsets
        As for :func:`recip_forward`.

    Returns
    -------
    Tensor, shape (N, C), real
    """
    return PhaseTable.build(frac, hkl, atom_offsets, hkl_offsets).adjoint(t.real, t.imag)
