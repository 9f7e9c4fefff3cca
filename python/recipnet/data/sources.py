"""Datasets from files: structures and their labels joined by id, with everything that does not fit accounted for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recipnet._optional import require
from recipnet.batch import CrystalBatch
from recipnet.data.dataset import CrystalDataset
from recipnet.data.flat import FlatCrystals
from recipnet.data.report import DataReport, Refusals
from recipnet.data.splits import file_split, formula_split, normalise, reduced_formulas
from recipnet.data.targets import (
    BAD_LABEL,
    TASKS,
    TRANSFORMS,
    TargetTable,
    check_units,
    classes,
    is_zero,
    log10,
    read_targets,
    transformed_unit,
)
from recipnet.errors import ArgumentError, DataError
from recipnet.io.read import read_many

EMBEDDED_TARGETS = ("e_form", "gap_pbe")
DISORDER = ("error", "allow")
_STRUCTURE_COLUMNS = ("id", "split", "natoms", "lattice", "numbers", "frac", "occupancies", "site")


def load_dataset(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    targets: str | os.PathLike[str] | None = None,
    *,
    target_names: Sequence[str] = (),
    units: Sequence[str] = (),
    split: str | os.PathLike[str] = "auto",
    on_error: str = "raise",
    transform: str = "none",
    disorder: str = "error",
    task: str = "regression",
    threads: int | None = None,
) -> CrystalDataset:
    """Read structures and labels, join them by id, and cut them into train, val and test.

    Parameters
    ----------
    path
        What :func:`recipnet.read_many` reads: a folder, a glob, a list of files, or a Parquet file.
    targets
        CSV of labels (see :func:`~recipnet.data.read_targets`); None: columns of the Parquet file.
    target_names
        Targets wanted, in order; none: all of the CSV file, or the one floating-point column of the Parquet file.
    units
        One for each target; none: those that the Parquet file states.
    split
        ``"column"`` (``split`` of the Parquet or CSV file), ``"formula"`` (by a hash of the reduced formula, 8:1:1), a
        CSV file ``id,split``, or ``"auto"``: the column if there is one, else by formula.
    on_error
        For an unreadable structure, a bad label, an id on one side only, a label that ``transform`` cannot take and a
        disordered crystal: ``"raise"``, or ``"skip"``: leave it out and count it, or ``"collect"``: also keep a record.
    transform
        ``"none"``, ``"log10"`` or ``"is_zero"`` (1 where the label is 0, else 0); units become those of the transformed
        label.
    disorder
        ``"error"`` refuses crystals with mixed or partly filled sites or unknown elements; ``"allow"`` takes them.
    task
        ``"regression"``, or ``"classification"``: labels, once transformed, are 0 or 1.
    threads
        For reading.

    Returns
    -------
    CrystalDataset
        Its ``report`` says what was left out. A crystal without any label is always left out and counted.

    Raises
    ------
    DataError, ReadError, ArgumentError
        What does not fit, with its place.
    """
    choices = (("transform", transform, TRANSFORMS), ("disorder", disorder, DISORDER), ("task", task, TASKS))
    for name, value, known in choices:
        if value not in known:
            message = f"{name} = {value!r}: must be one of {', '.join(known)}"
            raise ArgumentError(message, name=name, value=value)
    refusals = Refusals(on_error)
    # Labels first: they are cheap to check, a million structures are not.
    stated: tuple[str, ...] = ()
    if targets is not None:
        table = read_targets(targets, target_names, refusals)
    elif _is_parquet(path):
        table, stated = _parquet_labels(Path(path), tuple(target_names), refusals)  # type: ignore[arg-type]
    elif isinstance(path, (str, os.PathLike)) and not Path(path).exists() and not set("*?[") & set(str(path)):
        raise DataError(f"{path}: no such file or folder", path=str(path))
    else:
        message = f"{path}: these structures come without labels; name a CSV file of them with data.targets"
        raise DataError(message, path=str(path))
    if transform == "log10":
        table = log10(table, refusals)
    elif transform == "is_zero":
        table = is_zero(table)
    if task == "classification":
        table = classes(table, refusals)
    names = table.names
    units = check_units(names, tuple(units) or stated)
    batch, read = read_many(path, on_error=on_error, threads=threads)
    if targets is None:
        rows, places = np.arange(len(batch)), batch.source_index
    else:
        rows, places = _join(batch, table, str(targets), refusals)
    values, refused = table.values[places], table.refused[places]
    labelled = ~np.isnan(values).all(axis=1)
    if missing := int((~labelled & ~refused).sum()):
        refusals.counts["no label"] += missing
    rows, places, values = rows[labelled], places[labelled], values[labelled]
    if disorder == "error":
        ordered = FlatCrystals.of(batch).is_ordered()[rows]
        way_out = 'set data.disorder = "allow" to train on them as they are'
        disordered = [batch.ids[row] for row in rows[~ordered].tolist()]
        refusals.refuse_ids("disordered", disordered, "with mixed or partly filled sites, or unknown elements", way_out)
        rows, places, values = rows[ordered], places[ordered], values[ordered]
    if not len(rows):
        raise DataError(f"{path}: no labelled crystal is left ({_why(refusals)})", path=str(path))
    if len(rows) != len(batch):
        batch = batch[rows]
    labels = None if table.splits is None else [table.splits[place] for place in places.tolist()]
    if labels is None and targets is not None and _is_parquet(path):
        column = _parquet_split(Path(path))  # type: ignore[arg-type]
        labels = None if column is None else [column[row] for row in batch.source_index.tolist()]
    roles = _roles(split, labels, batch, str(targets or path))
    report = DataReport(len(batch), dict(refusals.counts), tuple(refusals.records), read)
    shown = [transformed_unit(unit, transform) for unit in units]
    return CrystalDataset(batch, values, names, shown, roles, report)


def embedded(target_names: Sequence[str] = EMBEDDED_TARGETS, **options: Any) -> CrystalDataset:
    """The labelled set inside the package: 11,500 Materials Project crystals of at most 40 atoms.

    Formation energy ``e_form`` (eV/atom) and PBE band gap ``gap_pbe`` (eV), with the published split; CC-BY-4.0, see
    ``embedded/SOURCE.md`` beside this file for its origin and what to cite.

    Parameters
    ----------
    target_names
        Which of the two.
    options
        As in :func:`load_dataset`.
    """
    with as_file(files("recipnet.data") / "embedded" / "mp2018_subset.parquet") as path:
        return load_dataset(path, target_names=target_names, **options)


def _is_parquet(path: Any) -> bool:
    return isinstance(path, (str, os.PathLike)) and Path(path).suffix.casefold() == ".parquet"


def _parquet_labels(path: Path, names: tuple[str, ...], refusals: Refusals) -> tuple[TargetTable, tuple[str, ...]]:
    """Label columns and their units; rows are those of the file."""
    parquet = require("pyarrow.parquet", "reading Parquet")
    types = require("pyarrow.types", "reading Parquet")
    if not path.is_file():
        raise DataError(f"{path}: no such file", path=str(path))
    try:
        schema = parquet.read_schema(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a Parquet file: {error}", path=str(path)) from error
    found = [f.name for f in schema if types.is_floating(f.type) and f.name not in _STRUCTURE_COLUMNS]
    if not names:
        if len(found) != 1:
            listed = f"one of {', '.join(found)}" if found else "a column of numbers; the file has none"
            raise DataError(f"{path}: say which column is the target with data.target_names: {listed}", path=str(path))
        names = tuple(found)
    for name in names:
        if name not in schema.names:
            message = f"{path}: no column {name!r}; columns of numbers are {', '.join(found) or 'none'}"
            raise DataError(message, path=str(path), column=name)
        kind = schema.field(name).type
        if not (types.is_floating(kind) or types.is_integer(kind)):
            message = f"{path}: column {name!r} holds {kind}, a target needs numbers"
            raise DataError(message, path=str(path), column=name, value=str(kind))
    wanted = [*names, *(name for name in ("id", "split") if name in schema.names)]
    data = parquet.read_table(path, columns=list(dict.fromkeys(wanted)))
    ids = [str(name) for name in data["id"].to_pylist()] if "id" in schema.names else [str(i) for i in range(len(data))]
    values = np.empty((len(data), len(names)))
    refused = np.zeros(len(data), dtype=np.bool_)
    for place, name in enumerate(names):
        column = values[:, place] = data[name].to_numpy()
        # NULL is a missing label; a NaN or an infinity that was written as a value is not.
        for row in np.flatnonzero(~np.isfinite(column) & data[name].is_valid().to_numpy()).tolist():
            message = (
                f"{path}: row {row} (from 0), column {name!r} of {ids[row]!r}: {column[row]} is not a finite number; "
                "write NULL where a label is missing"
            )
            problem = DataError(message, path=str(path), row=row, column=name, id=ids[row], value=float(column[row]))
            if not refused[row]:
                refusals.refuse(BAD_LABEL, problem)
            refused[row] = True
    values[refused] = np.nan
    splits = data["split"].to_pylist() if "split" in schema.names else None
    notes = [schema.field(name).metadata or {} for name in names]
    units = tuple(note.get(b"unit", b"").decode() for note in notes)
    return TargetTable(ids, names, values, refused, splits), units


def _parquet_split(path: Path) -> list[str | None] | None:
    parquet = require("pyarrow.parquet", "reading Parquet")
    if "split" not in parquet.read_schema(path).names:
        return None
    labels: list[str | None] = parquet.read_table(path, columns=["split"])["split"].to_pylist()
    return labels


def _join(
    batch: CrystalBatch, table: TargetTable, where: str, refusals: Refusals
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of the batch that have a line in the table, and those lines."""
    line = {name: place for place, name in enumerate(table.ids)}
    present = set(batch.ids)
    absent = [name for name in table.ids if name not in present]
    if absent and any(Path(name).stem in present for name in absent):
        way_out = "ids are file names without their suffix: leave it off in the file of labels"
    else:
        way_out = 'add the files or remove the lines, or set data.on_error = "skip"'
    refusals.refuse_ids("label without a readable structure", absent, f"of {where} without a structure", way_out)
    unlabelled = [name for name in batch.ids if name not in line]
    way_out = 'add them there, or set data.on_error = "skip"'
    refusals.refuse_ids("structure without a label", unlabelled, f"without a line in {where}", way_out)
    rows = [row for row, name in enumerate(batch.ids) if name in line]
    places = [line[batch.ids[row]] for row in rows]
    return np.array(rows, dtype=np.int64), np.array(places, dtype=np.int64)


def _roles(
    split: str | os.PathLike[str], labels: Sequence[str | None] | None, batch: CrystalBatch, where: str
) -> list[str]:
    if split == "column" and labels is None:
        message = f'{where}: no column called split; say data.split = "formula" or name a CSV file with id,split'
        raise DataError(message, path=where, column="split")
    if labels is not None and split in ("auto", "column"):
        return normalise(labels, batch.ids, where)
    if split in ("auto", "formula"):
        return formula_split(reduced_formulas(batch))
    return file_split(split, batch.ids)


def _why(refusals: Refusals) -> str:
    return ", ".join(f"{count}: {reason}" for reason, count in refusals.counts.items()) or "the source is empty"
