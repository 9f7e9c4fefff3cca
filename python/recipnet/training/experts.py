"""Which experts a trained mixture uses for which task."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recipnet.data import CrystalDataset, Loader
from recipnet.errors import ArgumentError, DataError
from recipnet.io.atomic import atomic_write
from recipnet.io.read import read_many
from recipnet.training.config import read_toml, validate
from recipnet.training.evaluate import dtype_of, evaluating, spec_of
from recipnet.training.metrics import Array
from recipnet.training.predictor import Predictor
from recipnet.training.runfolder import CONFIG
from recipnet.training.runner import read_data


@dataclass(frozen=True, eq=False)
class ExpertUse:
    """Statistics of the gates over some crystals.

    Attributes
    ----------
    targets : length T
    crystals
        How many were looked at.
    picked : (T, n)
        Share of the crystals for which a task picks an expert; a row adds up to k.
    gate : (T, n)
        Mean gate, zero where an expert is not picked.
    """

    targets: tuple[str, ...]
    crystals: int
    picked: Array
    gate: Array

    @property
    def similarity(self) -> Array:
        """Cosine between the mean gate vectors of two tasks, (T, T)."""
        unit = self.gate / np.linalg.norm(self.gate, axis=1, keepdims=True)
        return unit @ unit.T

    @property
    def imbalance(self) -> float:
        """Squared coefficient of variation of the experts' gates, summed over tasks; 0: all are used alike."""
        load = self.gate.sum(0)
        return float(load.var() / load.mean() ** 2)

    def write(self, path: Path) -> None:
        """A CSV with a row for each task and expert."""
        with atomic_write(path, newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(["target", "expert", "picked", "gate"])
            for t, name in enumerate(self.targets):
                for n in range(self.gate.shape[1]):
                    writer.writerow([name, n, float(self.picked[t, n]), float(self.gate[t, n])])

    def lines(self) -> list[str]:
        """For people: the busiest experts of each task, and how alike the tasks are."""
        found = [f"{self.crystals} crystals, {self.gate.shape[1]} experts, imbalance {self.imbalance:.3f}"]
        for name, row in zip(self.targets, self.picked, strict=True):
            order = np.argsort(-row, kind="stable")[:5]
            found.append(f"{name}: " + ", ".join(f"expert {n} {100 * row[n]:.0f} %" for n in order))
        for a in range(len(self.targets)):
            for b in range(a + 1, len(self.targets)):
                found.append(f"cosine {self.targets[a]}, {self.targets[b]}: {self.similarity[a, b]:.3f}")
        return found


def expert_use(predictor: Predictor, source: str | None = None) -> ExpertUse:
    """Look at the gates of a trained mixture.

    Parameters
    ----------
    predictor
        From `recipnet.load`.
    source
        What `recipnet.read_many` reads; None: the test crystals of the run.

    Raises
    ------
    ArgumentError
        The model is no mixture of experts.
    DataError
        There are no crystals.
    """
    gates: Callable[..., torch.Tensor] | None = getattr(predictor.model, "gates", None)
    if gates is None:
        name = predictor.metadata["model"]["name"]
        raise ArgumentError(f"{name} has no experts; regnet_mt has", name="run", value=name)
    if source is None:
        config = validate(read_toml(predictor.folder / CONFIG))
        data = read_data(config)
        data = data.subset("test") if data.counts.get("test") else data
    else:
        data = CrystalDataset(read_many(source, on_error="skip")[0])
    if not len(data):
        raise DataError("there are no crystals to look at", path=source)
    spec, dtype = spec_of(predictor.model), dtype_of(predictor.metadata["precision"])
    loader = Loader(data, spec, predictor.metadata["batch_size"], shuffle=False, workers=0, dtype=dtype)
    rows: list[Any] = []
    with evaluating(predictor.model):
        for batch in loader:
            rows.append(gates(batch.to(predictor.device)).double().cpu().numpy())
    values = np.concatenate(rows)
    return ExpertUse(predictor.targets, len(values), (values > 0).mean(0), values.mean(0))
