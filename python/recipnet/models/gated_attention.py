"""Attention without a softmax: every channel of every head has its own gate (Matformer, PRDNet)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recipnet.models.segments import gather_rows, segment_sum


class GatedAttention(nn.Module):
    r"""Messages along edges, gated channel by channel, in several heads.

    With :math:`Q_i = [q_i, q_i, q_i]`, :math:`K_{ij} = [k_i, k_j, \hat e_{ij}]` and
    :math:`V_{ij} = [v_i, v_j, \hat e_{ij}]` of every head,

    .. math::
        m_{ij} = \mathrm{LN}(W_2 [(W_1 V_{ij}) \circ \sigma(\mathrm{LN}(Q_i \circ K_{ij} / \sqrt{3C}))]), \qquad
        o_i = \mathrm{SiLU}(\mathrm{norm}(W_c [\sum_j u_{ij} m_{ij}]_{heads})) + W_s h_i,

    as in Matformer (arXiv 2209.11807, eqs. 5 to 8) but for the weights u, which are 1 there.

    What acts on a concatenation of the two atoms and the edge is applied to atoms and edges apart and added: the same
    numbers for about half of the products.

    Parameters
    ----------
    channels : int
        Width C of atoms and edges.
    heads : int
    norm : callable
        Makes the outer normalisation of a width; the published models have ``nn.BatchNorm1d``.
    """

    def __init__(self, channels: int, heads: int, norm: Callable[[int], nn.Module] = nn.LayerNorm) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(channels, heads * channels)
        self.key = nn.Linear(channels, heads * channels)
        self.value = nn.Linear(channels, heads * channels)
        self.edge = nn.Linear(channels, heads * channels, bias=False)
        self.gate_norm = nn.LayerNorm(3 * channels)
        self.message_in = nn.Linear(3 * channels, 3 * channels)
        self.message_out = nn.Linear(3 * channels, channels)
        self.message_norm = nn.LayerNorm(channels)
        self.combine = nn.Linear(heads * channels, channels)
        self.norm = norm(channels)
        self.skip = nn.Linear(channels, channels)

    def forward(self, h: Tensor, e: Tensor, centre: Tensor, neighbour: Tensor, weight: Tensor | None = None) -> Tensor:
        """``h (N, C), e (E, C), centre (E,), neighbour (E,), weight (E, 1) or None for ones -> (N, C)``."""
        atoms, channels = h.shape
        per_head = (-1, self.heads, channels)
        # the scale of the score goes onto the atoms' queries, which are fewer
        query, key = self.query(h) * (1.0 / math.sqrt(3 * channels)), self.key(h)
        value = self.value(h).view(-1, channels)
        edge = self.edge(e)
        at_centre = gather_rows(query, centre)
        score = [gather_rows(query * key, centre), at_centre * gather_rows(key, neighbour), at_centre * edge]
        gate = torch.sigmoid(self.gate_norm(torch.cat([part.view(per_head) for part in score], dim=2)))
        w_centre, w_neighbour, w_edge = self.message_in.weight.split(channels, dim=1)
        wide = (atoms, 3 * self.heads * channels)
        mixed = gather_rows(F.linear(value, w_centre, self.message_in.bias).view(wide), centre)
        mixed = mixed.add_(gather_rows(F.linear(value, w_neighbour).view(wide), neighbour))
        mixed = torch.addmm(mixed.view(-1, 3 * channels), edge.view(-1, channels), w_edge.t()).view_as(gate)
        message = self.message_norm(self.message_out(mixed * gate)).view(-1, self.heads * channels)
        if weight is not None:
            message = message * weight
        return F.silu(self.norm(self.combine(segment_sum(message, centre, atoms)))) + self.skip(h)
