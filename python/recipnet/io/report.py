"""What was read, what was not, and why."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from recipnet._frozen import Frozen
from recipnet.errors import ArgumentError, CrystalError, LimitError, ReadError, RecipnetError, SymmetryError
from recipnet.io.atomic import atomic_write

__all__ = ["ReadRecord", "ReadReport"]

_SHOWN = 5


class ReadRecord(NamedTuple):
    """One failure or warning; what does not apply is None."""

    id: str
    path: str | None
    index: int  # type: ignore[assignment]  # hides tuple.index, which a record has no use for
    code: str
    message: str
    line: int | None = None
    column: int | None = None
    block: str | None = None
    tag: str | None = None
    value: str | None = None


class ReadReport(Frozen):
    """The outcome of reading many crystals: ``ok + failed + skipped`` is the number of things that were given.

    Attributes
    ----------
    ok : int
        Crystals in the batch.
    failed : int
        Files, rows or texts that gave an error.
    skipped : int
        Entries of a folder or glob that are no structure files by their name.
    failures : tuple of ReadRecord
        One for each failure, with ``on_error="collect"``; empty with ``"skip"``.
    warnings : tuple of ReadRecord
        What was repaired or doubted in the crystals that were read.

    Examples
    --------
    >>> import recipnet as rn
    >>> batch, report = rn.parse_many(["data_x\\n_cell_length_a oops"], ids=["x"], on_error="collect")
    >>> report.ok, report.failed, report.failures[0].id
    (0, 1, 'x')
    """

    __slots__ = ("failed", "failures", "ok", "skipped", "warnings")

    ok: int
    failed: int
    skipped: int
    failures: tuple[ReadRecord, ...]
    warnings: tuple[ReadRecord, ...]

    def __init__(
        self,
        ok: int = 0,
        failed: int = 0,
        skipped: int = 0,
        failures: Iterable[ReadRecord] = (),
        warnings: Iterable[ReadRecord] = (),
    ) -> None:
        self._fill(ok=ok, failed=failed, skipped=skipped, failures=tuple(failures), warnings=tuple(warnings))

    @property
    def given(self) -> int:
        """``ok + failed + skipped``."""
        return self.ok + self.failed + self.skipped

    def summary(self) -> str:
        """A few lines for people: counts, failures and warnings by code, the first failures in full."""
        lines = [f"read {self.ok} of {self.given}: {self.failed} failed, {self.skipped} skipped"]
        for title, records in (("failures", self.failures), ("warnings", self.warnings)):
            counts = Counter(record.code for record in records)
            if counts:
                codes = ", ".join(f"{code} {n}" for code, n in sorted(counts.items(), key=lambda x: (-x[1], x[0])))
                lines.append(f"{title} by code: {codes}")
        lines += [f"  {printable(r.id)}: {printable(r.message)}" for r in self.failures[:_SHOWN]]
        if len(self.failures) > _SHOWN:
            lines.append(f"  and {len(self.failures) - _SHOWN} more: report.failures, or report.write(path)")
        return "\n".join(lines)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write all records as a table, atomically; the format is that of the suffix.

        Columns: ``kind`` (``failure`` or ``warning``), then those of `ReadRecord`.

        Parameters
        ----------
        path : path
            ``.csv``, ``.jsonl`` or ``.parquet`` (extra ``parquet``).

        Raises
        ------
        ArgumentError
            Another suffix.
        """
        suffix = os.path.splitext(os.fspath(path))[1].lower()
        rows = [("failure", *r) for r in self.failures] + [("warning", *r) for r in self.warnings]
        writers = {".csv": _write_csv, ".jsonl": _write_jsonl, ".parquet": _write_parquet}
        if suffix not in writers:
            raise ArgumentError(
                f"path = {os.fspath(path)!r}: a report is written as .csv, .jsonl or .parquet",
                name="path",
                value=os.fspath(path),
            )
        writers[suffix](path, rows)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"ReadReport(ok={self.ok}, failed={self.failed}, skipped={self.skipped}, warnings={len(self.warnings)})"


COLUMNS = ("kind", *ReadRecord._fields)


def batch_report(piece: Any, on_error: str) -> ReadReport:
    """The report of a piece of a reader's result; raises its first failure where that is asked for."""
    if piece.failures and on_error == "raise":
        raise piece.failures[0].error
    failures = []
    if on_error == "collect":
        failures = [failure_record(f.error, id=f.id, path=f.path, index=f.place) for f in piece.failures]
    return ReadReport(len(piece.batch), len(piece.failures), piece.skipped, failures, warning_records(piece.batch))


def warning_records(batch: Any) -> list[ReadRecord]:
    """What was repaired or doubted in the crystals of a batch."""
    records = []
    for place, warnings in enumerate(batch.warnings):
        if not warnings:
            continue
        source = batch.source[place]
        for code, message, line, column, tag, value in warnings:
            path, block = source if source is not None else (None, None)
            index = int(batch.source_index[place])
            records.append(ReadRecord(batch.ids[place], path, index, code, message, line, column, block, tag, value))
    return records


def failure_record(error: RecipnetError, *, id: str, path: str | None, index: int) -> ReadRecord:
    """The record of an error."""
    return ReadRecord(
        id=id,
        path=getattr(error, "path", None) or path,
        index=index,
        code=error_code(error),
        message=str(error),
        line=getattr(error, "line", None),
        column=getattr(error, "column", None),
        block=getattr(error, "block", None),
        tag=getattr(error, "tag", None),
        value=_text(getattr(error, "value", None)),
    )


def error_code(error: RecipnetError) -> str:
    """Stable code of an error, such as ``E-LOOP``."""
    if isinstance(error, ReadError) and error.code:
        return error.code
    for kind, code in ((CrystalError, "E-CRYSTAL"), (LimitError, "E-LIMIT"), (SymmetryError, "E-SYMMETRY")):
        if isinstance(error, kind):
            return code
    return "E-READ"


def printable(text: str) -> str:
    """Text from a file made safe for a terminal: control characters escaped, at most 400 characters."""
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return safe if len(safe) <= 400 else safe[:397] + "..."


def _text(value: Any) -> str | None:
    return None if value is None else str(value)[:200]


def _write_csv(path: str | os.PathLike[str], rows: Sequence[tuple[Any, ...]]) -> None:
    import csv

    with atomic_write(path, newline="", errors="backslashreplace") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def _write_jsonl(path: str | os.PathLike[str], rows: Sequence[tuple[Any, ...]]) -> None:
    import json

    with atomic_write(path, errors="backslashreplace") as handle:
        for row in rows:
            handle.write(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n")


def _write_parquet(path: str | os.PathLike[str], rows: Sequence[tuple[Any, ...]]) -> None:
    from recipnet._optional import require

    pa = require("pyarrow", "writing a Parquet report")
    parquet = require("pyarrow.parquet", "writing a Parquet report")
    whole = {"index": pa.int64(), "line": pa.int64(), "column": pa.int64()}
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    arrays = {
        name: pa.array([_storable(v) for v in column], type=whole.get(name, pa.string()))
        for name, column in zip(COLUMNS, columns, strict=True)
    }
    with atomic_write(path, "wb") as handle:
        parquet.write_table(pa.table(arrays), handle, compression="zstd")


def _storable(value: Any) -> Any:
    # Paths that are no UTF-8 come as lone surrogates, which Parquet cannot hold.
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
