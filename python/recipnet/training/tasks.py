"""What a target is, a number or a class, and all that follows from it: loss, values, metrics, and what is shown.

>>> task_named("classification").headline
('cross_entropy', 'cross entropy')
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from recipnet.errors import ConfigError, DataError
from recipnet.training.losses import masked_loss
from recipnet.training.metrics import Array, Metrics, class_metrics, target_metrics
from recipnet.training.standard import Standard

Mask = npt.NDArray[np.bool_]


class Task(Protocol):
    """The same steps for numbers and for classes."""

    @property
    def name(self) -> str:
        """As ``data.task``."""

    @property
    def headline(self) -> tuple[str, str]:
        """The metric that a learning curve shows (smaller is better): its key, and its name for people."""

    @property
    def shown(self) -> tuple[tuple[str, str], ...]:
        """The metrics of the line that ends an epoch."""

    def standard(self, targets: Array, mask: Mask, names: list[str]) -> Standard:
        """Mean and deviation that the model's targets are counted from, of the training labels ``(B, T)``."""

    def loss(self, kind: str, outputs: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Loss of standardised targets ``(B, T)``; ``kind`` as ``training.loss``."""

    def values(self, outputs: torch.Tensor, standard: Standard) -> Array:
        """Outputs of a model as what is predicted, ``(B, T)`` float64."""

    def metrics(self, values: Array, predicted: Array, mask: Mask) -> dict[str, float]:
        """Errors of one target, ``(B,)`` each."""

    def score(self, metrics: dict[str, Any], deviation: float) -> float:
        """One number of one target to choose epochs by; less is better."""

    def line(self, name: str, metrics: dict[str, Any]) -> str:
        """Metrics of one target for people."""


class Regression:
    """Numbers, standardised by the training labels."""

    name = "regression"
    headline = ("mae", "MAE")
    shown = (("mae", "MAE"),)

    def standard(self, targets: Array, mask: Mask, names: list[str]) -> Standard:
        """Of each target's labels in the training split."""
        return Standard.fit(targets, mask, names)

    def loss(self, kind: str, outputs: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """As the name says."""
        return masked_loss(kind, outputs, targets, mask)

    def values(self, outputs: torch.Tensor, standard: Standard) -> Array:
        """In the targets' units."""
        return standard.inverse(outputs)

    def metrics(self, values: Array, predicted: Array, mask: Mask) -> dict[str, float]:
        """`recipnet.training.metrics.target_metrics`."""
        return target_metrics(values, predicted, mask)

    def score(self, metrics: dict[str, Any], deviation: float) -> float:
        """MAE over standard deviation."""
        return float(metrics["mae"] / deviation)

    def line(self, name: str, metrics: dict[str, Any]) -> str:
        """MAE, MAD, RMSE with the unit."""
        unit = f" {metrics['unit']}" if metrics["unit"] else ""
        return (
            f"{name}: MAE {metrics['mae']:.4f}{unit}, MAD {metrics['mad']:.4f}{unit}, "
            f"MAD/MAE {metrics['ratio']:.2f}, RMSE {metrics['rmse']:.4f}{unit}, {metrics['count']} crystals"
        )


class Classification:
    """Classes 0 and 1, one logit for each target; predicted is the probability of 1."""

    name = "classification"
    headline = ("cross_entropy", "cross entropy")
    shown = (("cross_entropy", "cross entropy"), ("accuracy", "accuracy"))

    def standard(self, targets: Array, mask: Mask, names: list[str]) -> Standard:
        """Nothing is shifted or scaled; refuses a target that has one class only."""
        for column, name in enumerate(names):
            found = np.unique(targets[mask[:, column], column])
            if len(found) < 2:
                what = f"only the class {found[0]:g}" if len(found) else "no label"
                message = f"target {name!r} has {what} in the training split; there is nothing to tell apart"
                raise DataError(message, column=name)
        return Standard(np.zeros(len(names)), np.ones(len(names)))

    def loss(self, kind: str, outputs: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Cross entropy, whatever the kind."""
        return masked_loss("cross_entropy", outputs, targets, mask)

    def values(self, outputs: torch.Tensor, standard: Standard) -> Array:
        """Probabilities of class 1."""
        return torch.sigmoid(outputs.detach().to("cpu", torch.float64)).numpy()

    def metrics(self, values: Array, predicted: Array, mask: Mask) -> dict[str, float]:
        """`recipnet.training.metrics.class_metrics`."""
        return class_metrics(values, predicted, mask)

    def score(self, metrics: dict[str, Any], deviation: float) -> float:
        """Cross entropy."""
        return float(metrics["cross_entropy"])

    def line(self, name: str, metrics: dict[str, Any]) -> str:
        """Accuracy beside that of the commoner class, and what does not depend on the threshold."""
        return (
            f"{name}: accuracy {metrics['accuracy']:.4f} (commoner class {metrics['majority']:.4f}), "
            f"ROC AUC {metrics['roc_auc']:.4f}, F1 {metrics['f1']:.4f}, "
            f"cross entropy {metrics['cross_entropy']:.4f}, {metrics['count']} crystals"
        )


_TASKS: dict[str, Task] = {task.name: task for task in (Regression(), Classification())}


def task_named(name: str) -> Task:
    """The task that ``data.task`` means.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    if name not in _TASKS:
        raise ConfigError(f"data.task = {name!r}: one of {', '.join(_TASKS)}", key="data.task", value=name)
    return _TASKS[name]


def all_metrics(
    task: Task, values: Array, predicted: Array, mask: Mask, names: Sequence[str], units: Sequence[str]
) -> Metrics:
    """Metrics of each column of ``(B, T)`` arrays by name, with its unit."""
    return {
        name: {**task.metrics(values[:, i], predicted[:, i], mask[:, i]), "unit": units[i]}
        for i, name in enumerate(names)
    }
