"""From files in order to pieces of a batch: one class that counts, names and bounds what passes through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from recipnet.batch import CrystalBatch
from recipnet.errors import MissingExtraError, ReadError, RecipnetError
from recipnet.io import files
from recipnet.io.decode import decode_cifs, decode_texts
from recipnet.io.ids import CompactIds, Ids
from recipnet.io.options import Options
from recipnet.io.sources import SINGLE, Item, id_of, known_format, unknown_format

# A piece ends at so many structures or so many bytes, whichever comes first: few enough for Ctrl-C and progress,
# enough to keep all cores busy.
_PIECE_COUNT = 1024
_PIECE_BYTES = 32 << 20
# Texts that are in memory already: these many short ones take some 40 milliseconds.
_TEXT_COUNT = 8192


class Failure(NamedTuple):
    """One thing that was given and could not be read."""

    place: int
    id: str
    path: str | None
    error: RecipnetError


class Piece(NamedTuple):
    """Crystals in the order given (``source_index`` counts everything given) and the failures among them."""

    batch: CrystalBatch
    failures: list[Failure]
    skipped: int = 0

    @property
    def given(self) -> int:
        """How many things it accounts for, beside those skipped."""
        return len(self.failures) + len(self.batch)


class _Source(NamedTuple):
    """One text or path that waits to be decoded."""

    place: int
    id: str
    path: str | None
    format: str
    data: str | bytes


class Reader:
    """Reads files or texts piece by piece. An id is used once: whoever comes later with it is a failure."""

    def __init__(self, options: Options, threads: int | None, ids: Ids | CompactIds | None = None) -> None:
        self._options = options
        self._threads = threads
        self._count = 0
        self._skipped = 0
        self._ids = ids or Ids()
        self._waiting: list[_Source] = []
        self._failures: list[Failure] = []
        self._bytes = 0

    def files(self, items: Iterable[Item]) -> Iterator[Piece]:
        """Pieces of all files, in order."""
        for item in items:
            if item.format == "parquet":
                yield from self._flush()
                yield from self._parquet(item)
            elif item.format == "jsonl":
                yield from self._jsonl(item)
            elif item.format in ("zip", "tar"):
                yield from self._archive(item)
            else:
                self._file(item)
                yield from self._flush(when_full=True)
        yield from self._flush()

    def texts(self, texts: Sequence[Any], ids: Sequence[str] | None, format: str) -> Iterator[Piece]:
        """Pieces of texts of one format, in order; without ``ids`` their places are the ids."""
        start = 0
        while start < len(texts):
            part = texts[start : start + _TEXT_COUNT]
            plain = format == "cif" and set(map(type, part)) <= {str, bytes}
            while plain and sum(map(len, part)) > _PIECE_BYTES and len(part) > 1:
                part = part[: len(part) // 2]
            names = _numbers(start, start + len(part)) if ids is None else ids[start : start + len(part)]
            start += len(part)
            piece = self._plain_texts(list(part), names, ids is None) if plain else None
            if piece is not None:
                yield piece
                continue
            for name, text in zip(names, part, strict=True):
                self._text(name, None, format, text)
                yield from self._flush(when_full=True)
            yield from self._flush()

    def _plain_texts(self, texts: list[Any], ids: Sequence[str], numbered: bool) -> Piece | None:
        """The piece of CIF texts with ids of their own, with no work per text; None where an id was used before."""
        if not numbered and not self._ids.claim_all(ids, self._count):
            return None
        try:
            batch, errors = decode_cifs(texts, ids, None, self._options, self._threads)
        except UnicodeEncodeError:
            data = [_encoded(text) if isinstance(text, str) else text for text in texts]
            batch, errors = decode_cifs(data, ids, None, self._options, self._threads)
        first = self._count
        self._count += len(texts)
        if first:
            batch.source_index[:] += first
        return Piece(batch, [Failure(first + place, ids[place], None, error) for place, error in errors.items()])

    def _take(self, id: str, path: str | None) -> int | None:
        """The index of the next thing; None, and a failure, if its id was used before."""
        index = self._count
        self._count += 1
        where = path or f"index {index}"
        owner = self._ids.claim(id, where)
        if owner is None:
            return index
        error = ReadError(
            f"{where}: [E-ID] the id {id!r} is taken by {owner}; ids are the names of files without suffix "
            "and must differ",
            code="E-ID",
            path=path,
            value=id,
        )
        self._fail(index, id, path, error)
        return None

    def _fail(self, index: int, id: str, path: str | None, error: RecipnetError) -> None:
        self._failures.append(Failure(index, id, path, error))

    def _file(self, item: Item) -> None:
        index = self._take(item.id, item.path)
        if index is None:
            return
        try:
            if item.format is None:
                files.regular_size(item.path)
                raise unknown_format(item.path)
            if item.path.lower().endswith(".gz"):
                data: str | bytes = files.gunzip(item.path, self._options.max_bytes, self._options.max_ratio)
                size = len(data)
            elif item.format == "cif":
                data, size = item.path, files.regular_size(item.path, self._options.max_bytes)
            else:
                data = files.read(item.path, self._options.max_bytes)
                size = len(data)
        except RecipnetError as error:
            self._fail(index, item.id, item.path, error)
            return
        self._wait(_Source(index, item.id, item.path, item.format, data), size)

    def _text(self, id: str, path: str | None, format: str, text: Any) -> None:
        index = self._take(id, path)
        if index is None:
            return
        if isinstance(text, str):
            text = _encoded(text)
        if not isinstance(text, (bytes, bytearray, memoryview)):
            error = ReadError(
                f"{path or f'index {index}'}: [E-TEXT] expected a text ({format}), got {type(text).__name__}",
                code="E-TEXT",
                path=path,
            )
            self._fail(index, id, path, error)
            return
        self._wait(_Source(index, id, path, format, bytes(text)), len(text))

    def _wait(self, source: _Source, size: int) -> None:
        self._waiting.append(source)
        self._bytes += size

    def _flush(self, *, when_full: bool = False) -> Iterator[Piece]:
        """What waits, decoded; nothing if it is no piece yet."""
        count = len(self._waiting) + len(self._failures)
        if when_full and count < _PIECE_COUNT and self._bytes < _PIECE_BYTES:
            return
        if not count and not self._skipped:
            return
        waiting, failures, skipped = self._waiting, self._failures, self._skipped
        self._waiting, self._failures, self._bytes, self._skipped = [], [], 0, 0
        batches = []
        for format, kind in (("cif", str), ("cif", bytes), ("poscar", bytes), ("extxyz", bytes)):
            part = [source for source in waiting if source.format == format and isinstance(source.data, kind)]
            if not part:
                continue
            data: Any = [source.data for source in part]
            whence = [source.id for source in part], [source.path for source in part], self._options, self._threads
            if format == "cif":
                decoded = decode_cifs(data, *whence, are_paths=kind is str)
            else:
                decoded = decode_texts(format, data, *whence)
            indices = np.array([source.place for source in part], dtype=np.int64)
            decoded.batch.source_index[:] = indices[decoded.batch.source_index]
            batches.append(decoded.batch)
            for place, error in decoded.errors.items():
                failures.append(Failure(part[place].place, part[place].id, part[place].path, error))
        batch = batches[0] if len(batches) == 1 else CrystalBatch.concat(batches)
        if len(batches) > 1:
            batch = batch[np.argsort(batch.source_index)]
        yield Piece(batch, sorted(failures, key=lambda failure: failure.place), skipped)

    def _archive(self, item: Item) -> Iterator[Piece]:
        # zipfile imports much.
        from recipnet.io import archives

        found = 0
        try:
            for name, fetch in archives.members(
                item.path, item.format or "", self._options.max_bytes, self._options.max_ratio
            ):
                format = item.inner or known_format(name)
                if archives.is_junk(name) or format not in SINGLE:
                    self._skipped += 1
                    continue
                found += 1
                self._member(f"{item.path}/{name}", id_of(name), format, fetch)
                yield from self._flush(when_full=True)
            if not found:
                raise ReadError(
                    f"{item.path}: [E-EMPTY] the archive holds no structure file such as *.cif, POSCAR or *.extxyz "
                    f"({self._skipped} other members)",
                    code="E-EMPTY",
                    path=item.path,
                )
        except RecipnetError as error:
            self._count += 1
            self._fail(self._count - 1, item.id, item.path, error)

    def _member(self, path: str, id: str, format: str, fetch: Callable[[], bytes]) -> None:
        index = self._take(id, path)
        if index is None:
            return
        try:
            data = fetch()
            if path.lower().endswith(".gz"):
                pieces = files.inflate(path, iter([data]), self._options.max_ratio)
                data = files.joined(path, pieces, self._options.max_bytes)
        except RecipnetError as error:
            self._fail(index, id, path, error)
        else:
            self._wait(_Source(index, id, path, format, data), len(data))

    def _jsonl(self, item: Item) -> Iterator[Piece]:
        column = item.inner or "cif"
        try:
            for number, line in enumerate(files.lines(item.path, self._options.max_bytes, self._options.max_ratio), 1):
                if not line.strip():
                    continue
                try:
                    id, text = _record(item.path, number, line, column)
                except ReadError as error:
                    self._count += 1
                    self._fail(self._count - 1, f"{item.id}:{number}", item.path, error)
                else:
                    self._text(id, f"{item.path}:{number}", column, text)
                yield from self._flush(when_full=True)
        except RecipnetError as error:
            self._count += 1
            self._fail(self._count - 1, item.id, item.path, error)

    def _parquet(self, item: Item) -> Iterator[Piece]:
        from recipnet.io.parquet import Table

        try:
            table = Table(item.path, item.inner, self._options.core["strict"])
            if table.texts is not None:
                for row, (id, text) in enumerate(table.rows_of_texts()):
                    if id is None:
                        self._count += 1
                        error = table.refusal(row, id, "id", "no value (NULL)")
                        self._fail(self._count - 1, f"row {row}", item.path, error)
                    else:
                        self._text(id, f"{item.path}, row {row}", table.texts, text)
                    yield from self._flush(when_full=True)
                return
            for rows in table:
                yield self._rows(item.path, rows)
        except MissingExtraError:
            raise
        except RecipnetError as error:
            self._count += 1
            self._fail(self._count - 1, item.id, item.path, error)
            yield from self._flush()

    def _rows(self, path: str, rows: Any) -> Piece:
        """Rows of a table with the ids checked against all before."""
        first = self._count
        repeated = []
        for row, id in enumerate(rows.ids):
            if row in rows.errors:
                self._count += 1
                self._fail(first + row, id, path, rows.errors[row])
            elif self._take(id, path=f"{path}, row {first + row}") is None:
                repeated.append(row)
        failures, self._failures = self._failures, []
        batch = rows.batch
        if repeated:
            batch = batch[~np.isin(batch.source_index, repeated)]
        batch.source_index[:] += first
        return Piece(batch, failures)


@cache
def _first_numbers() -> list[str]:
    return list(map(str, range(_TEXT_COUNT)))


def _numbers(start: int, end: int) -> list[str]:
    """``str`` of whole numbers; those of the first piece are made once."""
    return _first_numbers()[start:end] if end <= _TEXT_COUNT else list(map(str, range(start, end)))


def _encoded(text: str) -> bytes:
    """The bytes of a text; lone surrogates (undecodable bytes of a file) go back to the bytes they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _record(path: str, number: int, line: bytes, column: str) -> tuple[str, Any]:
    """Id and text of one line of JSON."""
    import json

    reason, tag = "", None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = f"no JSON ({error})"
    else:
        if not isinstance(record, dict):
            reason = f"expected an object with id and {column}"
        elif "id" not in record or column not in record:
            tag = "id" if "id" not in record else column
            reason = f"the object has no {tag!r}; id and {column} are needed"
        elif isinstance(record["id"], (dict, list, type(None))):
            tag, reason = "id", "the id is no text"
        else:
            return str(record["id"]), record[column]
    raise ReadError(f"{path}:{number}: [E-JSON] {reason}", code="E-JSON", path=path, line=number, tag=tag)
