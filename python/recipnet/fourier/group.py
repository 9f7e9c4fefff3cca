"""Which group a basis is for: from a name, operations, or a crystal that declares its group or is searched for it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recipnet import _core
from recipnet.crystal import Crystal
from recipnet.errors import SymmetryError
from recipnet.symmetry import DeclaredSymmetry, Operations, SpaceGroup
from recipnet.symmetry.search import SymmetryResult, find_symmetry

__all__ = ["ATOM_TOLERANCE", "Group", "GroupLike", "atom_kinds", "declared_operations", "found_group", "group_of"]

GroupLike: TypeAlias = int | str | SpaceGroup | Operations | Sequence[str]

#: How far from an atom its image under a declared operation may lie, in angstrom: coordinates with four digits.
ATOM_TOLERANCE = 0.01


class Group(NamedTuple):
    """Exact operations, the point they refer to (fractional, (3,)), and the cell (rows) where there is one."""

    operations: Operations
    origin: NDArray[np.float64]
    lattice: NDArray[np.float64] | None


def group_of(given: GroupLike | Crystal, symprec: float | None) -> Group:
    """The group of anything that names one; for crystals see `recipnet.fourier_basis`."""
    origin = np.zeros(3)
    if isinstance(given, Crystal):
        if symprec is not None:
            return found_group(find_symmetry(given, symprec))
        operations = declared_operations(given.symmetry)
        # Raises where the atoms do not obey what was declared.
        _core.equivalent_atoms(
            given.lattice[None],
            atom_kinds(given.numbers, given.occupancies),
            given.frac_coords,
            (operations.rotations, operations.translations, operations.denominator),
            ATOM_TOLERANCE,
        )
        return Group(operations, origin, given.lattice.copy())
    if symprec is not None:
        message = "symprec= searches the symmetry of a crystal; a group needs no search"
        raise SymmetryError(message, value=str(symprec))
    if isinstance(given, Operations):
        return Group(given, origin, None)
    if isinstance(given, SpaceGroup):
        return Group(given.operations, origin, None)
    if isinstance(given, str):
        return Group(_of_symbol(given).operations, origin, None)
    if isinstance(given, Sequence):
        return Group(Operations.from_xyz(given), origin, None)
    return Group(SpaceGroup(given).operations, origin, None)


def _of_symbol(symbol: str) -> SpaceGroup:
    try:
        return SpaceGroup(symbol)
    except SymmetryError as error:
        # What is no Hermann-Mauguin symbol may be a Hall symbol.
        try:
            return SpaceGroup.from_hall(symbol)
        except SymmetryError:
            raise error from None


def declared_operations(symmetry: DeclaredSymmetry | None) -> Operations:
    """Operations as listed, else those of the symbols or the number; P 1 where nothing is declared."""
    if symmetry is None:
        return Operations.from_xyz(["x,y,z"])
    if symmetry.operations is not None:
        return symmetry.operations
    if symmetry.hall_symbol is not None:
        return SpaceGroup.from_hall(symmetry.hall_symbol).operations
    if symmetry.hm_symbol is not None:
        return SpaceGroup(symmetry.hm_symbol).operations
    if symmetry.number is not None:
        return SpaceGroup(symmetry.number).operations
    return Operations.from_xyz(["x,y,z"])


def atom_kinds(numbers: NDArray[np.uint8], occupancies: NDArray[np.float64]) -> NDArray[np.uint32]:
    """One number for each species and occupancy (to 1e-6), (N,): rows that differ in it are never equivalent."""
    pairs = np.column_stack([numbers.astype(np.int64), np.rint(occupancies * 1e6).astype(np.int64)])
    return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1).astype(np.uint32)


def found_group(found: SymmetryResult) -> Group:
    """Exact operations of the given cell about the tabulated origin, where that lies, and the cell that fits them.

    The standard axes are ``(a b c) P`` with a rational P, so an operation (W|w) of the standard setting reads
    ``(P W P^-1 | P w)`` in the given axes about the same origin. Lattice translations of the standard cell that are
    none of the given cell come in as centrings; operations that a supercell breaks are left out, which leaves a group.
    """
    matrix, scale = _rational(found.transformation)
    inverse = np.linalg.inv(matrix / scale)
    standard = declared_operations(found.standard.symmetry)
    turned = matrix / scale @ standard.rotations @ inverse
    keeps = np.abs(turned - np.rint(turned)).max(axis=(1, 2)) < 1e-6
    kept = Operations(standard.rotations[keeps], standard.translations[keeps], standard.denominator)
    operations = kept.change_basis(_inverse(matrix, scale))
    # (a b c) = (a_s b_s c_s) P^-1 in columns, with the metric of the standard cell, which obeys the group.
    lattice = np.ascontiguousarray(inverse.T @ found.standard.lattice)
    return Group(operations, np.array(found.origin_shift, dtype=np.float64), lattice)


def _rational(matrix: NDArray[np.float64]) -> tuple[NDArray[np.int64], int]:
    """A matrix as integers over one denominator."""
    for scale in range(1, 97):
        scaled = np.rint(matrix * scale)
        if np.abs(matrix * scale - scaled).max() < 1e-4:
            return scaled.astype(np.int64), scale
    text = np.array2string(matrix, precision=4)
    raise SymmetryError(f"the cell is no simple multiple of its standard cell: {text}", value=text)


def _inverse(matrix: NDArray[np.int64], scale: int) -> list[list[Fraction]]:
    """The exact inverse of ``matrix / scale``, by cofactors."""
    rows = [np.roll(matrix, (-i - 1, 0), axis=(0, 1)) for i in range(3)]
    cofactors = np.array([np.cross(rows[i][0], rows[i][1]) for i in range(3)])
    determinant = int(matrix[0] @ cofactors[0])
    return [[Fraction(int(cofactors[j, i]) * scale, determinant) for j in range(3)] for i in range(3)]
