"""One crystal: lattice, atom rows, and what its source said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recipnet import _checks, _composition
from recipnet._frozen import Frozen
from recipnet.symmetry import DeclaredSymmetry, Operations, SpaceGroup
from recipnet.symmetry.declared import declared

__all__ = ["Crystal", "ReadWarning", "Source"]


class Source(NamedTuple):
    """Where a crystal was read: ``path`` (None for a text) and data ``block``."""

    path: str | None = None
    block: str | None = None


class ReadWarning(NamedTuple):
    """A repair or doubt that a reader recorded: what it was, and where."""

    code: str
    message: str
    line: int | None = None
    column: int | None = None
    tag: str | None = None
    value: str | None = None


class Crystal(Frozen):
    """A periodic structure, checked when it is built.

    One row per species: a mixed site is several rows with one value in ``site``. The object is frozen and owns its
    arrays (C-contiguous, writable, copied from what is given).

    Parameters
    ----------
    lattice : array_like, shape (3, 3)
        Rows a, b, c in angstrom; either handedness. Edges lie in [0.1, 1e4], the volume is positive and lattice
        planes are at least 0.1 apart.
    numbers : array_like of int, shape (N,)
        Atomic numbers; 0 is an unknown element. N may be 0.
    frac_coords : array_like, shape (N, 3)
        Fractional coordinates, kept as given (see `wrapped`).
    occupancies : array_like, shape (N,), optional
        In [0, 1]; 1 if left out. (A reader that is not strict keeps what a file says, with a warning.)
    charges : array_like, shape (N,), optional
        Formal charges in e; NaN where unknown.
    labels : sequence of str, length N, optional
        Names of the rows.
    isotopes : array_like of int, shape (N,), optional
        Mass numbers, 0 for the natural mixture (the default).
    site : array_like of int, shape (N,), optional
        Rows with one value share one site; by default every row is its own.
    u_iso : array_like, shape (N,), optional
        Isotropic displacement U in square angstrom; NaN where unknown.
    u_aniso : array_like, shape (N, 6), optional
        U11, U22, U33, U23, U13, U12 in square angstrom; NaN where unknown.
    symmetry : SpaceGroup, Operations, str or DeclaredSymmetry, optional
        What is declared about the symmetry; a text is a Hermann-Mauguin symbol. Kept as `DeclaredSymmetry`:
        ``operations``, ``hall_symbol``, ``hm_symbol``, ``number``. The rows are the whole cell in any case.
    properties : mapping, optional
        Anything else that belongs to the crystal.

    Attributes
    ----------
    warnings : tuple of (code, message, line, column, tag, value)
        What a reader repaired or doubted; empty for crystals that were built.
    source : Source or None
        Path and block it was read from.

    Raises
    ------
    CrystalError
        An array that does not describe a crystal; the error names field, row and value.
    SymmetryError
        A symbol that no table knows.

    Examples
    --------
    >>> import recipnet as rn
    >>> crystal = rn.Crystal([[3.905, 0, 0], [0, 3.905, 0], [0, 0, 3.905]], [55, 17], [[0, 0, 0], [0.5, 0.5, 0.5]])
    >>> len(crystal), crystal.reduced_formula, round(crystal.volume, 3)
    (2, 'ClCs', 59.547)
    >>> rn.Crystal([[1, 0, 0], [0, 1, 0], [1, 1, 0]], [14], [[0, 0, 0]])
    Traceback (most recent call last):
        ...
    recipnet.errors.CrystalError: lattice: the rows a, b, c are linearly dependent (volume 0); ...
    """

    __slots__ = (
        "charges",
        "frac_coords",
        "isotopes",
        "labels",
        "lattice",
        "numbers",
        "occupancies",
        "properties",
        "site",
        "source",
        "symmetry",
        "u_aniso",
        "u_iso",
        "warnings",
    )

    lattice: NDArray[np.float64]
    numbers: NDArray[np.uint8]
    frac_coords: NDArray[np.float64]
    occupancies: NDArray[np.float64]
    isotopes: NDArray[np.uint16]
    site: NDArray[np.int32]
    charges: NDArray[np.float64] | None
    labels: tuple[str, ...] | None
    u_iso: NDArray[np.float64] | None
    u_aniso: NDArray[np.float64] | None
    symmetry: DeclaredSymmetry | None
    properties: dict[str, Any]
    warnings: tuple[ReadWarning, ...]
    source: Source | None

    def __init__(
        self,
        lattice: Any,
        numbers: Any,
        frac_coords: Any,
        *,
        occupancies: Any = None,
        charges: Any = None,
        labels: Sequence[str] | None = None,
        isotopes: Any = None,
        site: Any = None,
        u_iso: Any = None,
        u_aniso: Any = None,
        symmetry: SpaceGroup | Operations | DeclaredSymmetry | str | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        cell = _checks.real_array("lattice", lattice, (3, 3), "rows a, b, c in angstrom")
        columns = _checks.atom_columns(
            numbers=numbers,
            frac_coords=frac_coords,
            occupancies=occupancies,
            charges=charges,
            isotopes=isotopes,
            site=site,
            u_iso=u_iso,
            u_aniso=u_aniso,
        )
        count = len(columns["numbers"])
        offsets = np.array([0, count], dtype=np.int64)
        _checks.raise_first(_checks.find_faults(cell[None], offsets, columns, batch=False))
        self._fill(
            lattice=cell,
            labels=_checks.label_tuple(labels, count),
            symmetry=declared(symmetry),
            properties=dict(properties or {}),
            warnings=(),
            source=None,
            **fill_defaults(columns, offsets),
        )

    @classmethod
    def _make(cls, **fields: Any) -> Crystal:
        """A crystal from fields that were checked already and that nothing else holds."""
        crystal = object.__new__(cls)
        crystal._fill(**fields)
        return crystal

    @property
    def cart_coords(self) -> NDArray[np.float64]:
        """Cartesian coordinates ``frac_coords @ lattice`` in angstrom, shape (N, 3)."""
        return self.frac_coords @ self.lattice

    @property
    def volume(self) -> float:
        """Cell volume ``|a . (b x c)|`` in cubic angstrom."""
        return abs(float(_checks.volumes(self.lattice[None])[0]))

    @property
    def density(self) -> float:
        """Mass density in g/cm^3, from occupancies and standard atomic weights; NaN with an unknown element."""
        return _composition.mass(self.numbers, self.occupancies, self.isotopes) / self.volume

    @property
    def formula(self) -> str:
        """Contents of the cell, elements in alphabetical order (deuterium D, tritium T, unknown X): ``"O6 Si3"``."""
        return _composition.formula(_composition.amounts(self.numbers, self.occupancies, self.isotopes))

    @property
    def reduced_formula(self) -> str:
        """Whole-numbered contents over their common divisor, ``"O2Si"``; otherwise atomic fractions and a star."""
        return _composition.reduced_formula(_composition.amounts(self.numbers, self.occupancies, self.isotopes))

    @property
    def is_ordered(self) -> bool:
        """Whether every row is a known element that fully occupies a site of its own."""
        full = bool((np.abs(self.occupancies - 1.0) <= 1e-9).all()) and bool((self.numbers > 0).all())
        return full and len(np.unique(self.site)) == len(self.site)

    def wrapped(self) -> Crystal:
        """The same crystal with fractional coordinates in [0, 1)."""
        fields = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in self._fields()}
        fields["frac_coords"] = wrap(self.frac_coords)
        fields["properties"] = dict(self.properties)
        return Crystal._make(**fields)

    @classmethod
    def from_pymatgen(cls, structure: Any) -> Crystal:
        """A crystal from a pymatgen ``Structure``: species, occupancies, oxidation states, labels, properties.

        Site properties are kept under ``properties["site_properties"]``, except ``u_iso`` and ``u_aniso``, which
        become the crystal's. Dummy species become X, number 0, and lose their symbol. Note that pymatgen's
        ``reciprocal_lattice`` has a factor 2 pi that recipnet's reciprocal lattice does not have.

        Raises
        ------
        CrystalError
            No periodic structure.
        """
        from recipnet.io.adapters import from_pymatgen

        return from_pymatgen(structure)

    def to_pymatgen(self) -> Any:
        """This crystal as a pymatgen ``Structure`` (extra ``pymatgen``); rows of one site become one site.

        Occupancies, charges (as oxidation states), D and T, labels (the first of a site), U (as site properties) and
        properties go over. Other isotopes, and U where the species of a site differ, are left out with a
        `LossWarning`; declared symmetry stays behind.

        Raises
        ------
        CrystalError
            Occupancies that pymatgen does not take, or site properties that are not one per site.
        """
        from recipnet.io.adapters import to_pymatgen

        return to_pymatgen(self)

    @classmethod
    def from_ase(cls, atoms: Any) -> Crystal:
        """A crystal from ASE ``Atoms`` that are periodic in three directions.

        Initial charges, ``info`` and further arrays are kept, the last under ``properties["site_properties"]``;
        arrays ``isotopes``, ``labels``, ``u_iso`` and ``u_aniso`` become the crystal's. Mixed sites are read where
        ASE's own CIF reader left them, in ``info["occupancy"]``. Masses, constraints and calculators are not read.

        Raises
        ------
        CrystalError
            Not periodic, or no cell.
        """
        from recipnet.io.adapters import from_ase

        return from_ase(atoms)

    def to_ase(self) -> Any:
        """This crystal as ASE ``Atoms`` (extra ``ase``).

        A mixed site is one atom of its most abundant species, with all of them in ``info["occupancy"]``. Charges
        (unknown ones as 0), isotopes (also as masses), labels, U and site properties become arrays, properties
        ``info``. Charges, isotopes and U of the other species of a site are left out with a `LossWarning`; declared
        symmetry stays behind.
        """
        from recipnet.io.adapters import to_ase

        return to_ase(self)

    @classmethod
    def from_jarvis(cls, atoms: Any) -> Crystal:
        """A crystal from jarvis-tools ``Atoms``; ``props``, if any, under ``properties["site_properties"]``."""
        from recipnet.io.adapters import from_jarvis

        return from_jarvis(atoms)

    def to_jarvis(self) -> Any:
        """This crystal as jarvis-tools ``Atoms`` (extra ``jarvis``); ordered crystals only.

        Charges, isotopes, U and properties other than ``props`` have no place there and are left out with a
        `LossWarning`; labels and declared symmetry stay behind.

        Raises
        ------
        CrystalError
            Partial occupancies, mixed sites or unknown elements.
        """
        from recipnet.io.adapters import to_jarvis

        return to_jarvis(self)

    def __len__(self) -> int:
        return len(self.numbers)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        a, b, c, alpha, beta, gamma = _checks.cell_parameters(self.lattice)
        return (
            f"Crystal({self.formula or 'empty'}; {len(self)} rows; a, b, c = {a:.6g}, {b:.6g}, {c:.6g} angstrom; "
            f"alpha, beta, gamma = {alpha:.6g}, {beta:.6g}, {gamma:.6g} degrees)"
        )


def wrap(frac_coords: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fractional coordinates moved into [0, 1) by whole lattice vectors."""
    # A tiny negative number plus one rounds to 1.0, which is the same point as 0.
    moved = frac_coords - np.floor(frac_coords)
    moved[moved >= 1.0] = 0.0
    return moved


def fill_defaults(columns: Mapping[str, NDArray[Any] | None], offsets: NDArray[np.int64]) -> dict[str, Any]:
    """Rows' columns with the defaults of those left out; columns that say nothing (all NaN) become None."""
    count = int(offsets[-1])
    filled: dict[str, Any] = dict(columns)
    if filled.get("occupancies") is None:
        filled["occupancies"] = np.ones(count)
    if filled.get("isotopes") is None:
        filled["isotopes"] = np.zeros(count, dtype=np.uint16)
    if filled.get("site") is None:
        filled["site"] = own_sites(offsets)
    for field in ("charges", "u_iso", "u_aniso"):
        column = filled.get(field)
        filled[field] = None if column is None or np.isnan(column).all() else column
    return filled


def own_sites(offsets: NDArray[np.int64]) -> NDArray[np.int32]:
    """Site numbers 0, 1, 2, ... inside each crystal, shape (N,)."""
    places = np.arange(int(offsets[-1]), dtype=np.int32)
    if len(offsets) == 2:
        return places
    return places - np.repeat(offsets[:-1].astype(np.int32), offsets[1:] - offsets[:-1])
