"""Lists whose items are made when someone looks at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from numpy.typing import NDArray

_T = TypeVar("_T")


class LazyList(Sequence[_T]):
    """A sequence of known length that makes its items all at once when one of them is asked for.

    It compares equal to the list of its items and is pickled and copied as that list.

    Examples
    --------
    >>> from recipnet._lazy import LazyList
    >>> squares = LazyList(3, lambda: [i * i for i in range(3)])
    >>> len(squares), squares[-1], squares[:2], squares == [0, 1, 4]
    (3, 4, [0, 1], True)
    """

    __slots__ = ("_count", "_items", "_make")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, count: int, make: Callable[[], list[_T]]) -> None:
        self._count = count
        self._make: Callable[[], list[_T]] | None = make
        self._items: list[_T] = []

    def _list(self) -> list[_T]:
        make = self._make
        if make is not None:
            self._items = make()
            self._make = None
        return self._items

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, key: Any) -> Any:
        return self._list()[key]

    def __iter__(self) -> Iterator[_T]:
        return iter(self._list())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LazyList):
            other = other._list()
        return self._list() == other if isinstance(other, list) else NotImplemented

    def __repr__(self) -> str:
        return repr(self._list())

    def __reduce__(self) -> tuple[Any, ...]:
        return (list, (self._list(),))


def chained(parts: Sequence[Sequence[_T]]) -> Sequence[_T]:
    """All items behind one another: a list, or a lazy one where a part is lazy."""
    if not any(isinstance(part, LazyList) for part in parts):
        return [item for part in parts for item in part]
    # Lists may be written later; lazy ones never are.
    kept = [part if isinstance(part, LazyList) else list(part) for part in parts]
    return LazyList(sum(map(len, kept)), lambda: [item for part in kept for item in part])


def split_texts(data: bytes, ends: NDArray[Any]) -> list[str]:
    """Texts that lie behind one another in UTF-8, cut at their ends."""
    bounds = ends.tolist()
    starts = [0, *bounds][: len(bounds)]
    if data.isascii():
        text = data.decode("ascii")
        return [text[start:end] for start, end in zip(starts, bounds, strict=True)]
    return [data[start:end].decode() for start, end in zip(starts, bounds, strict=True)]
