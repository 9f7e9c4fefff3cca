"""Matformer: gated attention over nearest neighbours and images of an atom itself.

K. Yan et al., "Periodic graph transformers for crystal material property prediction", NeurIPS 2022, arXiv 2209.11807;
docs/models/matformer.md tells what its graph costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from recipnet.data.spec import FeatureSpec, Nearest
from recipnet.models.atoms import AtomEmbedding
from recipnet.models.checks import at_least
from recipnet.models.gated_attention import GatedAttention
from recipnet.models.radial import Gaussians
from recipnet.models.segments import weighted_mean

if TYPE_CHECKING:
    from recipnet.data import TensorBatch


class Matformer(nn.Module):
    """Matformer as published.

    Parameters
    ----------
    targets : int
        Outputs per crystal.
    channels : int
        Width C of atoms and edges.
    blocks : int
        Number of attention layers.
    heads : int
    k : int
        Nearest neighbours, with exact ties of the last shell, as a set of undirected edges.
    num_radial : int
        Gaussians from 0 to 8 angstrom.
    lattice_edges : bool
        Whether every atom also hears itself along b, c, a, b + c, a + c, a + b of the given cell.
    atom_features : {"cgcnn92", "cgcnn92+z"}

    Examples
    --------
    >>> from recipnet.models import build
    >>> sum(p.numel() for p in build("matformer", mode="paper").parameters())
    2782849
    """

    def __init__(
        self,
        targets: int = 1,
        *,
        channels: int = 128,
        blocks: int = 5,
        heads: int = 4,
        k: int = 12,
        num_radial: int = 128,
        lattice_edges: bool = True,
        atom_features: str = "cgcnn92",
    ) -> None:
        super().__init__()
        at_least(1, targets=targets, channels=channels, blocks=blocks, heads=heads)
        at_least(2, num_radial=num_radial)
        edges = Nearest(k, shell_tol=0.0, edges="paper_canonical")
        self.spec = FeatureSpec(edges=edges, lattice_edges="given6" if lattice_edges else None)
        self.embedding = AtomEmbedding(channels, atom_features)
        self.edges = nn.Sequential(
            Gaussians(0.0, 8.0, num_radial, wide=True),
            nn.Linear(num_radial, channels),
            nn.Softplus(),
            nn.Linear(channels, channels),
        )
        self.layers = nn.ModuleList(GatedAttention(channels, heads, nn.BatchNorm1d) for _ in range(blocks))
        self.head = nn.Sequential(nn.Linear(channels, channels), nn.SiLU(), nn.Linear(channels, targets))

    def atom_states(self, batch: TensorBatch) -> Tensor:
        """Features of every atom after the last layer: ``(N, C)``."""
        index, distance = batch.required("edge_index", "edge_distance")
        if self.spec.lattice_edges is not None:
            own, vector = batch.required("lattice_edge_index", "lattice_edge_vector")
            index, distance = torch.cat([index, own], dim=1), torch.cat([distance, vector.norm(dim=1)])
        centre, neighbour = index
        weight = batch.occupancies.index_select(0, neighbour)[:, None]
        e = self.edges(distance)
        h: Tensor = self.embedding(batch.numbers)
        for layer in self.layers:
            h = layer(h, e, centre, neighbour, weight)
        return h

    def forward(self, batch: TensorBatch) -> Tensor:
        """Predict ``(B, T)`` in the (standardised) unit of the targets."""
        h = weighted_mean(self.atom_states(batch), batch.atom_crystal, batch.num_crystals, batch.occupancies)
        out: Tensor = self.head(h)
        return out
