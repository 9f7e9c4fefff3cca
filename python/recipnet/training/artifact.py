"""A trained model on disk: ``model.safetensors`` and ``model.json``, each of which vouches for the other.

The JSON says everything that predicting needs: the model's name, mode and options, the features it wants, targets with
units, standardisation, split hash and the version of the code. It holds the SHA-256 of the weights and of itself.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as tensors_to_bytes
from torch import nn

from recipnet import __version__, models
from recipnet.data import FeatureSpec
from recipnet.errors import ArgumentError, ConfigError
from recipnet.io.atomic import atomic_write
from recipnet.training.evaluate import spec_of
from recipnet.training.standard import Standard
from recipnet.training.statefile import (
    MAX_TENSOR_BYTES,
    canonical_json,
    parse_json,
    parse_tensors,
    read_bounded,
    unreadable,
)
from recipnet.training.tasks import Task, task_named

FORMAT, VERSION = "recipnet-model", 1
WEIGHTS, METADATA = "model.safetensors", "model.json"
_MAX_METADATA_BYTES = 2**20
_HINT = "train again, or restore the file from a copy"


@dataclass(frozen=True, eq=False)
class Artifact:
    """A model that can predict, and how it came about.

    Attributes
    ----------
    model
        In evaluation mode, on the CPU.
    standard, task
        Turn outputs into values.
    metadata
        The table of ``model.json``.
    """

    model: nn.Module
    standard: Standard
    task: Task
    metadata: dict[str, Any]

    @property
    def targets(self) -> tuple[str, ...]:
        """Names, length T."""
        return tuple(self.metadata["targets"])

    @property
    def units(self) -> tuple[str, ...]:
        """Units, length T; of the logarithm where the run learned that."""
        return tuple(self.metadata["units"])


def save_artifact(folder: Path, weights: dict[str, torch.Tensor], spec: FeatureSpec, facts: dict[str, Any]) -> None:
    """Write weights and metadata.

    Parameters
    ----------
    folder
        Where both files go.
    weights
        The model's ``state_dict()``.
    spec
        What the model needs.
    facts
        ``model`` (name, mode, options), ``task``, ``targets``, ``units``, ``standard``, ``precision``, ``batch_size``,
        ``disorder`` and what else should be on record; JSON values.
    """
    data = tensors_to_bytes({name: value.detach().cpu().contiguous() for name, value in weights.items()})
    table = {
        **facts,
        "format": FORMAT,
        "version": VERSION,
        "recipnet": __version__,
        "spec": spec.to_dict(),
        "weights": {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()},
    }
    table["sha256"] = _digest(table)
    with atomic_write(folder / WEIGHTS, "wb") as handle:
        handle.write(data)
    with atomic_write(folder / METADATA) as handle:
        handle.write(json.dumps(table, indent=2, sort_keys=True) + "\n")


def load_artifact(folder: Path) -> Artifact:
    """Read a model after checking it; nothing in the files can run code.

    Raises
    ------
    ReadError
        A file is missing, changed, cut short, of another version, or does not fit the model that it names.
    """
    path = folder / METADATA
    table = parse_json(read_bounded(path, _MAX_METADATA_BYTES, _HINT), path, _HINT)
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        unreadable(path, f"not the metadata of a {FORMAT}", _HINT)
    if table.get("version") != VERSION:
        unreadable(path, f"version {table.get('version')!r}; this recipnet reads {VERSION}", "update recipnet")
    if table.get("sha256") != _digest({key: value for key, value in table.items() if key != "sha256"}):
        unreadable(path, "the file was changed since it was written", _HINT)
    data = read_bounded(folder / WEIGHTS, MAX_TENSOR_BYTES, _HINT)
    if table["weights"] != {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}:
        unreadable(folder / WEIGHTS, f"not the weights that {METADATA} describes", _HINT)
    weights = parse_tensors(data, folder / WEIGHTS, _HINT)
    try:
        standard, task = Standard.from_dict(table["standard"]), task_named(table["task"])
        model = _build(table, weights, folder)
    except (KeyError, TypeError, AttributeError, ArgumentError, ConfigError) as error:
        unreadable(path, f"not a model that this recipnet can build ({error})", _HINT)
    return Artifact(model.eval(), standard, task, table)


def _build(table: dict[str, Any], weights: dict[str, torch.Tensor], folder: Path) -> nn.Module:
    entry, count = table["model"], len(table["targets"])

    def build() -> nn.Module:
        return models.build(entry["name"], mode=entry["mode"], targets=count, **entry["options"])

    with torch.device("meta"):  # shapes first, without memory: options could ask for any size
        expected = {name: tuple(value.shape) for name, value in build().state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    if expected != found:
        name = sorted(set(expected.items()) ^ set(found.items()))[0][0]
        unreadable(folder / WEIGHTS, f"{name} does not fit the model {entry['name']!r} of {METADATA}", _HINT)
    with torch.random.fork_rng(devices=[]):  # the random start is overwritten; the user's generator stays as it was
        model = build()
    if table["precision"] == "64":
        model = model.double()
    if spec_of(model).to_dict() != table["spec"]:
        unreadable(folder / METADATA, "the features it names are not those of its model", _HINT)
    model.load_state_dict(weights)
    return model


def _digest(table: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(table)).hexdigest()
