"""The diffraction stream of PRDNet as published: an index cube, and a form factor for every place in its list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from recipnet.models.prdnet_parts import normed_mlp
from recipnet.ops import structure_factor

if TYPE_CHECKING:
    from recipnet.data import TensorBatch


class IndexedDiffraction(nn.Module):
    r"""``F_h = sum_i f_(i,h) exp(2 pi i h.x_i)`` on a list of index triples, then a network that reads the list.

    ``f_i = MLP(h_i)`` has one output for each place in the list. Re F and Im F depend on the origin, the list on the
    choice of axes, and nothing divides by the number of atoms: see docs/models/prdnet.md.

    Parameters
    ----------
    channels : int
        Width C of atoms and result; the inner widths are the published ones at C = 256.
    count : int
        Length n of the list, the same for every crystal.
    intensities : bool
        ``|F|^2`` instead of the real and imaginary part.
    dropout : float
    """

    def __init__(self, channels: int, count: int, *, intensities: bool, dropout: float) -> None:
        super().__init__()
        self.count = count
        self.intensities = intensities
        self.factors = normed_mlp(channels, channels, max(channels // 2, 1), count, dropout=dropout)
        width = count if intensities else 2 * count
        self.dense = normed_mlp(width, 2 * channels, channels, channels, dropout=dropout)

    def forward(self, h: Tensor, batch: TensorBatch) -> Tensor:
        """``(N, C) -> (B, C)``."""
        hkl, hkl_offsets = batch.required("hkl", "hkl_offsets")
        factors = self.factors(h) * batch.occupancies[:, None]
        total = structure_factor(
            batch.frac, factors.flatten(), hkl, batch.atom_offsets, hkl_offsets, per_term=True
        ).view(batch.num_crystals, self.count)
        real, imag = total.real, total.imag
        seen = real.square() + imag.square() if self.intensities else torch.cat([real, imag], dim=1)
        out: Tensor = self.dense(seen)
        return out
