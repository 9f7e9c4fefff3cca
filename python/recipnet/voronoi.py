"""Lattice vectors that the facets of the Wigner-Seitz cell belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from recipnet import _core
from recipnet._arguments import is_single, number, threads_or_none
from recipnet.batch import Crystals, borrow

__all__ = ["VoronoiVectors", "voronoi_vectors"]


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class VoronoiVectors:
    """Strictly Voronoi-relevant lattice vectors of a batch, those of one crystal contiguous, shortest first.

    Attributes
    ----------
    index : ndarray, shape (V, 3), int32
        Whole coefficients in the given cell.
    vector : ndarray, shape (V, 3)
        ``index @ lattice`` in angstrom.
    length : ndarray, shape (V,)
        Length of ``vector``.
    area : ndarray, shape (V,)
        Area in square angstrom of the facet that halves ``vector``: a weight that goes to zero where a facet vanishes.
        ``(area * length).sum() / 6`` is the volume of the cell.
    offsets : ndarray, shape (B + 1,), int64
        Vectors of crystal b are ``offsets[b]:offsets[b + 1]``.
    """

    index: NDArray[np.int32]
    vector: NDArray[Any]
    length: NDArray[Any]
    area: NDArray[Any]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.length)

    def __repr__(self) -> str:
        return f"VoronoiVectors({len(self)} vectors of {len(self.offsets) - 1} crystals, {self.vector.dtype})"


def voronoi_vectors(
    batch: Crystals, *, tol: float = 1e-3, threads: int | None = None, dtype: DTypeLike = np.float64
) -> VoronoiVectors:
    """The strictly relevant vectors of each crystal's lattice: 6 to 14, closed under inversion.

    They are the normals of the Wigner-Seitz cell's facets, scaled to lattice vectors: 6 for primitive cubic, tetragonal
    and orthorhombic lattices, 8 for hexagonal ones, 12 for face-centred and 14 for body-centred cubic ones. They belong
    to the lattice of the given cell, whatever its basis; a supercell has a coarser lattice than its primitive cell, so
    take the primitive crystal first (``find_symmetry(...).primitive``) where supercells must not matter. Computed by
    Voronoi's theorem (J. reine angew. Math. 134, 1908, 198): v is relevant exactly if v and -v are the only shortest
    vectors of their coset of the lattice modulo twice the lattice.

    Parameters
    ----------
    batch : CrystalBatch, Crystal or list of Crystal
    tol : float, default 1e-3
        Vectors of a coset whose lengths differ by at most this many angstrom tie, so that storage noise adds no facets;
        0 for ties within 1e-9 only.
    threads : int, optional
        At most this many threads; None for the pool's size.
    dtype : float64 or float32
        Of real arrays, computed in float64.

    Returns
    -------
    VoronoiVectors

    Raises
    ------
    ArgumentError
        An argument outside its domain.

    Examples
    --------
    >>> import recipnet as rn
    >>> vectors = rn.voronoi_vectors(rn.sample("quartz"))
    >>> len(vectors), vectors.index[:3].tolist(), vectors.length[:1].round(3).tolist()
    (8, [[-1, -1, 0], [-1, 0, 0], [0, -1, 0]], [4.916])
    """
    crystals = borrow(batch)
    return VoronoiVectors(
        *_core.voronoi_vectors(crystals.lattices, number("tol", tol), threads_or_none(threads), is_single(dtype))
    )
