"""The control without structure: a network that sees only which elements a crystal holds."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recipnet.data.spec import FeatureSpec
from recipnet.models.atoms import MAX_NUMBER, NUM_FEATURES, cgcnn92, check_numbers
from recipnet.models.checks import at_least
from recipnet.models.segments import weighted_mean

if TYPE_CHECKING:
    from recipnet.data import TensorBatch


class Composition(nn.Module):
    """Multilayer perceptron of element fractions and of the elements' properties.

    Input: the fraction of every element (100), the mean of the 92 element features and their mean
    absolute deviation. Whatever a structure model adds must be more than this.

    Parameters
    ----------
    targets : int
        Outputs per crystal.
    channels : int
        Width of the hidden layers.
    layers : int
        Number of hidden layers.
    dropout : float

    Examples
    --------
    >>> from recipnet.models import build
    >>> sum(p.numel() for p in build("composition", channels=64, layers=2).parameters())
    22465
    """

    table: Tensor

    def __init__(self, targets: int = 1, *, channels: int = 256, layers: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        at_least(1, targets=targets, channels=channels, layers=layers)
        self.spec = FeatureSpec()
        self.register_buffer("table", torch.from_numpy(cgcnn92()[1:].astype("float64")), persistent=False)
        widths = [MAX_NUMBER + 2 * NUM_FEATURES] + [channels] * layers
        steps: list[nn.Module] = []
        for before, after in pairwise(widths):
            steps += [nn.Linear(before, after), nn.SiLU(), nn.Dropout(dropout)]
        self.network = nn.Sequential(*steps, nn.Linear(channels, targets))

    def features(self, batch: TensorBatch) -> Tensor:
        """What the network sees of each crystal: ``(B, 284)``."""
        check_numbers(batch.numbers)
        dtype = batch.dtype
        one_hot = F.one_hot(batch.numbers - 1, MAX_NUMBER).to(dtype)
        fractions = weighted_mean(one_hot, batch.atom_crystal, batch.num_crystals, batch.occupancies)
        table = self.table.to(dtype)
        mean = fractions @ table
        deviation = torch.einsum("bz,bzf->bf", fractions, (table[None] - mean[:, None]).abs())
        # fractions are small numbers: a factor brings them to the scale of the rest
        return torch.cat([fractions * 4.0, mean, deviation], dim=1)

    def forward(self, batch: TensorBatch) -> Tensor:
        """Predict ``(B, T)`` in the (standardised) unit of the targets."""
        out: Tensor = self.network(self.features(batch))
        return out
