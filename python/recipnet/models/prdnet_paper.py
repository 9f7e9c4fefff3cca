"""PRDNet as published (``mode="paper"``, made to run), and with its origin dependence removed (``"paper_fixed"``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from recipnet.data.spec import FeatureSpec, IndexBox, Nearest
from recipnet.models.angles import AngleMeanOfPairs
from recipnet.models.checks import at_least
from recipnet.models.diffraction_paper import IndexedDiffraction
from recipnet.models.prdnet_parts import FusedHead, GraphStream
from recipnet.models.radial import Gaussians
from recipnet.models.segments import weighted_mean

if TYPE_CHECKING:
    from recipnet.data import TensorBatch

#: Angstrom; range of the published radial functions.
REACH = 8.0


class PRDNetPaper(nn.Module):
    """PRDNet as published: nearest neighbours, batch normalisation, a fixed list of reflection indices.

    Parameters
    ----------
    targets : int
        Outputs per crystal.
    channels : int
        Width C of both streams.
    layers, heads : int
        Of the graph stream.
    k : int
        Neighbours of an atom; the last shell is kept whole only where its distances are the same number.
    num_radial : int
        Gaussians of the distances, from 0 to 8 angstrom.
    angles : bool
        The angle part of the edges, which the paper draws and its code builds and never calls.
    num_angle_radial : int
        Radial functions of each degree in the angle part.
    edge_features, residual, diffraction : bool
        False: the ablations of the paper.
    m : int
        Reflections with ``|h|, |k|, |l| <= m``.
    n : int, optional
        Of more than n take every ``floor(count / n)``-th; by default 300.
    dropout : float
    atom_features : {"cgcnn92", "cgcnn92+z"}
    """

    #: |F|^2 of the whole cube, one of each opposite pair, in the Niggli-reduced cell.
    fixed = False

    def __init__(
        self,
        targets: int = 1,
        *,
        channels: int = 256,
        layers: int = 6,
        heads: int = 8,
        k: int = 12,
        num_radial: int = 256,
        angles: bool = True,
        num_angle_radial: int = 40,
        edge_features: bool = True,
        residual: bool = True,
        diffraction: bool = True,
        m: int = 5,
        n: int | None = None,
        dropout: float = 0.1,
        atom_features: str = "cgcnn92",
    ) -> None:
        super().__init__()
        at_least(1, targets=targets, channels=channels, layers=layers, heads=heads)
        at_least(1, num_angle_radial=num_angle_radial)
        at_least(2, num_radial=num_radial)
        angles = angles and edge_features
        box = IndexBox(m, n, half=True, reduced=True) if self.fixed else IndexBox(m, 300 if n is None else n)
        edges = Nearest(k, shell_tol=0.0, edges="paper")
        self.spec = FeatureSpec(edges=edges, reflections=box if diffraction else None, angles=angles)
        self.distance = Gaussians(0.0, REACH, num_radial, wide=True) if edge_features else None
        self.angles = AngleMeanOfPairs(channels, REACH, num_angle_radial) if angles else None
        width = 0 if self.distance is None else num_radial + (0 if self.angles is None else channels)
        self.graph = GraphStream(
            channels, layers, heads, edge_width=width, atom_features=atom_features, norm=nn.BatchNorm1d,
            dropout=dropout, residual=residual,
        )  # fmt: skip
        self.diffraction = (
            IndexedDiffraction(channels, len(box.triples()), intensities=self.fixed, dropout=dropout)
            if diffraction
            else None
        )
        self.head = FusedHead(channels, targets, fused=diffraction, dropout=dropout, residual=residual)

    def atom_states(self, batch: TensorBatch) -> Tensor:
        """Features of every atom after the last layer: ``(N, C)``."""
        edge_index, distance = batch.required("edge_index", "edge_distance")
        parts = []
        if self.distance is not None:
            parts.append(self.distance(distance))
        if self.angles is not None:
            triplet_index, triplet_angle = batch.required("triplet_index", "triplet_angle")
            parts.append(self.angles(distance, *triplet_index, triplet_angle))
        features = torch.cat(parts, dim=1) if parts else distance[:, None][:, :0]
        return self.graph(batch.numbers, features, *edge_index)

    def forward(self, batch: TensorBatch) -> Tensor:
        """Predict ``(B, T)`` in the (standardised) unit of the targets; logits for classes."""
        h = self.atom_states(batch)
        g = weighted_mean(h, batch.atom_crystal, batch.num_crystals, batch.occupancies)
        return self.head(g, None if self.diffraction is None else self.diffraction(h, batch))


class PRDNetPaperFixed(PRDNetPaper):
    """The published network on ``|F|^2`` of the whole index cube of the Niggli-reduced cell.

    It depends neither on the origin nor, where the reduction has no ties, on the cell. Of each opposite pair of indices
    it takes one: a reduced cell is unique up to its sign at best. Parameters as for :class:`PRDNetPaper`, ``n`` is the
    whole half cube by default.
    """

    fixed = True
