"""Learning rate as a function of the step number, never of the clock.

``onecycle`` is Smith and Topin (2019), arXiv:1708.07120, with the cosine ramps and the end points of torch's
``OneCycleLR`` and without its cycling of momentum: from 1/25 of the peak up to it, then down to 1/250,000.
"""

from __future__ import annotations

import math

import torch
from torch.optim.lr_scheduler import LambdaLR

START = 1 / 25
END = START / 1e4


def lr_factor(schedule: str, step: int, total: int, warmup: float = 0.3) -> float:
    """Learning rate of a step over the peak.

    Parameters
    ----------
    schedule
        ``"onecycle"``, ``"cosine"`` (to 0 at ``total``) or ``"constant"``.
    step
        0 for the first optimizer step.
    total
        Steps of the whole run.
    warmup
        Part of the steps that ``onecycle`` rises for.

    >>> [round(lr_factor("onecycle", step, 11), 3) for step in (0, 2, 10)]
    [0.04, 0.96, 0.0]
    """
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return _cosine(1.0, 0.0, step / total)
    top = max(0.0, warmup * total - 1)
    end = max(top + 1, total - 1.0)
    if step < top:
        return _cosine(START, 1.0, step / top)
    return _cosine(1.0, END, min(1.0, (step - top) / (end - top)))


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def scheduler(optimizer: torch.optim.Optimizer, schedule: str, total: int, warmup: float) -> LambdaLR:
    """A torch scheduler to be stepped once per optimizer step."""
    return LambdaLR(optimizer, lambda step: lr_factor(schedule, step, total, warmup))
