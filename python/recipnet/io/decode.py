"""Texts and paths to arrays: one call of the core for many, its answer as a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from recipnet import _core
from recipnet._lazy import LazyList, split_texts
from recipnet.batch import CrystalBatch
from recipnet.crystal import ReadWarning, Source
from recipnet.errors import LimitError, ReadError, RecipnetError
from recipnet.io.options import Options
from recipnet.symmetry import DeclaredSymmetry, Operations


class Decoded(NamedTuple):
    """What was read, with ``source_index`` counted in the call's sources, and the error of every other source."""

    batch: CrystalBatch
    errors: dict[int, RecipnetError]


def decode_cifs(
    sources: list[Any],
    ids: Sequence[str],
    paths: Sequence[str | None] | None,
    options: Options,
    threads: int | None,
    *,
    are_paths: bool = False,
) -> Decoded:
    """Read CIF texts (str or bytes), or files where ``are_paths``, in parallel.

    ``paths`` says where texts come from, for messages and `Crystal.source`; None where they come from nowhere.
    """
    found = _core.read_cifs(sources, are_paths, threads=threads, **options.core)
    places = found["source_index"]
    order = places.tolist()
    count = len(order)
    labels, blocks = found["labels"], found["blocks"]
    warnings: list[tuple[ReadWarning, ...]] = [()] * count
    for place, some in found["warnings"]:
        warnings[place] = tuple(map(ReadWarning._make, some))
    disorder = found["disorder"]

    def properties() -> list[dict[str, Any]]:
        all: list[dict[str, Any]] = [{} for _ in order]
        for place, assembly, group in disorder:
            kept = {"disorder_assembly": split_texts(*assembly), "disorder_group": split_texts(*group)}
            all[place] = {"site_properties": kept}
        return all

    lists = found["symmetry"].lists

    def symmetries() -> list[DeclaredSymmetry | None]:
        distinct, index = lists()
        declared = [_symmetry(*one) for one in distinct]
        return [declared[place] for place in index]

    def sources_of() -> list[Source | None]:
        whence = [None] * count if paths is None else [paths[place] for place in order]
        return list(map(Source, whence, split_texts(*blocks)))

    batch = CrystalBatch._make(
        **{name: found[name] for name in _ARRAYS},
        labels=LazyList(len(found["numbers"]), lambda: split_texts(*labels)) if labels[0] else None,
        ids=list(ids) if count == len(sources) else [ids[place] for place in order],
        source_index=places,
        symmetry=LazyList(count, symmetries),
        warnings=warnings,
        source=LazyList(count, sources_of),
        properties=LazyList(count, properties),
    )
    errors = {
        place: error if are_paths or paths is None else _located(error, paths[place])
        for place, error in found["failures"]
    }
    return Decoded(batch, errors)


def decode_texts(
    format: str,
    sources: list[bytes],
    ids: Sequence[str],
    paths: Sequence[str | None],
    options: Options,
    threads: int | None,
) -> Decoded:
    """Read POSCAR or extended XYZ texts in parallel; the comment of a POSCAR is the block of its source."""
    found = _core.read_texts(format, sources, threads=threads, **options.texts)
    places = found["source_index"]
    order = places.tolist()
    labels = found["labels"]
    batch = CrystalBatch._make(
        **{name: found[name] for name in _ARRAYS},
        labels=labels if labels and any(labels) else None,
        ids=[ids[place] for place in order],
        source_index=places,
        warnings=[tuple(map(ReadWarning._make, one)) for one in found["warnings"]],
        source=[Source(paths[place], title or None) for place, title in zip(order, found["titles"], strict=True)],
        properties=[_properties(*one) for one in zip(found["info"], found["columns"], strict=True)],
    )
    return Decoded(batch, {place: _located(error, paths[place]) for place, error in found["failures"]})


def _properties(info: list[tuple[str, str, bool]], columns: list[tuple[str, Any]]) -> dict[str, Any]:
    """What an extended XYZ says beside the crystal; values in quotes are texts."""
    properties: dict[str, Any] = {key: value if quoted else _plain(value) for key, value, quoted in info}
    if columns:
        properties["site_properties"] = {
            name: (values[:, 0] if values.shape[1] == 1 else values).tolist() for name, values in columns
        }
    return properties


def _plain(text: str) -> Any:
    if text in ("T", "F"):
        return text == "T"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


_ARRAYS = (
    "lattices",
    "numbers",
    "frac_coords",
    "occupancies",
    "offsets",
    "site",
    "charges",
    "isotopes",
    "u_iso",
    "u_aniso",
)


def _symmetry(
    operations: tuple[Any, ...] | None, hall_symbol: str | None, hm_symbol: str | None, number: int | None
) -> DeclaredSymmetry | None:
    if operations is None and hall_symbol is None and hm_symbol is None and number is None:
        return None
    made = None
    if operations is not None:
        # The core has checked them; checking again costs more than reading the file.
        made = object.__new__(Operations)
        made._fill(**dict(zip(("rotations", "translations", "denominator"), operations, strict=True)))
    return DeclaredSymmetry(made, hall_symbol, hm_symbol, number)


def _located(error: RecipnetError, path: str | None) -> RecipnetError:
    """The error of a text that came from a file, with that file in front."""
    if path is None:
        return error
    # The place of a text's error stands in front: ":line:column: ...".
    message = path + ("" if error.message.startswith(":") else ": ") + error.message
    if isinstance(error, (ReadError, LimitError)):
        return type(error)(message, **{**error.values, "path": path})
    return type(error)(message, **error.values)


def empty_batch() -> CrystalBatch:
    """A batch without crystals."""
    return CrystalBatch.from_arrays(np.zeros((0, 3, 3)), [], np.zeros((0, 3)), [0])
