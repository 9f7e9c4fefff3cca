"""A model with its loss and optimizer, as Lightning wants it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import nn

from recipnet.data.batch import TensorBatch
from recipnet.errors import TrainingError
from recipnet.training.config import TrainingConfig
from recipnet.training.ema import WeightAverage
from recipnet.training.schedule import scheduler
from recipnet.training.standard import Standard
from recipnet.training.tasks import Regression, Task

CHECK_EVERY = 16
"""Steps between looks at the losses on a GPU, where each look waits for it; on a CPU every step is looked at."""

_OPTIMIZERS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}


class FitModule(pl.LightningModule):
    """Steps of a fit; what happens between epochs is the business of callbacks.

    Parameters
    ----------
    model
        ``forward(TensorBatch) -> (B, T)``, standardised. A model may also have ``forward_and_penalty(TensorBatch)``,
        which gives the same outputs and a number that training adds to the loss.
    config
        The section ``[training]``.
    standard
        Mean and deviation of the targets.
    total_steps
        Optimizer steps of the whole run, which the schedule spans.
    task
        What the targets are.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        model: nn.Module,
        config: TrainingConfig,
        standard: Standard,
        total_steps: int,
        task: Task = Regression(),  # noqa: B008 - it has no state
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.total_steps = total_steps
        self.task = task
        dtype = torch.float64 if config.precision == "64" else torch.float32
        self.register_buffer("mean", torch.tensor(standard.mean, dtype=dtype), persistent=False)
        self.register_buffer("std", torch.tensor(standard.std, dtype=dtype), persistent=False)
        penalised: Callable[[TensorBatch], Any] | None = getattr(model, "forward_and_penalty", None)
        step = penalised or self._without_penalty
        # sizes differ from batch to batch: compiled once for all of them
        self._outputs = torch.compile(step, dynamic=True) if config.compile else step
        self.average = WeightAverage(model, config.ema)
        self.loss_sum = torch.zeros((), dtype=torch.float64)
        self.crystals = 0
        self._loss = torch.zeros(())
        self._ids: list[str] = []
        self._unchecked: list[tuple[torch.Tensor, list[str], int]] = []

    def forward(self, batch: TensorBatch) -> torch.Tensor:
        """Standardised predictions ``(B, T)``."""
        return self.model(batch)

    def _without_penalty(self, batch: TensorBatch) -> tuple[torch.Tensor, float]:
        return self.model(batch), 0.0

    def transfer_batch_to_device(self, batch: TensorBatch, device: torch.device, dataloader_idx: int) -> TensorBatch:
        """Move a batch, unless it is there."""
        return batch if batch.device == device else batch.to(device, non_blocking=True)

    def training_step(self, batch: TensorBatch, batch_idx: int) -> torch.Tensor:
        """Loss of one batch."""
        assert batch.targets is not None
        assert batch.mask is not None
        targets = (batch.targets - self.mean) / self.std
        outputs, penalty = self._outputs(batch)
        loss = self.task.loss(self.config.loss, outputs.to(targets.dtype), targets, batch.mask) + penalty
        self._loss = loss.detach()
        self._ids = batch.ids or []
        self.loss_sum = self.loss_sum.to(loss.device) + self._loss.double() * len(batch)
        self.crystals += len(batch)
        return loss

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by norm, and let no step happen on a gradient that is not finite."""
        # an infinite limit scales by one
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip or math.inf)
        self._unchecked.append((norm + self._loss, self._ids, self.global_step))
        if norm.device.type == "cpu" or len(self._unchecked) >= CHECK_EVERY:
            self.check_finite()

    def check_finite(self) -> None:
        """Look at the losses and gradients of the steps since the last look.

        Raises
        ------
        TrainingError
            One of them is NaN or infinite; it names the step and the crystals of its batch.
        """
        steps, self._unchecked = self._unchecked, []
        if not steps:
            return
        finite = torch.stack([value for value, _, _ in steps]).isfinite().tolist()
        for good, (_, ids, step) in zip(finite, steps, strict=True):
            if not good:
                shown = ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
                message = (
                    f"the loss or its gradient is not finite at step {step} (epoch {self.current_epoch + 1}); "
                    f"crystals of that batch: {shown}. The last checkpoint is from before it. "
                    "Look at these crystals and their labels, or lower training.lr or training.clip"
                )
                raise TrainingError(message, step=step, epoch=self.current_epoch + 1, ids=ids)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, and let the averaged weights follow before anything can be saved."""
        super().optimizer_step(*args, **kwargs)
        self.average.update()

    def configure_optimizers(self) -> dict[str, Any]:
        """Optimizer, and a schedule that moves with every step."""
        config = self.config
        options = {"lr": config.lr, "weight_decay": config.weight_decay, "fused": True}
        optimizer = _OPTIMIZERS[config.optimizer](self.model.parameters(), **options)
        schedule = scheduler(optimizer, config.schedule, self.total_steps, config.warmup)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def take_train_loss(self) -> float:
        """Mean loss over the crystals seen since the last call."""
        loss = self.loss_sum.item() / max(1, self.crystals)
        self.loss_sum, self.crystals = torch.zeros((), dtype=torch.float64), 0
        return loss
