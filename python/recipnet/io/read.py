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
from recipnet.io.report import ReadRecord, ReadReport, batch_report

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
        CIF (``.cif``, ``.mcif``), POSCAR (``POSCAR``, ``CONTCAR``, ``.vasp``, ``.poscar``) or extended XYZ
        (``.extxyz``, ``.xyz``), all also with ``.gz``; a table (``.jsonl``, ``.jsonl.gz``, ``.parquet``) or an archive
        (``.zip``, ``.tar``, ``.tar.gz``, ``.tgz``).
    format : {"cif", "poscar", "extxyz", "jsonl", "parquet"}, optional
        Takes the place of what the suffix says; for tables and archives, the format of the structures in them.
    index : int
        Which of the file's structures (frames, rows of a table, members), counted from 0. Where
        there are several and none was chosen, the first is read, with a warning.
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
        The file is missing, no ordinary file, or of no known format; `CifError`, `PoscarError` or `ExtxyzError` if
        it cannot be read as what it should be.
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
    _check_block(item.format, block)
    table = item.format in sources.CONTAINERS
    options = make_options(
        limits, strict=strict, unknown_element=unknown_element, index=0 if table else index, block=block
    )
    if table and block is not None:
        message = f"block = {block!r}: tables have rows and archives members; choose one with index"
        raise ArgumentError(message, name="block", value=block)
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
        A whole CIF, POSCAR or extended XYZ.
    format : {"cif", "poscar", "extxyz"}
        The format of the text.
    index, block, strict, unknown_element, **limits
        As in `read`.

    Raises
    ------
    CifError
        The text is no readable CIF; `PoscarError` and `ExtxyzError` likewise.

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
    _check_text_format(format, block)
    if not isinstance(text, (str, bytes, bytearray)):
        raise ArgumentError(
            f"text: expected str or bytes, got {type(text).__name__}; files go to read",
            name="text",
            value=type(text).__name__,
        )
    options = make_options(limits, strict=strict, unknown_element=unknown_element, index=index, block=block)
    piece = next(Reader(options, threads=1).texts([text], [""], format))
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
        A folder (its structure files, as in `read`, sorted by the bytes of their paths), a glob such as
        ``"mp/*.cif"``, a list of files, an archive (zip, tar, in its own order), or a table: JSONL (also ``.gz``)
        with ``id`` and ``cif``, or Parquet with ``id``, ``lattice``, ``numbers``, ``frac`` (see `write`) or with
        ``id`` and ``cif``. The id of a file is its name without suffix, that of a bare ``POSCAR`` its folder's name;
        a repeated id is an error. A file with several structures gives its first, with a warning.
    format : {"cif", "poscar", "extxyz", "jsonl", "parquet"}, optional
        Takes the place of what suffixes say; for tables and archives, the format of the structures in them.
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
    tables = any(item.format in sources.CONTAINERS for item in found.items)
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
        Whole files. Anything else among them (None, say) is a failure of its place.
    format : {"cif", "poscar", "extxyz"}
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
    ReadError
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
    return _collect(Reader(options, threads).texts(given, names, format), on_error, 0, False, len(given))


def _collect(
    pieces: Iterator[Piece], on_error: str, skipped: int, progress: bool, total: int | None
) -> tuple[CrystalBatch, ReadReport]:
    batches: list[CrystalBatch] = []
    failures: list[ReadRecord] = []
    warnings: list[ReadRecord] = []
    failed = 0
    with progress_bar(progress, "reading", total) as advance:
        for piece in pieces:
            report = batch_report(piece, on_error)
            failures += report.failures
            warnings += report.warnings
            failed += report.failed
            skipped += report.skipped
            batches.append(piece.batch)
            advance(piece.given)
    batch = batches[0] if len(batches) == 1 else CrystalBatch.concat(batches)
    return batch, ReadReport(len(batch), failed, skipped, failures, warnings)


def _with_warning(crystal: Crystal, count: int) -> Crystal:
    if count < 2:
        return crystal
    message = "there is more than one structure, the first was read; choose with index, or use read_many"
    fields = crystal.__getstate__()
    return Crystal._make(**{**fields, "warnings": (*crystal.warnings, ReadWarning("W-SEVERAL", message))})


def _check_text_format(format: str, block: str | None = None) -> None:
    if format not in sources.SINGLE:
        raise ArgumentError(
            f"format = {format!r}: texts are read as {', '.join(map(repr, sources.SINGLE))}",
            name="format",
            value=format,
        )
    _check_block(format, block)


def _check_block(format: str | None, block: str | None) -> None:
    if block is not None and format in ("poscar", "extxyz"):
        raise ArgumentError(
            f"block = {block!r}: only CIFs have blocks; choose a frame with index", name="block", value=block
        )
