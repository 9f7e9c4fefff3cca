"""Reflections: the ball ``d >= d_min`` of reciprocal space."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from recipnet import _core
from recipnet._arguments import choice, count, is_single, number, threads_or_none
from recipnet._frozen import Frozen
from recipnet.batch import CrystalBatch, Crystals, borrow
from recipnet.errors import ArgumentError
from recipnet.symmetry import DeclaredSymmetry, Operations
from recipnet.symmetry.search import find_symmetry

__all__ = ["Reflections", "reflections"]

CoreOperations = list[tuple[NDArray[np.int8], NDArray[np.int16], int] | None] | None


class Reflections(Frozen):
    """Reflections of a batch; made by `reflections`.

    Attributes
    ----------
    hkl : ndarray, shape (M, 3), int32
        Integer rows h.
    offsets : ndarray, shape (B + 1,), int64
        Rows of crystal b are ``offsets[b]:offsets[b + 1]``.
    d_spacing : ndarray, shape (M,)
        Angstrom.
    multiplicity : ndarray, shape (M,), int32
        Reflections of the full sphere that the row stands for.
    absent : ndarray, shape (M,), bool
        Systematically absent by the declared operations; False where a crystal declares none.
    """

    __slots__ = ("_details", "_recipe", "hkl", "offsets")

    hkl: NDArray[np.int32]
    offsets: NDArray[np.int64]
    _recipe: tuple[NDArray[np.float64], str, CoreOperations, int | None, bool]
    _details: tuple[NDArray[Any], NDArray[np.int32], NDArray[np.bool_]] | None

    def __init__(self) -> None:
        raise TypeError("Reflections are made by recipnet.reflections")

    @classmethod
    def _make(cls, hkl: NDArray[np.int32], offsets: NDArray[np.int64], recipe: Any, details: Any) -> Reflections:
        made = object.__new__(cls)
        made._fill(hkl=hkl, offsets=offsets, _recipe=recipe, _details=details)
        return made

    def _complete(self) -> tuple[NDArray[Any], NDArray[np.int32], NDArray[np.bool_]]:
        # In scan order nothing but hkl is made until it is read.
        if self._details is None:
            lattices, unique, operations, threads, single = self._recipe
            details = _core.reflection_details(lattices, self.hkl, self.offsets, unique, operations, threads, single)
            self._fill(_details=details)
            return details
        return self._details

    @property
    def d_spacing(self) -> NDArray[Any]:
        return self._complete()[0]

    @property
    def multiplicity(self) -> NDArray[np.int32]:
        return self._complete()[1]

    @property
    def absent(self) -> NDArray[np.bool_]:
        return self._complete()[2]

    @property
    def stol(self) -> NDArray[Any]:
        """sin(theta) / lambda = 1 / (2 d), shape (M,), inverse angstrom."""
        return 0.5 / self.d_spacing

    def two_theta(self, wavelength: float) -> NDArray[Any]:
        """Diffraction angles 2 theta in degrees, shape (M,); NaN where ``wavelength > 2 d``.

        Parameters
        ----------
        wavelength : float
            Angstrom, above 0.

        Raises
        ------
        ArgumentError
            A wavelength that is not a finite number above 0.
        """
        length = number("wavelength", wavelength)
        if not (np.isfinite(length) and length > 0.0):
            message = f"wavelength = {wavelength!r}: must be a finite number above 0, in angstrom"
            raise ArgumentError(message, name="wavelength", value=wavelength)
        sine = length * self.stol
        with np.errstate(invalid="ignore"):
            return 2.0 * np.rad2deg(np.arcsin(np.where(sine <= 1.0, sine, np.nan))).astype(sine.dtype)

    def __len__(self) -> int:
        return len(self.hkl)

    def __repr__(self) -> str:
        return f"Reflections({len(self)} reflections of {len(self.offsets) - 1} crystals)"


def reflections(
    batch: Crystals,
    d_min: float,
    *,
    unique: str = "friedel",
    lattice: str = "given",
    order: str = "d",
    operations: Operations | None = None,
    absences: str = "flag",
    max_reflections: int = 10**8,
    threads: int | None = None,
    dtype: DTypeLike = np.float64,
) -> Reflections:
    """All reflections h != 0 with ``d >= d_min``, whole shells: ``1/d <= (1 + 1e-9) / d_min``.

    Parameters
    ----------
    batch : CrystalBatch, Crystal or list of Crystal
    d_min : float
        Angstrom, above 0.
    unique : str, default "friedel"
        ``"none"``, the full sphere; ``"friedel"``, one of each +-h, the one whose first non-zero index is positive;
        ``"laue"``, one of each orbit under the rotations of the group and -1, the lexicographically largest. A
        lattice whose lengths differ slightly from the group's (1 % is accepted) may cut an orbit at the boundary;
        then the row is there if its representative is inside.
    lattice : str, default "given"
        ``"primitive"`` keeps only reflections of the reciprocal lattice of the primitive cell: those that a supercell
        or a centred cell adds have F = 0 and are left out, so that the set depends on the crystal alone. ``hkl`` stay
        indices of the cell as given, to be used with its fractional coordinates. The crystal's own translations are
        found by `find_symmetry` with its default ``symprec``.
    order : str, default "d"
        ``"d"``: d falling, runs of d with gaps up to 1e-9 are one tie and sorted inside by hkl falling;
        ``"scan"``: hkl rising, and all but ``hkl`` and ``offsets`` made when first read.
    operations : Operations, optional
        Used for every crystal instead of the declared ones.
    absences : str, default "flag"
        ``"drop"`` leaves systematic absences out.
    max_reflections : int, default 10**8
        More are refused before memory is taken, from the estimate ``4/3 pi V / d_min**3``.
    threads : int, optional
        At most this many threads; None for the pool's size.
    dtype : float64 or float32
        Of real arrays, computed in float64.

    Returns
    -------
    Reflections

    Raises
    ------
    ArgumentError
        A ``d_min`` that is not above 0, or another argument outside its domain.
    SymmetryError
        ``unique="laue"`` for a crystal that declares no operations, or operations that are no group of its cell;
        ``lattice="primitive"`` for a crystal whose symmetry cannot be found.
    LimitError
        More than ``max_reflections`` reflections.

    Examples
    --------
    >>> import recipnet as rn
    >>> refl = rn.reflections(rn.sample("silicon"), d_min=3.0)
    >>> refl.hkl.tolist()[0], refl.d_spacing[:1].round(3).tolist(), refl.multiplicity[:1].tolist()
    ([1, 0, 0], [5.431], [2])
    """
    crystals = borrow(batch)
    least = number("d_min", d_min)
    kind = choice("unique", unique, ("none", "friedel", "laue"))
    cell = choice("lattice", lattice, ("given", "primitive"))
    sequence = choice("order", order, ("d", "scan"))
    drop = choice("absences", absences, ("flag", "drop")) == "drop"
    workers, single = threads_or_none(threads), is_single(dtype)
    group = core_operations(crystals, operations)
    most = count("max_reflections", max_reflections)
    lattices = crystals.lattices
    hkl, offsets, details = _core.reflections(lattices, least, kind, sequence, group, drop, most, workers, single)
    if cell == "primitive":
        keep = _is_primitive(crystals, hkl, offsets, workers)
        kept = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(keep, dtype=np.int64)])
        hkl, offsets = hkl[keep], kept[offsets]
        if details is not None:
            spacing, multiplicity, absent = details
            details = spacing[keep], multiplicity[keep], absent[keep]
    recipe = (lattices.copy(), kind, group, workers, single)
    return Reflections._make(hkl, offsets, recipe, details)


def _is_primitive(
    crystals: CrystalBatch, hkl: NDArray[np.int32], offsets: NDArray[np.int64], threads: int | None
) -> NDArray[np.bool_]:
    """Whether h.t is whole for every translation t of the crystal."""
    keep = np.ones(len(hkl), dtype=bool)
    for place, found in enumerate(find_symmetry(crystals, threads=threads)):
        pure = (found.operations.rotations == np.eye(3, dtype=np.int32)).all(axis=(1, 2))
        # A group of n translations modulo the lattice: each of them is a whole number of n-ths.
        count = int(pure.sum())
        if count > 1:
            rows = slice(int(offsets[place]), int(offsets[place + 1]))
            numerators = np.rint(found.operations.translations[pure] * count).astype(np.int64)
            keep[rows] = (hkl[rows].astype(np.int64) @ numerators.T % count == 0).all(axis=1)
    return keep


def core_operations(crystals: CrystalBatch, operations: Operations | None = None) -> CoreOperations:
    """Operations of each crystal as the core takes them: given or declared; None where there are none."""
    if operations is not None:
        if not isinstance(operations, Operations):
            message = f"operations: expected recipnet.Operations, got {type(operations).__name__}"
            raise ArgumentError(message, name="operations", value=type(operations).__name__)
        return [_core_arrays(operations)] * len(crystals)
    declared = [_declared(symmetry) for symmetry in crystals.symmetry]
    return declared if any(entry is not None for entry in declared) else None


def _declared(symmetry: DeclaredSymmetry | None) -> tuple[NDArray[np.int8], NDArray[np.int16], int] | None:
    if symmetry is None or symmetry.operations is None:
        return None
    return _core_arrays(symmetry.operations)


def _core_arrays(operations: Operations) -> tuple[NDArray[np.int8], NDArray[np.int16], int]:
    return operations.rotations, operations.translations, operations.denominator
