"""Exactly k neighbours of every atom, ties cut and gaps filled: what CGCNN's published graphs hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

#: Angstrom beyond the radius at which an edge that only fills a gap is said to be.
PADDING = 1.0


def first_nearest(arrays: Mapping[str, npt.NDArray[Any]], k: int, radius: float) -> dict[str, npt.NDArray[Any]]:
    """The edge arrays cut to ``k`` for each atom.

    Parameters
    ----------
    arrays
        ``atom_offsets`` and edges of which each atom has at least k, nearest first.
    k : int
    radius : float
        Angstrom; an edge that is longer is replaced by one to the crystal's first atom at ``radius + 1``.

    Returns
    -------
    dict
        ``edge_index (2, k N)``, ``edge_vector``, ``edge_distance``, ``edge_offsets``.

    Examples
    --------
    >>> import recipnet as rn
    >>> from recipnet.data import FeatureSpec, FirstNearest, collate
    >>> iron = rn.Crystal(np.eye(3) * 2.5, [26], [[0.0, 0.0, 0.0]])
    >>> collate(iron, FeatureSpec(edges=FirstNearest(8, radius=3.0))).edge_distance.tolist()
    [2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 4.0, 4.0]
    """
    atom_offsets, index = arrays["atom_offsets"], arrays["edge_index"]
    counts = np.bincount(index[0], minlength=atom_offsets[-1])
    starts = np.cumsum(counts) - counts
    rows = (starts[:, None] + np.arange(k)).reshape(-1)
    index, vector, distance = index[:, rows], arrays["edge_vector"][rows], arrays["edge_distance"][rows]
    far = distance > radius + 1e-8
    crystal = np.repeat(np.arange(len(atom_offsets) - 1), np.diff(atom_offsets) * k)
    index[1, far] = atom_offsets[crystal[far]]
    vector[far] = 0.0
    distance[far] = radius + PADDING
    return {
        "edge_index": index,
        "edge_vector": vector,
        "edge_distance": distance,
        "edge_offsets": atom_offsets * k,
    }
