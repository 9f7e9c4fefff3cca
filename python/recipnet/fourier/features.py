"""Basis values at the atoms of many crystals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from recipnet import _core
from recipnet._arguments import choice, count, is_single, number, threads_or_none
from recipnet._frozen import Frozen
from recipnet.batch import Crystals, borrow
from recipnet.errors import SymmetryError
from recipnet.fourier.group import ATOM_TOLERANCE, atom_kinds, declared_operations, found_group
from recipnet.symmetry.search import find_symmetry

__all__ = ["FourierFeatures", "fourier_features"]


class FourierFeatures(Frozen):
    """Ragged basis values of a batch; made by `fourier_features`. ``features[b]`` is the block of crystal b.

    Attributes
    ----------
    values : ndarray, shape (V,)
        Blocks one after the other, each (atoms of b, functions of b) in C order.
    offsets : ndarray, shape (B + 1,), int64
        Block of crystal b in ``values``.
    atom_offsets : ndarray, shape (B + 1,), int64
        Atom rows of crystal b, as in the batch.
    function_offsets : ndarray, shape (B + 1,), int64
        Functions of crystal b in ``norm``, ``size`` and ``centric``.
    norm : ndarray, shape (F,)
        1/d of each function's orbit, 1/angstrom.
    size : ndarray, shape (F,), int32
        Plane waves of each orbit.
    centric : ndarray, shape (F,), bool
        Whether -h lies in the orbit of h.
    equivalent_atoms : ndarray, shape (N,), int64
        For each atom row the first row of the batch that the group brings to its place.
    asymmetric_unit : ndarray, shape (A,), int64
        One atom row for each orbit of atoms, rising.
    asymmetric_offsets : ndarray, shape (B + 1,), int64
        Orbits of crystal b in ``asymmetric_unit`` and ``site_multiplicity``.
    site_multiplicity : ndarray, shape (A,), int32
        Atom rows of each orbit; they add up to N.
    """

    __slots__ = (
        "asymmetric_offsets",
        "asymmetric_unit",
        "atom_offsets",
        "centric",
        "equivalent_atoms",
        "function_offsets",
        "norm",
        "offsets",
        "site_multiplicity",
        "size",
        "values",
    )

    values: NDArray[Any]
    offsets: NDArray[np.int64]
    atom_offsets: NDArray[np.int64]
    function_offsets: NDArray[np.int64]
    norm: NDArray[Any]
    size: NDArray[np.int32]
    centric: NDArray[np.bool_]
    equivalent_atoms: NDArray[np.int64]
    asymmetric_unit: NDArray[np.int64]
    asymmetric_offsets: NDArray[np.int64]
    site_multiplicity: NDArray[np.int32]

    def __init__(self) -> None:
        raise TypeError("FourierFeatures are made by recipnet.fourier_features")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, crystal: int) -> NDArray[Any]:
        """Values of one crystal, shape (atoms, functions); a copy."""
        b = range(len(self))[crystal]
        block = self.values[self.offsets[b] : self.offsets[b + 1]]
        functions = int(self.function_offsets[b + 1] - self.function_offsets[b])
        return block.reshape(-1, functions).copy()

    def __repr__(self) -> str:
        functions, atoms = int(self.function_offsets[-1]), int(self.atom_offsets[-1])
        return f"FourierFeatures({len(self)} crystals, {atoms} atoms, {functions} functions)"


def fourier_features(
    batch: Crystals,
    d_min: float,
    *,
    kind: str = "real",
    symprec: float | None = None,
    max_modes: int = 10**6,
    threads: int | None = None,
    dtype: DTypeLike = np.float64,
) -> FourierFeatures:
    """Values of each crystal's own basis at its own atoms.

    Parameters
    ----------
    batch : CrystalBatch, Crystal or list of Crystal
    d_min : float
        Functions with a spacing of at least this, angstrom.
    kind : str, default "real"
        ``"real"`` or ``"complex"``.
    symprec : float, optional
        Search the symmetry of every crystal with this tolerance in angstrom; by default the declared group is taken,
        and P 1 where none is declared.
    max_modes : int, default 10**6
        More plane waves for one crystal are refused.
    threads : int, optional
        At most this many threads; None for the pool's size.
    dtype : float64 or float32
        Of real values and norms; complex values have twice its size.

    Returns
    -------
    FourierFeatures

    Raises
    ------
    SymmetryError
        Operations that are no group, do not fit the cell, or do not map the atoms onto themselves; the error names the
        crystal.
    ArgumentError, LimitError
        As for `fourier_basis`.

    Notes
    -----
    Values at equivalent atoms are equal, so a model may look at ``asymmetric_unit`` alone and weight by
    ``site_multiplicity``. They depend on the origin of the group (see docs/fourier-basis.md); moduli and pair products
    do not.

    Examples
    --------
    >>> import recipnet as rn
    >>> features = rn.fourier_features([rn.sample("silicon"), rn.sample("quartz")], d_min=1.5, symprec=0.01)
    >>> features
    FourierFeatures(2 crystals, 17 atoms, 31 functions)
    >>> features[0].shape, features.site_multiplicity.tolist()
    ((8, 5), [8, 3, 6])
    """
    crystals = borrow(batch)
    least, kind = number("d_min", d_min), choice("kind", kind, ("real", "complex"))
    workers, single, most = threads_or_none(threads), is_single(dtype), count("max_modes", max_modes)
    lattices, origins = crystals.lattices, np.zeros((len(crystals), 3))
    if symprec is None:
        groups = [declared_operations(symmetry) for symmetry in crystals.symmetry]
        tolerance = ATOM_TOLERANCE
    else:
        tolerance = number("symprec", symprec)
        lattices, groups = lattices.copy(), []
        for b, found in enumerate(find_symmetry(crystals, symprec, threads=threads)):
            try:
                operations, origins[b], lattices[b] = found_group(found)
            except SymmetryError as error:
                raise SymmetryError(f"crystal {b}: {error}", value=error.value, crystal=b) from None
            groups.append(operations)
    values, offsets, function_offsets, norm, size, centric, equivalent = _core.fourier_features(
        lattices,
        atom_kinds(crystals.numbers, crystals.occupancies),
        crystals.frac_coords,
        crystals.offsets,
        [(group.rotations, group.translations, group.denominator) for group in groups],
        origins,
        least,
        kind,
        # Twice: an atom and its image may both be off by the tolerance of the search.
        2.0 * tolerance,
        most,
        workers,
        single,
    )
    if kind == "complex":
        values = values.view(np.complex64 if single else np.complex128)
    unit, multiplicity = np.unique(equivalent, return_counts=True)
    return FourierFeatures._of(
        values=values,
        offsets=offsets,
        atom_offsets=crystals.offsets.copy(),
        function_offsets=function_offsets,
        norm=norm,
        size=size,
        centric=centric,
        equivalent_atoms=equivalent,
        asymmetric_unit=unit,
        asymmetric_offsets=np.searchsorted(unit, crystals.offsets).astype(np.int64),
        site_multiplicity=multiplicity.astype(np.int32),
    )
