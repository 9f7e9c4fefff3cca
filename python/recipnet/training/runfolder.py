"""The folder of a run: its name, the pointer to the newest, and the tables in it."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from recipnet.errors import ConfigError, DataError
from recipnet.io.atomic import atomic_write

LATEST = "latest"
CONFIG, METRICS, TEST_METRICS = "config.toml", "metrics.csv", "test_metrics.json"
BASELINE = "baseline_metrics.json"
PREDICTIONS, PARITY, ROC = "predictions_test.csv", "parity.png", "roc.png"
CURVE = "learning_curve.png"
CHECKPOINTS, LEFT_OUT = "checkpoints", "left_out.csv"


def new_run_folder(parent: str | Path, model: str) -> Path:
    """Make ``parent/<time>-<model>`` and let ``parent/latest`` point to it.

    Raises
    ------
    ConfigError
        The folder cannot be made.
    """
    parent = Path(parent)
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{model}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in range(1000):
            folder = parent / (stem if not number else f"{stem}-{number + 1}")
            try:
                folder.mkdir()
                break
            except FileExistsError:
                continue
        (folder / CHECKPOINTS).mkdir()
        point_latest(parent, folder.name)
    except OSError as error:
        message = f"cannot make a run folder in {parent}: {error.strerror or error}; choose another with --output"
        raise ConfigError(message, key="output.dir", value=str(parent)) from error
    return folder


def point_latest(parent: Path, name: str) -> None:
    """Let ``parent/latest`` be a link to a run, or a text file with its name where links cannot be made."""
    link = parent / LATEST
    if link.is_dir() and not link.is_symlink():
        return  # somebody's own folder
    temporary = parent / f".{LATEST}-{uuid4().hex}.tmp"
    try:
        temporary.symlink_to(name, target_is_directory=True)
        os.replace(temporary, link)
    except (OSError, NotImplementedError):
        temporary.unlink(missing_ok=True)
        with atomic_write(link) as handle:
            handle.write(f"{name}\n")


def find_run(run: str | Path) -> Path:
    """The folder that ``run`` means: itself, or what the pointer ``latest`` names.

    Raises
    ------
    DataError
        There is no such run.
    """
    path = Path(run)
    if path.is_file() and path.name == LATEST:
        path = path.parent / path.read_text(encoding="utf-8", errors="replace")[:255].strip()
    if not path.is_dir():
        raise DataError(f"{run}: no such run folder; `recipnet-train` makes one under runs/", path=str(run))
    if not (path / CONFIG).is_file():
        raise DataError(f"{run}: not a run folder (no {CONFIG} in it)", path=str(run))
    return path.resolve()


def write_text(path: Path, text: str) -> None:
    """Write a whole text file or nothing."""
    with atomic_write(path) as handle:
        handle.write(text)


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV, whole or not at all; numbers so that they read back exactly."""
    with atomic_write(path, newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_metrics(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """One row per epoch."""
    if rows:
        header = list(rows[-1])  # rows of a resumed run come back with their keys sorted
        write_rows(path, header, ([row[name] for name in header] for row in rows))
