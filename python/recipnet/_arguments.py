"""Checks of the scalar arguments that all batch functions share."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from recipnet.errors import ArgumentError

__all__ = ["choice", "count", "is_single", "number", "threads_or_none"]


def number(name: str, value: Any) -> float:
    """A real number; its range is the core's business."""
    if type(value) is float:
        return value
    if not isinstance(value, (bool, str, bytes)):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    raise ArgumentError(f"{name} = {value!r}: must be a number", name=name, value=value)


def count(name: str, value: Any, *, least: int = 0) -> int:
    """A whole number not below ``least`` that fits 63 bits."""
    if type(value) is int and least <= value < 2**63:
        return value
    if not isinstance(value, bool):
        try:
            whole = operator.index(value)
        except TypeError:
            pass
        else:
            if least <= whole < 2**63:
                return whole
    raise ArgumentError(f"{name} = {value!r}: must be a whole number, at least {least}", name=name, value=value)


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """One of a few words."""
    if isinstance(value, str) and value in allowed:
        return value
    words = ", ".join(f'"{word}"' for word in allowed)
    raise ArgumentError(f"{name} = {value!r}: must be one of {words}", name=name, value=value)


def threads_or_none(value: Any) -> int | None:
    """The ``threads`` argument."""
    return None if value is None else count("threads", value, least=1)


def is_single(dtype: Any) -> bool:
    """Whether real outputs are float32; float64 is the other choice."""
    if dtype is np.float64:
        return False
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = None
    if kind == np.float64 and dtype is not None:
        return False
    if kind == np.float32:
        return True
    raise ArgumentError(f"dtype = {dtype!r}: must be float64 or float32", name="dtype", value=dtype)
