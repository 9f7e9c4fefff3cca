"""The symmetry of structures: space group, orbits, standard and primitive cells."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from recipnet import _core
from recipnet._arguments import choice, count, number, threads_or_none
from recipnet.batch import CrystalBatch, Crystals, as_batch
from recipnet.crystal import Crystal
from recipnet.symmetry.cells import rebased
from recipnet.symmetry.declared import DeclaredSymmetry, declared
from recipnet.symmetry.operations import Operations
from recipnet.symmetry.space_group import SpaceGroup

__all__ = ["FoundOperations", "SymmetryResult", "find_symmetry"]


class FoundOperations:
    """Operations ``x' = W x + w`` of a given cell, whose origin lies anywhere: translations are floats.

    Exact `Operations` belong to the standard cell: ``result.standard.symmetry.operations``.

    Attributes
    ----------
    rotations : ndarray, shape (n, 3, 3), int32
    translations : ndarray, shape (n, 3), float64
        In [0, 1).
    denominator : int
        1.
    """

    __slots__ = ("denominator", "rotations", "translations")

    def __init__(self, rotations: NDArray[np.int32], translations: NDArray[np.float64]) -> None:
        self.rotations = rotations
        self.translations = translations
        self.denominator = 1

    def __len__(self) -> int:
        return len(self.rotations)

    def __repr__(self) -> str:
        return f"FoundOperations({len(self)})"


class SymmetryResult:
    """The symmetry of one crystal; made by `find_symmetry`. Each part is made when it is first read.

    Attributes
    ----------
    number : int
        Space-group type, 1 to 230.
    hall_number : int
        Setting of ``standard``, 1 to 530.
    hm_symbol, hall_symbol, point_group : str
        Of that setting.
    pearson_symbol : str
        A mixed site counts once.
    operations : FoundOperations
        Of the given cell.
    wyckoffs : list of str, length N
        Wyckoff letter of each row, in the setting of ``standard``.
    site_symmetry : list of str, length N
        Site-symmetry symbol of each row, oriented as in ``standard``; dots where a direction has none.
    equivalent_atoms : ndarray, shape (N,), int64
        First row that the space group maps each row to.
    site_multiplicity : ndarray, shape (N,), int32
        Sites of the row's orbit in ``standard``: the number before the Wyckoff letter.
    standard : Crystal
        Conventional cell in the setting, its lattice and coordinates made to obey the symmetry exactly, a along x and
        b in the xy plane, right-handed. Its ``symmetry`` holds the exact operations. Rows keep species, occupancy,
        isotope, charge, label and U of the row that they come from.
    primitive : Crystal
        Its primitive cell, in the same orientation.
    transformation : ndarray, shape (3, 3)
        P of ``(a' b' c') = (a b c) P`` from the given cell to ``standard``, before its lattice is refined and turned.
        With cell vectors as rows: ``lattice' = P.T @ lattice``. Negative determinant for a left-handed cell.
    origin_shift : ndarray, shape (3,)
        p, fractional in the given cell: ``x' = P^-1 (x - p)``, ``h' = h P``.
    primitive_transformation : ndarray, shape (3, 3)
        The same P for ``primitive``, with the same p.
    symprec : float
        Tolerance that was used in the end: one that gives no group is tightened or loosened by moyo.
    """

    def __init__(self) -> None:
        raise TypeError("a SymmetryResult is made by recipnet.find_symmetry")

    _found: dict[str, Any]
    _crystals: CrystalBatch
    _place: int

    @classmethod
    def _made(cls, found: dict[str, Any], crystals: CrystalBatch, place: int) -> SymmetryResult:
        result = object.__new__(cls)
        result.__dict__.update(_found=found, _crystals=crystals, _place=place)
        return result

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"SymmetryResult.{name} cannot be set: the object is frozen")

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the rest of its batch.
        return (_rebuild, ({name: getattr(self, name) for name in _PARTS},))

    @cached_property
    def number(self) -> int:
        return int(self._found["number"][self._place])

    @cached_property
    def hall_number(self) -> int:
        return int(self._found["hall_number"][self._place])

    @property
    def _group(self) -> SpaceGroup:
        return SpaceGroup.from_hall_number(self.hall_number)

    @cached_property
    def hm_symbol(self) -> str:
        return self._group.hm_symbol

    @cached_property
    def hall_symbol(self) -> str:
        return str(self._group.hall_symbol)

    @cached_property
    def point_group(self) -> str:
        return self._group.point_group

    @cached_property
    def pearson_symbol(self) -> str:
        return str(self._found["pearson_symbol"][self._place])

    @cached_property
    def operations(self) -> FoundOperations:
        offsets = self._found["operation_offsets"]
        rows = slice(int(offsets[self._place]), int(offsets[self._place + 1]))
        return FoundOperations(self._found["rotations"][rows].copy(), self._found["translations"][rows].copy())

    @cached_property
    def wyckoffs(self) -> list[str]:
        return list(self._found["wyckoffs"][self._place])

    @cached_property
    def site_symmetry(self) -> list[str]:
        return str(self._found["site_symmetry"][self._place]).split(" ")

    @cached_property
    def equivalent_atoms(self) -> NDArray[np.int64]:
        return self._rows("equivalent_atoms")

    @cached_property
    def site_multiplicity(self) -> NDArray[np.int32]:
        return self._rows("site_multiplicity")

    @cached_property
    def standard(self) -> Crystal:
        return self._cell("standard", declared(self._group))

    @cached_property
    def primitive(self) -> Crystal:
        change = np.linalg.solve(self.transformation, self.primitive_transformation)
        if np.abs(change - np.eye(3)).max() < 1e-6:
            return self._cell("primitive", declared(self._group))
        # The symbols name the centred setting; the primitive one has its operations and its number.
        operations: Operations = self._group.operations.change_basis(change)
        return self._cell("primitive", DeclaredSymmetry(operations=operations, number=self.number))

    @cached_property
    def transformation(self) -> NDArray[np.float64]:
        return self._found["standard"]["matrix"][self._place].copy()

    @cached_property
    def origin_shift(self) -> NDArray[np.float64]:
        return self._found["standard"]["shift"][self._place].copy()

    @cached_property
    def primitive_transformation(self) -> NDArray[np.float64]:
        return self._found["primitive"]["matrix"][self._place].copy()

    @cached_property
    def symprec(self) -> float:
        return float(self._found["symprec"][self._place])

    def _rows(self, name: str) -> NDArray[Any]:
        offsets = self._crystals.offsets
        return self._found[name][int(offsets[self._place]) : int(offsets[self._place + 1])].copy()

    def _cell(self, name: str, symmetry: DeclaredSymmetry | None) -> Crystal:
        cell = self._found[name]
        rows = slice(int(cell["offsets"][self._place]), int(cell["offsets"][self._place + 1]))
        return rebased(
            self._crystals[self._place],
            matrix=cell["matrix"][self._place],
            lattice=cell["lattices"][self._place].copy(),
            frac_coords=cell["frac"][rows].copy(),
            source=cell["source"][rows],
            site=cell["site"][rows].copy(),
            symmetry=symmetry,
        )

    def __repr__(self) -> str:
        return (
            f"SymmetryResult(number={self.number}, hm_symbol={self.hm_symbol!r}, hall_number={self.hall_number}, "
            f"{len(self.operations)} operations, symprec={self.symprec:g})"
        )


_PARTS = tuple(name for name, value in vars(SymmetryResult).items() if isinstance(value, cached_property))


def _rebuild(parts: dict[str, Any]) -> SymmetryResult:
    result = object.__new__(SymmetryResult)
    result.__dict__.update(parts)
    return result


@overload
def find_symmetry(
    crystals: Crystal,
    symprec: float = 0.01,
    *,
    setting: str = "standard",
    max_sites: int = 10_000,
    threads: int | None = None,
) -> SymmetryResult: ...


@overload
def find_symmetry(
    crystals: CrystalBatch | Iterable[Crystal],
    symprec: float = 0.01,
    *,
    setting: str = "standard",
    max_sites: int = 10_000,
    threads: int | None = None,
) -> list[SymmetryResult]: ...


def find_symmetry(
    crystals: Crystals,
    symprec: float = 0.01,
    *,
    setting: str = "standard",
    max_sites: int = 10_000,
    threads: int | None = None,
) -> SymmetryResult | list[SymmetryResult]:
    """Space group, orbits and standard cells of structures, found by moyo.

    What a crystal declares about itself plays no part. A mixed site counts as one kind of atom by its set of (number,
    occupancy); charges, isotopes and labels do not tell atoms apart.

    Parameters
    ----------
    crystals : Crystal, CrystalBatch or list of Crystal
    symprec : float, default 0.01
        Largest distance in angstrom between an atom and the image of another; angles of the lattice follow from it. At
        most a twelfth of the shortest translation, less in very long cells: beyond, a shear may pass as a symmetry.
    setting : "standard" or "spglib", default "standard"
        Of the standard cell, see `SpaceGroup`.
    max_sites : int, default 10000
        More sites of the rarest kind in one crystal are refused: the time grows with their number squared.
    threads : int, optional
        At most this many threads; None for the pool's size.

    Returns
    -------
    SymmetryResult
        One for a `Crystal`, a list for a batch or list.

    Raises
    ------
    SymmetryError
        A crystal without atoms, a tolerance too large for its cell, or no group found; the error names the crystal.
    CrystalError
        Rows of one site that lie further apart than ``symprec``.
    LimitError
        More than ``max_sites`` sites of the rarest kind.
    ArgumentError
        A tolerance that is not above 0, or another argument outside its domain.

    Examples
    --------
    >>> import recipnet as rn
    >>> result = rn.find_symmetry(rn.sample("rutile"))
    >>> result.number, result.hm_symbol, result.pearson_symbol
    (136, 'P 42/m n m', 'tP6')
    >>> [f"{m}{w}" for m, w in zip(result.site_multiplicity.tolist(), result.wyckoffs)]
    ['2a', '2a', '4f', '4f', '4f', '4f']
    >>> rn.find_symmetry(rn.sample("silicon")).primitive
    Crystal(Si2; 2 rows; a, b, c = 3.8403, 3.8403, 3.8403 angstrom; alpha, beta, gamma = 60, 60, 60 degrees)
    """
    batch = as_batch(crystals)
    smallest = choice("setting", setting, ("standard", "spglib")) == "spglib"
    found = _core.find_symmetry(
        batch.lattices,
        batch.numbers,
        batch.occupancies,
        batch.frac_coords,
        batch.offsets,
        batch.site,
        number("symprec", symprec),
        smallest,
        count("max_sites", max_sites),
        threads_or_none(threads),
    )
    # Cells are made later, from rows that nobody else may write.
    kept = batch[:] if batch is crystals else batch
    results = [SymmetryResult._made(found, kept, place) for place in range(len(kept))]
    return results[0] if isinstance(crystals, Crystal) else results
