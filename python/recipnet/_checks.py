"""Checks of crystal arrays: conversion to the final dtype, then one vectorised pass over a whole batch.

A single crystal is a batch of one, so that both are held to the same rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipnet.errors import CrystalError

Floats = NDArray[np.float64]
Offsets = NDArray[np.int64]

#: Edges of a cell, in angstrom, and the least distance between its lattice planes.
MIN_LENGTH, MAX_LENGTH, MIN_SPACING = 0.1, 1.0e4, 0.1
#: Fractional coordinates beyond this have too few digits left to be wrapped.
MAX_FRACTION = 1.0e6
#: Largest atomic number; 0 is an unknown element.
MAX_NUMBER = 118
_ROUNDING = 1.0e-9


def real_array(field: str, value: Any, shape: tuple[int, ...], meaning: str) -> Floats:
    """A fresh C-contiguous float64 array of ``shape`` (-1: any length), or a `CrystalError` that names ``field``."""
    array = _plain(field, value, shape, meaning, "biuf")
    return np.array(array, dtype=np.float64, order="C", copy=True)


def int_array(field: str, value: Any, shape: tuple[int, ...], dtype: Any, meaning: str) -> NDArray[Any]:
    """A fresh C-contiguous integer array; floats must be whole, and every value must fit ``dtype``."""
    array = _plain(field, value, shape, meaning, "iuf")
    info = np.iinfo(dtype)
    with np.errstate(invalid="ignore"):
        bad = ~((array >= info.min) & (array <= info.max))
        if array.dtype.kind == "f":
            bad |= array != np.floor(array)
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        text = str(array[tuple(np.argwhere(bad)[0])])
        raise CrystalError(
            f"{field}[{row}] = {text}: expected a whole number between {info.min} and {info.max} ({meaning})",
            field=field,
            row=row,
            value=text,
        )
    return np.array(array, dtype=dtype, order="C", copy=True)


def _plain(field: str, value: Any, shape: tuple[int, ...], meaning: str, kinds: str) -> NDArray[Any]:
    wanted = "(" + ", ".join("N" if n < 0 else str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise CrystalError(f"{field}: expected numbers of shape {wanted} ({meaning}): {error}", field=field) from None
    if array.size == 0 and shape[0] <= 0 and array.shape[:1] == (0,):
        return np.zeros([max(n, 0) for n in shape])
    if array.dtype.kind not in kinds:
        raise CrystalError(
            f"{field}: expected numbers of shape {wanted} ({meaning}), got {array.dtype} values", field=field
        )
    if array.ndim != len(shape) or any(n not in (-1, m) for n, m in zip(shape, array.shape, strict=True)):
        raise CrystalError(
            f"{field}: expected shape {wanted} ({meaning}), got {array.shape}", field=field, value=str(array.shape)
        )
    return array


def check_offsets(offsets: Offsets, rows: int) -> None:
    """Refuse offsets that do not cut ``rows`` rows into crystals."""
    if len(offsets) == 0 or offsets[0] != 0:
        raise CrystalError("offsets: expected (B+1,) values that start at 0", field="offsets", row=0)
    steps = np.diff(offsets)
    if (steps < 0).any():
        row = int(np.argmax(steps < 0))
        raise CrystalError(
            f"offsets[{row + 1}] = {offsets[row + 1]} is smaller than the value before it, {offsets[row]}",
            field="offsets",
            crystal=row,
            row=row + 1,
            value=str(offsets[row + 1]),
        )
    if offsets[-1] != rows:
        raise CrystalError(
            f"offsets: the last value is {offsets[-1]}, but there are {rows} atom rows",
            field="offsets",
            row=len(offsets) - 1,
            value=str(offsets[-1]),
        )


def find_faults(
    lattices: Floats, offsets: Offsets, columns: Mapping[str, NDArray[Any]], *, batch: bool = True
) -> dict[int, CrystalError]:
    """The first fault of each crystal that has one, keyed by its place.

    ``columns`` are the per-row arrays that are present, by field name. ``batch=False`` leaves the place out of the
    messages.
    """
    faults: dict[int, CrystalError] = {}

    def add(crystal: int, field: str, row: int | None, value: str, message: str) -> None:
        where = f"crystal {crystal}: " if batch else ""
        faults.setdefault(
            crystal,
            CrystalError(where + message, field=field, crystal=crystal if batch else None, row=row, value=value),
        )

    for crystal, (value, message) in _lattice_faults(lattices).items():
        add(crystal, "lattice", None, value, message)
    for field, (test, rule) in _RULES.items():
        column = columns.get(field)
        if column is None or not len(column):
            continue
        bad = test(column)
        if bad.ndim > 1:
            bad = bad.any(axis=tuple(range(1, bad.ndim)))
        if not bad.any():
            continue
        rows = np.flatnonzero(bad)
        owners = np.searchsorted(offsets, rows, side="right") - 1
        first = np.unique(owners, return_index=True)[1]
        for crystal, row in zip(owners[first].tolist(), rows[first].tolist(), strict=True):
            local = row - int(offsets[crystal])
            value = str(np.asarray(column[row]).tolist())
            add(crystal, field, local, value, f"{field}[{local}] = {value}: {rule}")
    return faults


def raise_first(faults: Mapping[int, CrystalError]) -> None:
    """Raise the fault of the first broken crystal, if there is one."""
    if faults:
        raise faults[min(faults)]


def cell_parameters(lattice: Floats) -> tuple[float, float, float, float, float, float]:
    """``a, b, c`` in angstrom and ``alpha, beta, gamma`` in degrees of one lattice (rows a, b, c)."""
    with np.errstate(all="ignore"):
        a, b, c = (float(x) for x in np.linalg.norm(lattice, axis=1))
        cosines = [
            float(lattice[1] @ lattice[2] / (b * c)) if b * c else np.nan,
            float(lattice[0] @ lattice[2] / (a * c)) if a * c else np.nan,
            float(lattice[0] @ lattice[1] / (a * b)) if a * b else np.nan,
        ]
        alpha, beta, gamma = (float(x) for x in np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0))))
    return a, b, c, alpha, beta, gamma


def volumes(lattices: Floats) -> Floats:
    """Signed cell volumes ``a . (b x c)`` in cubic angstrom, shape (B,)."""
    a, b, c = lattices[:, 0], lattices[:, 1], lattices[:, 2]
    result: Floats = (a * _cross(b, c)).sum(axis=1)
    return result


def _cross(x: Floats, y: Floats) -> Floats:
    # np.cross costs ten times more than this on single cells.
    left, right = x[:, [1, 2, 0]], y[:, [1, 2, 0]]
    return (x * right - left * y)[:, [1, 2, 0]]


def _lattice_faults(lattices: Floats) -> dict[int, tuple[str, str]]:
    with np.errstate(all="ignore"):
        lengths = np.sqrt((lattices * lattices).sum(axis=2))
        # Row i of faces is the cross product of the other two rows: its length is the area of that face.
        faces = _cross(lattices[:, [1, 2, 0]].reshape(-1, 3), lattices[:, [2, 0, 1]].reshape(-1, 3)).reshape(-1, 3, 3)
        volume = np.abs((lattices[:, 0] * faces[:, 0]).sum(axis=1))
        spacings = volume[:, None] / np.sqrt((faces * faces).sum(axis=2))
        finite = np.asarray(np.isfinite(lattices).all(axis=(1, 2)))
        right: NDArray[np.bool_] = (lengths >= MIN_LENGTH * (1 - _ROUNDING)) & (lengths <= MAX_LENGTH * (1 + _ROUNDING))
        thick = spacings >= MIN_SPACING * (1 - _ROUNDING)
        bad = ~(finite & right.all(axis=1) & (volume > 0) & thick.all(axis=1))
    found: dict[int, tuple[str, str]] = {}
    for i in np.flatnonzero(bad).tolist():
        edges = "a, b, c = {:.6g}, {:.6g}, {:.6g} angstrom, alpha, beta, gamma = {:.6g}, {:.6g}, {:.6g} degrees"
        text = "cell " + edges.format(*cell_parameters(lattices[i]))
        value = str(lattices[i].tolist())
        if not finite[i]:
            reason = "a value is not finite"
        elif not right[i].all():
            axis = int(np.argmin(right[i]))
            length = f"the length of {'abc'[axis]} is {lengths[i, axis]:.6g} angstrom"
            reason = f"{length}, outside [{MIN_LENGTH:g}, {MAX_LENGTH:g}]"
        elif not volume[i] > 0:
            reason = "the rows a, b, c are linearly dependent (volume 0)"
        else:
            axis = int(np.argmin(thick[i]))
            plane = ("b, c", "c, a", "a, b")[axis]
            reason = (
                f"the lattice planes spanned by {plane} are {spacings[i, axis]:.6g} angstrom apart, "
                f"less than {MIN_SPACING:g}"
            )
        found[i] = (value, f"lattice: {reason}; {text}; rows are cell vectors in angstrom")
    return found


_RULES: dict[str, tuple[Any, str]] = {
    "numbers": (lambda x: (x < 0) | (x > MAX_NUMBER), f"atomic numbers are 0 (unknown) to {MAX_NUMBER}"),
    "frac_coords": (
        lambda x: ~(np.abs(x) <= MAX_FRACTION),
        f"fractional coordinates are finite and at most {MAX_FRACTION:g} in size",
    ),
    "occupancies": (lambda x: ~((x >= 0.0) & (x <= 1.0 + _ROUNDING)), "occupancies lie in [0, 1]"),
    "isotopes": (lambda x: x > 400, "isotopes are mass numbers, 0 for the natural mixture"),
    "site": (lambda x: x < 0, "site numbers are 0 or more"),
    "charges": (np.isinf, "charges are finite, or NaN where unknown"),
    "u_iso": (np.isinf, "U values are finite (square angstrom), or NaN where unknown"),
    "u_aniso": (np.isinf, "U values are finite (square angstrom), or NaN where unknown"),
}


#: Dtype, trailing shape and meaning of every per-row array.
COLUMNS: dict[str, tuple[Any, tuple[int, ...], str]] = {
    "numbers": (np.uint8, (), "atomic numbers"),
    "frac_coords": (np.float64, (3,), "fractional coordinates"),
    "occupancies": (np.float64, (), "occupancies"),
    "isotopes": (np.uint16, (), "mass numbers"),
    "site": (np.int32, (), "site numbers"),
    "charges": (np.float64, (), "charges"),
    "u_iso": (np.float64, (), "isotropic U in square angstrom"),
    "u_aniso": (np.float64, (6,), "U11, U22, U33, U23, U13, U12 in square angstrom"),
}


def atom_columns(**given: Any) -> dict[str, NDArray[Any]]:
    """The given per-row arrays (None: left out) in their final dtype, all of the length of ``numbers``."""
    columns: dict[str, NDArray[Any]] = {}
    for field, value in given.items():
        if value is None and field not in ("numbers", "frac_coords"):
            continue
        dtype, tail, meaning = COLUMNS[field]
        if dtype is np.float64:
            columns[field] = real_array(field, value, (-1, *tail), meaning)
        else:
            columns[field] = int_array(field, value, (-1,), dtype, meaning)
    count = len(columns["numbers"])
    for field, column in columns.items():
        if len(column) != count:
            raise CrystalError(
                f"{field}: {len(column)} rows, but numbers has {count}: one row per atom is needed",
                field=field,
                value=str(len(column)),
            )
    return columns


def label_tuple(labels: Any, count: int) -> tuple[str, ...] | None:
    """Row names as a tuple; None if there are none or all are empty."""
    if labels is None:
        return None
    if isinstance(labels, str):
        raise CrystalError("labels: expected a sequence of N strings, got one string", field="labels", value=labels)
    names = tuple(labels)
    if len(names) != count:
        raise CrystalError(
            f"labels: {len(names)} names, but numbers has {count} rows: one name per row is needed",
            field="labels",
            value=str(len(names)),
        )
    for row, name in enumerate(names):
        if not isinstance(name, str):
            raise CrystalError(
                f"labels[{row}] = {name!r}: expected a string", field="labels", row=row, value=repr(name)[:200]
            )
    return names if any(names) else None
