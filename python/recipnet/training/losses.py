"""Losses over the labels that exist."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "l1": functional.l1_loss,
    "huber": functional.huber_loss,
    "mse": functional.mse_loss,
    "cross_entropy": functional.binary_cross_entropy_with_logits,
}


def masked_loss(name: str, outputs: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over targets of the mean loss over the labels that each has.

    Targets count alike however many labels they have; one without any label in this batch counts nothing.

    Parameters
    ----------
    name
        ``"l1"``, ``"mse"``, ``"huber"``: (x^2)/2 for |x| < 1, |x| - 1/2 beyond; or ``"cross_entropy"`` of logits.
    outputs, targets, mask : (B, T)
        Standardised values, or logits and classes 0 and 1; what stands where the mask is False does not matter.

    >>> x, mask = torch.tensor([[1.0, 5.0], [3.0, 4.0]]), torch.tensor([[True, False], [True, True]])
    >>> masked_loss("l1", x, torch.zeros(2, 2), mask).item()
    3.0
    """
    losses = LOSSES[name](outputs, targets, reduction="none")
    # not a product: a missing label may make the loss there infinite
    losses = torch.where(mask, losses, torch.zeros_like(losses))
    counts = mask.sum(0)
    present = (counts > 0).sum().clamp(min=1)
    return (losses.sum(0) / counts.clamp(min=1)).sum() / present
