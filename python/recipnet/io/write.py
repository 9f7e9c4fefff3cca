"""`write`: crystals to CIF, POSCAR, extended XYZ and Parquet, whole or not at all."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import IO, Any

import numpy as np

from recipnet import _core
from recipnet.batch import CrystalBatch
from recipnet.crystal import Crystal
from recipnet.errors import ArgumentError, LossWarning, WriteError
from recipnet.io import sources
from recipnet.io.atomic import atomic_write

__all__ = ["write"]

FORMATS = ("cif", "poscar", "extxyz", "parquet")
#: Columns among the site properties that a CIF has tags for.
_DISORDER = ("disorder_assembly", "disorder_group")
#: Crystals that are turned into text at a time.
PIECE = 1024
_PLACES = {
    "cif": {"charges", "u_iso", "u_aniso"},
    "poscar": set(),
    "extxyz": {"charges", "u_iso", "u_aniso", "properties"},
    "parquet": {"charges", "u_iso", "u_aniso"},
}


def write(
    crystals: CrystalBatch | Crystal | Iterable[Crystal],
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    symmetry: bool = True,
    precision: int = 15,
    overwrite: bool = True,
) -> None:
    """Write crystals to one file, which is there whole or not at all.

    What makes the structure (atoms, occupancies, mixed sites, isotopes) is written or refused. Charges, displacements
    and properties that a format has no place for are left out with a `LossWarning`; warnings and sources of a reader
    are not written, labels and declared symmetry only where the table has a mark:

    ======== ===== ======== ===== ======== ======= === ====== ======== ==========
    format   many  partly   mixed isotopes charges U   labels symmetry properties
    ======== ===== ======== ===== ======== ======= === ====== ======== ==========
    CIF      yes   yes      yes   D, T     yes     yes yes    yes      disorder
    POSCAR   no    no       no    D, T
    extxyz   yes   yes      yes   yes      yes     yes yes             yes
    Parquet  yes   yes      yes   yes      yes     yes yes    yes
    ======== ===== ======== ===== ======== ======= === ====== ======== ==========

    Parameters
    ----------
    crystals : CrystalBatch, Crystal, or iterable of Crystal
        An iterator is written as it goes. Names are the ids of a batch, or the blocks that crystals were read from.
    path : path
        ``.cif``, ``.vasp``/``.poscar``/``POSCAR``, ``.extxyz``/``.xyz``, these also with ``.gz``, or ``.parquet``.
    format : {"cif", "poscar", "extxyz", "parquet"}, optional
        Takes the place of what the suffix says.
    symmetry : bool
        Keep declared operations: CIF gets the asymmetric unit where they make the cell from it (a `LossWarning`
        where they do not, and P 1 as without), Parquet a column.
    precision : int
        Significant digits of texts, 1 to 17; 17 writes every number so that it is read back exactly. Parquet holds
        float64.
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    WriteError
        A crystal that the format cannot hold, with its place and the way out, or a file that cannot be written. What
        was under ``path`` before is then still there.
    ArgumentError
        A format, precision or crystal that is none.

    Examples
    --------
    >>> import os, tempfile
    >>> import recipnet as rn
    >>> quartz = rn.sample("quartz")
    >>> path = os.path.join(tempfile.mkdtemp(), "quartz.cif")
    >>> rn.write(quartz, path)
    >>> back = rn.read(path)
    >>> len(back), back.symmetry.number, bool(abs(back.frac_coords - quartz.frac_coords).max() < 1e-12)
    (9, 154, True)
    """
    if isinstance(crystals, CrystalBatch):
        batches: Iterator[CrystalBatch] = (crystals[at : at + PIECE] for at in range(0, len(crystals), PIECE))
    elif isinstance(crystals, Crystal):
        batches = iter([_named([crystals], 0)])
    elif isinstance(crystals, Iterable) and not isinstance(crystals, (str, bytes, dict)):
        batches = _chunks(crystals)
    else:
        raise ArgumentError(
            f"crystals: expected a CrystalBatch, a Crystal or crystals, got {type(crystals).__name__}",
            name="crystals",
            value=type(crystals).__name__,
        )
    write_batches(batches, path, format=format, symmetry=symmetry, precision=precision, overwrite=overwrite)


def write_batches(
    batches: Iterable[CrystalBatch],
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    symmetry: bool = True,
    precision: int = 15,
    overwrite: bool = True,
) -> None:
    """`write` for batches as they come; only one is in memory at a time."""
    final = os.fsdecode(path)
    format = _checked_format(final, format)
    if isinstance(precision, bool) or not isinstance(precision, int) or not 1 <= precision <= 17:
        raise ArgumentError(
            f"precision = {precision!r}: expected 1 to 17 significant digits", name="precision", value=precision
        )
    if not overwrite and os.path.lexists(final):
        message = f"{final}: the file exists; overwrite=True replaces it"
        raise WriteError(message, path=final, format=format)
    losses = _Losses(format)
    try:
        with atomic_write(final, "wb") as handle:
            if format == "parquet":
                from recipnet.io.parquet_write import write_table

                write_table(losses.watch(batches), handle, symmetry=symmetry)
            else:
                _write_texts(losses.watch(batches), handle, final, format, symmetry, precision, losses)
    except OSError as error:
        message = f"{final}: the file cannot be written: {error.strerror or error}; what was there before is untouched"
        raise WriteError(message, path=final, format=format) from error
    losses.tell(final)


def _checked_format(path: str, format: str | None) -> str:
    known = format or sources.known_format(path)
    if known not in FORMATS or (known == "parquet" and path.lower().endswith(".gz")):
        what = f"format = {format!r}" if format else f"path = {path!r}"
        raise ArgumentError(
            f"{what}: crystals are written as {', '.join(FORMATS)}; the suffix (.cif, .vasp, .extxyz, .parquet) or "
            "format= says which",
            name="format" if format else "path",
            value=format or path,
        )
    return known


def _chunks(crystals: Iterable[Crystal]) -> Iterator[CrystalBatch]:
    held: list[Crystal] = []
    first = 0
    for crystal in crystals:
        held.append(crystal)
        if len(held) == PIECE:
            yield _named(held, first)
            first += len(held)
            held = []
    if held:
        yield _named(held, first)


def _named(crystals: list[Crystal], first: int) -> CrystalBatch:
    """A batch with the names of the blocks; a place where there is none."""
    batch = CrystalBatch.from_crystals(crystals)
    blocks = [crystal.source.block if crystal.source is not None else None for crystal in crystals]
    formulas = [crystal.reduced_formula for crystal in crystals] if len(crystals) == 1 and first == 0 else None
    names = [block or (formulas[0] if formulas else str(first + n)) for n, block in enumerate(blocks)]
    batch.ids[:] = names
    return batch


class _Losses:
    """What was left out of a file, told once when it is written."""

    def __init__(self, format: str) -> None:
        self._format = format
        self._count: Counter[str] = Counter()
        self.symmetry: list[str] = []

    def watch(self, batches: Iterable[CrystalBatch]) -> Iterator[CrystalBatch]:
        missing = [field for field in ("charges", "u_iso", "u_aniso") if field not in _PLACES[self._format]]
        for batch in batches:
            for field in missing:
                column = getattr(batch, field)
                if column is not None:
                    self._count[field] += 1
            if "properties" not in _PLACES[self._format]:
                for properties in batch.properties:
                    lost = set(properties)
                    if self._format == "cif" and _disorder(properties, None) is not None:
                        lost -= {"site_properties"} if set(properties["site_properties"]) == set(_DISORDER) else set()
                    self._count["properties"] += bool(lost)
            yield batch

    def add(self, name: str) -> None:
        self._count[name] += 1

    def tell(self, path: str) -> None:
        lost = [name for name, count in self._count.items() if count]
        if lost:
            message = f"{path}: {self._format} has no place for {', '.join(lost)}; left out"
            warnings.warn(message, LossWarning, stacklevel=4)
        if self.symmetry:
            more = f", and so for {len(self.symmetry) - 1} more" if len(self.symmetry) > 1 else ""
            message = f"{path}: declared operations do not make the cell, written in P 1: {self.symmetry[0]}{more}"
            warnings.warn(message, LossWarning, stacklevel=4)


def _write_texts(
    batches: Iterator[CrystalBatch],
    handle: IO[bytes],
    path: str,
    format: str,
    symmetry: bool,
    precision: int,
    losses: _Losses,
) -> None:
    import gzip

    packed = path.lower().endswith(".gz")
    # No name and no time inside: equal crystals give equal files.
    out: Any = gzip.GzipFile("", "wb", fileobj=handle, mtime=0) if packed else handle
    names: set[str] = set()
    count = 0
    for batch in batches:
        if format == "poscar" and count + len(batch) > 1:
            message = f"{path}: a POSCAR holds one crystal, more were given; write each to a file of its own, or CIF, "
            raise WriteError(f"{message}extxyz or Parquet", path=path, format=format)
        titles = [_unique(id, names) for id in batch.ids] if format == "cif" else batch.ids
        try:
            texts = _core.write_texts(
                format, _arrays(batch, titles, format, losses), symmetry=symmetry, digits=precision
            )
        except WriteError as error:
            place = getattr(error, "crystal", None)
            id = None if place is None else batch.ids[place]
            where = f"{path}: crystal {count + (place or 0)} (id {id!r}): " if place is not None else f"{path}: "
            values = {**error.values, "path": path, "id": id, "crystal": None if place is None else count + place}
            raise WriteError(where + error.message, **values) from None
        for id, (text, lost) in zip(batch.ids, texts, strict=True):
            out.write(text)
            if lost is not None:
                losses.symmetry.append(f"crystal {id!r}, {lost}")
        count += len(batch)
    if not count:
        raise WriteError(f"{path}: there are no crystals to write", path=path, format=format)
    if packed:
        out.close()


def _unique(title: str, names: set[str]) -> str:
    """A block name that the file does not have yet; CIF compares them without case."""
    # Blanks become underscores in a block name.
    wanted = "".join("_" if c.isspace() or not c.isprintable() else c for c in title) or "crystal"
    name, count = wanted, 2
    while name.lower() in names:
        name, count = f"{wanted}_{count}", count + 1
    names.add(name.lower())
    return name


def _arrays(batch: CrystalBatch, titles: list[str], format: str, losses: _Losses) -> dict[str, Any]:
    """A batch as `_core.write_texts` takes it."""
    info: list[list[tuple[str, str, bool]]] = [[] for _ in titles]
    columns: list[list[tuple[str, Any]]] = [[] for _ in titles]
    if format == "extxyz":
        for place, properties in enumerate(batch.properties):
            info[place], columns[place] = _pairs(properties, int(np.diff(batch.offsets)[place]), losses)
            if "id" not in properties:
                info[place].insert(0, ("id", batch.ids[place], True))
    counts = np.diff(batch.offsets).tolist()
    pairs = zip(batch.properties, counts, strict=True)
    return {
        "disorder": [_disorder(*one) if format == "cif" else None for one in pairs],
        "lattices": batch.lattices,
        "numbers": batch.numbers,
        "frac_coords": batch.frac_coords,
        "offsets": batch.offsets,
        "occupancies": batch.occupancies,
        "site": batch.site,
        "isotopes": batch.isotopes,
        "charges": batch.charges,
        "u_iso": batch.u_iso,
        "u_aniso": batch.u_aniso,
        "labels": batch.labels,
        "titles": titles,
        "symmetry": [_declared(one) for one in batch.symmetry],
        "info": info,
        "columns": columns,
    }


def _disorder(properties: dict[str, Any], count: int | None) -> list[list[str]] | None:
    """Disorder assembly and group of each row, where both are named for all of them."""
    columns = properties.get("site_properties")
    if not isinstance(columns, dict) or not set(_DISORDER) <= set(columns):
        return None
    names = [[str(name) for name in columns[key]] for key in _DISORDER]
    if len({len(names[0]), len(names[1]), len(names[0]) if count is None else count}) > 1:
        return None
    return [list(pair) for pair in zip(*names, strict=True)]


def _declared(symmetry: Any) -> Any:
    if symmetry is None:
        return None
    found = symmetry.operations
    operations = None if found is None else (found.rotations, found.translations, found.denominator)
    return operations, symmetry.hall_symbol, symmetry.hm_symbol, symmetry.number


def _pairs(
    properties: dict[str, Any], count: int, losses: _Losses
) -> tuple[list[tuple[str, str, bool]], list[tuple[str, Any]]]:
    """Properties as pairs of an extended XYZ comment and as columns."""
    pairs: list[tuple[str, str, bool]] = []
    columns: list[tuple[str, Any]] = []
    for name, value in properties.items():
        if name == "site_properties" and isinstance(value, dict):
            for key, column in value.items():
                try:
                    array = np.asarray(column)
                except ValueError:
                    array = np.array([], dtype=object)
                if array.dtype.kind in "iuf" and array.shape[:1] == (count,) and array.ndim in (1, 2) and array.size:
                    columns.append((str(key), np.array(array, dtype=np.float64, order="C").reshape(count, -1)))
                else:
                    losses.add(f"site property {key!r}")
        elif isinstance(value, (bool, np.bool_)):
            pairs.append((str(name), "T" if value else "F", False))
        elif isinstance(value, (int, float, np.integer, np.floating)):
            pairs.append((str(name), repr(value.item() if isinstance(value, np.generic) else value), False))
        elif isinstance(value, str):
            pairs.append((str(name), value, True))
        else:
            losses.add(f"property {name!r}")
    return pairs, columns
