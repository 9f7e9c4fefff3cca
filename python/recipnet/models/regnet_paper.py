"""ReGNet as published (arXiv 2502.02748), with the smallest repair that makes its transform one.

Kept from the paper: three plane waves by their indices, one filter vector, no division by the volume, batch
normalisation, 16 nearest neighbours. Repaired: the phase, which is printed with reciprocal vectors in 1/angstrom and
fractional coordinates; here it is ``2 pi h.f``. docs/models/regnet.md says what else is left open and wrong.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recipnet.data.spec import FeatureSpec, Indices, Nearest
from recipnet.errors import ArgumentError
from recipnet.models.gated import GatedLayer
from recipnet.models.radial import Gaussians
from recipnet.models.regnet import VOLUME_SCALE, ReGNetBody, Residual, count_blocks
from recipnet.ops import recip_convolve

if TYPE_CHECKING:
    from recipnet.data import TensorBatch

AXES = ((1, 0, 0), (0, 1, 0), (0, 0, 1))

#: 1/angstrom; end of the Gaussians of ``filter="length"``. The three vectors of common cells are shorter than 3.
Q_MAX = 4.0


class AxisBlock(nn.Module):
    """``y_i = sum_a w * Re[exp(i p_ai) sum_j x_j exp(-i p_aj)]`` over the three axes, ``p_ai = 2 pi f_ia``.

    Parameters
    ----------
    channels : int
    filter : {"vector", "length"}
        One learned number per channel, or a learned function of ``|b_a|``.
    volume : bool
        Divide by the volume (times 20 cubic angstrom).
    num_radial : int
        Gaussians of ``filter="length"``.
    """

    def __init__(self, channels: int, filter: str, volume: bool, num_radial: int) -> None:
        super().__init__()
        self.volume = volume
        self.pre = Residual(channels)
        self.vector: nn.Parameter | None = None
        if filter == "vector":
            bound = 1.0 / math.sqrt(channels)
            self.vector = nn.Parameter(torch.empty(channels).uniform_(-bound, bound))
        else:
            self.radial = Gaussians(0.0, Q_MAX, num_radial)
            self.filter = nn.Linear(num_radial, channels, bias=False)
        self.dense = nn.Linear(channels, channels, bias=False)
        self.post = nn.Sequential(Residual(channels), Residual(channels))

    def convolve(self, x: Tensor, batch: TensorBatch) -> Tensor:
        """The transform, the filter and the way back: ``(N, C) -> (N, C)``."""
        inverse_d, hkl, hkl_offsets = batch.required("inverse_d", "hkl", "hkl_offsets")
        if self.vector is None:
            weight = self.filter(self.radial(inverse_d * (2.0 * math.pi)))
        else:
            weight = self.vector.expand(hkl.shape[0], -1)
        if self.volume:
            weight = weight * (VOLUME_SCALE / batch.volume).index_select(0, batch.hkl_crystal)[:, None]
        return recip_convolve(x, weight, batch.frac, hkl, batch.atom_offsets, hkl_offsets)

    def forward(self, h: Tensor, batch: TensorBatch) -> Tensor:
        """``(N, C) -> (N, C)``."""
        x = self.pre(h) * batch.occupancies[:, None]
        out: Tensor = self.post(F.silu(self.dense(self.convolve(x, batch))))
        return out


class ReGNetPaper(ReGNetBody):
    """ReGNet in its paper mode: depends on the choice of cell, and a supercell switches its transform off.

    Parameters
    ----------
    targets, channels, blocks, num_radial, radial_range, reciprocal_blocks, source, atom_features
        As :class:`~recipnet.models.regnet.ReGNet`.
    k : int
        Neighbours; edges by the rule of the published graphs (mutual pairs count twice), ties by exact comparison.
    filter : {"vector", "length"}
        One filter vector as printed, or a function of the length of the reciprocal vector.
    volume : bool
        Divide by the volume, which the paper says is "absorbed in the filter".
    num_reciprocal_radial : int
        Gaussians of ``filter="length"``.

    Examples
    --------
    >>> from recipnet.models import build
    >>> [sum(p.numel() for p in build("regnet", "paper", blocks=n).parameters()) for n in (3, 4)]
    [3177473, 4162817]
    """

    def __init__(
        self,
        targets: int = 1,
        *,
        channels: int = 256,
        blocks: int = 3,
        k: int = 16,
        num_radial: int = 256,
        radial_range: tuple[float, float] = (-4.0, 4.0),
        reciprocal_blocks: int | None = None,
        filter: str = "vector",
        volume: bool = False,
        num_reciprocal_radial: int = 128,
        source: str = "local",
        atom_features: str = "cgcnn92",
    ) -> None:
        if filter not in ("vector", "length"):
            raise ArgumentError(f"filter = {filter!r}: one of vector, length", name="filter", value=filter)
        count = count_blocks(targets, channels, blocks, reciprocal_blocks)
        edges = Nearest(k, shell_tol=0.0, edges="paper")
        super().__init__(
            targets,
            channels,
            FeatureSpec(edges=edges, reflections=Indices(AXES) if count else None),
            [GatedLayer(channels, nn.BatchNorm1d) for _ in range(blocks)],
            [AxisBlock(channels, filter, volume, num_reciprocal_radial) for _ in range(count)],
            cutoff=None,
            num_radial=num_radial,
            radial_range=radial_range,
            source=source,
            atom_features=atom_features,
        )
