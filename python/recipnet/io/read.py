"""`read`, `parse`, `read_many` and `parse_many`: the reader's front door."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from recipnet.batch import CrystalBatch
from recipnet.crystal import Crystal, ReadWarning
from recipnet.errors import ArgumentError, ReadError
from recipnet.io import sources
from recipnet.io.options import check_on_error, make_options
from recipnet.io.progress import progress_bar
from recipnet.io.reader import Piece, Reader
from recipnet.io.report import ReadRecord, ReadReport, failure_record

__all__ = ["parse", "parse_many", "read", "read_many"]


def read(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    index: int = 0,
    block: str | None = None,
    strict: bool = False,
    unknown_element: str = "error",
    **limits: float,
) -> Crystal:
    """Read one crystal from a file.

    Parameters
    ----------
    path : path
        ``.cif`` or ``.mcif`` (also ``.gz``), or a table (``.jsonl``, ``.jsonl.gz``, ``.parquet``).
    format : {"cif", "jsonl", "parquet"}, optional
        Takes the place of what the suffix says.
    index : int
        Which of the file's structures (rows of a table), counted from 0. Where there are several and none was
        chosen, the first is read, with a warning.
    block : str, optional
        Name of the data block of a CIF; takes the place of ``index``.
    strict : bool
        Refuse what would be repaired with a warning.
    unknown_element : {"error", "X"}
        What becomes of an atom whose element is not known.
    **limits
        ``max_bytes`` (256 MiB, after decompression), ``max_ratio`` (200, of decompression), ``max_sites`` (10^6),
        ``merge_tol`` (0.03), ``min_length`` (0.1), ``max_length`` (10^4), ``min_spacing`` (0.1), all in angstrom.

    Returns
    -------
    Crystal
        The whole cell, coordinates in [0, 1), with ``source``, ``symmetry`` and ``warnings``.

    Raises
    ------
    ReadError
        The file is missing, no ordinary file, or of no known format; `CifError` if it is no readable CIF.
    CrystalError, LimitError
        Its contents are no crystal, or pass a limit.

    Examples
    --------
    >>> import recipnet as rn
    >>> rn.read("missing.cif")
    Traceback (most recent call last):
        ...
    recipnet.errors.ReadError: missing.cif: [E-MISSING] no such file; check the spelling and the working folder
    """
    sources.check_format(format)
    if not isinstance(path, (str, os.PathLike)):
        raise ArgumentError(
            f"path: expected a path, got {type(path).__name__}; texts go to parse",
            name="path",
            value=type(path).__name__,
        )
    name = os.fsdecode(path)
    item = sources.one(name, format)
    table = item.format in sources.TABLES
    options = make_options(
        limits, strict=strict, unknown_element=unknown_element, index=0 if table else index, block=block
    )
    if table and block is not None:
        raise ArgumentError(f"block = {block!r}: a table has rows; choose one with index", name="block", value=block)
    reader = Reader(options, threads=1)
    wanted = index if table else 0
    given = 0
    for piece in reader.files([item]):
        given += piece.given
        for failure in piece.failures:
            if failure.place == wanted:
                raise failure.error
        found = piece.batch[piece.batch.source_index == wanted]
        if len(found):
            return _with_warning(found[0], piece.given) if table and index == 0 else found[0]
    raise ReadError(f"{name}: [E-NO-BLOCK] there is no structure {index}, only {given}", code="E-NO-BLOCK", path=name)


def parse(
    text: str | bytes,
    *,
    format: str = "cif",
    index: int = 0,
    block: str | None = None,
    strict: bool = False,
    unknown_element: str = "error",
    **limits: float,
) -> Crystal:
    """Read one crystal from a text; the same as `read` otherwise.

    Parameters
    ----------
    text : str or bytes
        A whole CIF.
    format : {"cif"}
        The format of the text.
    index, block, strict, unknown_element, **limits
        As in `read`.

    Raises
    ------
    CifError
        The text is no readable CIF.

    Examples
    --------
    >>> import recipnet as rn
    >>> crystal = rn.parse('''data_iron
    ... _cell_length_a 2.866
    ... _cell_length_b 2.866
    ... _cell_length_c 2.866
    ... _cell_angle_alpha 90
    ... _cell_angle_beta 90
    ... _cell_angle_gamma 90
    ... loop_
    ... _symmetry_equiv_pos_as_xyz
    ... x,y,z
    ... x+1/2,y+1/2,z+1/2
    ... loop_
    ... _atom_site_label
    ... _atom_site_fract_x
    ... _atom_site_fract_y
    ... _atom_site_fract_z
    ... Fe 0 0 0
    ... ''')
    >>> crystal.formula, crystal.frac_coords.tolist()
    ('Fe2', [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    """
    _check_text_format(format)
    if not isinstance(text, (str, bytes, bytearray)):
        raise ArgumentError(
            f"text: expected str or bytes, got {type(text).__name__}; files go to read",
            name="text",
            value=type(text).__name__,
        )
    options = make_options(limits, strict=strict, unknown_element=unknown_element, index=index, block=block)
    piece = next(Reader(options, threads=1).texts([text], [""]))
    if piece.failures:
        raise piece.failures[0].error
    return piece.batch[0]


def read_many(
    source: Any,
    *,
    format: str | None = None,
    on_error: str = "raise",
    strict: bool = False,
    unknown_element: str = "error",
    recursive: bool = False,
    progress: bool = False,
    threads: int | None = None,
    **limits: float,
) -> tuple[CrystalBatch, ReadReport]:
    """Read many crystals, in parallel and in order.

    Parameters
    ----------
    source : path, glob, or list of paths
        A folder (its ``*.cif`` and ``*.mcif``, also ``.gz``, sorted by the bytes of their paths), a glob such as
        ``"mp/*.cif"``, a list of files, or a table: JSONL (also ``.gz``) with ``id`` and ``cif``, or Parquet with the
        columns ``id``, ``lattice``, ``numbers``, ``frac``. The id of a file is its name without suffix; a repeated
        id is an error. A CIF with several structures gives its first, with a warning.
    format : {"cif", "jsonl", "parquet"}, optional
        Takes the place of what suffixes say.
    on_error : {"raise", "skip", "collect"}
        Raise the first error; count failures and go on; or keep a record of each as well.
    strict, unknown_element, **limits
        As in `read`.
    recursive : bool
        Look into the folders of a folder.
    progress : bool
        Show progress on standard error.
    threads : int, optional
        At most so many threads; by default the pool's size. The result does not depend on it.

    Returns
    -------
    batch : CrystalBatch
        The crystals that were read; ``source_index`` is their place among everything given.
    report : ReadReport
        What failed, what was skipped, what was warned about.

    Raises
    ------
    ReadError
        Nothing to read: a missing path, a folder or glob without structure files; with ``on_error="raise"`` also
        the first failure.

    Examples
    --------
    >>> import os, recipnet as rn
    >>> folder = os.path.join(os.path.dirname(rn.__file__), "samples")
    >>> batch, report = rn.read_many(folder, on_error="collect")
    >>> report.failed, len(batch) == report.ok
    (0, True)
    """
    check_on_error(on_error)
    options = make_options(limits, strict=strict, unknown_element=unknown_element)
    found = sources.find(source, format, recursive)
    pieces = Reader(options, threads).files(found.items)
    tables = any(item.format in sources.TABLES for item in found.items)
    return _collect(pieces, on_error, found.skipped, progress, None if tables else len(found.items))


def parse_many(
    texts: Iterable[str | bytes],
    *,
    format: str = "cif",
    ids: Iterable[str] | None = None,
    on_error: str = "raise",
    strict: bool = False,
    unknown_element: str = "error",
    threads: int | None = None,
    **limits: float,
) -> tuple[CrystalBatch, ReadReport]:
    """Read many crystals from texts; the same as `read_many` otherwise.

    Parameters
    ----------
    texts : iterable of str or bytes
        Whole CIFs. Anything else among them (None, say) is a failure of its place.
    format : {"cif"}
        The format of the texts.
    ids : iterable of str, optional
        Their names, each used once; ``"0"``, ``"1"``, ... if left out.
    on_error, strict, unknown_element, threads, **limits
        As in `read_many`.

    Returns
    -------
    batch : CrystalBatch
    report : ReadReport

    Raises
    ------
    CifError
        With ``on_error="raise"``, the first failure.

    Examples
    --------
    >>> import recipnet as rn
    >>> batch, report = rn.parse_many(["", "data_a"], on_error="collect")
    >>> print(report.ok, [record.index for record in report.failures])
    0 [0, 1]
    """
    _check_text_format(format)
    check_on_error(on_error)
    if isinstance(texts, (str, bytes, bytearray)) or not isinstance(texts, Iterable):
        raise ArgumentError(
            f"texts: expected a list of texts, got {type(texts).__name__}; one text goes to parse",
            name="texts",
            value=type(texts).__name__,
        )
    options = make_options(limits, strict=strict, unknown_element=unknown_element)
    given = list(texts)
    names = None
    if ids is not None:
        names = [ids] if isinstance(ids, str) else [str(name) for name in ids]
        if len(names) != len(given):
            raise ArgumentError(f"ids: {len(names)} names for {len(given)} texts", name="ids", value=len(names))
    return _collect(Reader(options, threads).texts(given, names), on_error, 0, False, len(given))


def _collect(
    pieces: Iterator[Piece], on_error: str, skipped: int, progress: bool, total: int | None
) -> tuple[CrystalBatch, ReadReport]:
    batches: list[CrystalBatch] = []
    failures: list[ReadRecord] = []
    failed = 0
    with progress_bar(progress, "reading", total) as advance:
        for piece in pieces:
            if piece.failures and on_error == "raise":
                raise piece.failures[0].error
            failed += len(piece.failures)
            if on_error == "collect":
                failures += [failure_record(f.error, id=f.id, path=f.path, index=f.place) for f in piece.failures]
            batches.append(piece.batch)
            advance(piece.given)
    batch = batches[0] if len(batches) == 1 else CrystalBatch.concat(batches)
    report = ReadReport(len(batch), failed, skipped, failures, _warning_records(batch))
    return batch, report


def _warning_records(batch: CrystalBatch) -> list[ReadRecord]:
    records = []
    for place, warnings in enumerate(batch.warnings):
        source = batch.source[place]
        for code, message, line, column, tag, value in warnings:
            path, block = source if source is not None else (None, None)
            index = int(batch.source_index[place])
            records.append(ReadRecord(batch.ids[place], path, index, code, message, line, column, block, tag, value))
    return records


def _with_warning(crystal: Crystal, count: int) -> Crystal:
    if count < 2:
        return crystal
    message = "the table holds more than one structure, the first was read; choose with index, or use read_many"
    fields = crystal.__getstate__()
    return Crystal._make(**{**fields, "warnings": (*crystal.warnings, ReadWarning("W-SEVERAL", message))})


def _check_text_format(format: str) -> None:
    if format != "cif":
        raise ArgumentError(f"format = {format!r}: texts are read as 'cif'", name="format", value=format)
