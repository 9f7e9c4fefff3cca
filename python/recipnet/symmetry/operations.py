"""Exact symmetry operations: lists over one denominator, and their algebra."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import lcm
from numbers import Rational
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipnet import _core
from recipnet._frozen import Frozen
from recipnet.errors import SymmetryError

__all__ = ["Operations"]

MAX_DENOMINATOR = 10080


class Operations(Frozen):
    """Exact symmetry operations ``x' = W x + w`` on fractional columns, in the order of their source.

    ``operations[i]`` and iteration give lists of one, a slice gives a list; two lists are equal when they hold the
    same operations in the same order, whatever their denominators.

    Parameters
    ----------
    rotations : array_like of int, shape (n, 3, 3)
        The matrices W; determinant +1 or -1.
    translations : array_like of int, shape (n, 3)
        Numerators of w over ``denominator``; kept in ``[0, denominator)``.
    denominator : int, default 24
        1 to 10080.

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
        if not isinstance(denominator, (int, np.integer)) or not 1 <= denominator <= MAX_DENOMINATOR:
            raise SymmetryError(
                f"denominator = {denominator!r}: expected a whole number from 1 to {MAX_DENOMINATOR}",
                value=str(denominator),
            )
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
        texts = [operations] if isinstance(operations, str) else operations
        if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
            raise SymmetryError(
                f'operations: expected texts such as "x+1/2,-y,z", got {operations!r:.200}', value=str(operations)[:200]
            )
        texts = list(texts)
        return cls(*_core.parse_operations(texts))

    @classmethod
    def from_floats(cls, rotations: Any, translations: Any) -> Operations:
        """Operations of a symmetry finder, whose translations are floats.

        Each translation is the nearest multiple of 1/24 within 1e-5. A finder's cell may have its origin anywhere;
        move it to a tabulated one first.

        Parameters
        ----------
        rotations : array_like of int, shape (n, 3, 3)
        translations : array_like of float, shape (n, 3)

        Raises
        ------
        SymmetryError
            A translation that is no such multiple (0.3333 is refused, 0.33333 is 1/3).

        Examples
        --------
        >>> from recipnet import Operations
        >>> Operations.from_floats([[[0, -1, 0], [1, -1, 0], [0, 0, 1]]], [[0, 0, 0.333333]]).to_xyz()
        ['-y,x-y,z+1/3']
        """
        matrices = _whole(rotations, (3, 3), "rotations")
        shifts = np.asarray(translations, dtype=np.float64)
        if shifts.shape != (len(matrices), 3) or np.abs(matrices).max(initial=0) > 127:
            raise SymmetryError(
                f"rotations {matrices.shape} and translations {shifts.shape}: expected (n, 3, 3) and (n, 3), rotations "
                "with entries up to 127"
            )
        return cls(*_core.operations_from_floats(matrices.astype(np.int8), np.ascontiguousarray(shifts)))

    def to_xyz(self) -> list[str]:
        """The operations as triplets, in order."""
        return list(_core.operations_to_xyz(*self._arrays()))

    def compose(self, first: Operations) -> Operations:
        """Row by row ``self`` after ``first``: ``(W1 W2 | W1 w2 + w1)``, translations modulo the lattice.

        A list of one goes with every row of the other.

        Raises
        ------
        SymmetryError
            Lists of different lengths, or a common denominator beyond 10080.

        Examples
        --------
        >>> from recipnet import Operations
        >>> screw = Operations.from_xyz(["-x, y+1/2, -z"])
        >>> screw.compose(Operations.from_xyz(["x, y, z", "-x, -y, -z"])).to_xyz()
        ['-x,y+1/2,-z', 'x,-y+1/2,z']
        """
        if not isinstance(first, Operations):
            raise SymmetryError(f"first: expected Operations, got {type(first).__name__}")
        return Operations(*_core.compose_operations(*self._arrays(), *first._arrays()))

    def inverse(self) -> Operations:
        """The inverse of each operation, ``(W^-1 | -W^-1 w)``, translations modulo the lattice."""
        return Operations(*_core.invert_operations(*self._arrays()))

    def is_group(self) -> bool:
        """Whether the list, taken as a set, is a group modulo lattice translations. Nothing is added to it."""
        return _core.group_fault(*self._arrays()) is None

    def change_basis(self, P: Any, p: Any = (0, 0, 0)) -> Operations:
        """The operations in new axes ``(a' b' c') = (a b c) P`` and from a new origin p, in old coordinates.

        Coordinates become ``x' = P^-1 (x - p)``, operations ``W' = P^-1 W P``, ``w' = P^-1 (w + W p - p)``
        (International Tables A, 1.5.1 and 1.5.2); with cell vectors as rows, ``lattice' = P.T @ lattice``.

        The determinant of P is the ratio of the cell volumes. Lattice translations that the new cell lacks become
        operations, behind the others; those that it gains leave the list. A negative determinant turns the axes to the
        other hand.

        Parameters
        ----------
        P : array_like, shape (3, 3)
            Whole numbers, `fractions.Fraction`, or floats within 1e-5 of a multiple of 1/24.
        p : array_like, shape (3,), default (0, 0, 0)
            The same kinds of number.

        Raises
        ------
        SymmetryError
            A singular P, new axes that are no translations of these operations, an operation without a whole-numbered
            matrix in them (the error names it), a denominator beyond 10080 or more than 384 operations.

        Examples
        --------
        >>> from recipnet import Operations
        >>> centred = Operations.from_xyz(["x,y,z", "x+1/2,y+1/2,z+1/2"])
        >>> centred.change_basis([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]]).to_xyz()
        ['x,y,z']
        """
        matrix, below = _fractions(P, (3, 3), "P")
        shift, shift_below = _fractions(p, (3,), "p")
        return Operations(*_core.change_basis(*self._arrays(), matrix.tolist(), below, shift.tolist(), shift_below))

    def _arrays(self) -> tuple[NDArray[np.int8], NDArray[np.int16], int]:
        return self.rotations, self.translations, self.denominator

    def __len__(self) -> int:
        return len(self.rotations)

    def __getitem__(self, key: int | slice) -> Operations:
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            place = int(key)
            if not -len(self) <= place < len(self):
                raise IndexError(f"operation {place} of {len(self)}")
            key = slice(place % len(self), place % len(self) + 1)
        if not isinstance(key, slice):
            raise IndexError("operations are indexed by a whole number or a slice")
        return Operations(self.rotations[key], self.translations[key], self.denominator)

    def __iter__(self) -> Iterator[Operations]:
        for place in range(len(self)):
            yield self[place]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Operations):
            return NotImplemented
        left = self.translations.astype(np.int64) * other.denominator
        right = other.translations.astype(np.int64) * self.denominator
        return np.array_equal(self.rotations, other.rotations) and np.array_equal(left, right)

    __hash__ = None  # arrays inside can be written

    def __repr__(self) -> str:
        return f"Operations({len(self)} over {self.denominator})"


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


def _fractions(value: Any, shape: tuple[int, ...], name: str) -> tuple[NDArray[np.int64], int]:
    """Numerators over their least common denominator."""
    try:
        array = np.asarray(value, dtype=object)
        numbers = [_fraction(number) for number in array.ravel()]
    except (TypeError, ValueError, OverflowError):
        numbers, array = [], np.zeros(0)
    if array.shape != shape or None in numbers:
        raise SymmetryError(
            f"{name}: expected shape {shape} of whole numbers, fractions.Fraction, or floats within 1e-5 of a multiple "
            f"of 1/24",
            value=str(value)[:200],
        )
    exact = [number for number in numbers if number is not None]
    below = lcm(*(number.denominator for number in exact))
    above = [number.numerator * (below // number.denominator) for number in exact]
    if below > MAX_DENOMINATOR or max(map(abs, above)) > MAX_DENOMINATOR:
        raise SymmetryError(
            f"{name}: numerators and their common denominator are at most {MAX_DENOMINATOR}", value=str(value)[:200]
        )
    return np.array(above, dtype=np.int64).reshape(shape), below


def _fraction(number: Any) -> Fraction | None:
    if isinstance(number, (Rational, np.integer)):
        return Fraction(int(number.numerator), int(number.denominator))
    steps = round(float(number) * 24)
    return Fraction(steps, 24) if abs(float(number) - steps / 24) <= 1e-5 else None
