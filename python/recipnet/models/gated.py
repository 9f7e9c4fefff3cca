"""Messages along edges with a gate on every channel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recipnet.models.segments import gather_rows, segment_sum

#: Factor that sums over neighbours start with: their messages are about half gated and add up at random.
SUM_START = 0.3


class ChannelScale(nn.Module):
    """A learned factor and offset for each channel, ``x * weight + bias``.

    What batch normalisation is once its statistics are fixed; here they are learned, so no crystal of a batch
    changes another. Unlike layer normalisation it keeps the size of a sum over neighbours, which is the density.

    Parameters
    ----------
    channels : int
    start : float
        Value that the factors start from.
    """

    def __init__(self, channels: int, start: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), start))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C) -> (N, C)``."""
        return torch.addcmul(self.bias, x, self.weight)


class GatedLayer(nn.Module):
    """Gated messages along edges: ``h + norm(sum_j env sigmoid(norm(MLP_1 z)) * MLP_2 z)``, z = [h_i, h_j, v_ij].

    The first linear map of each MLP acts on a concatenation, so it is applied to the atoms and to the
    edges apart and added: the same numbers for half of the products.

    The local layer of PotNet (PMLR 202, 21260), which ReGNet took over.

    Parameters
    ----------
    channels : int
    norm : callable, optional
        Makes the two normalisations of a width; the published models have ``nn.BatchNorm1d``. Default:
        :class:`ChannelScale`.
    """

    def __init__(self, channels: int, norm: Callable[[int], nn.Module] | None = None) -> None:
        super().__init__()
        self.gate_in = nn.Linear(3 * channels, channels)
        self.gate_out = nn.Linear(channels, channels)
        self.gate_norm = norm(channels) if norm else ChannelScale(channels)
        self.value_in = nn.Linear(3 * channels, channels)
        self.value_out = nn.Linear(channels, channels)
        self.norm = norm(channels) if norm else ChannelScale(channels, SUM_START)

    def forward(self, h: Tensor, v: Tensor, centre: Tensor, neighbour: Tensor, weight: Tensor) -> Tensor:
        """``h (N, C), v (E, C), centre (E,), neighbour (E,), weight (E, 1) -> (N, C)``."""
        channels = h.shape[1]
        w_centre, w_neighbour, w_edge = torch.cat([self.gate_in.weight, self.value_in.weight]).split(channels, dim=1)
        bias = torch.cat([self.gate_in.bias, self.value_in.bias])
        first = gather_rows(F.linear(h, w_centre, bias), centre)
        first = first.add_(gather_rows(F.linear(h, w_neighbour), neighbour))
        gate, value = F.silu(first.addmm_(v, w_edge.t())).chunk(2, dim=1)
        gate = torch.sigmoid(self.gate_norm(self.gate_out(gate)))
        message = gate * self.value_out(value) * weight
        return F.relu(h + self.norm(segment_sum(message, centre, h.shape[0])))
