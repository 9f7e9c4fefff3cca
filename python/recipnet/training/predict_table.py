"""Predictions of everything in a source as one table: a row for each thing that was given, whatever became of it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from recipnet._optional import require
from recipnet.errors import ArgumentError
from recipnet.io.atomic import atomic_write
from recipnet.io.read import read_many
from recipnet.io.report import printable
from recipnet.training.predictor import Predictor

SUFFIXES = (".csv", ".parquet")
PROBABILITY = "_probability", ("int", "float")


@dataclass(frozen=True)
class PredictTable:
    """Rows in the order of the source.

    Attributes
    ----------
    header
        ``id, <target>, <target>_unit, ..., status, message``; of classes ``<target>`` (0 or 1) and
        ``<target>_probability``, that of 1.
    kinds
        ``"text"``, ``"float"`` or ``"int"`` of each column.
    rows
        A value is None where ``status`` is not ``"ok"``.
    """

    header: list[str]
    kinds: list[str]
    rows: list[list[Any]]

    @property
    def failed(self) -> int:
        """Rows without a value."""
        return sum(row[-2] != "ok" for row in self.rows)


def check_output(path: Path) -> None:
    """Refuse a file that could not be written, before anything is computed.

    Raises
    ------
    ArgumentError
        Neither .csv nor .parquet, or no such folder.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ArgumentError(f"{path}: predictions are written as .csv or .parquet", name="output", value=str(path))
    if not path.parent.is_dir():
        raise ArgumentError(f"{path}: there is no folder {path.parent}", name="output", value=str(path))
    if path.suffix.lower() == ".parquet":
        require("pyarrow.parquet", "writing .parquet")


def predict_source(predictor: Predictor, source: str, *, strict: bool = False) -> PredictTable:
    """Read a source and predict all of it.

    Parameters
    ----------
    predictor
        From `recipnet.load`.
    source
        What `recipnet.read_many` reads.
    strict
        Refuse structures that the reader would repair.

    Raises
    ------
    ReadError
        The source itself is missing or empty; a structure that cannot be read is a row.
    """
    batch, report = read_many(source, on_error="collect", strict=strict)
    blank = [None] * len(predictor.targets)
    suffix, kinds = ("_unit", ("float", "text")) if predictor.task.name == "regression" else PROBABILITY
    found: list[tuple[int, list[Any]]] = []
    for record in report.failures:
        found.append((record.index, _row(record.id, blank, predictor, "failed", record.message)))
    if len(batch):
        prediction = predictor.predict(batch, on_error="collect")
        for row, (name, error) in enumerate(zip(prediction.ids, prediction.errors, strict=True)):
            values: Sequence[float | None] = prediction.values[row].tolist()
            status, message = "ok", ""
            if error is not None:
                values, status, message = blank, "failed", str(error)
            elif not np.isfinite(prediction.values[row]).all():
                values, status, message = blank, "failed", "the predicted value is not finite"
            found.append((int(batch.source_index[row]), _row(name, values, predictor, status, message)))
    found.sort(key=lambda item: item[0])
    columns = [name + end for name in predictor.targets for end in ("", suffix)]
    header = ["id", *columns, "status", "message"]
    return PredictTable(header, ["text", *kinds * len(predictor.targets), "text", "text"], [row for _, row in found])


def _row(name: str, values: Sequence[float | None], predictor: Predictor, status: str, message: str) -> list[Any]:
    cells: list[Any] = []
    for value, unit in zip(values, predictor.units, strict=True):
        if predictor.task.name == "regression":
            cells += [value, unit]
        else:
            cells += [None if value is None else int(value >= 0.5), value]
    return [name, *cells, status, printable(message)]


def write_table(table: PredictTable, path: Path) -> None:
    """Write a table by its suffix, whole or not at all."""
    if path.suffix.lower() == ".csv":
        with atomic_write(path, newline="", errors="backslashreplace") as handle:
            print_table(table, handle)
        return
    pa, parquet = require("pyarrow", "writing .parquet"), require("pyarrow.parquet", "writing .parquet")
    types = {"text": pa.string(), "float": pa.float64(), "int": pa.int64()}
    columns = {
        name: pa.array([row[i] for row in table.rows], type=types[table.kinds[i]])
        for i, name in enumerate(table.header)
    }
    with atomic_write(path, "wb") as handle:
        parquet.write_table(pa.table(columns), handle, compression="zstd")


def print_table(table: PredictTable, out: IO[str]) -> None:
    """The table as CSV; numbers read back exactly."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.header)
    writer.writerows([["" if cell is None else cell for cell in row] for row in table.rows])
