"""Symmetry operations and what a source declared about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipnet import _core
from recipnet._frozen import Frozen
from recipnet.errors import SymmetryError

__all__ = ["DeclaredSymmetry", "Operations"]


class Operations(Frozen):
    """Exact symmetry operations ``x' = W x + w`` on fractional columns.

    Parameters
    ----------
    rotations : array_like of int, shape (n, 3, 3)
        The matrices W; determinant +1 or -1.
    translations : array_like of int, shape (n, 3)
        Numerators of w over ``denominator``; kept in ``[0, denominator)``.
    denominator : int, default 24

    Raises
    ------
    SymmetryError
        Wrong shapes, entries that are no whole numbers, or a determinant other than +1 or -1.

    Examples
    --------
    >>> from recipnet import Operations
    >>> operations = Operations.from_xyz(["x, y, z", "-x, y+1/2, -z"])
    >>> len(operations)
    2
    >>> operations.translations[1].tolist(), operations.denominator
    ([0, 12, 0], 24)
    >>> operations.to_xyz()
    ['x,y,z', '-x,y+1/2,-z']
    """

    __slots__ = ("denominator", "rotations", "translations")

    rotations: NDArray[np.int8]
    translations: NDArray[np.int16]
    denominator: int

    def __init__(self, rotations: Any, translations: Any, denominator: int = 24) -> None:
        if not isinstance(denominator, (int, np.integer)) or not 1 <= denominator <= 32767:
            raise SymmetryError(f"denominator = {denominator}: expected a whole number from 1 to 32767")
        matrices = _whole(rotations, (3, 3), "rotations")
        vectors = _whole(translations, (3,), "translations")
        if len(matrices) != len(vectors):
            raise SymmetryError(f"{len(matrices)} rotations but {len(vectors)} translations: one of each is needed")
        determinants = np.rint(np.linalg.det(matrices.astype(np.float64)))
        if np.abs(matrices).max(initial=0) > 127 or (np.abs(determinants) != 1).any():
            row = int(np.argmax(np.abs(determinants) != 1))
            raise SymmetryError(
                f"rotations[{row}] = {matrices[row].tolist()}: the determinant of an operation is +1 or -1",
                value=str(matrices[row].tolist()),
            )
        self._fill(
            rotations=np.ascontiguousarray(matrices, dtype=np.int8),
            translations=np.ascontiguousarray(vectors % int(denominator), dtype=np.int16),
            denominator=int(denominator),
        )

    @classmethod
    def from_xyz(cls, operations: Sequence[str]) -> Operations:
        """Operations from triplets such as ``"-y, x-y, z+1/3"``.

        Raises
        ------
        SymmetryError
            A triplet that is none; the error holds its text.
        """
        texts = [operations] if isinstance(operations, str) else list(operations)
        return cls(*_core.parse_operations(texts))

    def to_xyz(self) -> list[str]:
        """The operations as triplets, in order."""
        return list(_core.operations_to_xyz(self.rotations, self.translations, self.denominator))

    def __len__(self) -> int:
        return len(self.rotations)

    def __repr__(self) -> str:
        return f"Operations({len(self)} over {self.denominator})"


class DeclaredSymmetry(Frozen):
    """What a source says about its symmetry, each item None where it says nothing.

    Parameters
    ----------
    operations : Operations, optional
        Listed operations.
    hall_symbol, hm_symbol : str, optional
        Symbols as written.
    number : int, optional
        Number of the space-group type, 1 to 230.

    Examples
    --------
    >>> from recipnet.symmetry import DeclaredSymmetry
    >>> DeclaredSymmetry(hm_symbol="P 32 2 1", number=154)
    DeclaredSymmetry(hm_symbol='P 32 2 1', number=154)
    """

    __slots__ = ("hall_symbol", "hm_symbol", "number", "operations")

    operations: Operations | None
    hall_symbol: str | None
    hm_symbol: str | None
    number: int | None

    def __init__(
        self,
        operations: Operations | None = None,
        hall_symbol: str | None = None,
        hm_symbol: str | None = None,
        number: int | None = None,
    ) -> None:
        if operations is not None and not isinstance(operations, Operations):
            raise SymmetryError(f"operations: expected Operations or None, got {type(operations).__name__}")
        self._fill(operations=operations, hall_symbol=hall_symbol, hm_symbol=hm_symbol, number=number)

    def __repr__(self) -> str:
        parts = [f"operations={self.operations!r}"] if self.operations is not None else []
        for name in ("hall_symbol", "hm_symbol", "number"):
            value = getattr(self, name)
            if value is not None:
                parts.append(f"{name}={value!r}")
        return f"DeclaredSymmetry({', '.join(parts)})"


def _whole(value: Any, shape: tuple[int, ...], name: str) -> NDArray[np.int64]:
    try:
        array = np.asarray(value)
        whole = array.astype(np.int64)
    except (TypeError, ValueError) as error:
        raise SymmetryError(f"{name}: expected whole numbers: {error}") from None
    if array.dtype.kind not in "iuf" or array.shape[1:] != shape or array.ndim != len(shape) + 1:
        raise SymmetryError(f"{name}: expected whole numbers of shape {('n', *shape)}, got {array.dtype} {array.shape}")
    if (whole != array).any():
        raise SymmetryError(f"{name}: expected whole numbers; translations are numerators over the denominator")
    return whole
