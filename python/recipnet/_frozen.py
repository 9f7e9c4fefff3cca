"""Base of the small value objects: attributes are set once, arrays inside stay ordinary NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self

import numpy as np


class Frozen:
    """An object whose slots cannot be set again; it can be compared, copied and pickled."""

    __slots__: tuple[str, ...] = ()
    __hash__ = None  # type: ignore[assignment]  # arrays inside can be written
    # the slots themselves: five times faster than object.__setattr__
    _setters: ClassVar[dict[str, Callable[[Any, Any], None]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = {name: getattr(cls, name).__set__ for name in cls.__dict__.get("__slots__", ())}
        cls._setters = {**cls._setters, **own}

    @classmethod
    def _of(cls, **values: Any) -> Self:
        """An object with these values, whatever its constructor asks for."""
        made = object.__new__(cls)
        made._fill(**values)
        return made

    def _fill(self, **values: Any) -> None:
        setters = self._setters
        for name, value in values.items():
            setters[name](self, value)

    def _fields(self) -> Iterator[tuple[str, Any]]:
        for name in self.__slots__:
            yield name, getattr(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set: the object is frozen; build a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted: the object is frozen")

    def __getstate__(self) -> dict[str, Any]:
        return dict(self._fields())

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._fill(**state)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(same(mine, getattr(other, name)) for name, mine in self._fields())


def same(a: Any, b: Any) -> bool:
    """Equality that looks into arrays and containers; NaN equals NaN, dtypes must agree."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)) or a.dtype != b.dtype:
            return False
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    return bool(a == b)
