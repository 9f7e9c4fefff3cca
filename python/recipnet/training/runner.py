"""From a configuration to a finished run folder."""

from __future__ import annotations

import time
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import nn

from recipnet import models
from recipnet.data import CrystalDataset, Loader, embedded, load_dataset
from recipnet.errors import ArgumentError, ConfigError, DataError
from recipnet.training.artifact import METADATA, load_artifact, save_artifact
from recipnet.training.baseline import composition_baseline
from recipnet.training.checkpoints import StateCheckpointIO, last_checkpoint, list_checkpoints
from recipnet.training.config import EMBEDDED, Config, ModelConfig, read_toml, validate
from recipnet.training.config_toml import dump_config
from recipnet.training.display import Display, Silent, choose_display
from recipnet.training.epochs import Epochs
from recipnet.training.evaluate import dtype_of, spec_of
from recipnet.training.feed import Feed
from recipnet.training.interrupt import Interrupted, listening
from recipnet.training.metrics import Metrics, from_json, to_json
from recipnet.training.module import FitModule
from recipnet.training.process import deterministic_algorithms, flushed_denormals, quiet_lightning
from recipnet.training.rng import seed_all
from recipnet.training.runfolder import (
    BASELINE,
    CHECKPOINTS,
    CONFIG,
    CURVE,
    LEFT_OUT,
    PARITY,
    PREDICTIONS,
    ROC,
    TEST_METRICS,
    find_run,
    new_run_folder,
    write_rows,
    write_text,
)
from recipnet.training.standard import Standard
from recipnet.training.subset import Subset
from recipnet.training.tasks import Task, task_named

__all__ = ["Interrupted", "RunResult", "resume", "train"]


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes
    ----------
    folder
        Where its files are.
    metrics
        Of the test split, by target: ``mae``, ``rmse``, ``mad``, ``ratio`` = mad / mae, ``count``, ``unit``. Empty
        where the split has no test crystals.
    baseline
        The same of the composition network, trained on the same rows; empty where it was not asked for.
    seconds
        From reading the data to the last file, of this process.
    epoch
        Whose weights were kept, from 1.
    task
        ``"regression"`` or ``"classification"``; the latter has ``accuracy``, ``majority``, ``roc_auc``, ``f1`` and
        ``cross_entropy`` for metrics.
    """

    folder: Path
    metrics: Metrics
    baseline: Metrics
    seconds: float
    epoch: int
    task: str = "regression"

    def lines(self) -> list[str]:
        """What came out, for people."""
        task = task_named(self.task)
        tables = (("test", self.metrics), ("composition alone,", self.baseline))
        found = [f"{label} {task.line(name, values)}" for label, table in tables for name, values in table.items()]
        if not self.metrics:
            found.append("no test crystals in this split")
        return [*found, f"time {self.seconds:.0f} s, weights of epoch {self.epoch}", f"files in {self.folder}"]


@dataclass(frozen=True, eq=False)
class _Parts:
    """What a configuration stands for."""

    config: Config
    data: CrystalDataset
    model: nn.Module
    device: torch.device

    @property
    def task(self) -> Task:
        """What the targets are."""
        return task_named(self.config.data.task)


def train(config: Config | None = None, *, quiet: bool = False) -> RunResult:
    """Train a model as a configuration says, in a new run folder.

    Parameters
    ----------
    config
        None: the defaults, on the data inside the package.
    quiet
        Print nothing.

    Returns
    -------
    RunResult

    Raises
    ------
    ConfigError, DataError, ReadError
        Something to correct; no folder is made before the data and the model are there.
    TrainingError
        The loss became NaN or infinite.
    Interrupted
        Ctrl-C; the state is saved, `resume` goes on.

    While it runs, denormal numbers are flushed to zero, and with ``training.deterministic`` torch uses only operations
    that give the same bits every time; both are put back at the end.
    """
    began = time.monotonic()
    if config is None:
        from recipnet.training.config import load_config

        config = load_config()
    with _settings(config):
        parts = _prepare(config)
        folder = new_run_folder(config.output.dir, config.model.name)
        write_text(folder / CONFIG, dump_config(parts.config))
        _write_left_out(folder, parts.data)
        return _run(parts, folder, began, quiet)


def resume(run: str | Path, *, quiet: bool = False) -> RunResult:
    """Go on with a run that was stopped, exactly as if it had not been.

    Parameters
    ----------
    run
        A run folder, or ``runs/latest``.
    quiet
        Print nothing.

    Raises
    ------
    DataError
        No such run, or its data have changed.
    ReadError
        Its checkpoint is damaged.
    """
    began = time.monotonic()
    folder = find_run(run)
    config = validate(read_toml(folder / CONFIG))
    if (folder / TEST_METRICS).exists() and (folder / METADATA).exists():
        artifact = load_artifact(folder)
        metrics = from_json((folder / TEST_METRICS).read_text(encoding="utf-8"))
        beside = folder / BASELINE
        baseline = from_json(beside.read_text(encoding="utf-8")) if beside.exists() else {}
        return RunResult(
            folder, metrics, baseline, time.monotonic() - began, artifact.metadata["epoch"], config.data.task
        )
    with _settings(config):
        return _run(_prepare(config), folder, began, quiet)


def _settings(config: Config) -> ExitStack:
    stack = ExitStack()
    stack.enter_context(flushed_denormals())
    stack.enter_context(deterministic_algorithms(config.training.deterministic))
    stack.enter_context(quiet_lightning())
    return stack


def _prepare(config: Config) -> _Parts:
    """Read the data, build the model, and write every choice into the configuration."""
    device = choose_device(config.training.devices)
    data = read_data(config)
    for name in ("train", "val", "test"):
        if name == "train" and not data.counts.get(name):
            raise DataError(f"{config.data.path}: the split leaves no crystal for training ({data.counts})")
        if name == "val" and not data.counts.get(name) and config.training.early_stopping:
            raise DataError(f"{config.data.path}: early stopping needs validation crystals, the split has none")
    seed_all(config.training.seed)
    try:
        model = models.build(
            config.model.name, mode=config.model.mode, targets=len(data.target_names), **config.model.options
        )
    except (ArgumentError, TypeError) as error:
        key = getattr(error, "name", None)
        where = f"model.{key}" if key in ("name", "mode") else f"model.options.{key}" if key else "model.options"
        raise ConfigError(f"configuration: {where}: {error}", key=where, value=getattr(error, "value", None)) from error
    if config.training.precision == "64":
        model = model.double()
    resolved = config.model_copy(deep=True)
    resolved.model.options = _all_options(config.model)
    resolved.data.target_names, resolved.data.units = list(data.target_names), list(_plain_units(config, data))
    for section, key in ((resolved.data, "path"), (resolved.data, "targets"), (resolved.data, "split")):
        value = getattr(section, key)
        if value and value != EMBEDDED and Path(value).exists():
            setattr(section, key, str(Path(value).resolve()))
    return _Parts(resolved, data, model, device)


def _all_options(section: ModelConfig) -> dict[str, Any]:
    """Options of a model with the defaults that it was built with, so that a run does not change when they do."""
    known = models.options(section.name, section.mode)
    return {name: value for name, value in known.items() if value is not None} | section.options


def _plain_units(config: Config, data: CrystalDataset) -> list[str]:
    """Units before the transform, which is applied again when the configuration is read."""
    if config.data.transform == "is_zero":  # a class has no unit to find them in
        return list(config.data.units)
    if config.data.transform == "none":
        return list(data.units)
    return [unit.removeprefix(f"{config.data.transform}(").removesuffix(")") for unit in data.units]


def choose_device(devices: str) -> torch.device:
    """The device that ``training.devices`` means.

    Raises
    ------
    ConfigError
        Not a device, or not one of this machine.
    """
    if devices == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(devices)
    except RuntimeError as error:
        message = f"training.devices = {devices!r}: expected auto, cpu, cuda or cuda:1"
        raise ConfigError(message, key="training.devices", value=devices) from error
    if device.type not in ("cpu", "cuda"):
        message = f"training.devices = {devices!r}: expected auto, cpu, cuda or cuda:1"
        raise ConfigError(message, key="training.devices", value=devices)
    index = device.index or 0
    if device.type == "cuda" and index >= torch.cuda.device_count():
        message = f"training.devices = {devices!r}: this machine has {torch.cuda.device_count()} CUDA devices"
        raise ConfigError(message, key="training.devices", value=devices)
    return torch.device("cpu") if device.type == "cpu" else torch.device("cuda", index)


def read_data(config: Config) -> CrystalDataset:
    """The dataset that ``[data]`` describes."""
    section = config.data
    options: dict[str, Any] = {
        "split": section.split,
        "on_error": section.on_error,
        "transform": section.transform,
        "disorder": section.disorder,
        "units": tuple(section.units),
        "task": section.task,
    }
    if section.path == EMBEDDED:
        if section.targets:
            message = "data.targets names labels for your own structures; set data.path as well"
            raise ConfigError(message, key="data.targets", value=section.targets)
        return embedded(section.target_names or ("e_form",), **options)
    return load_dataset(
        section.path, targets=section.targets or None, target_names=tuple(section.target_names), **options
    )


def _run(parts: _Parts, folder: Path, began: float, quiet: bool) -> RunResult:
    config, data, device, task = parts.config, parts.data, parts.device, parts.task
    training = config.training
    display = Silent() if quiet else choose_display()
    if not quiet:
        _announce(parts, folder)
    fit = data.subset("train")
    standard = task.standard(fit.targets, fit.mask, list(data.target_names))
    loader = Loader(
        fit,
        spec_of(parts.model),
        training.batch_size,
        shuffle=True,
        seed=training.seed,
        workers=training.workers,
        dtype=dtype_of(training.precision),
        pin_memory=device.type == "cuda",
    )
    module = FitModule(parts.model, training, standard, training.epochs * len(loader), task)
    validation = _subset(parts, "val", standard) if data.counts.get("val") else None
    epochs = _fit(parts, folder, module, Feed(loader), validation, display)
    module.model.load_state_dict(epochs.best)
    metrics: Metrics = {}
    if data.counts.get("test"):
        test = _subset(parts, "test", standard)
        predicted = test.predict(module.model.to(device))
        metrics = test.metrics(predicted)
        if config.output.predictions:
            _write_predictions(folder, test.data, predicted, task)
        if config.output.plots:
            _plot_test(folder, test.data, predicted, metrics, task)
    if config.output.plots:
        from recipnet.plot import learning_curve

        learning_curve(epochs.rows, folder / CURVE, data.target_names, data.units, task.headline)
    save_artifact(folder, epochs.best, spec_of(parts.model), _facts(parts, standard, epochs))
    baseline: Metrics = {}
    if metrics and config.output.baseline and config.model.name != "composition":
        baseline = composition_baseline(data, standard, training.seed, task)
        write_text(folder / BASELINE, to_json(baseline))
    write_text(folder / TEST_METRICS, to_json(metrics))
    return RunResult(folder, metrics, baseline, time.monotonic() - began, epochs.kept_epoch, task.name)


def _subset(parts: _Parts, name: str, standard: Standard) -> Subset:
    training = parts.config.training
    return Subset.of(
        parts.data.subset(name),
        spec_of(parts.model),
        standard,
        batch_size=training.batch_size,
        workers=training.workers,
        device=parts.device,
        precision=training.precision,
        task=parts.task,
    )


def _fit(
    parts: _Parts, folder: Path, module: FitModule, feed: Feed, validation: Subset | None, display: Display
) -> Epochs:
    training = parts.config.training
    checkpoints = list_checkpoints(folder / CHECKPOINTS)
    # a run that was stopped before its first checkpoint begins again, with the same seeds
    start = last_checkpoint(folder / CHECKPOINTS) if checkpoints else None
    (folder / CHECKPOINTS).mkdir(exist_ok=True)
    with listening() as interrupt, warnings.catch_warnings():
        # Lightning's advice: other devices, workers of its own loaders
        warnings.filterwarnings("ignore", module=r"lightning\.")
        epochs = Epochs(folder, training, feed, validation, parts.data.split_hash, parts.task, display, interrupt)
        trainer = pl.Trainer(
            accelerator="gpu" if parts.device.type == "cuda" else "cpu",
            devices=[parts.device.index or 0] if parts.device.type == "cuda" else 1,
            precision={"32": "32-true", "64": "64-true", "bf16-mixed": "bf16-mixed"}[training.precision],
            max_epochs=training.epochs,
            callbacks=[epochs],
            plugins=[StateCheckpointIO()],
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        try:
            trainer.fit(module, train_dataloaders=feed, ckpt_path=start)
        except SystemExit:  # Lightning's answer to a second Ctrl-C
            raise KeyboardInterrupt from None
    return epochs


def _announce(parts: _Parts, folder: Path) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in parts.data.counts.items())
    parameters = sum(p.numel() for p in parts.model.parameters())
    print(f"{parts.config.model.name}: {parameters:,} parameters on {parts.device}; crystals: {counts}")
    if parts.data.report.dropped or (parts.data.report.read is not None and parts.data.report.read.failed):
        print(f"data: {parts.data.report}")
    print(f"run: {folder}", flush=True)


def _facts(parts: _Parts, standard: Standard, epochs: Epochs) -> dict[str, Any]:
    config, data = parts.config, parts.data
    return {
        "model": config.model.model_dump(),
        "parameters": sum(p.numel() for p in parts.model.parameters()),
        "task": config.data.task,
        "targets": list(data.target_names),
        "units": list(data.units),
        "transform": config.data.transform,
        "disorder": config.data.disorder,
        "standard": standard.to_dict(),
        "precision": config.training.precision,
        "batch_size": config.training.batch_size,
        "epoch": epochs.kept_epoch,
        "seed": config.training.seed,
        "split_hash": data.split_hash,
        "crystals": data.counts,
        "torch": torch.__version__,
    }


def _write_left_out(folder: Path, data: CrystalDataset) -> None:
    """List what ``data.on_error = "collect"`` left out."""
    report = data.report
    rows = [[record.id, record.path or "", record.message] for record in (report.read.failures if report.read else ())]
    rows += [[getattr(error, "id", "") or "", getattr(error, "path", "") or "", str(error)] for error in report.records]
    if rows:
        write_rows(folder / LEFT_OUT, ["id", "path", "message"], rows)


def _write_predictions(folder: Path, data: CrystalDataset, predicted: np.ndarray, task: Task) -> None:
    suffixes = ("", "_predicted") if task.name == "regression" else ("", "_predicted", "_probability")
    header = ["id", *(name + suffix for name in data.target_names for suffix in suffixes)]
    rows = []
    for i, name in enumerate(data.ids):
        row: list[Any] = [name]
        for t in range(len(data.target_names)):
            row += [float(data.targets[i, t]) if data.mask[i, t] else ""]
            row += [*(() if task.name == "regression" else (int(predicted[i, t] >= 0.5),)), float(predicted[i, t])]
        rows.append(row)
    write_rows(folder / PREDICTIONS, header, rows)


def _plot_test(folder: Path, data: CrystalDataset, predicted: np.ndarray, metrics: Metrics, task: Task) -> None:
    from recipnet.plot import Parity, Roc, parity, roc

    chosen = [
        (name, data.units[i], data.targets[data.mask[:, i], i], predicted[data.mask[:, i], i])
        for i, name in enumerate(data.target_names)
    ]
    if task.name == "classification":
        roc([Roc(name, truth, chance, metrics[name]["roc_auc"]) for name, _, truth, chance in chosen], folder / ROC)
        return
    parity([Parity(name, unit, y, x, metrics[name]["mae"]) for name, unit, y, x in chosen], folder / PARITY)
