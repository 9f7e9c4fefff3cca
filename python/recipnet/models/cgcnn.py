"""CGCNN: gated convolutions over twelve neighbours.

T. Xie and J. C. Grossman, "Crystal graph convolutional neural networks for an accurate and interpretable prediction of
material properties", Phys. Rev. Lett. 120, 145301 (2018); docs/models/cgcnn.md tells what its graph costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recipnet.data.spec import FeatureSpec, FirstNearest
from recipnet.models.atoms import AtomEmbedding
from recipnet.models.checks import at_least
from recipnet.models.radial import Gaussians
from recipnet.models.segments import gather_rows, segment_sum, weighted_mean

if TYPE_CHECKING:
    from recipnet.data import TensorBatch


class Convolution(nn.Module):
    """``softplus(h + BN(sum_j sigmoid(f) * softplus(s)))`` with ``(f, s) = BN(W [h_i, h_j, u_ij])``.

    The linear map of the concatenation is applied to atoms and edges apart and added.
    """

    def __init__(self, channels: int, num_radial: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * channels + num_radial, 2 * channels)
        self.edge_norm = nn.BatchNorm1d(2 * channels)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, h: Tensor, basis: Tensor, centre: Tensor, neighbour: Tensor, weight: Tensor) -> Tensor:
        """``h (N, C), basis (E, R), centre (E,), neighbour (E,), weight (E, 1) -> (N, C)``."""
        channels = h.shape[1]
        w_centre, w_neighbour, w_edge = self.linear.weight.split([channels, channels, basis.shape[1]], dim=1)
        z = gather_rows(F.linear(h, w_centre, self.linear.bias), centre)
        z = z + gather_rows(F.linear(h, w_neighbour), neighbour) + F.linear(basis, w_edge)
        gate, core = self.edge_norm(z).chunk(2, dim=1)
        message = torch.sigmoid(gate) * F.softplus(core) * weight
        return F.softplus(h + self.norm(segment_sum(message, centre, h.shape[0])))


class CGCNN(nn.Module):
    """CGCNN as published.

    Parameters
    ----------
    targets : int
        Outputs per crystal.
    channels : int
        Width C of the convolutions.
    blocks : int
        Number of convolutions.
    hidden : int
        Width of the layer after pooling.
    k : int
        Neighbours of every atom; ties of the last shell are cut.
    radius : float
        Angstrom; of the Gaussians (every 0.2 angstrom from 0) and of the search, beyond which neighbours are made up.
    atom_features : {"cgcnn92", "cgcnn92+z"}

    Examples
    --------
    >>> from recipnet.models import build
    >>> build("cgcnn", mode="paper").spec.edges
    FirstNearest(k=12, radius=8.0)
    """

    def __init__(
        self,
        targets: int = 1,
        *,
        channels: int = 64,
        blocks: int = 3,
        hidden: int = 128,
        k: int = 12,
        radius: float = 8.0,
        atom_features: str = "cgcnn92",
    ) -> None:
        super().__init__()
        at_least(1, targets=targets, channels=channels, blocks=blocks, hidden=hidden)
        self.spec = FeatureSpec(edges=FirstNearest(k, radius))
        count = round(radius / 0.2) + 1
        self.embedding = AtomEmbedding(channels, atom_features)
        self.basis = Gaussians(0.0, 0.2 * (count - 1), count)
        self.layers = nn.ModuleList(Convolution(channels, count) for _ in range(blocks))
        self.pooled = nn.Linear(channels, hidden)
        self.head = nn.Linear(hidden, targets)

    def atom_states(self, batch: TensorBatch) -> Tensor:
        """Features of every atom after the last convolution: ``(N, C)``."""
        edge_index, distance = batch.required("edge_index", "edge_distance")
        centre, neighbour = edge_index
        weight = batch.occupancies.index_select(0, neighbour)[:, None]
        basis = self.basis(distance)
        h: Tensor = self.embedding(batch.numbers)
        for layer in self.layers:
            h = layer(h, basis, centre, neighbour, weight)
        return h

    def forward(self, batch: TensorBatch) -> Tensor:
        """Predict ``(B, T)`` in the (standardised) unit of the targets."""
        g = weighted_mean(self.atom_states(batch), batch.atom_crystal, batch.num_crystals, batch.occupancies)
        out: Tensor = self.head(F.softplus(self.pooled(F.softplus(g))))
        return out
