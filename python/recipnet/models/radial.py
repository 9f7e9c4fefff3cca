"""Radial bases and envelopes (names RBF1, RBF2 follow the published codes; see docs/models/regnet.md)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Gaussians(nn.Module):
    """``exp(-((x - c_m) / D)^2)`` on ``count`` centres from ``start`` to ``stop``, ``D`` their spacing.

    The kind called RBF2 (CGCNN, PotNet, ReGNet). The kind RBF1 (SchNet, ALIGNN, Matformer, PRDNet), here ``wide``, is
    ``exp(-(x - c_m)^2 / D)``: a width of ``sqrt(D / 2)``, whose unit is wrong, and much overlap. Exponents are cut at
    -80, where float32 is still a normal number: denormal products would slow a CPU several times, and exp(-80) is
    nothing beside 1.

    Parameters
    ----------
    start, stop : float
        First and last centre, in the unit of x.
    count : int
        Number of centres, at least 2.
    wide : bool
        RBF1 instead of RBF2.
    width : float, optional
        What stands for ``D`` in the exponent, if not the spacing (MEGNet).
    """

    centres: Tensor

    def __init__(
        self, start: float, stop: float, count: int, *, wide: bool = False, width: float | None = None
    ) -> None:
        super().__init__()
        inverse = (count - 1) / (stop - start) if width is None else 1.0 / width
        self.scale = math.sqrt(inverse) if wide else inverse
        centres = torch.linspace(start, stop, count, dtype=torch.float64)
        self.register_buffer("centres", centres, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(E,) -> (E, count)``."""
        scaled = (x[:, None] - self.centres.to(x.dtype)) * self.scale
        return torch.exp(torch.clamp_min(-(scaled * scaled), -80.0))


def envelope(x: Tensor) -> Tensor:
    """``1 - 6 x^5 + 15 x^4 - 10 x^3`` for 0 <= x <= 1, zero beyond.

    Value, slope and curvature vanish at x = 1, so a pair or reflection that crosses the cut-off does
    so without a step (the polynomial of J. Gasteiger et al., ICLR 2020, eq. 8, with p = 3).
    """
    x = torch.clamp(x, max=1.0)
    cube = x * x * x
    return 1.0 + cube * (-10.0 + x * (15.0 - 6.0 * x))
