"""Lightning drives a Loader like any dataloader: it sets the epoch, and a run stopped inside one goes on exactly."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import recipnet as rn
from recipnet.data import CrystalDataset, FeatureSpec, Loader

pl = pytest.importorskip("lightning.pytorch")


class Recorder(pl.LightningModule):
    """Writes down what it was given; saves a checkpoint in the middle of an epoch."""

    def __init__(self, save: Path | None = None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.save = save
        self.seen: list[list[str]] = []

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        self.seen.append(batch.ids)
        return (self.weight - batch.targets.mean()).square().sum()

    def on_train_batch_end(self, *_: Any) -> None:
        if self.save and self.global_step == 6:
            self.trainer.save_checkpoint(self.save)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


def run(model: Recorder, folder: Path, resume: Path | None = None) -> None:
    crystals = [rn.Crystal(np.eye(3) * 4, [6], [[0, 0, 0]])] * 11
    batch = rn.CrystalBatch.from_crystals(crystals, ids=[f"c{place}" for place in range(11)])
    loader = Loader(CrystalDataset(batch, np.arange(11.0)), FeatureSpec(), 3, shuffle=True, seed=5)
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(max_epochs=3, accelerator="cpu", default_root_dir=folder, **quiet)
        trainer.fit(model, loader, ckpt_path=resume)


def test_epochs_and_resume(tmp_path: Path) -> None:
    whole = Recorder(save=tmp_path / "middle.ckpt")
    run(whole, tmp_path)
    assert len(whole.seen) == 12
    orders = [[name for ids in whole.seen[place : place + 4] for name in ids] for place in (0, 4, 8)]
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    rest = Recorder()
    run(rest, tmp_path, resume=tmp_path / "middle.ckpt")
    assert rest.seen == whole.seen[6:]
    assert torch.equal(rest.weight, whole.weight)
