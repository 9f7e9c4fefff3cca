"""Labels: a CSV file of ids and numbers, checked line by line, and the transforms applied to them."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recipnet.data.report import Refusals
from recipnet.errors import DataError

TRANSFORMS = ("none", "log10", "is_zero")
TASKS = ("regression", "classification")
MISSING = ("", "null")
BAD_LABEL = "label that is no number"
NO_LOGARITHM = "label that has no logarithm"
NO_CLASS = "label that is no class"


@dataclass(frozen=True)
class TargetTable:
    """Labels by id.

    Attributes
    ----------
    ids : list of str, length n
    names : tuple of str, length T
    values : (n, T) float64
        NaN where the label is missing.
    refused : (n,) bool
        Rows whose label was no number and that are to be left out.
    splits : list of str or None
        The ``split`` column, if there is one.
    """

    ids: list[str]
    names: tuple[str, ...]
    values: npt.NDArray[np.float64]
    refused: npt.NDArray[np.bool_]
    splits: list[str | None] | None = None


def read_targets(
    path: str | os.PathLike[str], names: Sequence[str] = (), refusals: Refusals | None = None
) -> TargetTable:
    """Read labels from a CSV file.

    The file has a header ``id,<target>[,<target> ...]``, where a column called ``split`` is no target, or two columns
    without a header. An empty field or ``NULL`` is a missing label.

    Parameters
    ----------
    path
        UTF-8 text, comma separated.
    names
        Targets wanted, in this order; none: all of the file. For a file without a header it names the one target.
    refusals
        What to do with a line whose value is no finite number; None: raise.

    Raises
    ------
    DataError
        A missing file, a missing column, a repeated id, ``NaN`` or text where a number belongs; with path, row (line of
        the file) and column.
    """
    refusals = refusals or Refusals("raise")
    path = Path(path)
    lines = _lines(path)
    first = next(lines, None)
    if first is None:
        raise DataError(f"{path}: the file holds no labels", path=str(path))
    header = _header(path, *first)
    if header is None:
        columns = {names[0] if names else "target": 1}
        if len(names) > 1:
            message = f"{path}: a file without a header has one target, {len(names)} are asked for: {', '.join(names)}"
            raise DataError(message, path=str(path), row=first[0])
        split_column, width = None, 2
    else:
        columns, split_column, width = _columns(path, header, names)

    ids: list[str] = []
    splits: list[str | None] = []
    refused: list[int] = []
    rows: list[list[float]] = []
    seen: dict[str, int] = {}
    for number, cells in _chain(None if header else first, lines):
        if len(cells) != width:
            message = f"{path}:{number}: {len(cells)} columns where {width} belong"
            raise DataError(message, path=str(path), row=number, value=",".join(cells)[:200])
        name = cells[0]
        if not name:
            raise DataError(f"{path}:{number}: no id in the first column", path=str(path), row=number, column="id")
        if name in seen:
            message = f"{path}:{number}: id {name!r} occurs twice, first in line {seen[name]}; keep one of them"
            raise DataError(message, path=str(path), row=number, column="id", id=name)
        seen[name] = number
        try:
            values = [_number(path, number, column, cells[place], name) for column, place in columns.items()]
        except DataError as error:
            refusals.refuse(BAD_LABEL, error)
            refused.append(len(ids))
            values = [math.nan] * len(columns)
        ids.append(name)
        rows.append(values)
        if split_column is not None:
            splits.append(cells[split_column])
    if not ids:
        raise DataError(f"{path}: the file has a header and no labels", path=str(path))
    bad = np.zeros(len(ids), dtype=np.bool_)
    bad[refused] = True
    return TargetTable(ids, tuple(columns), np.array(rows), bad, splits if split_column is not None else None)


def read_pairs(path: str | os.PathLike[str], column: str) -> dict[str, str]:
    """Two text columns ``id,<column>``, with or without that header, as a dictionary.

    Raises
    ------
    DataError
        A missing file, a repeated id, another number of columns.
    """
    path = Path(path)
    pairs: dict[str, str] = {}
    for place, (number, cells) in enumerate(_lines(path)):
        if len(cells) != 2:
            message = f"{path}:{number}: {len(cells)} columns where two belong: id,{column}"
            raise DataError(message, path=str(path), row=number, value=",".join(cells)[:200])
        if place == 0 and cells[0].casefold() == "id":
            continue
        if cells[0] in pairs:
            message = f"{path}:{number}: id {cells[0]!r} occurs twice"
            raise DataError(message, path=str(path), row=number, column="id", id=cells[0])
        pairs[cells[0]] = cells[1]
    return pairs


def log10(table: TargetTable, refusals: Refusals) -> TargetTable:
    """Decadic logarithms; a row with a label that has none is refused whole."""
    values, refused = table.values.copy(), table.refused.copy()
    for row, column in np.argwhere(values <= 0).tolist():
        if not refused[row]:
            name, label, value = table.ids[row], table.names[column], float(values[row, column])
            message = f"target {label!r} of {name!r} is {value}: log10 needs a value above 0"
            refusals.refuse(NO_LOGARITHM, DataError(message, id=name, column=label, value=value))
            refused[row] = True
    values[refused] = math.nan
    return replace(table, values=np.log10(values), refused=refused)


def is_zero(table: TargetTable) -> TargetTable:
    """1 where a label is 0, else 0: a crystal without a band gap is a metal."""
    return replace(table, values=np.where(np.isnan(table.values), math.nan, table.values == 0.0))


def classes(table: TargetTable, refusals: Refusals) -> TargetTable:
    """The table itself; a row with a label other than 0 and 1 is refused whole."""
    values, refused = table.values.copy(), table.refused.copy()
    for row, column in np.argwhere(~np.isnan(values) & (values != 0.0) & (values != 1.0)).tolist():
        if not refused[row]:
            name, label, value = table.ids[row], table.names[column], float(values[row, column])
            message = (
                f"target {label!r} of {name!r} is {value:g}: a class is 0 or 1; "
                'data.transform = "is_zero" makes classes of numbers'
            )
            refusals.refuse(NO_CLASS, DataError(message, id=name, column=label, value=value))
            refused[row] = True
    values[refused] = math.nan
    return replace(table, values=values, refused=refused)


def check_units(names: Sequence[str], units: Sequence[str]) -> tuple[str, ...]:
    """One unit for each target; none given: unknown, written as ``""``."""
    if not units:
        return ("",) * len(names)
    if len(units) != len(names):
        message = f"{len(units)} units for {len(names)} targets ({', '.join(names)}): give one for each"
        raise DataError(message, value=list(units))
    return tuple(units)


def transformed_unit(unit: str, transform: str) -> str:
    """Unit of the label after ``transform``, such as ``log10(GPa)``; a class has none."""
    if transform == "is_zero":
        return ""
    return f"log10({unit or '1'})" if transform == "log10" else unit


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines that hold anything, with their numbers, cells stripped of blanks."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True)
            try:
                for cells in reader:
                    stripped = [cell.strip() for cell in cells]
                    if any(stripped):
                        yield reader.line_num, stripped
            except csv.Error as error:
                row = reader.line_num
                raise DataError(f"{path}:{row}: not a CSV line: {error}", path=str(path), row=row) from error
    except FileNotFoundError:
        raise DataError(f"{path}: no such file of labels", path=str(path)) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}", path=str(path)) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text; labels are read from CSV", path=str(path)) from error


def _chain(
    first: tuple[int, list[str]] | None, rest: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    if first is not None:
        yield first
    yield from rest


def _header(path: Path, number: int, cells: list[str]) -> list[str] | None:
    """The header's cells, or None for a file of two columns without one."""
    if len(cells) == 1:
        message = f"{path}:{number}: one column where ids and labels belong; columns are separated by commas"
        raise DataError(message, path=str(path), row=number, value=cells[0][:200])
    if cells[0].casefold() == "id":
        return cells
    if len(cells) == 2:
        try:
            _number(path, number, "target", cells[1], cells[0])
        except DataError as error:
            hint = "; if this line is a header, its first column must be called id"
            raise DataError(error.message + hint, **error.values) from None
        return None
    message = f"{path}:{number}: {len(cells)} columns need a header whose first column is called id, not {cells[0]!r}"
    raise DataError(message, path=str(path), row=number, column=cells[0], value=cells[0])


def _columns(path: Path, header: list[str], names: Sequence[str]) -> tuple[dict[str, int], int | None, int]:
    """Place of each wanted target, of the split column, and the number of columns."""
    repeated = [name for name in header if header.count(name) > 1]
    if repeated:
        raise DataError(f"{path}: two columns are called {repeated[0]!r}", path=str(path), column=repeated[0])
    split = header.index("split") if "split" in header else None
    found = {name: place for place, name in enumerate(header) if place and place != split}
    for name in names:
        if name not in found:
            message = f"{path}: no column {name!r}; the file has {', '.join(found) or 'no target column'}"
            raise DataError(message, path=str(path), column=name)
    if not found:
        raise DataError(f"{path}: no target column beside id", path=str(path))
    return ({name: found[name] for name in names} if names else found), split, len(header)


def _number(path: Path, line: int, column: str, text: str, name: str) -> float:
    """The finite number that ``text`` spells, NaN for a missing label."""
    if text.casefold() in MISSING:
        return math.nan
    try:
        # float() takes 1_000, which no table means.
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    what = "is not a finite number" if text.casefold().lstrip("+-") in ("nan", "inf", "infinity") else "is not a number"
    message = f"{path}:{line}: column {column!r} of {name!r}: {text!r} {what}; leave the field empty if it is missing"
    raise DataError(message, path=str(path), row=line, column=column, id=name, value=text)
