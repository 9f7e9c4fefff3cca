"""The same crystal in other cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipnet import _core
from recipnet.crystal import Crystal
from recipnet.errors import ArgumentError
from recipnet.symmetry.declared import DeclaredSymmetry

__all__ = ["niggli", "rebased"]

#: Row and column of U11, U22, U33, U23, U13, U12.
_VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])


def niggli(crystal: Crystal, *, return_transformation: bool = False) -> Any:
    """The crystal in the Niggli-reduced cell of its lattice (International Tables A, 3.1.3), atoms carried along.

    Atoms stay where they are in space, only the axes are chosen anew. The cell that is given is reduced, primitive or
    not; for a primitive one reduce ``find_symmetry(crystal).primitive``. The reduced axes are right-handed, also where
    the given ones are not. Coordinates lie in [0, 1).

    Parameters
    ----------
    crystal : Crystal
    return_transformation : bool, default False
        Also return T.

    Returns
    -------
    Crystal, or (Crystal, ndarray of shape (3, 3), int32)
        T of ``(a' b' c') = (a b c) T``: ``lattice' = T.T @ lattice``, ``x' = T^-1 x``; its determinant is -1 for a
        left-handed cell, else 1. Declared operations are carried along; symbols, which name axes, are left out unless
        T is the identity.

    Raises
    ------
    ArgumentError
        Something that is no crystal.
    SymmetryError
        A lattice on which the reduction does not settle, or declared operations too large for the new axes.

    Examples
    --------
    >>> import recipnet as rn
    >>> skew = rn.Crystal([[3, 0, 0], [3, 4, 0], [0, 0, 5]], [14], [[0, 0.5, 0.25]])
    >>> reduced, matrix = rn.niggli(skew, return_transformation=True)
    >>> reduced
    Crystal(Si; 1 rows; a, b, c = 3, 4, 5 angstrom; alpha, beta, gamma = 90, 90, 90 degrees)
    >>> matrix.tolist()
    [[1, 1, 0], [0, -1, 0], [0, 0, -1]]
    """
    if not isinstance(crystal, Crystal):
        raise ArgumentError(
            f"crystal: expected a Crystal, got {type(crystal).__name__}", name="crystal", value=type(crystal).__name__
        )
    matrix = np.array(_core.niggli_matrix(crystal.lattice.tolist()), dtype=np.int32)
    symmetry = crystal.symmetry
    if symmetry is not None and (matrix != np.eye(3)).any():
        operations = symmetry.operations
        moved = None if operations is None else operations.change_basis(matrix)
        symmetry = DeclaredSymmetry(operations=moved, number=symmetry.number)
    inverse = np.rint(np.linalg.inv(matrix))
    reduced = rebased(
        crystal,
        matrix=matrix.astype(np.float64),
        lattice=matrix.T.astype(np.float64) @ crystal.lattice,
        frac_coords=crystal.frac_coords @ inverse.T,
        source=np.arange(len(crystal)),
        site=crystal.site.copy(),
        symmetry=symmetry,
    ).wrapped()
    return (reduced, matrix) if return_transformation else reduced


def rebased(
    crystal: Crystal,
    *,
    matrix: NDArray[np.float64],
    lattice: NDArray[np.float64],
    frac_coords: NDArray[np.float64],
    source: NDArray[np.int64],
    site: NDArray[np.int32],
    symmetry: DeclaredSymmetry | None,
) -> Crystal:
    """The crystal in a cell with the axes ``(a b c) P``, its rows copied from the rows ``source``.

    Parameters
    ----------
    crystal : Crystal
    matrix : ndarray, shape (3, 3)
        P.
    lattice : ndarray, shape (3, 3)
        Rows of the new cell, which may be turned in space.
    frac_coords : ndarray, shape (M, 3)
    source : ndarray of int, shape (M,)
    site : ndarray, shape (M,)
    symmetry : DeclaredSymmetry or None
    """

    def rows(column: NDArray[Any] | None) -> NDArray[Any] | None:
        return None if column is None else column[source]

    u_aniso = rows(crystal.u_aniso)
    if u_aniso is not None:
        u_aniso = _turned(u_aniso, crystal.lattice, lattice, matrix)
    return Crystal._make(
        lattice=lattice,
        numbers=crystal.numbers[source],
        frac_coords=frac_coords,
        occupancies=crystal.occupancies[source],
        isotopes=crystal.isotopes[source],
        site=site,
        charges=rows(crystal.charges),
        u_iso=rows(crystal.u_iso),
        u_aniso=u_aniso,
        labels=None if crystal.labels is None else tuple(crystal.labels[row] for row in source.tolist()),
        symmetry=symmetry,
        warnings=crystal.warnings,
        source=crystal.source,
        properties=dict(crystal.properties),
    )


def _turned(
    u_aniso: NDArray[np.float64], old: NDArray[np.float64], new: NDArray[np.float64], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """U in other axes: ``beta_ij = 2 pi^2 a*_i a*_j U_ij`` becomes ``P^-1 beta P^-T``, as ``h' = h P``."""
    full = np.empty((len(u_aniso), 3, 3))
    full[:, _VOIGT[0], _VOIGT[1]] = full[:, _VOIGT[1], _VOIGT[0]] = u_aniso
    before = np.linalg.norm(np.linalg.inv(old), axis=0)
    after = np.linalg.norm(np.linalg.inv(new), axis=0)
    step = np.linalg.inv(matrix) * before / after[:, None]
    moved = step @ full @ step.T
    return moved[:, _VOIGT[0], _VOIGT[1]]
