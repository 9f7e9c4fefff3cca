"""What a user points at becomes a list of files: a folder, a glob, one file, or a list of paths."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from recipnet.errors import ArgumentError, ReadError
from recipnet.io.files import os_error

#: Formats by suffix; those of single structures may also end in ``.gz``.
SUFFIXES = {
    ".cif": "cif",
    ".mcif": "cif",
    ".vasp": "poscar",
    ".poscar": "poscar",
    ".contcar": "poscar",
    ".extxyz": "extxyz",
    ".xyz": "extxyz",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".parquet": "parquet",
    ".zip": "zip",
    ".tar": "tar",
    ".tar.gz": "tar",
    ".tgz": "tar",
}
#: Formats of one structure per file: what folders and archives are searched for. Tables and archives are named one by
#: one, since a folder of structures often holds tables of other things.
SINGLE = ("cif", "poscar", "extxyz")
#: Files of many structures.
CONTAINERS = ("jsonl", "parquet", "zip", "tar")
# VASP's own names have no suffix, but often something behind.
_VASP = re.compile(r"(POSCAR|CONTCAR)([._-].*)?")


class Item(NamedTuple):
    """One file: its id, path and format (None: unknown); ``inner`` is a chosen format of a container's structures."""

    id: str
    path: str
    format: str | None
    inner: str | None = None


class Found(NamedTuple):
    """Files in order, and how many entries of a folder or glob were passed over."""

    items: list[Item]
    skipped: int


def known_format(path: str) -> str | None:
    """The format that the suffix of a path says, whatever its case; None if it says none."""
    name = os.path.basename(path)
    suffix = _split(path)[1]
    plain = suffix.removesuffix(".gz")
    found = SUFFIXES.get(suffix) or (SUFFIXES.get(plain) if SUFFIXES.get(plain) in SINGLE else None)
    return found or ("poscar" if _VASP.fullmatch(name) else None)


def id_of(path: str) -> str:
    """The id of a file: its name without suffix; for a bare ``POSCAR`` or ``CONTCAR`` the name of its folder."""
    name = os.path.basename(path)
    if _VASP.fullmatch(name) and SUFFIXES.get(_split(path)[1].removesuffix(".gz")) is None:
        plain = name.removesuffix(".gz")
        folder = os.path.basename(os.path.dirname(path))
        return folder if plain in ("POSCAR", "CONTCAR") and folder else plain
    return _split(path)[0]


def check_format(format: str | None) -> None:
    """Refuse a format that does not exist."""
    if format is not None and format not in SUFFIXES.values():
        known = ", ".join(repr(name) for name in sorted(set(SUFFIXES.values())))
        raise ArgumentError(f"format = {format!r}: known are {known}", name="format", value=format)


def unknown_format(path: str) -> ReadError:
    """The refusal of a file whose suffix says nothing."""
    known = ", ".join(SUFFIXES)
    return ReadError(
        f"{path}: [E-FORMAT] the suffix is none of {known}, nor is the name POSCAR or CONTCAR; "
        'say format="cif", "poscar" or "extxyz" if it is one',
        code="E-FORMAT",
        path=path,
    )


def one(path: str, format: str | None) -> Item:
    """The item of one file. A format beside that of a container is the format of the structures in it."""
    if path.endswith(".cif") and format in (None, "cif"):
        # Of a million files almost all are this one kind.
        stem = path[max(path.rfind("/"), path.rfind(os.sep)) + 1 : -4]
        if stem.strip("."):
            return Item(stem, path, "cif")
    known = known_format(path)
    if known in CONTAINERS and format in SINGLE:
        return Item(id_of(path), path, known, format)
    return Item(id_of(path), path, format or known)


def entry(place: int, value: Any, format: str | None) -> Item:
    """The item of one entry of a list of paths."""
    if not isinstance(value, (str, os.PathLike)):
        raise ArgumentError(
            f"source[{place}]: expected a path, got {type(value).__name__}", name="source", value=type(value).__name__
        )
    return one(os.fsdecode(value), format)


def find(source: Any, format: str | None = None, recursive: bool = False) -> Found:
    """The files that ``source`` stands for.

    Parameters
    ----------
    source : path, glob pattern, or iterable of paths
        A folder is searched for structure files (not below it unless ``recursive``), sorted by the bytes of their
        paths, and so is a glob; a list keeps its order.
    format : str, optional
        Takes the place of what suffixes say, and every file of a folder then counts; for archives and tables it is
        the format of what is in them.
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
    return Found([entry(place, value, format) for place, value in enumerate(source)], 0)


def _folder(folder: str, format: str | None, recursive: bool) -> Found:
    items: list[Item] = []
    skipped = 0
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                for found in entries:
                    by_name = known_format(found.name)
                    # VASP's names are also those of folders that hold such files.
                    is_folder = found.is_dir(follow_symlinks=False)
                    if is_folder and (by_name not in SINGLE or _VASP.fullmatch(found.name)):
                        if recursive:
                            waiting.append(found.path)
                    elif by_name in SINGLE or (format is not None and by_name not in CONTAINERS):
                        items.append(one(found.path, format))
                    else:
                        skipped += 1
        except OSError as error:
            raise os_error(here, error) from None
    if not items:
        below = "" if recursive else "; recursive=True looks into its folders too"
        raise ReadError(
            f"{folder}: [E-EMPTY] the folder holds no structure file such as *.cif, POSCAR or *.extxyz "
            f"({skipped} other files){below}",
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
