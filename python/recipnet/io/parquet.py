"""Structures in Parquet: columns ``id``, ``lattice``, ``numbers``, ``frac`` (and ``natoms``) as flat lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recipnet import _checks
from recipnet._optional import require
from recipnet.batch import CrystalBatch
from recipnet.errors import CrystalError, ReadError, RecipnetError
from recipnet.io.files import regular_size

#: What a table of structures must have.
COLUMNS = ("id", "lattice", "numbers", "frac")
_ROWS = 8192


class Rows(NamedTuple):
    """Some rows of a table: ids, the good ones as a batch (``source_index``: row in this piece), and the errors."""

    ids: list[str]
    batch: CrystalBatch
    errors: dict[int, RecipnetError]


class Table:
    """An opened Parquet file of structures.

    Raises
    ------
    ReadError
        No Parquet, or columns missing.
    MissingExtraError
        pyarrow is not installed.
    """

    def __init__(self, path: str) -> None:
        pa = require("pyarrow", "reading Parquet")
        parquet = require("pyarrow.parquet", "reading Parquet")
        regular_size(path, max_bytes=2**63)
        self.path = path
        try:
            self._file = parquet.ParquetFile(path, memory_map=False)
        except (OSError, pa.ArrowException) as error:
            raise ReadError(f"{path}: [E-TABLE] no readable Parquet file: {error}", code="E-TABLE", path=path) from None
        names = self._file.schema_arrow.names
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise ReadError(
                f"{path}: [E-TABLE] no column {', '.join(missing)}; a table of structures has {', '.join(COLUMNS)}, "
                f"this one has {', '.join(names[:20])}",
                code="E-TABLE",
                path=path,
                tag=missing[0],
            )
        self._natoms = "natoms" in names

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def __iter__(self) -> Iterator[Rows]:
        pa = require("pyarrow", "reading Parquet")
        wanted = [*COLUMNS, "natoms"] if self._natoms else list(COLUMNS)
        first = 0
        try:
            for piece in self._file.iter_batches(batch_size=_ROWS, columns=wanted):
                yield self._rows(piece, first)
                first += piece.num_rows
        except (OSError, pa.ArrowException) as error:
            raise ReadError(f"{self.path}: [E-TABLE] {error}", code="E-TABLE", path=self.path) from None

    def _rows(self, piece: Any, first: int) -> Rows:
        pa = require("pyarrow", "reading Parquet")
        count = piece.num_rows
        names = piece.column("id").to_pylist()
        errors: dict[int, RecipnetError] = {}

        def refuse(rows: NDArray[np.bool_], column: str, reason: str) -> None:
            for row in np.flatnonzero(rows).tolist():
                errors.setdefault(
                    row,
                    ReadError(
                        f"{self.path}: [E-TABLE] row {first + row} (id {names[row]!r}), column {column}: {reason}",
                        code="E-TABLE",
                        path=self.path,
                        tag=column,
                        row=first + row,
                    ),
                )

        for column in piece.schema.names:
            if piece.column(column).null_count:
                absent = np.array(piece.column(column).is_null().to_pylist(), dtype=np.bool_)
                refuse(absent, column, "no value (NULL)")
        lattice, nine = self._lists(piece, "lattice", np.float64)
        numbers, atoms = self._lists(piece, "numbers", np.int64)
        frac, thrice = self._lists(piece, "frac", np.float64)
        refuse(np.diff(nine) != 9, "lattice", "expected 9 values (rows a, b, c)")
        refuse(np.diff(thrice) != 3 * np.diff(atoms), "frac", "expected 3 values for each of numbers")
        if self._natoms:
            stated = _values(piece.column("natoms").cast(pa.int64()))
            refuse(stated != np.diff(atoms), "natoms", "it is not the length of numbers")
        # What has the right lengths is gathered, so that the checks below see whole crystals only.
        whole = np.setdiff1d(np.arange(count), list(errors))
        counts = np.diff(atoms)[whole]
        offsets = np.zeros(len(whole) + 1, dtype=np.int64)
        np.cumsum(counts, out=offsets[1:])
        own = _ranges(atoms[:-1][whole], counts)
        columns = {
            "numbers": numbers[own],
            "frac_coords": frac[_ranges(thrice[:-1][whole], 3 * counts)].reshape(-1, 3),
        }
        cells = lattice[_ranges(nine[:-1][whole], np.full(len(whole), 9))].reshape(-1, 3, 3)
        for place, fault in _checks.find_faults(cells, offsets, columns, batch=False).items():
            row = int(whole[place])
            errors[row] = CrystalError(
                f"{self.path}: row {first + row} (id {names[row]!r}): {fault.message}",
                **{**fault.values, "crystal": first + row, "path": self.path},
            )
        ids = [f"row {first + row}" if name is None else str(name) for row, name in enumerate(names)]
        batch = CrystalBatch._make(
            lattices=cells,
            numbers=np.clip(columns["numbers"], 0, 255).astype(np.uint8),
            frac_coords=columns["frac_coords"],
            offsets=offsets,
            ids=[ids[row] for row in whole.tolist()],
            source_index=whole.astype(np.int64),
        )
        good = [place for place, row in enumerate(whole.tolist()) if row not in errors]
        return Rows(ids, batch if len(good) == len(batch) else batch[good], errors)

    def _lists(self, piece: Any, column: str, dtype: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Values of a list column and where each row's begin, shape (rows + 1,)."""
        pa = require("pyarrow", "reading Parquet")
        array = piece.column(column)
        if isinstance(array.type, pa.FixedSizeListType):
            array = array.cast(pa.list_(array.type.value_type))
        if not isinstance(array.type, (pa.ListType, pa.LargeListType)):
            raise ReadError(
                f"{self.path}: [E-TABLE] column {column} holds {array.type}, a list of numbers is needed",
                code="E-TABLE",
                path=self.path,
                tag=column,
            )
        values, offsets = array.values, _values(array.offsets).astype(np.int64)
        kinds = (pa.types.is_integer,) if dtype is np.int64 else (pa.types.is_integer, pa.types.is_floating)
        if not any(is_kind(values.type) for is_kind in kinds):
            raise ReadError(
                f"{self.path}: [E-TABLE] column {column} holds lists of {values.type}, numbers are needed",
                code="E-TABLE",
                path=self.path,
                tag=column,
            )
        if values.null_count:
            # -1 is no atomic number and NaN no coordinate: the checks find them.
            absent, kind = (-1, pa.int64()) if dtype is np.int64 else (float("nan"), pa.float64())
            values = values.cast(kind).fill_null(absent)
        return _values(values).astype(dtype), offsets


def _values(array: Any) -> NDArray[Any]:
    """A read-only view of a number array, nulls as whatever is stored: ``to_numpy`` and ``fill_null`` import pandas."""
    dtype = np.dtype(array.type.to_pandas_dtype())
    if not len(array):
        return np.zeros(0, dtype=dtype)
    view: NDArray[Any] = np.frombuffer(array.buffers()[1], dtype=dtype)[array.offset : array.offset + len(array)]
    return view


def _ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places ``starts[i], ..., starts[i] + counts[i] - 1`` for all i, one after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - counts), counts) + np.arange(total)
