"""Which crystals train, which validate, which test; and a hash that tells two such choices apart."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence

import numpy as np

from recipnet import _composition
from recipnet.batch import CrystalBatch
from recipnet.data.report import some
from recipnet.data.targets import read_pairs
from recipnet.errors import DataError

SPLITS = ("train", "val", "test")
_SPELLINGS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_FORMULA_SALT = "recipnet-split-v1:"


def normalise(labels: Iterable[str | None], ids: Sequence[str], where: str) -> list[str]:
    """``train``, ``val`` or ``test`` for each label (``valid`` and ``validation`` are read as ``val``).

    Raises
    ------
    DataError
        Another label, or none; the message names ids.
    """
    given = list(labels)
    split = [_SPELLINGS.get((label or "").strip().casefold(), "") for label in given]
    bad = [place for place, label in enumerate(split) if not label]
    if bad:
        place = bad[0]
        message = (
            f"{where}: split {given[place]!r} of {ids[place]!r} is none of train, val, test ({len(bad)} such rows)"
        )
        raise DataError(message, id=ids[place], column="split", value=given[place])
    return split


def formula_split(formulas: Iterable[str]) -> list[str]:
    """8:1:1 by a hash of the reduced formula, so that no formula is in two splits and nothing depends on the rest.

    The last digit (base 10) of SHA-256 of ``"recipnet-split-v1:" + formula`` decides: 0-7 train, 8 val, 9 test.
    """
    known: dict[str, str] = {}
    out = []
    for formula in formulas:
        if formula not in known:
            digit = int(hashlib.sha256((_FORMULA_SALT + formula).encode()).hexdigest(), 16) % 10
            known[formula] = SPLITS[max(0, digit - 7)]
        out.append(known[formula])
    return out


def reduced_formulas(batch: CrystalBatch) -> list[str]:
    """``Crystal.reduced_formula`` of each crystal."""
    out = []
    for start, stop in zip(batch.offsets[:-1].tolist(), batch.offsets[1:].tolist(), strict=True):
        rows = slice(start, stop)
        contents = _composition.amounts(batch.numbers[rows], batch.occupancies[rows], batch.isotopes[rows])
        out.append(_composition.reduced_formula(contents))
    return out


def file_split(path: str | os.PathLike[str], ids: Sequence[str]) -> list[str]:
    """Split of each id from a CSV file with the columns ``id,split``.

    Raises
    ------
    DataError
        An id that the file does not name, a repeated id, an unknown label.
    """
    table = read_pairs(path, "split")
    absent = [name for name in ids if name not in table]
    if absent:
        message = f"{path}: no split for {len(absent)} of {len(ids)} crystals: {some(absent)}; add them to the file"
        raise DataError(message, path=str(path), id=absent[0])
    return normalise([table[name] for name in ids], ids, str(path))


def split_hash(ids: Sequence[str], splits: Sequence[str] | np.ndarray) -> str:
    """SHA-256 over the sorted lines ``id:split``; two runs with one hash saw the same crystals in the same roles."""
    lines = sorted(f"{name}:{split}" for name, split in zip(ids, splits, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
