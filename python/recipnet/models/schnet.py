"""SchNet: messages along all edges of a sphere, each multiplied by a learned function of its length.

K. T. Schütt et al., "SchNet: a continuous-filter convolutional neural network for modeling quantum interactions",
NeurIPS 2017, arXiv 1706.08566; docs/models/schnet.md tells what is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from recipnet.data.spec import FeatureSpec, Radius
from recipnet.errors import ArgumentError
from recipnet.models.activations import ShiftedSoftplus
from recipnet.models.atoms import NumberEmbedding
from recipnet.models.checks import at_least
from recipnet.models.radial import Gaussians, envelope
from recipnet.models.segments import gather_rows, segment_sum, weighted_mean

if TYPE_CHECKING:
    from recipnet.data import TensorBatch


class Interaction(nn.Module):
    """``W_3 ssp(W_2 sum_j (W_1 h_j) * F(d_ij))``, with a filter ``F`` of two layers."""

    def __init__(self, channels: int, num_radial: int) -> None:
        super().__init__()
        self.inward = nn.Linear(channels, channels, bias=False)
        self.filter = nn.Sequential(
            nn.Linear(num_radial, channels), ShiftedSoftplus(), nn.Linear(channels, channels), ShiftedSoftplus()
        )
        self.outward = nn.Sequential(nn.Linear(channels, channels), ShiftedSoftplus(), nn.Linear(channels, channels))

    def forward(self, h: Tensor, basis: Tensor, centre: Tensor, neighbour: Tensor, weight: Tensor) -> Tensor:
        """``h (N, C), basis (E, R), centre (E,), neighbour (E,), weight (E, 1) -> (N, C)``."""
        message = gather_rows(self.inward(h), neighbour) * self.filter(basis) * weight
        out: Tensor = self.outward(segment_sum(message, centre, h.shape[0]))
        return out


class SchNet(nn.Module):
    """SchNet in its exact mode: every message fades smoothly to nothing at the cut-off.

    Parameters
    ----------
    targets : int
        Outputs per crystal.
    channels : int
        Width C of all hidden layers but the last, which has half of it.
    blocks : int
        Number of interactions.
    cutoff : float
        Angstrom; radius of the graph.
    spacing : float
        Angstrom; between the Gaussians of the distances, which have the exponent ``-(d - c)^2 / (spacing * 1 A)``.

    Examples
    --------
    >>> from recipnet.models import build
    >>> sum(p.numel() for p in build("schnet", mode="paper").parameters())
    139457
    """

    def __init__(
        self, targets: int = 1, *, channels: int = 64, blocks: int = 6, cutoff: float = 5.0, spacing: float = 0.1
    ) -> None:
        super().__init__()
        at_least(1, targets=targets, blocks=blocks)
        at_least(2, channels=channels)
        if not 0.0 < spacing <= cutoff:
            raise ArgumentError(f"spacing = {spacing}: above 0, up to the cut-off", name="spacing", value=spacing)
        self.spec = FeatureSpec(edges=Radius(cutoff))
        self.cutoff = cutoff
        count = round(cutoff / spacing) + 1
        self.embedding = NumberEmbedding(channels)
        self.basis = Gaussians(0.0, cutoff, count, wide=True)
        self.interactions = nn.ModuleList(Interaction(channels, count) for _ in range(blocks))
        half = channels // 2
        self.head = nn.Sequential(nn.Linear(channels, half), ShiftedSoftplus(), nn.Linear(half, targets))

    def edge_weight(self, distance: Tensor) -> Tensor:
        """Factor of each message, ``(E,)``."""
        return envelope(distance / self.cutoff)

    def update(self, number: int, h: Tensor, message: Tensor, batch: TensorBatch) -> Tensor:
        """Features after interaction ``number``, which gave ``message``: ``(N, C)``."""
        return h + message

    def atom_states(self, batch: TensorBatch) -> Tensor:
        """Features of every atom after the last interaction: ``(N, C)``."""
        edge_index, distance = batch.required("edge_index", "edge_distance")
        centre, neighbour = edge_index
        weight = (self.edge_weight(distance) * batch.occupancies.index_select(0, neighbour))[:, None]
        basis = self.basis(distance)
        h: Tensor = self.embedding(batch.numbers)
        for number, interaction in enumerate(self.interactions):
            h = self.update(number, h, interaction(h, basis, centre, neighbour, weight), batch)
        return h

    def forward(self, batch: TensorBatch) -> Tensor:
        """Predict ``(B, T)`` in the (standardised) unit of the targets: the mean over what each atom says."""
        values = self.head(self.atom_states(batch))
        return weighted_mean(values, batch.atom_crystal, batch.num_crystals, batch.occupancies)


class SchNetPaper(SchNet):
    """SchNet as published: every neighbour within the cut-off counts in full, so one that crosses it is a jump.

    Parameters
    ----------
    targets, channels, blocks, cutoff, spacing
        As for :class:`SchNet`.
    """

    def __init__(
        self, targets: int = 1, *, channels: int = 64, blocks: int = 6, cutoff: float = 8.0, spacing: float = 0.1
    ) -> None:
        super().__init__(targets, channels=channels, blocks=blocks, cutoff=cutoff, spacing=spacing)

    def edge_weight(self, distance: Tensor) -> Tensor:
        """Ones."""
        return torch.ones_like(distance)
