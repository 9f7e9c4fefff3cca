"""A run folder that predicts: ``rn.load("runs/latest").predict(crystals)``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from recipnet.batch import CrystalBatch
from recipnet.crystal import Crystal
from recipnet.data import CrystalDataset
from recipnet.errors import DataError, RecipnetError
from recipnet.training.artifact import Artifact, load_artifact
from recipnet.training.evaluate import spec_of
from recipnet.training.process import flushed_denormals
from recipnet.training.runfolder import find_run
from recipnet.training.subset import Subset
from recipnet.training.tasks import Task


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predicted values.

    Attributes
    ----------
    values : (B, T) float64
        In ``units``, or probabilities of class 1; NaN where a crystal could not be predicted (only with
        ``on_error="collect"``).
    targets, units : length T
    ids : length B
    errors : length B
        None, or why there is no value.
    """

    values: npt.NDArray[np.float64]
    targets: tuple[str, ...]
    units: tuple[str, ...]
    ids: list[str]
    errors: list[RecipnetError | None]


class Predictor:
    """What `load` gives: a trained model with everything that it needs to read crystals.

    Attributes
    ----------
    folder
        The run.
    metadata
        The table of ``model.json``.
    """

    def __init__(self, folder: Path, artifact: Artifact, device: torch.device) -> None:
        self.folder = folder
        self.device = device
        self._artifact = artifact
        self._model = artifact.model.to(device)

    @property
    def metadata(self) -> dict[str, Any]:
        """Model, features, targets, units, standardisation, split hash, versions."""
        return self._artifact.metadata

    @property
    def model(self) -> torch.nn.Module:
        """The network, in evaluation mode."""
        return self._model

    @property
    def task(self) -> Task:
        """Whether values are numbers or probabilities."""
        return self._artifact.task

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the T targets."""
        return self._artifact.targets

    @property
    def units(self) -> tuple[str, ...]:
        """Their units."""
        return self._artifact.units

    def predict(
        self,
        crystals: CrystalBatch | Crystal | Iterable[Crystal],
        *,
        batch_size: int | None = None,
        on_error: str = "raise",
    ) -> Prediction:
        """Predict crystals.

        Parameters
        ----------
        crystals
            A batch, one crystal or several.
        batch_size
            Crystals at a time; None: as the run evaluated its test set, which makes the same crystals in the same order
            give the same bits again.
        on_error
            ``"raise"``, or ``"collect"``: a crystal that cannot be predicted gets NaN and an entry in ``errors``.

        Returns
        -------
        Prediction
            ``values (B, T)``, ``targets``, ``units``, ``ids``, ``errors``.

        Raises
        ------
        DataError
            A disordered crystal, where the run was trained without them.
        RecipnetError
            A crystal that cannot be featurized, such as one with an unknown element.
        """
        if on_error not in ("raise", "collect"):
            raise DataError(f"on_error = {on_error!r}: must be raise or collect", value=on_error)
        if isinstance(crystals, Crystal):
            crystals = [crystals]
        batch = crystals if isinstance(crystals, CrystalBatch) else CrystalBatch.from_crystals(crystals)
        data = CrystalDataset(batch)
        errors: list[RecipnetError | None] = [None] * len(data)
        if self.metadata["disorder"] == "error":
            for row in np.flatnonzero(~data.is_ordered()).tolist():
                message = (
                    f"crystal {batch.ids[row]!r} has mixed or partly filled sites or unknown elements, and this model "
                    'was trained without such; train one with data.disorder = "allow"'
                )
                errors[row] = DataError(message, id=batch.ids[row])
        values = np.full((len(data), len(self.targets)), np.nan)
        good = [row for row, error in enumerate(errors) if error is None]
        if len(good) < len(data) and on_error == "raise":
            raise next(error for error in errors if error is not None)
        size = batch_size or self.metadata["batch_size"]
        with flushed_denormals():
            for start in range(0, len(good), 64 * size):
                self._fill(data, good[start : start + 64 * size], size, on_error, values, errors)
        return Prediction(values, self.targets, self.units, list(batch.ids), errors)

    def _fill(
        self,
        data: CrystalDataset,
        rows: list[int],
        size: int,
        on_error: str,
        values: npt.NDArray[np.float64],
        errors: list[RecipnetError | None],
    ) -> None:
        """Predict some rows; where a batch fails, halve it until the crystal at fault stands alone."""
        if not rows:
            return
        try:
            values[rows] = self._subset(data.subset(rows), size).predict(self._model)
        except RecipnetError as error:
            if on_error == "raise":
                raise
            if len(rows) == 1:
                errors[rows[0]] = error
                return
            half = len(rows) // 2
            self._fill(data, rows[:half], size, on_error, values, errors)
            self._fill(data, rows[half:], size, on_error, values, errors)

    def _subset(self, data: CrystalDataset, size: int) -> Subset:
        return Subset.of(
            data,
            spec_of(self._model),
            self._artifact.standard,
            batch_size=size,
            workers=1 if len(data) > size else 0,
            device=self.device,
            precision=self.metadata["precision"],
            task=self.task,
        )

    def __repr__(self) -> str:
        shown = ", ".join(f"{t} ({u})" if u else t for t, u in zip(self.targets, self.units, strict=True))
        return f"Predictor({self.metadata['model']['name']} for {shown}, {self.folder})"


def load(run: str | Path, *, device: str = "cpu") -> Predictor:
    """The trained model of a run folder.

    Parameters
    ----------
    run
        A run folder, or ``runs/latest``.
    device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``.

    Raises
    ------
    DataError
        No such run, or one that has not finished.
    ReadError
        Its files were changed or cut short.
    """
    folder = find_run(run)
    if not (folder / "model.json").exists():
        message = f"{run}: this run has no trained model yet; finish it with: recipnet-train --resume {run}"
        raise DataError(message, path=str(run))
    return Predictor(folder, load_artifact(folder), torch.device(device))
