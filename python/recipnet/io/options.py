"""Options of the readers, checked once."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from recipnet.errors import ArgumentError
from recipnet.io.files import MAX_BYTES, MAX_RATIO

#: Limits that a caller may change, with their defaults: bytes of a file after decompression, decompressed over
#: compressed bytes, atoms of a cell, and in angstrom the distance below which images are one atom, the shortest and
#: longest cell edge, and the least distance of lattice planes.
LIMITS: dict[str, float] = {
    "max_bytes": MAX_BYTES,
    "max_ratio": MAX_RATIO,
    "max_sites": 10**6,
    "merge_tol": 0.03,
    "min_length": 0.1,
    "max_length": 1.0e4,
    "min_spacing": 0.1,
}
_CIF_ONLY = ("block", "merge_tol", "unknown_element")
ON_ERROR = ("raise", "skip", "collect")


class Options(NamedTuple):
    """How to read: what `recipnet._core.read_cifs` takes, and the limits of decompression."""

    core: dict[str, Any]
    max_bytes: int
    max_ratio: int

    @property
    def texts(self) -> dict[str, Any]:
        """What `recipnet._core.read_texts` takes."""
        rest = {name: value for name, value in self.core.items() if name not in _CIF_ONLY}
        return {**rest, "keep_unknown": self.core["unknown_element"] == "X"}


def make_options(
    limits: dict[str, Any], *, strict: bool, unknown_element: str, index: int = 0, block: str | None = None
) -> Options:
    """Check options and limits; an unknown name is an error with a suggestion."""
    if unknown_element not in ("error", "X"):
        raise ArgumentError(
            f"unknown_element = {unknown_element!r}: expected 'error' or 'X'",
            name="unknown_element",
            value=unknown_element,
        )
    if not isinstance(index, int) or index < 0:
        raise ArgumentError(f"index = {index!r}: expected 0 or more", name="index", value=index)
    values: dict[str, Any] = dict(LIMITS)
    for name, value in limits.items():
        if name not in LIMITS:
            import difflib

            close = difflib.get_close_matches(name, LIMITS, 1)
            hint = f"did you mean {close[0]}?" if close else "known are " + ", ".join(LIMITS)
            raise ArgumentError(f"{name}: no such option of the reader; {hint}", name=name, value=value)
        values[name] = _positive(name, value)
    max_ratio = values.pop("max_ratio")
    core = {**values, "strict": bool(strict), "unknown_element": unknown_element, "index": index, "block": block}
    return Options(core, values["max_bytes"], max_ratio)


def check_on_error(on_error: str) -> None:
    """Refuse anything but the three policies."""
    if on_error not in ON_ERROR:
        raise ArgumentError(
            f"on_error = {on_error!r}: expected 'raise', 'skip' or 'collect'", name="on_error", value=on_error
        )


def _positive(name: str, value: Any) -> Any:
    whole = isinstance(LIMITS[name], int)
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not (math.isfinite(value) and value > 0)
        or (whole and value != int(value))
    ):
        kind = "a whole number above 0" if whole else "a number above 0"
        raise ArgumentError(f"{name} = {value!r}: expected {kind}", name=name, value=value)
    return int(value) if whole else float(value)
