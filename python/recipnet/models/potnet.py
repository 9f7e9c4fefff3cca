"""PotNet without its infinite sums: the gated local layer on the graph of nearest neighbours.

Y. Lin et al., "Efficient approximations of complete interatomic potentials for crystal property prediction",
ICML 2023, arXiv 2306.10045; docs/models/potnet.md tells what is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from recipnet.data.spec import FeatureSpec, Nearest
from recipnet.models.activations import ShiftedSoftplus
from recipnet.models.atoms import AtomEmbedding
from recipnet.models.checks import at_least
from recipnet.models.gated import GatedLayer
from recipnet.models.radial import Gaussians
from recipnet.models.segments import weighted_mean

if TYPE_CHECKING:
    from recipnet.data import TensorBatch


class PotNet(nn.Module):
    """The local part of PotNet, as published.

    Parameters
    ----------
    targets : int
        Outputs per crystal.
    channels : int
        Width C of all hidden layers.
    blocks : int
        Number of gated layers.
    k : int
        Nearest neighbours, with exact ties of the last shell; an edge that two atoms list for each other counts twice.
    num_radial : int
        Gaussians on the axis -0.75 / distance, from -4 to 4.
    atom_features : {"cgcnn92", "cgcnn92+z"}

    Examples
    --------
    >>> from recipnet.models import build
    >>> sum(p.numel() for p in build("potnet", mode="paper").parameters())
    1734657
    """

    def __init__(
        self,
        targets: int = 1,
        *,
        channels: int = 256,
        blocks: int = 3,
        k: int = 16,
        num_radial: int = 256,
        atom_features: str = "cgcnn92",
    ) -> None:
        super().__init__()
        at_least(1, targets=targets, channels=channels, blocks=blocks)
        at_least(2, num_radial=num_radial)
        self.spec = FeatureSpec(edges=Nearest(k, shell_tol=0.0, edges="paper"))
        self.embedding = AtomEmbedding(channels, atom_features)
        self.edge_basis = Gaussians(-4.0, 4.0, num_radial)
        self.edge_linear = nn.Linear(num_radial, channels)
        self.layers = nn.ModuleList(GatedLayer(channels, nn.BatchNorm1d) for _ in range(blocks))
        self.head = nn.Sequential(nn.Linear(channels, channels), ShiftedSoftplus(), nn.Linear(channels, targets))

    def atom_states(self, batch: TensorBatch) -> Tensor:
        """Features of every atom after the last layer: ``(N, C)``."""
        edge_index, distance = batch.required("edge_index", "edge_distance")
        centre, neighbour = edge_index
        weight = batch.occupancies.index_select(0, neighbour)[:, None]
        v = F.silu(self.edge_linear(self.edge_basis(-0.75 / distance)))
        h: Tensor = self.embedding(batch.numbers)
        for layer in self.layers:
            h = layer(h, v, centre, neighbour, weight)
        return h

    def forward(self, batch: TensorBatch) -> Tensor:
        """Predict ``(B, T)`` in the (standardised) unit of the targets."""
        h = weighted_mean(self.atom_states(batch), batch.atom_crystal, batch.num_crystals, batch.occupancies)
        out: Tensor = self.head(h)
        return out
