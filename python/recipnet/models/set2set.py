"""A set of vectors to one vector, read in several passes by attention."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from recipnet.models.segments import gather_rows, segment_sum


class Set2Set(nn.Module):
    r"""``q = LSTM(q*), a = softmax(m . q), q* = [q, sum a m]``, a few times, with ``m = W x``.

    O. Vinyals et al., "Order matters: sequence to sequence for sets", ICLR 2016, arXiv 1511.06391, sec. 4.2.

    Parameters
    ----------
    channels : int
        Width of the vectors.
    hidden : int
        Width n of the memory.
    passes : int
    """

    def __init__(self, channels: int, hidden: int, passes: int) -> None:
        super().__init__()
        self.passes = passes
        self.project = nn.Linear(channels, hidden)
        self.gates = nn.Linear(2 * hidden, 4 * hidden)
        with torch.no_grad():  # begin by remembering
            self.gates.bias[hidden : 2 * hidden] = 1.0

    def forward(self, x: Tensor, owner: Tensor, count: int, weight: Tensor) -> Tensor:
        """``x (M, C)`` of ``count`` sets, ``owner (M,)``, ``weight (M,)`` -> ``(count, 2 n)``; an empty set adds zeros.

        A vector of weight w counts as w copies of it.
        """
        m = self.project(x)
        hidden = m.shape[1]
        cell, out = m.new_zeros((count, hidden)), m.new_zeros((count, 2 * hidden))
        for _ in range(self.passes):
            enter, keep, new, leave = self.gates(out).chunk(4, dim=1)
            cell = torch.sigmoid(keep) * cell + torch.sigmoid(enter) * torch.tanh(new)
            query = torch.sigmoid(leave) * torch.tanh(cell)
            score = (m * gather_rows(query, owner)).sum(1)
            # a softmax may be shifted by any number; the largest score keeps it in range
            top = score.new_full((count,), -math.inf).scatter_reduce(0, owner, score.detach(), "amax")
            share = weight * torch.exp(score - top.index_select(0, owner))
            total = segment_sum(share[:, None], owner, count).clamp_min(torch.finfo(m.dtype).tiny)
            out = torch.cat([query, segment_sum(share[:, None] * m, owner, count) / total], dim=1)
        return out
