"""What every mode of PRDNet is made of: the graph stream, the fusion of the two streams, and the head."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from recipnet.models.atoms import AtomEmbedding
from recipnet.models.gated_attention import GatedAttention


def normed_mlp(*widths: int, dropout: float = 0.0) -> nn.Sequential:
    """Linear maps with LN and SiLU between them, and dropout after the first of these; the last map is bare."""
    steps: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise(widths)):
        steps.append(nn.Linear(before, after))
        if number < len(widths) - 2:
            steps += [nn.LayerNorm(after), nn.SiLU()]
            if number == 0:
                steps.append(nn.Dropout(dropout))
    return nn.Sequential(*steps)


class GraphStream(nn.Module):
    """Layers of gated attention over edges, ``h <- h + Drop(LN(attention(h)))``.

    Parameters
    ----------
    channels, layers, heads : int
    edge_width : int
        Width of what comes in for each edge.
    atom_features : str
    norm : callable
        Makes the outer normalisation of each attention.
    dropout : float
    residual : bool
        False: ``h <- Drop(LN(attention(h)))``, the ablation of the paper.
    """

    def __init__(
        self,
        channels: int,
        layers: int,
        heads: int,
        *,
        edge_width: int,
        atom_features: str,
        norm: Callable[[int], nn.Module],
        dropout: float,
        residual: bool,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.embedding = AtomEmbedding(channels, atom_features)
        self.atom_dense = nn.Sequential(
            nn.LayerNorm(channels), nn.SiLU(), nn.Dropout(dropout), nn.Linear(channels, channels)
        )
        self.edge_dense = normed_mlp(edge_width, channels, channels, channels, dropout=dropout) if edge_width else None
        self.attention = nn.ModuleList(GatedAttention(channels, heads, norm) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, numbers: Tensor, edges: Tensor, centre: Tensor, neighbour: Tensor, weight: Tensor | None = None
    ) -> Tensor:
        """``numbers (N,), edges (E, edge_width), centre (E,), neighbour (E,), weight (E, 1) or None -> (N, C)``."""
        h = self.atom_dense(self.embedding(numbers))
        e = edges.new_zeros((len(centre), h.shape[1])) if self.edge_dense is None else self.edge_dense(edges)
        for attention, norm in zip(self.attention, self.norms, strict=True):
            step = self.dropout(norm(attention(h, e, centre, neighbour, weight)))
            h = h + step if self.residual else step
        return h


class FusedHead(nn.Module):
    """Pooled graph ``g`` and diffraction ``d``, both (B, C), to (B, T): ``z = MLP([g, d]) + g``, then two maps."""

    def __init__(self, channels: int, targets: int, *, fused: bool, dropout: float, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.fuse = normed_mlp(2 * channels, channels, channels, dropout=dropout) if fused else None
        self.out = nn.Sequential(nn.Linear(channels, 2 * channels), nn.SiLU(), nn.Linear(2 * channels, targets))

    def forward(self, g: Tensor, d: Tensor | None) -> Tensor:
        """Without a diffraction stream ``d`` is None."""
        if self.fuse is not None and d is not None:
            z = self.fuse(torch.cat([g, d], dim=1))
            g = g + z if self.residual else z
        out: Tensor = self.out(g)
        return out
