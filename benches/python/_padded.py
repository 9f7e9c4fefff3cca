"""What one writes in torch without these operators: crystals padded to dense blocks and one ``bmm``, or a loop."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def pad(values: Tensor, offsets: Tensor) -> Tensor:
    """Rows of each crystal as a block of the largest crystal's length, with zeros behind."""
    return torch.nn.utils.rnn.pad_sequence(values.split(offsets.diff().tolist()), batch_first=True)


class Padded:
    """A batch in dense blocks. Padding has values of zero, so its phases do no harm; its sums are not looked at."""

    def __init__(self, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor) -> None:
        self.frac = pad(frac, atom_offsets)
        self.hkl = pad(hkl.to(frac.dtype), hkl_offsets)

    def phases(self) -> tuple[Tensor, Tensor]:
        """cos and sin (B, H_max, N_max)."""
        turns = torch.bmm(self.hkl, self.frac.transpose(1, 2))
        angle = (turns - turns.round()) * (2.0 * math.pi)
        return torch.cos(angle), torch.sin(angle)

    def channels(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """``q`` (B, N_max, C) to real and imaginary part (B, H_max, C)."""
        cos, sin = self.phases()
        return torch.bmm(cos, q), torch.bmm(sin, q)

    def adjoint(self, t: Tensor) -> Tensor:
        """Real and imaginary parts ``t`` (2, B, H_max, C) to (B, N_max, C)."""
        cos, sin = self.phases()
        return torch.bmm(cos.transpose(1, 2), t[0]) + torch.bmm(sin.transpose(1, 2), t[1])

    def terms(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """``w`` (B, H_max, N_max), or (B, 1, N_max), to real and imaginary part (B, H_max)."""
        cos, sin = self.phases()
        return (cos * w).sum(2), (sin * w).sum(2)

    def kinds(self, values: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """The same with ``values`` (B, H_max, S) at each kind of atom; ``kinds`` (B, N_max)."""
        return self.terms(values.gather(2, kinds[:, None, :].expand(-1, values.shape[1], -1)))


def loop_channels(q: Tensor, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor) -> Tensor:
    """One crystal after the other, (H, C) complex."""
    parts = []
    atoms, reflections = atom_offsets.diff().tolist(), hkl_offsets.diff().tolist()
    for q_b, x, h in zip(q.split(atoms), frac.split(atoms), hkl.split(reflections), strict=True):
        turns = h.to(x.dtype) @ x.T
        angle = (turns - turns.round()) * (2.0 * math.pi)
        parts.append(torch.complex(torch.cos(angle) @ q_b, torch.sin(angle) @ q_b))
    return torch.cat(parts)


def loop_adjoint(t: Tensor, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor) -> Tensor:
    """One crystal after the other, complex ``t`` (H, C) to (N, C)."""
    parts = []
    atoms, reflections = atom_offsets.diff().tolist(), hkl_offsets.diff().tolist()
    for t_b, x, h in zip(t.split(reflections), frac.split(atoms), hkl.split(reflections), strict=True):
        turns = x @ h.to(x.dtype).T
        angle = (turns - turns.round()) * (2.0 * math.pi)
        parts.append(torch.cos(angle) @ t_b.real + torch.sin(angle) @ t_b.imag)
    return torch.cat(parts)


def loop_terms(w: Tensor, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor) -> Tensor:
    """One crystal after the other, (H,) complex; ``w`` atom-major."""
    parts, first = [], 0
    for x, h in zip(frac.split(atom_offsets.diff().tolist()), hkl.split(hkl_offsets.diff().tolist()), strict=True):
        turns = x @ h.to(x.dtype).T
        angle = (turns - turns.round()) * (2.0 * math.pi)
        block = w[first : first + turns.numel()].view_as(turns)
        parts.append(torch.complex((block * torch.cos(angle)).sum(0), (block * torch.sin(angle)).sum(0)))
        first += turns.numel()
    return torch.cat(parts)
