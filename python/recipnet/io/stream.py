"""`stream`: structures that do not fit into memory, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from recipnet.batch import CrystalBatch
from recipnet.errors import ArgumentError
from recipnet.io import sources
from recipnet.io.ids import CompactIds
from recipnet.io.options import check_on_error, make_options
from recipnet.io.progress import progress_bar
from recipnet.io.reader import Failure, Piece, Reader
from recipnet.io.report import ReadReport, batch_report

__all__ = ["stream"]


def stream(
    source: Any,
    *,
    batch_size: int = 1024,
    format: str | None = None,
    on_error: str = "raise",
    strict: bool = False,
    unknown_element: str = "error",
    recursive: bool = False,
    progress: bool = False,
    threads: int | None = None,
    **limits: float,
) -> Iterator[tuple[CrystalBatch, ReadReport]]:
    """Read any number of crystals in bounded memory; otherwise as `read_many`.

    The batches put together are what `read_many` gives, for any ``batch_size`` and number of threads, and so are the
    reports: ``ok + failed`` is ``batch_size`` in all but the last, and the sum of ``ok + failed + skipped`` is what
    was given. ``source_index`` counts through the whole source.

    Parameters
    ----------
    source : path, glob, list or iterator of paths
        As in `read_many`; an iterator is read as it goes, never as a whole.
    batch_size : int
        Crystals and failures in one batch.
    format, on_error, strict, unknown_element, recursive, progress, threads, **limits
        As in `read_many`.

    Yields
    ------
    batch : CrystalBatch
        Up to ``batch_size`` crystals, perhaps none.
    report : ReadReport
        What this batch accounts for.

    Raises
    ------
    ReadError
        Nothing to read; with ``on_error="raise"`` also the first failure.

    Notes
    -----
    An id that was given before is an error here too. Ids are remembered as 64-bit hashes, 11 MiB for the first
    million, so that two different ones are taken for one with a chance below 1e-7 in a million.

    Examples
    --------
    >>> import os, recipnet as rn
    >>> folder = os.path.join(os.path.dirname(rn.__file__), "samples")
    >>> [len(batch) for batch, report in rn.stream(folder, batch_size=4)]
    [4, 4, 4, 2]
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ArgumentError(
            f"batch_size = {batch_size!r}: expected a whole number above 0", name="batch_size", value=batch_size
        )
    check_on_error(on_error)
    options = make_options(limits, strict=strict, unknown_element=unknown_element)
    reader = Reader(options, threads, CompactIds())
    if isinstance(source, Iterator):
        sources.check_format(format)
        items: Any = (sources.entry(place, entry, format) for place, entry in enumerate(source))
        total, skipped = None, 0
    else:
        found = sources.find(source, format, recursive)
        items, skipped = found.items, found.skipped
        total = None if any(item.format in sources.CONTAINERS for item in items) else len(items)
    return _batches(reader.files(items), batch_size, on_error, skipped, progress, total)


def _batches(
    pieces: Iterator[Piece], size: int, on_error: str, skipped: int, progress: bool, total: int | None
) -> Iterator[tuple[CrystalBatch, ReadReport]]:
    with progress_bar(progress, "reading", total) as advance:
        for piece in _cut(pieces, size, skipped):
            yield piece.batch, batch_report(piece, on_error)
            advance(piece.given)


def _cut(pieces: Iterator[Piece], size: int, skipped: int) -> Iterator[Piece]:
    """The same in pieces of ``size`` things given; what was skipped is told with the next one."""
    held: list[Piece] = []
    count = 0
    for piece in pieces:
        skipped += piece.skipped
        held.append(piece)
        count += piece.given
        if count < size:
            continue
        joined = _join(held)
        first = min([*joined.batch.source_index[:1].tolist(), *(f.place for f in joined.failures[:1])])
        while count >= size:
            part, joined = _split(joined, first + size)
            yield part._replace(skipped=skipped)
            skipped = 0
            first += size
            count -= size
        held = [joined]
    if count or skipped:
        yield _join(held)._replace(skipped=skipped)


def _join(held: list[Piece]) -> Piece:
    if len(held) == 1:
        return held[0]
    return Piece(CrystalBatch.concat([piece.batch for piece in held]), [f for piece in held for f in piece.failures])


def _split(piece: Piece, place: int) -> tuple[Piece, Piece]:
    """What comes before a place among everything given, and the rest."""
    at = int(np.searchsorted(piece.batch.source_index, place))
    before: list[Failure] = [failure for failure in piece.failures if failure.place < place]
    return Piece(piece.batch[:at], before), Piece(piece.batch[at:], piece.failures[len(before) :])
