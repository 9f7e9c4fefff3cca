"""ReGNet-MT: one ReGNet trunk, shared experts, and a router and a head for each task (arXiv 2502.02748, section MT).

The paper names neither k nor the experts' layers nor how they are balanced; what was chosen, and by what, is in
docs/models/regnet-mt.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recipnet.models.checks import at_least
from recipnet.models.experts import Experts, Routers, imbalance
from recipnet.models.regnet import ReGNet, ReGNetBody
from recipnet.models.regnet_paper import ReGNetPaper

if TYPE_CHECKING:
    from recipnet.data import TensorBatch


class Heads(nn.Module):
    """A read-out ``C -> C -> 1`` for each task: ``(B, T, C) -> (B, T)``."""

    def __init__(self, channels: int, tasks: int) -> None:
        super().__init__()
        self.first = nn.ModuleList(nn.Linear(channels, channels) for _ in range(tasks))
        self.second = nn.ModuleList(nn.Linear(channels, 1) for _ in range(tasks))

    def forward(self, y: Tensor) -> Tensor:
        """Outputs of all tasks."""
        pairs = zip(self.first, self.second, strict=True)
        return torch.cat([second(F.silu(first(y[:, t]))) for t, (first, second) in enumerate(pairs)], dim=1)


class ReGNetMT(nn.Module):
    """ReGNet for several targets at once, with its trunk in the exact mode.

    Parameters
    ----------
    targets : int
        Tasks T: each has a router and a head.
    experts : int
        Shared networks ``C -> hidden -> C``.
    top_k : int
        Experts that a crystal reaches for one task.
    hidden : int
        Inner width of an expert; 0: three times the channels, which gives the published size.
    renormalise : bool
        Let the gates of the chosen experts add up to one.
    balance : float
        Weight of the penalty on experts that stay idle, in the loss; 0: none.
    **trunk
        Options of :class:`~recipnet.models.regnet.ReGNet`.

    Examples
    --------
    >>> from recipnet.models import build
    >>> model = build("regnet_mt", targets=5, atom_features="cgcnn92")
    >>> sum(p.numel() for p in model.parameters())
    9491973
    """

    trunk_class: ClassVar[type[ReGNetBody]] = ReGNet

    def __init__(
        self,
        targets: int = 1,
        *,
        experts: int = 15,
        top_k: int = 4,
        hidden: int = 0,
        renormalise: bool = True,
        balance: float = 1e-2,
        **trunk: Any,
    ) -> None:
        super().__init__()
        at_least(1, experts=experts)
        at_least(0, hidden=hidden, balance=balance)
        self.trunk = self.trunk_class(targets, **trunk)
        channels = self.trunk.head[0].in_features  # type: ignore[index]
        self.trunk.head = nn.Identity()
        self.spec = self.trunk.spec
        self.balance = balance
        self.experts = Experts(channels, hidden or 3 * channels, experts)
        self.routers = Routers(channels, targets, experts, top_k, renormalise)
        self.heads = Heads(channels, targets)

    def gates(self, batch: TensorBatch) -> Tensor:
        """Weight of each expert for each task, zero where it is not chosen: ``(B, T, experts)``."""
        out: Tensor = self.routers(self.trunk.pooled(batch))
        return out

    def atom_states(self, batch: TensorBatch) -> Tensor:
        """Features of every atom after the trunk: ``(N, C)``."""
        return self.trunk.atom_states(batch)

    def forward_and_penalty(self, batch: TensorBatch) -> tuple[Tensor, Tensor]:
        """Predictions, and what training adds to the loss."""
        pooled = self.trunk.pooled(batch)
        gates = self.routers(pooled)
        mixed = torch.einsum("btn,bnc->btc", gates, self.experts(pooled))
        return self.heads(mixed), self.balance * imbalance(gates, batch.mask)

    def forward(self, batch: TensorBatch) -> Tensor:
        """Predict ``(B, T)`` in the (standardised) units of the targets."""
        return self.forward_and_penalty(batch)[0]


class ReGNetMTPaper(ReGNetMT):
    """ReGNet-MT with its trunk in the paper mode; options as :class:`ReGNetMT` and the trunk's."""

    trunk_class = ReGNetPaper
