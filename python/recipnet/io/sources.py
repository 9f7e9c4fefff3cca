"""What a user points at becomes a list of files: a folder, a glob, one file, or a list of paths."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from recipnet.errors import ArgumentError, ReadError
from recipnet.io.files import os_error

#: Formats by suffix.
SUFFIXES = {
    ".cif": "cif",
    ".cif.gz": "cif",
    ".mcif": "cif",
    ".mcif.gz": "cif",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".parquet": "parquet",
}
#: Formats that hold one structure per file: what a folder is searched for. Tables are named one by one, since a
#: folder of structures often holds tables of other things.
SINGLE = ("cif",)
TABLES = ("jsonl", "parquet")


class Item(NamedTuple):
    """One file: its id (the stem), path and format (None: unknown)."""

    id: str
    path: str
    format: str | None


class Found(NamedTuple):
    """Files in order, how many entries were passed over, and whether they come from a search."""

    items: list[Item]
    skipped: int


def known_format(path: str) -> str | None:
    """The format that the suffix of a path says, whatever its case; None if it says none."""
    return SUFFIXES.get(_split(path)[1])


def check_format(format: str | None) -> None:
    """Refuse a format that does not exist."""
    if format is not None and format not in SUFFIXES.values():
        known = ", ".join(repr(name) for name in sorted(set(SUFFIXES.values())))
        raise ArgumentError(f"format = {format!r}: known are {known}", name="format", value=format)


def unknown_format(path: str) -> ReadError:
    """The refusal of a file whose suffix says nothing."""
    known = ", ".join(SUFFIXES)
    return ReadError(
        f'{path}: [E-FORMAT] the suffix is none of {known}; say format="cif" if it is one',
        code="E-FORMAT",
        path=path,
    )


def one(path: str, format: str | None) -> Item:
    """The item of one file."""
    return Item(_split(path)[0], path, format or known_format(path))


def find(source: Any, format: str | None = None, recursive: bool = False) -> Found:
    """The files that ``source`` stands for.

    Parameters
    ----------
    source : path, glob pattern, or iterable of paths
        A folder is searched for structure files (not below it unless ``recursive``), sorted by the bytes of their
        paths, and so is a glob; a list keeps its order.
    format : str, optional
        Takes the place of what suffixes say. Every file of a folder then counts.
    recursive : bool
        Whether to look into the folders of a folder; links to folders are not followed.

    Raises
    ------
    ReadError
        Nothing there: a missing path, a folder or pattern without structure files.
    ArgumentError
        ``source`` is none of these.
    """
    check_format(format)
    if isinstance(source, (str, os.PathLike)):
        import glob

        path = os.fsdecode(source)
        if os.path.isdir(path):
            return _folder(path, format, recursive)
        if not os.path.lexists(path) and glob.has_magic(path):
            return _glob(path, format)
        if not os.path.lexists(path):
            raise os_error(path, FileNotFoundError())
        return Found([one(path, format)], 0)
    if isinstance(source, (bytes, bytearray)) or not isinstance(source, Iterable):
        raise ArgumentError(
            f"source: expected a folder, a file, a glob or a list of paths, got {type(source).__name__}"
            + ("; texts go to parse or parse_many" if isinstance(source, (bytes, bytearray)) else ""),
            name="source",
            value=type(source).__name__,
        )
    items = []
    for place, entry in enumerate(source):
        if not isinstance(entry, (str, os.PathLike)):
            raise ArgumentError(
                f"source[{place}]: expected a path, got {type(entry).__name__}",
                name="source",
                value=type(entry).__name__,
            )
        items.append(one(os.fsdecode(entry), format))
    return Found(items, 0)


def _folder(folder: str, format: str | None, recursive: bool) -> Found:
    items: list[Item] = []
    skipped = 0
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    by_name = known_format(entry.name)
                    if entry.is_dir(follow_symlinks=False) and by_name not in SINGLE:
                        if recursive:
                            waiting.append(entry.path)
                    elif by_name in SINGLE or format is not None:
                        items.append(one(entry.path, format))
                    else:
                        skipped += 1
        except OSError as error:
            raise os_error(here, error) from None
    if not items:
        below = "" if recursive else "; recursive=True looks into its folders too"
        raise ReadError(
            f"{folder}: [E-EMPTY] the folder holds no *.cif, *.cif.gz or *.mcif file ({skipped} other files){below}",
            code="E-EMPTY",
            path=folder,
        )
    return Found(sorted(items, key=_by_bytes), skipped)


def _glob(pattern: str, format: str | None) -> Found:
    import glob

    matches = glob.glob(pattern, recursive=True)
    items = [one(path, format) for path in matches if format is not None or known_format(path)]
    if not items:
        raise ReadError(
            f"{pattern}: [E-EMPTY] the pattern matches no structure file ({len(matches)} other matches)",
            code="E-EMPTY",
            path=pattern,
        )
    return Found(sorted(items, key=_by_bytes), len(matches) - len(items))


def _by_bytes(item: Item) -> bytes:
    return os.fsencode(item.path)


def _split(path: str) -> tuple[str, str]:
    """Stem and suffix in lower case; ``.gz`` stays with the suffix before it, a name that is all suffix is a stem."""
    name = os.path.basename(path)
    stem, suffix = os.path.splitext(name)
    if suffix.lower() == ".gz":
        stem, inner = os.path.splitext(stem)
        suffix = inner + suffix
    return stem, suffix.lower()
