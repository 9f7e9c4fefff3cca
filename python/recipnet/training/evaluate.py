"""Predictions of a model over a loader: the one path that validation, test and reloaded runs share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn

from recipnet.data.batch import TensorBatch
from recipnet.data.spec import FeatureSpec


def spec_of(model: nn.Module) -> FeatureSpec:
    """What a model needs."""
    spec = model.spec
    assert isinstance(spec, FeatureSpec)
    return spec


def dtype_of(precision: str) -> torch.dtype:
    """Type of the real tensors of a batch.

    >>> dtype_of("64")
    torch.float64
    """
    return torch.float64 if precision == "64" else torch.float32


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation and inference mode, and the mode before at the end."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)


def run_model(
    model: nn.Module, batches: Iterable[TensorBatch], device: torch.device | str = "cpu", precision: str = "32"
) -> torch.Tensor:
    """Outputs of a model for all batches, ``(sum B, T)`` on the CPU.

    Parameters
    ----------
    model
        On ``device``; left in the mode it was in.
    batches
        What to predict.
    precision
        As ``training.precision``; ``"bf16-mixed"`` runs under autocast.
    """
    mixed = torch.autocast(torch.device(device).type, torch.bfloat16) if precision == "bf16-mixed" else nullcontext()
    outputs: list[torch.Tensor] = []
    with evaluating(model), mixed:
        for batch in batches:
            outputs.append(model(batch.to(device, non_blocking=True)).to(dtype_of(precision)))
    return torch.cat(outputs).cpu() if outputs else torch.zeros((0, 0), dtype=dtype_of(precision))
