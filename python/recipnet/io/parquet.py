"""Structures in Parquet: columns ``id``, ``lattice``, ``numbers``, ``frac`` (and ``natoms``) as flat lists, more where
crystals have more, or a column of texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recipnet import _checks
from recipnet._optional import require
from recipnet.batch import CrystalBatch
from recipnet.crystal import ReadWarning, own_sites
from recipnet.errors import CrystalError, ReadError, RecipnetError
from recipnet.io.files import regular_size
from recipnet.symmetry import DeclaredSymmetry, Operations

#: What a table of structures must have.
COLUMNS = ("id", "lattice", "numbers", "frac")
#: What it may have: values per row of the crystal, the name in a `CrystalBatch`, and the value of rows without. Columns
#: of these names that hold no lists belong to somebody else.
EXTRAS: dict[str, tuple[int, str, float]] = {
    "occupancy": (1, "occupancies", 1.0),
    "site": (1, "site", -1),
    "charges": (1, "charges", np.nan),
    "isotopes": (1, "isotopes", 0),
    "u_iso": (1, "u_iso", np.nan),
    "u_aniso": (6, "u_aniso", np.nan),
}
_TEXT_ROWS = 1024
_ROWS = 8192


class Rows(NamedTuple):
    """Some rows of a table: ids, the good ones as a batch (``source_index``: row in this piece), and the errors."""

    ids: list[str]
    batch: CrystalBatch
    errors: dict[int, RecipnetError]


class Table:
    """An opened Parquet file of structures, or of texts: of a column ``texts``, which is ``cif`` where the table has
    that and no structures.

    Raises
    ------
    ReadError
        No Parquet, or columns missing.
    MissingExtraError
        pyarrow is not installed.
    """

    def __init__(self, path: str, texts: str | None = None, strict: bool = False) -> None:
        pa = require("pyarrow", "reading Parquet")
        parquet = require("pyarrow.parquet", "reading Parquet")
        regular_size(path, max_bytes=2**63)
        self.path = path
        self._strict = strict
        try:
            self._file = parquet.ParquetFile(path, memory_map=False)
        except (OSError, pa.ArrowException) as error:
            raise ReadError(f"{path}: [E-TABLE] no readable Parquet file: {error}", code="E-TABLE", path=path) from None
        schema = self._file.schema_arrow
        names = schema.names
        if texts is None and "cif" in names and any(name not in names for name in COLUMNS[1:]):
            texts = "cif"
        self.texts = texts
        missing = [name for name in (("id", texts) if texts else COLUMNS) if name not in names]
        if missing:
            raise ReadError(
                f"{path}: [E-TABLE] no column {', '.join(missing)}; a table of structures has {', '.join(COLUMNS)}, "
                f"one of texts id and cif; this one has {', '.join(names[:20])}",
                code="E-TABLE",
                path=path,
                tag=missing[0],
            )
        self._natoms = "natoms" in names
        self._extras = [name for name in EXTRAS if name in names and _holds(schema.field(name).type, pa, "number")]
        self._labels = "labels" in names and _holds(schema.field("labels").type, pa, "string")
        symmetry = schema.field("symmetry").type if "symmetry" in names else None
        self._symmetry = isinstance(symmetry, pa.StructType) and symmetry.get_field_index("operations") >= 0

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def refusal(self, row: int, id: str | None, column: str, reason: str) -> ReadError:
        """The error of one row of the table."""
        return ReadError(
            f"{self.path}: [E-TABLE] row {row} (id {id!r}), column {column}: {reason}",
            code="E-TABLE",
            path=self.path,
            tag=column,
            row=row,
        )

    def rows_of_texts(self) -> Iterator[tuple[str | None, Any]]:
        """Id and text of each row, a bounded number of them in memory."""
        pa = require("pyarrow", "reading Parquet")
        try:
            for piece in self._file.iter_batches(batch_size=_TEXT_ROWS, columns=["id", self.texts]):
                ids, texts = piece.column("id").to_pylist(), piece.column(self.texts).to_pylist()
                for id, text in zip(ids, texts, strict=True):
                    yield None if id is None else str(id), text
        except (OSError, pa.ArrowException) as error:
            raise ReadError(f"{self.path}: [E-TABLE] {error}", code="E-TABLE", path=self.path) from None

    def __iter__(self) -> Iterator[Rows]:
        pa = require("pyarrow", "reading Parquet")
        wanted = [*COLUMNS, *(["natoms"] if self._natoms else []), *self._extras]
        wanted += [name for name, there in (("labels", self._labels), ("symmetry", self._symmetry)) if there]
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
                errors.setdefault(row, self.refusal(first + row, names[row], column, reason))

        for column in (*COLUMNS, "natoms"):
            if column in piece.schema.names and piece.column(column).null_count:
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
        extras = {name: self._lists(piece, name, _dtype(name)) for name in self._extras}
        for name, (_, bounds) in extras.items():
            given = np.diff(bounds)
            wrong = (given != EXTRAS[name][0] * np.diff(atoms)) & ~_nulls(piece.column(name))
            refuse(wrong, name, f"expected {EXTRAS[name][0]} value(s) for each of numbers")
        labels = piece.column("labels").to_pylist() if self._labels else [None] * count
        for row, own in enumerate(labels):
            if own is not None and (len(own) != atoms[row + 1] - atoms[row] or None in own):
                errors.setdefault(row, self.refusal(first + row, names[row], "labels", "expected a text for each atom"))
        symmetry = self._declared(piece, names, first, errors)
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
        for name, (values, bounds) in extras.items():
            columns[EXTRAS[name][1]] = _fill(name, values, bounds, _nulls(piece.column(name)), whole, counts, offsets)
        cells = lattice[_ranges(nine[:-1][whole], np.full(len(whole), 9))].reshape(-1, 3, 3)
        # Values that do not fit their type are found as faults below; until then they must not wrap around.
        for name, (low, high) in (("numbers", (-1, 255)), ("isotopes", (-1, 401)), ("site", (-1, 2**31 - 1))):
            if name in columns:
                columns[name] = np.clip(columns[name], low, high)
        if "isotopes" in columns:
            columns["isotopes"][columns["isotopes"] < 0] = 401
        checked = dict(columns)
        warnings: list[tuple[ReadWarning, ...]] = [()] * len(whole)
        if "occupancies" in columns and not self._strict:
            checked["occupancies"] = np.minimum(columns["occupancies"], 1.0)
            warnings = _above_one(columns["occupancies"], offsets)
        for place, fault in _checks.find_faults(cells, offsets, checked, batch=False).items():
            row = int(whole[place])
            errors[row] = CrystalError(
                f"{self.path}: row {first + row} (id {names[row]!r}): {fault.message}",
                **{**fault.values, "crystal": first + row, "path": self.path},
            )
        ids = [f"row {first + row}" if name is None else str(name) for row, name in enumerate(names)]
        batch = CrystalBatch._make(
            lattices=cells,
            **{name: column.astype(_STORED.get(name, np.float64)) for name, column in columns.items()},
            offsets=offsets,
            ids=[ids[row] for row in whole.tolist()],
            source_index=whole.astype(np.int64),
            symmetry=[symmetry[row] for row in whole.tolist()],
            labels=_joined(labels, whole, counts),
            warnings=warnings,
        )
        good = [place for place, row in enumerate(whole.tolist()) if row not in errors]
        return Rows(ids, batch if len(good) == len(batch) else batch[good], errors)

    def _declared(
        self, piece: Any, names: list[Any], first: int, errors: dict[int, RecipnetError]
    ) -> list[DeclaredSymmetry | None]:
        """Declared symmetry of each row; equal operations are made once."""
        if not self._symmetry:
            return [None] * piece.num_rows
        known: dict[tuple[str, ...], Operations] = {}
        result: list[DeclaredSymmetry | None] = []
        for row, one in enumerate(piece.column("symmetry").to_pylist()):
            declared = None
            if one is not None:
                texts = tuple(one.get("operations") or ())
                try:
                    if texts and texts not in known:
                        known[texts] = Operations.from_xyz(texts)
                    labels = [one.get(name) for name in ("hall_symbol", "hm_symbol", "number")]
                    declared = DeclaredSymmetry(known.get(texts), *labels)
                except (RecipnetError, TypeError) as error:
                    reason = f"no symmetry ({error})"
                    errors.setdefault(row, self.refusal(first + row, names[row], "symmetry", reason))
            result.append(declared)
        return result

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


_STORED = {"numbers": np.uint8, "isotopes": np.uint16, "site": np.int32}


def _dtype(name: str) -> Any:
    return np.int64 if name in ("site", "isotopes") else np.float64


def _holds(kind: Any, pa: Any, what: str) -> bool:
    """Whether a column holds lists of numbers or of texts."""
    if not isinstance(kind, (pa.ListType, pa.LargeListType, pa.FixedSizeListType)):
        return False
    value = kind.value_type
    if what == "string":
        return bool(pa.types.is_string(value) or pa.types.is_large_string(value))
    return bool(pa.types.is_integer(value) or pa.types.is_floating(value))


def _nulls(array: Any) -> NDArray[np.bool_]:
    if not array.null_count:
        return np.zeros(len(array), dtype=np.bool_)
    return np.array(array.is_null().to_pylist(), dtype=np.bool_)


def _fill(
    name: str,
    values: NDArray[Any],
    bounds: NDArray[np.int64],
    absent: NDArray[np.bool_],
    whole: NDArray[np.int64],
    counts: NDArray[np.int64],
    offsets: NDArray[np.int64],
) -> NDArray[Any]:
    """An optional column of the crystals in ``whole``, with its default where a row has none."""
    width, _, default = EXTRAS[name]
    shape = (int(offsets[-1]), width) if width > 1 else (int(offsets[-1]),)
    column = np.full(shape, default, dtype=values.dtype)
    if name == "site":
        column[:] = own_sites(offsets)
    there = ~absent[whole]
    rows = _ranges(offsets[:-1][there], counts[there])
    own = _ranges(bounds[:-1][whole][there], width * counts[there])
    column[rows] = values[own].reshape(-1, *shape[1:])
    return column


def _above_one(occupancies: NDArray[Any], offsets: NDArray[np.int64]) -> list[tuple[ReadWarning, ...]]:
    """The doubts about crystals with such rows, as those of a CIF."""
    warnings: list[tuple[ReadWarning, ...]] = [()] * (len(offsets) - 1)
    for row in np.flatnonzero(occupancies > 1.0 + 1e-9).tolist():
        place = int(np.searchsorted(offsets, row, side="right")) - 1
        if not warnings[place]:
            value = str(float(occupancies[row]))
            message = f"row {row - int(offsets[place])}: an occupancy above 1 was kept"
            warnings[place] = (ReadWarning("W-OCCUPANCY", message, None, None, "occupancy", value),)
    return warnings


def _joined(labels: list[Any], whole: NDArray[np.int64], counts: NDArray[np.int64]) -> list[str] | None:
    names: list[str] = []
    for row, count in zip(whole.tolist(), counts.tolist(), strict=True):
        names += labels[row] or [""] * count
    return names if any(names) else None
