"""Targets as the model sees them: zero mean and unit deviation over the training split.

The model works on ``z = (y - mean) / std`` with one mean and standard deviation per target, taken over the labelled
training crystals alone, so that nothing of the validation and test splits reaches the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from recipnet.errors import DataError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Standard:
    """Mean and standard deviation of each target, ``(T,)`` float64, in the targets' units."""

    mean: Array
    std: Array

    @classmethod
    def fit(cls, targets: Array, mask: npt.NDArray[np.bool_], names: list[str]) -> Standard:
        """Statistics of labelled rows.

        Parameters
        ----------
        targets : (B, T)
            Labels; what stands where ``mask`` is False does not matter.
        mask : (B, T)
            True where there is a label.
        names : T texts
            For the error.

        Raises
        ------
        DataError
            A target without a single label.

        >>> Standard.fit(np.array([[1.0], [3.0]]), np.ones((2, 1), bool), ["gap"]).mean
        array([2.])
        """
        mean, std = np.zeros(len(names)), np.ones(len(names))
        for column, name in enumerate(names):
            values = targets[mask[:, column], column]
            if not len(values):
                raise DataError(f"target {name!r} has no label in the training split", column=name)
            mean[column] = values.mean()
            # a constant target (or one crystal) is learned as it is, shifted to zero
            std[column] = values.std() or 1.0
        return cls(mean, std)

    def inverse(self, outputs: torch.Tensor) -> Array:
        """Model outputs ``(B, T)`` as values in the targets' units, float64."""
        return outputs.detach().to("cpu", torch.float64).numpy() * self.std + self.mean

    def to_dict(self) -> dict[str, Any]:
        """Plain lists for JSON (Python writes floats so that they read back exactly)."""
        return {"mean": self.mean.tolist(), "std": self.std.tolist()}

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> Standard:
        """What `to_dict` wrote."""
        return cls(np.array(table["mean"], dtype=np.float64), np.array(table["std"], dtype=np.float64))
