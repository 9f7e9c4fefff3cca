"""One split of a dataset, ready to be predicted and compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from recipnet.data import CrystalDataset, FeatureSpec, Loader
from recipnet.training.evaluate import dtype_of, run_model
from recipnet.training.metrics import Array
from recipnet.training.standard import Standard
from recipnet.training.tasks import Task, all_metrics


@dataclass(frozen=True, eq=False)
class Subset:
    """Crystals of one split with what turns model outputs into values with units."""

    data: CrystalDataset
    loader: Loader
    standard: Standard
    device: torch.device
    precision: str
    task: Task

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
        task: Task,
    ) -> Subset:
        """Batches of a dataset in its own order."""
        pin, dtype = device.type == "cuda", dtype_of(precision)
        loader = Loader(data, spec, batch_size, shuffle=False, workers=workers, dtype=dtype, pin_memory=pin)
        return cls(data, loader, standard, device, precision, task)

    def predict(self, model: nn.Module) -> Array:
        """Values ``(B, T)`` in the targets' units, or probabilities of class 1."""
        return self.task.values(run_model(model, self.loader, self.device, self.precision), self.standard)

    def metrics(self, predicted: Array) -> dict[str, dict[str, Any]]:
        """Errors by target, each with its unit."""
        data = self.data
        return all_metrics(self.task, data.targets, predicted, data.mask, data.target_names, data.units)

    def score(self, metrics: dict[str, dict[str, Any]]) -> float:
        """One number to choose epochs by: the mean over targets of the task's own."""
        deviations = dict(zip(self.data.target_names, self.standard.std.tolist(), strict=True))
        scores = [self.task.score(metrics[name], std) for name, std in deviations.items()]
        known = [score for score in scores if np.isfinite(score)]
        return float(np.mean(known)) if known else float("inf")
