"""What a model knows of an element: the 92 CGCNN features, optionally with a learned vector."""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recipnet.errors import ArgumentError, DataError

#: Highest atomic number with features.
MAX_NUMBER = 100
#: Width of the feature vector: group (19), period (7), electronegativity (10), covalent radius (10),
#: valence electrons (12), first ionisation energy (10), electron affinity (10), block (4), volume (10).
NUM_FEATURES = 92

FEATURES = ("cgcnn92", "cgcnn92+z")


@cache
def cgcnn92() -> NDArray[np.float32]:
    """Table of the element features, shape (101, 92); row Z holds element Z, row 0 is NaN.

    The vectors are not all distinct: (La, Ce), (Sm, Gd), (Ho, Er), (Th, Np), (Am, Cm) and
    (Bk, Cf, Es, Fm) share theirs. Source and licence: models/data/LICENSE-cgcnn.txt.
    """
    text = resources.files("recipnet.models").joinpath("data/cgcnn92.txt").read_text("ascii")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    table = np.full((MAX_NUMBER + 1, NUM_FEATURES), np.nan, dtype=np.float32)
    for z, line in enumerate(lines, start=1):
        table[z] = [bit == "1" for bit in f"{int(line, 16):092b}"]
    return table


class AtomEmbedding(nn.Module):
    """Linear map of the element features, with ``cgcnn92+z`` plus one learned vector per element.

    Parameters
    ----------
    channels : int
        Width C of the output.
    features : {"cgcnn92", "cgcnn92+z"}
        The second separates the elements that share a feature vector, for ``100 C`` more parameters.
    """

    table: Tensor

    def __init__(self, channels: int, features: str = "cgcnn92+z") -> None:
        super().__init__()
        if features not in FEATURES:
            raise ArgumentError(
                f"atom_features = {features!r}: one of {', '.join(FEATURES)}", name="atom_features", value=features
            )
        self.linear = nn.Linear(NUM_FEATURES, channels)
        self.learned = nn.Parameter(torch.zeros(MAX_NUMBER, channels)) if features == "cgcnn92+z" else None
        table = torch.from_numpy(cgcnn92()[1:].astype(np.float64))
        self.register_buffer("table", table, persistent=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """``(N,) -> (N, C)``.

        Raises
        ------
        DataError
            For an atomic number outside 1 to 100.
        """
        check_numbers(numbers)
        rows = self.linear(self.table.to(self.linear.weight.dtype))
        if self.learned is not None:
            rows = rows + self.learned
        return nn.functional.embedding(numbers - 1, rows)


class NumberEmbedding(nn.Module):
    """A learned vector per element, and nothing known of elements that were not trained on (SchNet, MEGNet).

    Parameters
    ----------
    channels : int
        Width C of the output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(MAX_NUMBER, channels))

    def forward(self, numbers: Tensor) -> Tensor:
        """``(N,) -> (N, C)``; refuses what :func:`check_numbers` refuses."""
        check_numbers(numbers)
        return nn.functional.embedding(numbers - 1, self.vectors)


def check_numbers(numbers: Tensor) -> None:
    """Refuse atomic numbers without features (0 stands for an unknown species).

    Compiled code must not branch on values; there the table itself refuses them, with a message of torch's.
    """
    if torch.compiler.is_compiling() or numbers.numel() == 0:
        return
    low, high = (int(v) for v in torch.aminmax(numbers))
    if low < 1 or high > MAX_NUMBER:
        bad = low if low < 1 else high
        raise DataError(
            f"atomic number {bad} has no element features; this model takes Z = 1 to {MAX_NUMBER}. "
            "Leave crystals with unknown (X) or heavier species out.",
            value=bad,
        )
