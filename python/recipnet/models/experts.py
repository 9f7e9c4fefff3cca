"""A mixture of experts with one noisy top-k router for each task."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recipnet.errors import ArgumentError


class Experts(nn.Module):
    """``count`` networks ``C -> hidden -> C`` with SiLU, side by side: ``(B, C) -> (B, count, C)``."""

    def __init__(self, channels: int, hidden: int, count: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.empty(count, channels, hidden))
        self.first_bias = nn.Parameter(torch.empty(count, hidden))
        self.second = nn.Parameter(torch.empty(count, hidden, channels))
        self.second_bias = nn.Parameter(torch.empty(count, channels))
        for weight, bias in ((self.first, self.first_bias), (self.second, self.second_bias)):
            bound = 1.0 / math.sqrt(weight.shape[1])  # as nn.Linear starts
            nn.init.uniform_(weight, -bound, bound)
            nn.init.uniform_(bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of all experts."""
        hidden = F.silu(torch.einsum("bc,nch->bnh", x, self.first) + self.first_bias)
        return torch.einsum("bnh,nhc->bnc", hidden, self.second) + self.second_bias


class Routers(nn.Module):
    """Gates of every task: ``softmax(x W + noise softplus(x W_noise))``, all but the ``top_k`` largest set to zero.

    N. Shazeer et al., ICLR 2017, eqs. 3 to 5, in the order of the ReGNet paper (softmax, then the choice); with
    ``renormalise`` both orders are one. The noise is there in training alone.

    Parameters
    ----------
    channels, tasks, count : int
        Width of x, routers, experts.
    top_k : int
        Experts that a crystal reaches for one task.
    renormalise : bool
        Let the chosen gates add up to one; the paper prints no such step.
    """

    def __init__(self, channels: int, tasks: int, count: int, top_k: int, renormalise: bool) -> None:
        super().__init__()
        if not 1 <= top_k <= count:
            raise ArgumentError(f"top_k = {top_k}: from 1 to experts = {count}", name="top_k", value=top_k)
        self.top_k = top_k
        self.renormalise = renormalise
        # zero: every expert is equally likely at the start, and the noise decides
        self.weight = nn.Parameter(torch.zeros(tasks, channels, count))
        self.noise = nn.Parameter(torch.zeros(tasks, channels, count))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C) -> (B, tasks, count)``."""
        logits = torch.einsum("bc,tcn->btn", x, self.weight)
        if self.training:
            spread = F.softplus(torch.einsum("bc,tcn->btn", x, self.noise))
            logits = logits + torch.randn_like(logits) * spread
        gates = torch.softmax(logits, dim=-1)
        chosen = torch.topk(gates, self.top_k, dim=-1).indices
        kept = torch.zeros_like(gates).scatter(-1, chosen, gates.gather(-1, chosen))
        return kept / kept.sum(-1, keepdim=True) if self.renormalise else kept


def imbalance(gates: Tensor, mask: Tensor | None = None) -> Tensor:
    """Squared coefficient of variation of the experts' importance, their summed gates.

    N. Shazeer et al., ICLR 2017, eqs. 6 and 7, summed over crystals *and* tasks: experts may specialise on a task, none
    may stay idle. Zero where all are used alike.

    Parameters
    ----------
    gates : (B, T, count)
    mask : (B, T) bool, optional
        Where there is a label; the rest trains nothing and counts nothing.

    Examples
    --------
    >>> imbalance(torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])).item(), imbalance(torch.tensor([[[1.0, 0.0]]])).item()
    (0.0, 1.0)
    """
    if mask is not None:
        gates = gates * mask[:, :, None]
    importance = gates.sum((0, 1))
    mean = importance.mean()
    return importance.sub(mean).square().mean() / mean.square().clamp_min(torch.finfo(gates.dtype).tiny)
