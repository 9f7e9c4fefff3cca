"""Periodic neighbours: by cut-off or the nearest k."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from recipnet import _core
from recipnet._arguments import choice, count, is_single, number, threads_or_none
from recipnet._frozen import Frozen
from recipnet.batch import Crystals, borrow

__all__ = ["Edges", "nearest_neighbors", "neighbors"]

EDGE_MODES = ("directed", "union", "mutual", "paper", "paper_canonical")


class Edges(Frozen):
    """Directed edges i <- j of a batch, those of one atom contiguous, nearest first.

    Made by `neighbors` and `nearest_neighbors`, or of arrays of your own.

    Attributes
    ----------
    index : ndarray, shape (2, E), int64
        ``index[0]`` = i, the centre that receives; ``index[1]`` = j; both numbered through the batch.
    shift : ndarray, shape (E, 3), int32
        Lattice translation of j, for the coordinates as given.
    vector : ndarray, shape (E, 3)
        ``cart[j] + shift @ lattice - cart[i]`` in angstrom; made when it is first read, of the coordinates as they were
        when the edges were found.
    distance : ndarray, shape (E,)
        Length of ``vector``.
    offsets : ndarray, shape (B + 1,), int64
        Edges of crystal b are ``offsets[b]:offsets[b + 1]``.
    atom_offsets : ndarray, shape (N + 1,), int64
        Edges of atom i are ``atom_offsets[i]:atom_offsets[i + 1]``.
    """

    __slots__ = ("_arrays",)

    _arrays: tuple[Any, Any, Any, Any, Any, Any]

    def __init__(
        self,
        index: NDArray[np.int64],
        shift: NDArray[np.int32],
        vector: NDArray[Any],
        distance: NDArray[Any],
        offsets: NDArray[np.int64],
        atom_offsets: NDArray[np.int64],
    ) -> None:
        _set_arrays(self, (index, shift, vector, distance, offsets, atom_offsets))

    @classmethod
    def _found(cls, arrays: tuple[Any, ...]) -> Edges:
        """What the core gives, with the coordinates in the place of the vectors."""
        made = object.__new__(cls)
        _set_arrays(made, arrays)
        return made

    @property
    def index(self) -> NDArray[np.int64]:
        return self._arrays[0]

    @property
    def shift(self) -> NDArray[np.int32]:
        return self._arrays[1]

    @property
    def vector(self) -> NDArray[Any]:
        index, shift, vector, distance, offsets, atom_offsets = self._arrays
        if isinstance(vector, _core.Coordinates):
            vector = vector.edge_vectors(index, shift, atom_offsets)
            _set_arrays(self, (index, shift, vector, distance, offsets, atom_offsets))
        return vector

    @property
    def distance(self) -> NDArray[Any]:
        return self._arrays[3]

    @property
    def offsets(self) -> NDArray[np.int64]:
        return self._arrays[4]

    @property
    def atom_offsets(self) -> NDArray[np.int64]:
        return self._arrays[5]

    def _fields(self) -> Iterator[tuple[str, Any]]:
        for name in ("index", "shift", "vector", "distance", "offsets", "atom_offsets"):
            yield name, getattr(self, name)

    def __setstate__(self, state: dict[str, Any]) -> None:
        Edges.__init__(self, **state)

    def __len__(self) -> int:
        return len(self.distance)

    def __repr__(self) -> str:
        crystals, atoms = len(self.offsets) - 1, len(self.atom_offsets) - 1
        return f"Edges({len(self)} edges of {atoms} atoms in {crystals} crystals, {self.distance.dtype})"


_set_arrays = Edges._setters["_arrays"]


def neighbors(
    batch: Crystals,
    cutoff: float,
    *,
    half: bool = False,
    self_images: bool = True,
    max_edges: int = 10**8,
    threads: int | None = None,
    dtype: DTypeLike = np.float64,
) -> Edges:
    """All neighbours with ``distance <= cutoff + 1e-8``, periodic images included, exact for any cell.

    An atom is never its own neighbour, its images are. Rows of one ``site`` at zero distance are no neighbours; rows
    of different sites at one point are. Edges are sorted by i, then distance; runs of distances with gaps up to 1e-9
    are one tie and sorted inside by j, then shift. The arrays are the same bytes for any number of threads and any
    batch around a crystal.

    Parameters
    ----------
    batch : CrystalBatch, Crystal or list of Crystal
    cutoff : float
        Angstrom, above 0.
    half : bool, default False
        Each pair once: ``i < j``, or ``i = j`` with the first non-zero component of ``shift`` positive.
    self_images : bool, default True
        Whether images of an atom are among its neighbours.
    max_edges : int, default 10**8
        More edges are refused before memory is taken for them.
    threads : int, optional
        At most this many threads; None for the pool's size.
    dtype : float64 or float32
        Of ``vector`` and ``distance``, computed in float64.

    Returns
    -------
    Edges

    Raises
    ------
    ArgumentError
        A cut-off that is not above 0, or another argument outside its domain.
    LimitError
        More than ``max_edges`` edges.

    Examples
    --------
    >>> import recipnet as rn
    >>> edges = rn.neighbors(rn.sample("silicon"), cutoff=2.5)
    >>> len(edges), edges.distance[:4].round(3).tolist()
    (32, [2.352, 2.352, 2.352, 2.352])
    """
    crystals = borrow(batch)
    found = _core.neighbors(
        crystals.lattices,
        crystals.frac_coords,
        crystals.offsets,
        crystals.site,
        number("cutoff", cutoff),
        bool(half),
        bool(self_images),
        count("max_edges", max_edges),
        threads_or_none(threads),
        is_single(dtype),
    )
    return Edges._found(found)


def nearest_neighbors(
    batch: Crystals,
    k: int,
    *,
    shell_tol: float = 1e-3,
    edges: str = "directed",
    max_edges: int = 10**8,
    threads: int | None = None,
    dtype: DTypeLike = np.float64,
) -> Edges:
    """For each atom all neighbours with ``d <= d_k + shell_tol``, ``d_k`` the distance of its k-th neighbour.

    All ties of the last shell are kept, so the graph depends neither on the order of atoms nor on the choice of cell.
    What counts as a neighbour, and the order, is as in `neighbors`.

    Parameters
    ----------
    batch : CrystalBatch, Crystal or list of Crystal
    k : int
        At least 1.
    shell_tol : float, default 1e-3
        Angstrom; 0 keeps exact ties only, as published graphs do.
    edges : str, default "directed"
        With NN(i) the neighbours of i: ``"directed"``, row i lists NN(i); ``"union"``, j in NN(i) or i in NN(j);
        ``"mutual"``, both; ``"paper"``, [j in NN(i)] + [i in NN(j)] copies of an edge (jarvis, PotNet, PRDNet);
        ``"paper_canonical"``, both directions of the set of keys (min(i, j), max(i, j), image), which lists images of
        the atom itself twice (Matformer, ComFormer).
    max_edges, threads, dtype
        As in `neighbors`.

    Returns
    -------
    Edges

    Raises
    ------
    ArgumentError
        k below 1, or another argument outside its domain.
    LimitError
        More than ``max_edges`` edges.

    Examples
    --------
    >>> import recipnet as rn
    >>> edges = rn.nearest_neighbors(rn.sample("silicon"), k=5)
    >>> edges.atom_offsets[:3].tolist()                      # 4 of the first shell, 12 of the second
    [0, 16, 32]
    """
    crystals = borrow(batch)
    found = _core.nearest_neighbors(
        crystals.lattices,
        crystals.frac_coords,
        crystals.offsets,
        crystals.site,
        count("k", k, least=1),
        number("shell_tol", shell_tol),
        choice("edges", edges, EDGE_MODES),
        count("max_edges", max_edges),
        threads_or_none(threads),
        is_single(dtype),
    )
    return Edges._found(found)
