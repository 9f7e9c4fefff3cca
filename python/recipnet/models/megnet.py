"""MEGNet: atoms, bonds and the state of the whole crystal take turns in updating each other.

C. Chen et al., "Graph networks as a universal machine learning framework for molecules and crystals",
Chem. Mater. 31, 3564 (2019), arXiv 1812.05055; docs/models/megnet.md tells what is ours.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from recipnet.data.spec import FeatureSpec, Radius
from recipnet.models.activations import ShiftedSoftplus
from recipnet.models.atoms import NumberEmbedding
from recipnet.models.checks import at_least
from recipnet.models.radial import Gaussians
from recipnet.models.segments import gather_rows, weighted_mean
from recipnet.models.set2set import Set2Set

if TYPE_CHECKING:
    from recipnet.data import TensorBatch

#: Width of an element's vector, and number of Gaussians of a distance.
EMBEDDING, GAUSSIANS = 16, 100


def dense(*widths: int, last: bool = True) -> nn.Sequential:
    """Linear maps of the given widths, each followed by a shifted softplus; ``last=False``: not the last one."""
    steps: list[nn.Module] = []
    for before, after in pairwise(widths):
        steps += [nn.Linear(before, after), ShiftedSoftplus()]
    return nn.Sequential(*(steps if last else steps[:-1]))


class Graph:
    """Who belongs to whom in a batch, and how much each counts: occupancies of mixed sites as weights of all means."""

    def __init__(self, batch: TensorBatch) -> None:
        index, _ = batch.required("edge_index", "edge_offsets")
        self.centre, self.neighbour = index
        self.atom_crystal, self.edge_crystal = batch.atom_crystal, batch.edge_crystal
        self.crystals, self.atoms = batch.num_crystals, batch.num_atoms
        self.atom_weight = batch.occupancies
        self.neighbour_weight = batch.occupancies.index_select(0, self.neighbour)
        self.edge_weight = self.neighbour_weight * batch.occupancies.index_select(0, self.centre)


class Block(nn.Module):
    """Bonds, then atoms, then the state, each from a network of all three; added to what was there.

    Parameters
    ----------
    wide, narrow : int
        Widths of the hidden layers and of what is passed on.
    first : bool
        Whether the two layers before the updates are left out, since the model has just applied its own.
    """

    def __init__(self, wide: int, narrow: int, *, first: bool) -> None:
        super().__init__()
        before = [nn.Identity() if first else dense(narrow, wide, narrow) for _ in range(3)]
        self.before_atoms, self.before_bonds, self.before_state = before
        self.bonds = dense(4 * narrow, wide, wide, narrow, last=False)
        self.atoms = dense(3 * narrow, wide, wide, narrow, last=False)
        self.state = dense(3 * narrow, wide, wide, narrow, last=False)

    def forward(self, v: Tensor, e: Tensor, u: Tensor, graph: Graph) -> tuple[Tensor, Tensor, Tensor]:
        """Atoms ``v (N, C)``, bonds ``e (E, C)`` and states ``u (B, C)``, updated."""
        a, b, c = self.before_atoms(v), self.before_bonds(e), self.before_state(u)
        ends = [gather_rows(a, graph.centre), gather_rows(a, graph.neighbour)]
        b = self.bonds(torch.cat([*ends, b, gather_rows(c, graph.edge_crystal)], dim=1))
        mean = weighted_mean(b, graph.centre, graph.atoms, graph.neighbour_weight)
        a = self.atoms(torch.cat([mean, a, gather_rows(c, graph.atom_crystal)], dim=1))
        bond_mean = weighted_mean(b, graph.edge_crystal, graph.crystals, graph.edge_weight)
        atom_mean = weighted_mean(a, graph.atom_crystal, graph.crystals, graph.atom_weight)
        c = self.state(torch.cat([bond_mean, atom_mean, c], dim=1))
        return v + a, e + b, u + c


class MEGNet(nn.Module):
    """MEGNet as published.

    Parameters
    ----------
    targets : int
        Outputs per crystal.
    channels : int
        Width of the hidden layers; what is passed on has half of it, the pooled sets a quarter.
    blocks : int
        Number of blocks.
    cutoff : float
        Angstrom; radius of the graph. The Gaussians end at 5 angstrom whatever it is.
    passes : int
        Steps in which the sets of atoms and of bonds are read.

    Examples
    --------
    >>> from recipnet.models import build
    >>> build("megnet", mode="paper").spec.edges
    Radius(cutoff=4.0)
    """

    def __init__(
        self, targets: int = 1, *, channels: int = 64, blocks: int = 3, cutoff: float = 4.0, passes: int = 3
    ) -> None:
        super().__init__()
        at_least(1, targets=targets, blocks=blocks, passes=passes)
        at_least(4, channels=channels)
        self.spec = FeatureSpec(edges=Radius(cutoff))
        wide, narrow, small = channels, channels // 2, channels // 4
        self.embedding = nn.Sequential(NumberEmbedding(EMBEDDING), dense(EMBEDDING, wide, narrow))
        self.bonds = nn.Sequential(Gaussians(0.0, 5.0, GAUSSIANS, width=0.5), dense(GAUSSIANS, wide, narrow))
        self.state = dense(2, wide, narrow)
        self.blocks = nn.ModuleList(Block(wide, narrow, first=number == 0) for number in range(blocks))
        self.atom_set = Set2Set(narrow, small, passes)
        self.bond_set = Set2Set(narrow, small, passes)
        self.head = nn.Sequential(dense(narrow + 4 * small, narrow, small), nn.Linear(small, targets))

    def states(self, batch: TensorBatch, graph: Graph) -> tuple[Tensor, Tensor, Tensor]:
        """Atoms ``(N, C)``, bonds ``(E, C)`` and crystals ``(B, C)`` after the last block."""
        (distance,) = batch.required("edge_distance")
        # crystals come without temperature or pressure: their state begins as two zeros
        zeros = distance.new_zeros((batch.num_crystals, 2))
        v, e, u = self.embedding(batch.numbers), self.bonds(distance), self.state(zeros)
        for block in self.blocks:
            v, e, u = block(v, e, u, graph)
        return v, e, u

    def atom_states(self, batch: TensorBatch) -> Tensor:
        """Features of every atom after the last block: ``(N, C)``."""
        return self.states(batch, Graph(batch))[0]

    def forward(self, batch: TensorBatch) -> Tensor:
        """Predict ``(B, T)`` in the (standardised) unit of the targets."""
        graph = Graph(batch)
        v, e, u = self.states(batch, graph)
        atoms = self.atom_set(v, graph.atom_crystal, graph.crystals, graph.atom_weight)
        bonds = self.bond_set(e, graph.edge_crystal, graph.crystals, graph.edge_weight)
        out: Tensor = self.head(torch.cat([atoms, bonds, u], dim=1))
        return out
