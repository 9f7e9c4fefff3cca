"""Activation functions that torch does not have."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F


class ShiftedSoftplus(nn.Module):
    """``log(1 + exp(x)) - log 2``, which is zero at zero (SchNet, MEGNet, PotNet)."""

    def forward(self, x: Tensor) -> Tensor:
        """Element by element."""
        return F.softplus(x) - math.log(2.0)
