"""Edges from an atom to images of itself along chosen lattice vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from recipnet import _core

#: Images that Matformer and PRDNet add, and their opposites.
GIVEN6 = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])
IMAGES = np.stack([GIVEN6, -GIVEN6], axis=1).reshape(-1, 3)
#: Angstrom; the published search for neighbours begins here, and forgets the lattice edges where it has to go on.
FIRST_RADIUS = 8.0
#: Angstrom; vectors of one coset that differ by less in length tie, so that storage noise adds no facets.
VORONOI_TOL = 1e-3


def given_edges(
    arrays: Mapping[str, npt.NDArray[Any]], lattices: npt.NDArray[np.float64], k: int, real: npt.DTypeLike
) -> dict[str, npt.NDArray[Any]]:
    """Both directions of the six published images of every atom that are not among its edges already.

    They depend on the given cell: b + c is among them, b - c is not. As in the published graphs, a crystal gets none
    at all if one of its atoms has fewer than ``k`` neighbours within 8 angstrom.

    Parameters
    ----------
    arrays
        ``atom_offsets`` and, if any, edges.
    lattices : (B, 3, 3)
        Rows a, b, c in angstrom.
    k : int
        Nearest neighbours asked for; 0: every crystal gets its lattice edges.
    real
        Type of the vectors.

    Returns
    -------
    dict
        ``lattice_edge_index (2, L)``, ``lattice_edge_vector (L, 3)``, sorted by atom.

    Examples
    --------
    >>> import recipnet as rn
    >>> from recipnet.data import FeatureSpec, Nearest, collate
    >>> collate(rn.sample("halite"), FeatureSpec(lattice_edges="given6")).lattice_edge_index.shape
    torch.Size([2, 96])
    >>> polonium = rn.Crystal(np.eye(3) * 3.34, [84], [[0.0, 0.0, 0.0]])
    >>> spec = FeatureSpec(edges=Nearest(6), lattice_edges="given6")  # a, b and c are near neighbours
    >>> collate(polonium, spec).lattice_edge_index.shape
    torch.Size([2, 6])
    """
    offsets = arrays["atom_offsets"]
    crystal = np.repeat(np.arange(len(lattices)), np.diff(offsets))
    wanted = np.ones((len(crystal), len(IMAGES)), dtype=np.bool_)
    if "edge_index" in arrays:
        (centre, neighbour), vector = arrays["edge_index"], arrays["edge_vector"]
        own = np.flatnonzero(centre == neighbour)
        inverse = np.linalg.inv(lattices)[crystal[centre[own]]]
        shift = np.rint(np.einsum("ei,eij->ej", vector[own].astype(np.float64), inverse)).astype(np.int64)
        for place, image in enumerate(IMAGES):
            wanted[centre[own][(shift == image).all(1)], place] = False
        wanted[_searched_further(arrays, crystal, k)[crystal]] = False
    atom, image_of = np.nonzero(wanted)
    vectors = np.einsum("ei,eij->ej", IMAGES[image_of].astype(np.float64), lattices[crystal[atom]])
    return {"lattice_edge_index": np.stack([atom, atom]), "lattice_edge_vector": vectors.astype(real)}


def voronoi_edges(
    arrays: Mapping[str, npt.NDArray[Any]],
    lattices: npt.NDArray[np.float64],
    real: npt.DTypeLike,
    threads: int | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """The strictly relevant vectors of each lattice, at every atom: 6 to 14, closed under inversion.

    They belong to the lattice, not to the basis it is given in; see :func:`recipnet.voronoi_vectors`.

    Parameters
    ----------
    arrays
        ``atom_offsets``.
    lattices : (B, 3, 3)
        Rows a, b, c in angstrom.
    real
        Type of the vectors.
    threads
        As for :func:`recipnet.data.collate`.

    Returns
    -------
    dict
        ``lattice_edge_index (2, L)``, ``lattice_edge_vector (L, 3)``, sorted by atom.

    Examples
    --------
    >>> import recipnet as rn
    >>> from recipnet.data import FeatureSpec, collate
    >>> collate(rn.sample("quartz"), FeatureSpec(lattice_edges="voronoi")).lattice_edge_vector.shape  # 8 at 9 atoms
    torch.Size([72, 3])
    """
    offsets = arrays["atom_offsets"]
    crystal = np.repeat(np.arange(len(lattices)), np.diff(offsets))
    single = np.dtype(real) == np.float32
    _, vector, _, _, rows = _core.voronoi_vectors(lattices, VORONOI_TOL, threads, single)
    counts = np.diff(rows)[crystal]
    atom = np.repeat(np.arange(len(crystal)), counts)
    first = np.cumsum(counts) - counts
    place = np.arange(len(atom)) - np.repeat(first - rows[:-1][crystal], counts)
    return {"lattice_edge_index": np.stack([atom, atom]), "lattice_edge_vector": vector[place]}


def _searched_further(
    arrays: Mapping[str, npt.NDArray[Any]], crystal: npt.NDArray[np.int64], k: int
) -> npt.NDArray[np.bool_]:
    """Crystals of which an atom has fewer than ``k`` neighbours within the first radius, ``(B,)``."""
    further = np.zeros(len(arrays["atom_offsets"]) - 1, dtype=np.bool_)
    centre, distance = arrays["edge_index"][0], arrays["edge_distance"]
    suspect = np.unique(crystal[centre[distance > FIRST_RADIUS]])  # lists may hold longer edges of other atoms' lists
    for b in suspect:
        rows = (crystal[centre] == b) & (distance <= FIRST_RADIUS)
        # an edge may be listed twice
        points = np.column_stack([arrays["edge_index"][:, rows].T, np.rint(arrays["edge_vector"][rows] * 1e4)])
        found = np.bincount(np.unique(points, axis=0)[:, 0].astype(np.int64), minlength=len(crystal))
        further[b] = (found[crystal == b] < k).any()
    return further
