"""Ewald message passing on SchNet: a sum over a box of reciprocal indices beside the messages along edges.

A. Kosmala et al., "Ewald-based long-range message passing for molecular graphs", ICML 2023, arXiv 2303.04791;
docs/models/ewald-mp.md tells what is ours and what the index box costs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from numbers import Integral
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from recipnet.data.spec import FeatureSpec, Indices, Radius
from recipnet.errors import ArgumentError
from recipnet.models.checks import at_least
from recipnet.models.regnet import Residual
from recipnet.models.schnet import SchNetPaper
from recipnet.ops import recip_convolve

if TYPE_CHECKING:
    from recipnet.data import TensorBatch

#: Factor of the published sum, which has no division by the number of atoms or by the volume.
SUM_SCALE = 0.01


def half_box(box: Sequence[int]) -> tuple[tuple[int, int, int], ...]:
    """One of each pair of opposite indices within ``|h| <= box[0], |k| <= box[1], |l| <= box[2]``, without 0 0 0.

    >>> half_box((0, 1, 1))
    ((0, 0, 1), (0, 1, -1), (0, 1, 0), (0, 1, 1))
    """
    first, second, third = (range(-n, n + 1) for n in box)
    return tuple(triple for triple in product(first, second, third) if triple > (0, 0, 0))


class EwaldBlock(nn.Module):
    """``Res(..Res(SiLU(W s)))`` of ``s_i = 0.01 sum_k w_k * Re[exp(i k.p_i) sum_j x_j exp(-i k.p_j)]``, ``x = Res(h)``.

    Parameters
    ----------
    channels : int
    bottleneck : int
        Rank of the filter ``w = down up``, of which ``down`` belongs to the model.
    residuals : int
        Residual pairs after the dense layer.
    """

    def __init__(self, channels: int, bottleneck: int, residuals: int) -> None:
        super().__init__()
        self.pre = Residual(channels)
        self.up = nn.Linear(bottleneck, channels, bias=False)
        self.dense = nn.Linear(channels, channels, bias=False)
        self.post = nn.Sequential(*(Residual(channels) for _ in range(residuals)))

    def convolve(self, x: Tensor, down: Tensor, batch: TensorBatch) -> Tensor:
        """The sum ``s`` alone, with the same K indices for every crystal: ``x (N, C), down (K, rank) -> (N, C)``."""
        hkl, hkl_offsets = batch.required("hkl", "hkl_offsets")
        weight = (SUM_SCALE * self.up(down)).repeat(batch.num_crystals, 1)
        return recip_convolve(x, weight, batch.frac, hkl, batch.atom_offsets, hkl_offsets)

    def forward(self, h: Tensor, down: Tensor, batch: TensorBatch) -> Tensor:
        """``h (N, C), down (K, rank) -> (N, C)``."""
        x = self.pre(h) * batch.occupancies[:, None]
        out: Tensor = self.post(F.silu(self.dense(self.convolve(x, down, batch))))
        return out


class EwaldSchNet(SchNetPaper):
    """SchNet as published, with an Ewald block beside each interaction: ``h <- (h + short + long) / sqrt(3)``.

    Parameters
    ----------
    targets, channels, blocks, cutoff, spacing
        As for :class:`~recipnet.models.schnet.SchNet`.
    box : three ints
        Largest index along each reciprocal axis of the given cell.
    bottleneck : int
        Rank of the filters.
    residuals : int
        Residual pairs at the end of each Ewald block.

    Examples
    --------
    >>> from recipnet.models import build
    >>> len(build("ewald", mode="paper").spec.reflections.hkl)
    62
    """

    def __init__(
        self,
        targets: int = 1,
        *,
        channels: int = 64,
        blocks: int = 6,
        cutoff: float = 8.0,
        spacing: float = 0.1,
        box: Sequence[int] = (2, 2, 2),
        bottleneck: int = 8,
        residuals: int = 3,
    ) -> None:
        super().__init__(targets, channels=channels, blocks=blocks, cutoff=cutoff, spacing=spacing)
        if len(box) != 3 or not all(isinstance(n, Integral) and 0 <= n <= 64 for n in box) or not any(box):
            message = f"box = {box!r}: must be three whole numbers from 0 to 64, not all of them 0"
            raise ArgumentError(message, name="box", value=box)
        at_least(1, bottleneck=bottleneck)
        at_least(0, residuals=residuals)
        indices = half_box(box)
        self.spec = FeatureSpec(edges=Radius(cutoff), reflections=Indices(indices))
        self.down = nn.Linear(len(indices), bottleneck, bias=False)
        self.ewald = nn.ModuleList(EwaldBlock(channels, bottleneck, residuals) for _ in range(blocks))

    def update(self, number: int, h: Tensor, message: Tensor, batch: TensorBatch) -> Tensor:
        """Features after interaction and Ewald block ``number``, both of which read ``h``: ``(N, C)``."""
        far = self.ewald[number](h, self.down.weight.t(), batch)
        return (h + message + far) * (1.0 / math.sqrt(3.0))
