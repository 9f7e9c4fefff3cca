"""What happens between epochs: validation, the log, the choice of weights, stopping, checkpoints."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from recipnet.data.batch import TensorBatch
from recipnet.errors import DataError, MissingExtraError
from recipnet.training.checkpoints import checkpoint_name, point_last
from recipnet.training.config import TrainingConfig
from recipnet.training.display import Display, epoch_line
from recipnet.training.feed import Feed
from recipnet.training.interrupt import Flag, Interrupted
from recipnet.training.module import FitModule
from recipnet.training.rng import restore_rng, rng_state
from recipnet.training.runfolder import CHECKPOINTS, METRICS, write_metrics
from recipnet.training.subset import Subset
from recipnet.training.tasks import Task

#: Metrics that have a column in metrics.csv.
LOGGED = ("mae", "rmse", "cross_entropy", "accuracy", "roc_auc", "f1")


class Epochs(pl.Callback):
    """Keeper of the run: one object, so that the order of things between two epochs is plain to see.

    Parameters
    ----------
    folder
        The run folder.
    config
        The section ``[training]``.
    feed
        Training batches.
    validation
        None where the split has none; then the last epoch's weights are kept.
    split_hash
        Stored with the state; a run goes on only with the data it began with.
    task
        What the targets are.
    display, interrupt
        Who is told, and who may ask to stop.
    """

    def __init__(
        self,
        folder: Path,
        config: TrainingConfig,
        feed: Feed,
        validation: Subset | None,
        split_hash: str,
        task: Task,
        display: Display,
        interrupt: Flag,
    ) -> None:
        self.folder = folder
        self.config = config
        self.feed = feed
        self.validation = validation
        self.split_hash = split_hash
        self.task = task
        self.display = display
        self.interrupt = interrupt
        self.rows: list[dict[str, Any]] = []
        self.best_score = float("inf")
        self.best_epoch = 0
        self.best: dict[str, torch.Tensor] = {}
        self.kept_epoch = 0
        self.stopped = False
        self._rng: dict[str, Any] | None = None
        self._elapsed = 0.0
        self._began = 0.0
        self._board: Any = None

    # -- state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything here and in the generators that the rest of the run depends on."""
        return {
            "rows": self.rows,
            "best_score": self.best_score,
            "best_epoch": self.best_epoch,
            "best": self.best,
            "kept_epoch": self.kept_epoch,
            "stopped": self.stopped,
            "elapsed": self._elapsed + (time.monotonic() - self._began if self._began else 0.0),
            "split_hash": self.split_hash,
            "feed": self.feed.state_dict(),
            "rng": rng_state(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave.

        Raises
        ------
        DataError
            The data are not those that the run began with.
        """
        if state_dict["split_hash"] != self.split_hash:
            message = "the crystals or their split have changed since this run began; start a new run"
            raise DataError(message, value=self.split_hash)
        self.rows = state_dict["rows"]
        self.best_score, self.best_epoch = state_dict["best_score"], state_dict["best_epoch"]
        self.best, self.kept_epoch = state_dict["best"], state_dict["kept_epoch"]
        self.stopped = state_dict["stopped"]
        self._elapsed = state_dict["elapsed"]
        self.feed.load_state_dict(state_dict["feed"])
        self._rng = state_dict["rng"]

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the averaged weights and the running loss to a checkpoint."""
        assert isinstance(pl_module, FitModule)
        checkpoint["fit"] = {
            "average": pl_module.average.state_dict(),
            "loss_sum": pl_module.loss_sum,
            "crystals": pl_module.crystals,
        }

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Give them back."""
        assert isinstance(pl_module, FitModule)
        fit = checkpoint["fit"]
        pl_module.average.load_state_dict(fit["average"])
        pl_module.loss_sum, pl_module.crystals = fit["loss_sum"], fit["crystals"]

    # -- course of a fit -----------------------------------------------------------------------------------------

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin, or begin again exactly where the state was saved."""
        assert isinstance(pl_module, FitModule)
        pl_module.average.bind()
        if self._rng is not None:
            restore_rng(self._rng)
            self._rng = None
        if self.stopped:
            trainer.should_stop = True
        crystals = len(self.feed.loader.dataset)
        done = self.feed.epoch * crystals + self.feed.batch * self.feed.loader.batch_size
        self.display.start(self.config.epochs, crystals, min(done, self.config.epochs * crystals))
        if self.config.tensorboard:
            self._board = _tensorboard(self.folder)
        self._began = time.monotonic()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Order the batches of this epoch."""
        self.feed.start_epoch(trainer.current_epoch)
        self._elapsed = 0.0
        self._began = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: TensorBatch, batch_idx: int
    ) -> None:
        """Tell the display; save and stop here if asked to (at the last batch the epoch's end does it)."""
        self.display.step(len(batch))
        if self.interrupt and batch_idx + 1 < len(self.feed):
            self._save(trainer, pl_module)
            raise Interrupted(self.interrupt.signum, self.folder)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validate, log, choose, save."""
        assert isinstance(pl_module, FitModule)
        pl_module.check_finite()
        epoch = trainer.current_epoch + 1
        crystals, seconds = pl_module.crystals, self._elapsed + time.monotonic() - self._began
        row: dict[str, Any] = {
            "epoch": epoch,
            "step": trainer.global_step,
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "train_loss": pl_module.take_train_loss(),
        }
        pl_module.average.swap()
        try:
            self._validate(pl_module, epoch, row)
        finally:
            pl_module.average.swap()
        row |= {"time_s": round(seconds, 3), "crystals_per_s": round(crystals / max(seconds, 1e-9), 1)}
        self._log(row)
        patience = self.config.early_stopping
        self.stopped = bool(patience and epoch - self.best_epoch >= patience)
        self._elapsed, self._began = 0.0, 0.0
        last = self.stopped or epoch == self.config.epochs
        if last or self.interrupt or epoch % self.config.checkpoint_every == 0:
            self._save(trainer, pl_module)
        if self.interrupt:
            raise Interrupted(self.interrupt.signum, self.folder)
        if self.stopped:
            trainer.should_stop = True

    def _validate(self, module: FitModule, epoch: int, row: dict[str, Any]) -> None:
        """Errors of the averaged weights, which `module.model` holds during the call."""
        score = 0.0
        if self.validation is not None:
            metrics = self.validation.metrics(self.validation.predict(module.model))
            for name, values in metrics.items():
                for key, value in values.items():
                    if key in LOGGED:
                        row[f"val_{key}_{name}"] = value
                row[f"unit_{name}"] = values["unit"]
            score = self.validation.score(metrics)
        better = score < self.best_score or self.validation is None
        if better:
            self.best_score, self.best_epoch = score, epoch
        if better or self.config.keep == "last" or not self.best:
            self.best = {name: value.detach().clone() for name, value in module.model.state_dict().items()}
            self.kept_epoch = epoch

    def _log(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        write_metrics(self.folder / METRICS, self.rows)
        data = self.feed.loader.dataset
        self.display.epoch(epoch_line(row, self.config.epochs, data.target_names, data.units, self.task.shown))
        if self._board is not None:
            for name, value in row.items():
                if isinstance(value, float) and name != "epoch":
                    self._board.add_scalar(name, value, row["epoch"])

    def _save(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, FitModule)
        module.check_finite()  # a bad state never becomes the newest checkpoint
        folder = self.folder / CHECKPOINTS
        name = checkpoint_name(trainer.global_step)
        if not (folder / name).exists():
            trainer.save_checkpoint(folder / name)
        point_last(folder, name)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Put the display away, however the fit ended."""
        self.display.stop()
        if self._board is not None:
            self._board.close()


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        message = "training.tensorboard = true needs tensorboard: pip install tensorboard"
        raise MissingExtraError(message, extra="tensorboard") from error
    return SummaryWriter(folder / "tensorboard")
