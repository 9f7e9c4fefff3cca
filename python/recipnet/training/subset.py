"""One split of a dataset, ready to be predicted and compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from recipnet.data import CrystalDataset, FeatureSpec, Loader
from recipnet.training.evaluate import dtype_of, run_model
from recipnet.training.metrics import Array, all_metrics
from recipnet.training.standard import Standard


@dataclass(frozen=True, eq=False)
class Subset:
    """Crystals of one split with what turns model outputs into values with units."""

    data: CrystalDataset
    loader: Loader
    standard: Standard
    device: torch.device
    precision: str

    @classmethod
    def of(
        cls,
        data: CrystalDataset,
        spec: FeatureSpec,
        standard: Standard,
        *,
        batch_size: int,
        workers: int,
        device: torch.device,
        precision: str,
    ) -> Subset:
        """Batches of a dataset in its own order."""
        loader = Loader(data, spec, batch_size, shuffle=False, workers=workers, dtype=dtype_of(precision))
        return cls(data, loader, standard, device, precision)

    def predict(self, model: nn.Module) -> Array:
        """Values ``(B, T)`` in the targets' units."""
        return self.standard.inverse(run_model(model, self.loader, self.device, self.precision))

    def metrics(self, predicted: Array) -> dict[str, dict[str, Any]]:
        """Errors by target, each with its unit."""
        data = self.data
        return all_metrics(data.targets, predicted, data.mask, data.target_names, data.units)

    def score(self, metrics: dict[str, dict[str, Any]]) -> float:
        """One number to choose epochs by: the mean over targets of MAE over standard deviation."""
        scores = [metrics[name]["mae"] / self.standard.std[i] for i, name in enumerate(self.data.target_names)]
        known = [score for score in scores if np.isfinite(score)]
        return float(np.mean(known)) if known else float("inf")
