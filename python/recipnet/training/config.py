"""The run configuration: typed sections, TOML in and out, and errors that say how to fix them.

>>> config = load_config(overrides=["training.epochs=5", "training.loss=huber"])
>>> config.training.epochs, config.training.loss
(5, 'huber')
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from recipnet.errors import ConfigError
from recipnet.training.config_errors import config_error
from recipnet.training.overrides import apply_overrides

EMBEDDED = "embedded"
"""``data.path`` of the labelled set that ships inside the package."""


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, validate_default=True)


class DataConfig(_Section):
    """What to learn from."""

    path: str = Field(EMBEDDED, description="structures: a folder of CIF files, a glob, a Parquet file, or 'embedded'")
    targets: str = Field("", description="CSV of labels with a header id,<target>; empty: columns of the Parquet file")
    target_names: list[str] = Field([], description="labels to learn; empty: all of the file (embedded: the first)")
    task: Literal["regression", "classification"] = Field(
        "regression", description="what a label is: a number, or a class, 0 or 1, whose probability is learned"
    )
    units: list[str] = Field([], description="one unit per target, as in ['eV/atom']; empty: those of the data, if any")
    on_error: Literal["raise", "skip", "collect"] = Field(
        "raise",
        description="a structure or label that cannot be used: stop, leave out, or leave out and list in a file",
    )
    transform: Literal["none", "log10", "is_zero"] = Field(
        "none", description="learn the target, its decadic logarithm, or whether it is 0 (a metal has no gap)"
    )
    disorder: Literal["error", "allow"] = Field("error", description="crystals with partly occupied sites")
    split: str = Field(
        "auto",
        description="column | formula (hash of the reduced formula, 8:1:1) | a CSV id,split | auto: column if any",
    )


class ModelConfig(_Section):
    """Which network."""

    name: str = Field("regnet", description="one of the names that `recipnet models` lists")
    mode: str = Field("exact", description="the exact definition of a model, or its paper's")
    preset: Literal["small", "full"] = Field(
        "small", description="numbers to start from: for minutes on two cores, or the published size and training"
    )
    options: dict[str, Any] = Field({}, description="what the model takes, such as width")


class TrainingConfig(_Section):
    """How to fit it."""

    epochs: int = Field(30, ge=1, description="passes over the training split")
    batch_size: int = Field(64, ge=1, description="crystals in a step")
    lr: float = Field(2e-3, gt=0, description="learning rate; the peak of the schedule")
    weight_decay: float = Field(1e-4, ge=0, description="decoupled for adamw, added to the gradient for adam")
    optimizer: Literal["adamw", "adam"] = Field("adamw", description="update rule")
    schedule: Literal["onecycle", "cosine", "constant"] = Field(
        "onecycle", description="learning rate over the steps; a function of the step number, never of the clock"
    )
    warmup: float = Field(0.3, ge=0, lt=1, description="part of the steps that onecycle spends rising")
    loss: Literal["l1", "huber", "mse"] = Field(
        "l1", description="on standardised targets; huber bends at 1; classes always have their cross entropy"
    )
    clip: float = Field(1.0, ge=0, description="largest norm of the gradient; 0: no clipping")
    ema: float = Field(0.99, ge=0, lt=1, description="decay per step of averaged weights; 0: no averaging")
    early_stopping: int = Field(0, ge=0, description="epochs without a better validation error; 0: never stop early")
    keep: Literal["best", "last"] = Field("best", description="epoch whose weights are kept, by validation error")
    seed: int = Field(0, ge=0, lt=2**32, description="of the weights and of the order of the crystals")
    deterministic: bool = Field(
        True, description="the same bits in every run; slower on a GPU, with a warning for what has no such form there"
    )
    workers: int = Field(
        1, ge=0, description="threads that featurize ahead of the model; 0: featurize when the model asks"
    )
    precision: Annotated[Literal["32", "64", "bf16-mixed"], BeforeValidator(_as_text)] = Field(
        "32", description="arithmetic of the model"
    )
    compile: bool = Field(
        False, description="fuse the training step with torch.compile: minutes of compiling first; needs a C++ compiler"
    )
    devices: str = Field("auto", description="auto (a GPU if there is one) | cpu | cuda | cuda:1")
    tensorboard: bool = Field(False, description="also write TensorBoard event files (needs the tensorboard package)")
    checkpoint_every: int = Field(1, ge=1, description="epochs between checkpoints")


class OutputConfig(_Section):
    """Where results go."""

    dir: str = Field("runs", description="folder that gets <time>-<model>/ and the link 'latest'")
    plots: bool = Field(True, description="write parity.png (classes: roc.png) and learning_curve.png")
    predictions: bool = Field(True, description="write predictions_test.csv")
    baseline: bool = Field(True, description="also fit the composition network on the same rows and report its error")


class Config(_Section):
    """A whole run."""

    data: DataConfig = Field(default_factory=DataConfig, description="what to learn from")
    model: ModelConfig = Field(default_factory=ModelConfig, description="which network")
    training: TrainingConfig = Field(default_factory=TrainingConfig, description="how to fit it")
    output: OutputConfig = Field(default_factory=OutputConfig, description="where results go")


@cache
def _presets_text() -> str:
    return files("recipnet.training").joinpath("presets.toml").read_text(encoding="utf-8")


def defaults(model: str | None = None, mode: str | None = None, preset: str = "small") -> dict[str, Any]:
    """Sections that a run starts from: the numbers of ``presets.toml`` for one model.

    Parameters
    ----------
    model
        A model's name; None: the default model.
    mode
        None: the first that the model has a small preset for, which is ``"exact"`` where there is one.
    preset
        ``"small"`` or ``"full"``. What it does not name has the default of the field, or of the model.

    Returns
    -------
    dict
        ``{"model": {...}, "training": {...}}``, new on every call.

    >>> defaults()["model"]["name"], defaults()["model"]["mode"]
    ('regnet', 'exact')
    """
    table = tomllib.loads(_presets_text())
    name = model if model is not None else table["default"]
    known = [key for key in table["small"].get(name, {}) if key != "training"]
    mode = mode if mode is not None else next(iter(known), "exact")
    entry: dict[str, Any] = table.get(preset, {}).get(name, {})
    section = {"name": name, "mode": mode, "options": entry.get(mode, {})}
    return {"model": section, "training": entry.get("training", {})}


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``, table by table."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def read_toml(path: str | Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises
    ------
    ConfigError
        No such file, not text, or not TOML (the message has line and column).
    """
    try:
        with open(path, "rb") as handle:
            return tomllib.load(handle)
    except FileNotFoundError as error:
        raise ConfigError(
            f"no configuration file {path}; `recipnet-train --print-config` prints one", value=str(path)
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}", value=str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", value=str(path)) from error


def validate(tables: Mapping[str, Any]) -> Config:
    """A configuration from plain tables, without any other defaults than those of the fields.

    Raises
    ------
    ConfigError
        An unknown key (with the nearest known one) or a value that a key does not take.
    """
    try:
        return Config.model_validate(tables)
    except ValidationError as error:
        raise config_error(error, Config) from error


def load_config(path: str | Path | None = None, overrides: Iterable[str] = ()) -> Config:
    """Read a run configuration: the preset of the model, then the file, then ``a.b=c`` overrides.

    Parameters
    ----------
    path
        A TOML file; None: defaults alone.
    overrides
        ``section.key=value``, the value in TOML; text that is no TOML value is taken as a string.

    Raises
    ------
    ConfigError
        The file, a key or a value cannot be used.
    """
    tables = read_toml(path) if path is not None else {}
    tables = apply_overrides(tables, overrides)
    model = tables.get("model", {})
    given = model if isinstance(model, dict) else {}
    # what is no text here is refused below, with its place
    chosen = {key: given[key] for key in ("name", "mode", "preset") if isinstance(given.get(key), str)}
    start = defaults(chosen.get("name"), chosen.get("mode"), chosen.get("preset", "small"))
    return validate(_merge(start, tables))
