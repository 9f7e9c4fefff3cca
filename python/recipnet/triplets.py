"""Angles between edges that share their centre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipnet import _core
from recipnet._arguments import count, threads_or_none
from recipnet.errors import ArgumentError
from recipnet.real_space import Edges

__all__ = ["Triplets", "triplets"]


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Triplets:
    """Ordered pairs of different edges that share their centre, sorted by the first, then the second.

    Attributes
    ----------
    index : ndarray, shape (2, T), int64
        ``index[0]`` = e and ``index[1]`` = f, both places in the edges. Every pair is there as (e, f) and as (f, e), so
        an average over the partners of e is a segment mean over ``index[0]``, which never falls.
    angle : ndarray, shape (T,)
        Angle between ``vector[e]`` and ``vector[f]`` in radians, 0 to pi; NaN where one of them has no length.
    offsets : ndarray, shape (B + 1,), int64
        Triplets of crystal b are ``offsets[b]:offsets[b + 1]``.
    """

    index: NDArray[np.int64]
    angle: NDArray[Any]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.angle)

    def __repr__(self) -> str:
        return f"Triplets({len(self)} triplets of {len(self.offsets) - 1} crystals, {self.angle.dtype})"


def triplets(edges: Edges, *, max_triplets: int = 10**8, threads: int | None = None) -> Triplets:
    """All ordered pairs (e, f) of different edges with one centre i, and the angle j-i-k between them.

    An atom with n edges has n (n - 1) of them. Two images of one atom are two edges, and so are the two copies of an
    edge that ``edges="paper"`` lists. The angle is ``atan2(|u x v|, u . v)``, which is accurate near 0 and pi too,
    computed in float64 and handed out in the dtype of ``edges.vector``.

    Parameters
    ----------
    edges : Edges
        Of `neighbors` or `nearest_neighbors`.
    max_triplets : int, default 10**8
        More are refused before memory is taken for them.
    threads : int, optional
        At most this many threads; None for the pool's size.

    Returns
    -------
    Triplets

    Raises
    ------
    ArgumentError
        ``edges`` that are no `Edges`, or another argument outside its domain.
    LimitError
        More than ``max_triplets`` triplets.

    Examples
    --------
    >>> import numpy as np
    >>> import recipnet as rn
    >>> found = rn.triplets(rn.neighbors(rn.sample("silicon"), cutoff=2.5))
    >>> len(found), sorted(set(np.degrees(found.angle).round(2).tolist()))
    (96, [109.47])
    """
    if not isinstance(edges, Edges):
        raise ArgumentError(
            f"edges: expected recipnet.Edges, got {type(edges).__name__}", name="edges", value=type(edges).__name__
        )
    most, workers = count("max_triplets", max_triplets), threads_or_none(threads)
    return Triplets(*_core.triplets(edges.vector, edges.offsets, edges.atom_offsets, most, workers))
