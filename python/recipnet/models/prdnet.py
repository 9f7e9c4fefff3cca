"""PRDNet, exact mode: gated attention over edges beside a diffraction stream of learned pseudo-particles.

The network of "Beyond Structure: Invariant Crystal Property Prediction with Pseudo-Particle Ray Diffraction"
(arXiv 2509.21778) with both streams made invariant to wrapping, origin, rotation, cell choice and supercells;
docs/models/prdnet.md tells what was changed and why.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from recipnet.data.spec import Ball, FeatureSpec, Nearest, Radius
from recipnet.errors import ArgumentError
from recipnet.models.angles import AngleMean
from recipnet.models.checks import at_least
from recipnet.models.diffraction import Diffraction
from recipnet.models.prdnet_parts import FusedHead, GraphStream
from recipnet.models.radial import Gaussians, envelope
from recipnet.models.segments import weighted_mean

if TYPE_CHECKING:
    from recipnet.data import TensorBatch

#: Angstrom; range of the radial functions where no radius cuts the edges.
NEAREST_REACH = 8.0


class PRDNet(nn.Module):
    """PRDNet in its exact mode (``prdnet_inv``): invariant to every choice that is not physics.

    Parameters
    ----------
    targets : int
        Outputs per crystal.
    channels : int
        Width C of both streams.
    layers : int
        Attention layers of the graph stream.
    heads : int
        Heads of each; 1 for the ablation of the paper.
    neighbors : {"radius", "nearest"}
        Edges within ``cutoff``, weighted by a smooth envelope, or the ``k`` nearest with all ties of the last shell
        (not continuous when a shell crosses the k-th place).
    cutoff : float
        Angstrom; for ``"radius"``.
    k : int
        For ``"nearest"``.
    num_radial : int
        Gaussians of the distances.
    angles : bool
        Edges also carry a weighted mean over the angles with the other edges of their centre.
    num_angle_radial : int
        Gaussians of the distance in the angle part.
    angle_degree : int
        Largest degree of the Legendre polynomials of the angles.
    edge_features : bool
        False: edges say who is whose neighbour and nothing more, the ablation of the paper.
    residual : bool
        False: neither the layers nor the fusion add their input, the ablation of the paper.
    diffraction : bool
        False: the graph stream alone, the ablation of the paper.
    d_min : float
        Angstrom; radius of the reciprocal ball. The default is |G| <= 4 per angstrom.
    level : {"powder", "set", "pairs"}
        How reflections become features of a crystal, see :class:`~recipnet.models.diffraction.Diffraction`.
    form_factors : int
        Number P of pseudo-particles.
    factors : {"learned", "full", "xray"}
        ``"full"``: not separable, a network for each atom and reflection, for small cells. ``"xray"``: tabulated X-ray
        form factors of the elements instead of learned ones; then P is 1.
    shells : int
        Gaussians of |G| that the powder sums are weighted with.
    d_pairs : float
        Angstrom; ball of the triples of ``level = "pairs"``.
    dropout : float
    atom_features : {"cgcnn92", "cgcnn92+z"}

    Examples
    --------
    >>> from recipnet.models import build
    >>> model = build("prdnet", channels=32, layers=2, heads=2, form_factors=16, shells=8)
    >>> sum(p.numel() for p in model.parameters())
    89393
    """

    def __init__(
        self,
        targets: int = 1,
        *,
        channels: int = 256,
        layers: int = 6,
        heads: int = 8,
        neighbors: str = "radius",
        cutoff: float = 5.0,
        k: int = 12,
        num_radial: int = 256,
        angles: bool = True,
        num_angle_radial: int = 16,
        angle_degree: int = 6,
        edge_features: bool = True,
        residual: bool = True,
        diffraction: bool = True,
        d_min: float = math.pi / 2.0,
        level: str = "powder",
        form_factors: int = 64,
        factors: str = "learned",
        shells: int = 24,
        d_pairs: float = 3.0,
        dropout: float = 0.0,
        atom_features: str = "cgcnn92+z",
    ) -> None:
        super().__init__()
        if neighbors not in ("radius", "nearest"):
            raise ArgumentError(f"neighbors = {neighbors!r}: one of radius, nearest", name="neighbors", value=neighbors)
        at_least(1, targets=targets, channels=channels, layers=layers, heads=heads)
        at_least(1, angle_degree=angle_degree, form_factors=form_factors)
        at_least(2, num_radial=num_radial, num_angle_radial=num_angle_radial, shells=shells)
        self.cutoff = cutoff if neighbors == "radius" else None
        edges = Radius(cutoff) if neighbors == "radius" else Nearest(k)
        self.spec = FeatureSpec(edges=edges, reflections=Ball(d_min) if diffraction else None)
        reach = NEAREST_REACH if self.cutoff is None else self.cutoff
        self.distance = Gaussians(0.0, reach, num_radial, wide=True) if edge_features else None
        self.angles = AngleMean(channels, reach, num_angle_radial, angle_degree) if edge_features and angles else None
        width = 0 if self.distance is None else num_radial + (0 if self.angles is None else channels)
        self.graph = GraphStream(
            channels, layers, heads, edge_width=width, atom_features=atom_features, norm=nn.LayerNorm,
            dropout=dropout, residual=residual,
        )  # fmt: skip
        self.diffraction = (
            Diffraction(
                channels, d_min=d_min, form_factors=form_factors, factors=factors, level=level, shells=shells,
                d_pairs=d_pairs, dropout=dropout,
            )
            if diffraction
            else None
        )  # fmt: skip
        self.head = FusedHead(channels, targets, fused=diffraction, dropout=dropout, residual=residual)

    def atom_states(self, batch: TensorBatch) -> Tensor:
        """Features of every atom after the last layer: ``(N, C)``."""
        edge_index, vector, distance = batch.required("edge_index", "edge_vector", "edge_distance")
        centre, neighbour = edge_index
        weight = torch.ones_like(distance) if self.cutoff is None else envelope(distance / self.cutoff)
        weight = (weight * batch.occupancies.index_select(0, neighbour))[:, None]
        parts = []
        if self.distance is not None:
            parts.append(self.distance(distance))
        if self.angles is not None:
            parts.append(self.angles(vector, distance, centre, weight, batch.num_atoms))
        features = torch.cat(parts, dim=1) if parts else distance[:, None][:, :0]
        return self.graph(batch.numbers, features, centre, neighbour, weight)

    def forward(self, batch: TensorBatch) -> Tensor:
        """Predict ``(B, T)`` in the (standardised) unit of the targets; logits for classes."""
        h = self.atom_states(batch)
        g = weighted_mean(h, batch.atom_crystal, batch.num_crystals, batch.occupancies)
        return self.head(g, None if self.diffraction is None else self.diffraction(h, batch))
