"""One basis: orbits of plane waves with exact phases, their values and derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from recipnet import _core
from recipnet._arguments import choice, count, is_single, number, threads_or_none
from recipnet._frozen import Frozen
from recipnet.crystal import Crystal
from recipnet.errors import ArgumentError
from recipnet.fourier.group import GroupLike, group_of
from recipnet.symmetry import Operations

__all__ = ["AlignedRouting", "FourierBasis", "fourier_basis"]

_DESCRIPTIONS = ("complex", "real")


class FourierBasis:
    """Invariant functions of a space group, one for each orbit of plane waves that is not absent; see `fourier_basis`.

    Function k is ``e_k(x) = size[k]**-0.5 * sum exp(2 pi i (phase / denominator + hkl . x))`` over the entries of row
    k, x being fractional coordinates from ``origin``. The K functions are orthonormal over the cell, do not change
    under ``operations`` and span every such function whose frequencies lie in the truncation. They are in order of
    their norm, then of falling representatives.

    The real functions are ``exp(2 pi i alpha_k / (2 denominator)) e_k`` where centric; of a pair of acentric orbits,
    ``sqrt(2) Re e_k`` at the smaller k and ``sqrt(2) Im e_k`` (of the same k) at ``partner[k]``.

    Attributes
    ----------
    num_functions : int
        K.
    hkl : ndarray, shape (H, 3), int32
        Indices that are not absent, h = 0 first: by rising norm, lexicographically falling inside a shell.
    row_offsets : ndarray, shape (K + 1,), int64
        Entries of function k are ``row_offsets[k]:row_offsets[k + 1]``, its representative first.
    column : ndarray, shape (H,), int64
        Row of ``hkl`` of each entry.
    phase : ndarray, shape (H,), int16
        Phase of each entry in turns: numerators over ``denominator``.
    denominator : int
    centric : ndarray, shape (K,), bool
        Whether -h lies in the orbit of h.
    alpha : ndarray, shape (K,), int16
        Restricted phase of centric functions, numerators over twice the denominator; 0 elsewhere.
    partner : ndarray, shape (K,), int64
        Function on the orbit of -h; itself where centric.
    representative : ndarray, shape (K, 3), int32
        Lexicographically largest member of each orbit; its phase is 0.
    norm : ndarray, shape (K,), float64
        1/d in 1/angstrom; with ``radius`` the norm of the integer ball, without a unit.
    size : ndarray, shape (K,), int32
        Plane waves of each orbit.
    operations : Operations
    origin : ndarray, shape (3,), float64
        Fractional coordinates of the point that the operations refer to; zero unless they were searched for.
    counts : dict of str to int
        n_ops, n_hkl, n_orbits_all, n_absent_hkl, n_absent_orbits, n_basis, n_centric_orbits, n_acentric_orbits,
        n_centric_hkl, n_real_basis, sum_eps and nnz.
    shell_gap : float
        Relative distance of the end of the ball to the nearest shell (outside it as far as 1e-6 is looked); below 1e-6
        the rounding of a cell decides whether that shell is in. Infinite with ``radius``.

    Notes
    -----
    A function ``sum_h c_h exp(2 pi i h x)`` is invariant under ``x -> W x + w`` exactly when
    ``c_{hW} = c_h exp(2 pi i h w)`` (derived in docs/fourier-basis.md; the relation of structure factors, International
    Tables B (2010) 1.4, is its conjugate since F(h) belongs to c_{-h}).
    """

    __slots__ = ("_cached", "_recipe", "_table", "operations", "origin")

    operations: Operations
    origin: NDArray[np.float64]
    _table: _core.FourierBasis
    _cached: dict[str, NDArray[Any]]
    _recipe: tuple[Operations, NDArray[np.float64], float | None, NDArray[np.float64] | None, float, int]

    def __init__(self) -> None:
        raise TypeError("a FourierBasis is made by recipnet.fourier_basis")

    @classmethod
    def _make(
        cls,
        operations: Operations,
        origin: NDArray[np.float64],
        radius: float | None,
        lattice: NDArray[np.float64] | None,
        d_min: float,
        max_modes: int,
    ) -> FourierBasis:
        made = object.__new__(cls)
        arrays = (operations.rotations, operations.translations, operations.denominator)
        rows = None if lattice is None else lattice.tolist()
        made._table = _core.fourier_basis(arrays, radius, rows, d_min, max_modes)
        made._recipe = (operations, origin, radius, lattice, d_min, max_modes)
        made._cached = {}
        made.operations = operations
        made.origin = origin
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return (FourierBasis._make, self._recipe)

    def _array(self, name: str) -> NDArray[Any]:
        # The core's table may be shared; each object hands out one copy of its own.
        if name not in self._cached:
            self._cached[name] = getattr(self._table, name)()
        return self._cached[name]

    @property
    def num_functions(self) -> int:
        return self._table.num_functions

    @property
    def hkl(self) -> NDArray[np.int32]:
        return self._array("hkl")

    @property
    def row_offsets(self) -> NDArray[np.int64]:
        return self._array("row_offsets")

    @property
    def column(self) -> NDArray[np.int64]:
        return self._array("column")

    @property
    def phase(self) -> NDArray[np.int16]:
        return self._array("phase")

    @property
    def denominator(self) -> int:
        return self._table.denominator

    @property
    def centric(self) -> NDArray[np.bool_]:
        return self._array("centric")

    @property
    def alpha(self) -> NDArray[np.int16]:
        return self._array("alpha")

    @property
    def partner(self) -> NDArray[np.int64]:
        return self._array("partner")

    @property
    def representative(self) -> NDArray[np.int32]:
        return self._array("representative")

    @property
    def norm(self) -> NDArray[np.float64]:
        return self._array("norm")

    @property
    def size(self) -> NDArray[np.int32]:
        return self._array("size")

    @property
    def counts(self) -> dict[str, int]:
        return self._table.counts()

    @property
    def shell_gap(self) -> float:
        return self._table.shell_gap

    @property
    def values(self) -> NDArray[np.complex128]:
        """Entries of the routing matrix M (K, H) in CSR order, ``exp(2 pi i phase / denominator) / sqrt(size)``.

        ``e(x) = M @ exp(2 pi i hkl @ x)``; the rows of M are orthonormal.
        """
        size = np.repeat(self.size, self.size)
        turns = self.phase / self.denominator
        return np.exp(2j * np.pi * turns) / np.sqrt(size)

    def matrix(self) -> NDArray[np.complex128]:
        """The routing matrix as a dense array, shape (K, H)."""
        dense = np.zeros((self.num_functions, len(self.hkl)), dtype=np.complex128)
        dense[np.repeat(np.arange(self.num_functions), self.size), self.column] = self.values
        return dense

    def digest(self) -> str:
        """SHA-256 of all orbits and phases: one line per function, ``h,k,l:phase;h,k,l:phase;...``, in order."""
        import hashlib  # loads OpenSSL, which most users of this module never need

        return hashlib.sha256(self._table.canonical_text().encode()).hexdigest()

    def evaluate(
        self, frac: ArrayLike, kind: str = "complex", dtype: DTypeLike = np.float64, threads: int | None = None
    ) -> NDArray[Any]:
        """Values at points.

        Parameters
        ----------
        frac : array_like, shape (P, 3)
            Fractional coordinates, any image; further leading axes are kept.
        kind : str, default "complex"
            ``"complex"`` or ``"real"``.
        dtype : float64 or float32
            Precision; complex values have twice its size. Powers of each coordinate are made in float64 either way.
        threads : int, optional
            At most this many threads; None for the pool's size.

        Returns
        -------
        ndarray, shape (P, K)

        Raises
        ------
        ArgumentError
            Coordinates that are not finite or not of that shape, or an unknown kind or dtype.

        Examples
        --------
        >>> import numpy as np, recipnet as rn
        >>> basis = rn.fourier_basis("P 2_1/c", radius=2)
        >>> x = np.array([0.1, 0.2, 0.3])
        >>> image = [-0.1, 0.2 + 0.5, -0.3 + 0.5]
        >>> bool(np.allclose(basis.evaluate([x], kind="real"), basis.evaluate([image], kind="real")))
        True
        """
        return self._at_points(frac, kind, dtype, threads, gradient=False)

    def gradient(
        self, frac: ArrayLike, kind: str = "complex", dtype: DTypeLike = np.float64, threads: int | None = None
    ) -> NDArray[Any]:
        """Derivatives of the values with respect to the fractional coordinates.

        Parameters
        ----------
        frac, kind, dtype, threads
            As for `evaluate`.

        Returns
        -------
        ndarray, shape (P, K, 3)

        Examples
        --------
        >>> import recipnet as rn
        >>> rn.fourier_basis(1, radius=1).gradient([[0.25, 0.0, 0.0]], kind="real").shape
        (1, 7, 3)
        """
        return self._at_points(frac, kind, dtype, threads, gradient=True)

    def pair_products(
        self, x: ArrayLike, y: ArrayLike, dtype: DTypeLike = np.float64, threads: int | None = None
    ) -> NDArray[Any]:
        """``conj(e_k(x_p)) e_k(y_p)`` for pairs of points: they do not depend on the setting or the origin.

        Parameters
        ----------
        x, y : array_like, shape (P, 3)
            Fractional coordinates.
        dtype, threads
            As for `evaluate`.

        Returns
        -------
        ndarray of complex, shape (P, K)
            The real part does not change when the whole crystal is inverted, the imaginary part changes its sign.
        """
        here, there = self._points("x", x), self._points("y", y)
        if here.shape != there.shape:
            message = f"y has shape {there.shape}, x has {here.shape}: pairs need as many of each"
            raise ArgumentError(message, name="y", value=there.shape)
        single = _is_single(dtype)
        flat = self._table.pair_products(here.reshape(-1, 3), there.reshape(-1, 3), threads_or_none(threads), single)
        return _as_complex(flat).reshape(*here.shape[:-1], self.num_functions)

    def aligned(self, modes: ArrayLike) -> AlignedRouting:
        """Routing matrix for a list of modes that several groups share.

        Row k is the invariant function through mode k, written with mode k as the reference and scaled by one over the
        size of its orbit; a row without entries where mode k is absent. Rows of one orbit are the same function up to a
        unit factor.

        Parameters
        ----------
        modes : array_like of int, shape (K, 3)
            Different indices; the group has to map the list onto itself.

        Returns
        -------
        AlignedRouting

        Raises
        ------
        SymmetryError
            An image of a mode is not in the list, as for a box in hexagonal axes.
        ArgumentError
            A mode that is listed twice, or something that is no list of indices.

        Examples
        --------
        >>> import recipnet as rn
        >>> modes = rn.fourier_basis(1, radius=1).hkl
        >>> routing = rn.fourier_basis("P -1", radius=1).aligned(modes)
        >>> routing.row_offsets.tolist(), routing.matrix()[1].real.tolist()
        ([0, 1, 3, 5, 7, 9, 11, 13], [0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.5])
        """
        array = np.asarray(modes)
        if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in "iuf":
            message = f"modes: expected whole numbers of shape (K, 3), got {array.dtype} {array.shape}"
            raise ArgumentError(message, name="modes", value=array.shape)
        whole = array.astype(np.int32)
        if (whole != array).any():
            row = int(np.argmax((whole != array).any(axis=1)))
            message = f"modes[{row}] = {array[row].tolist()}: expected whole numbers of 32 bits"
            raise ArgumentError(message, name="modes", value=array[row].tolist())
        row_offsets, column, phase, size = self._table.aligned(np.ascontiguousarray(whole))
        return AlignedRouting._make(row_offsets, column, phase, size, self.denominator)

    def _at_points(
        self, frac: ArrayLike, kind: str, dtype: DTypeLike, threads: int | None, *, gradient: bool
    ) -> NDArray[Any]:
        points = self._points("frac", frac)
        kind = choice("kind", kind, _DESCRIPTIONS)
        flat = self._table.evaluate(points.reshape(-1, 3), kind, gradient, threads_or_none(threads), _is_single(dtype))
        if kind == "complex":
            flat = _as_complex(flat)
        return flat.reshape(*points.shape[:-1], self.num_functions, *((3,) if gradient else ()))

    def _points(self, name: str, frac: ArrayLike) -> NDArray[np.float64]:
        try:
            points = np.asarray(frac, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"{name}: expected numbers of shape (P, 3): {error}", name=name, value=None) from None
        if points.ndim < 1 or points.shape[-1] != 3:
            message = f"{name}: expected fractional coordinates of shape (P, 3), got {points.shape}"
            raise ArgumentError(message, name=name, value=points.shape)
        if self.origin.any():
            points = points - self.origin
        return np.ascontiguousarray(points)

    def __len__(self) -> int:
        return self.num_functions

    def __repr__(self) -> str:
        _, _, radius, _, d_min, _ = self._recipe
        ball = f"radius={radius:g}" if radius is not None else f"d_min={d_min:g}"
        return f"FourierBasis({self.num_functions} functions of {len(self.operations)} operations, {ball})"


class AlignedRouting(Frozen):
    """K x K routing matrix over a list of modes, in CSR form; made by `FourierBasis.aligned`.

    Attributes
    ----------
    row_offsets : ndarray, shape (K + 1,), int64
        No entries where the mode is systematically absent.
    column : ndarray, int64
        Place in the list of modes.
    phase : ndarray, int16
        In turns, numerators over ``denominator``.
    size : ndarray, shape (K,), int32
        Members of the orbit of each mode.
    denominator : int
    """

    __slots__ = ("column", "denominator", "phase", "row_offsets", "size")

    row_offsets: NDArray[np.int64]
    column: NDArray[np.int64]
    phase: NDArray[np.int16]
    size: NDArray[np.int32]
    denominator: int

    def __init__(self) -> None:
        raise TypeError("an AlignedRouting is made by FourierBasis.aligned")

    @classmethod
    def _make(
        cls,
        row_offsets: NDArray[np.int64],
        column: NDArray[np.int64],
        phase: NDArray[np.int16],
        size: NDArray[np.int32],
        denominator: int,
    ) -> AlignedRouting:
        made = object.__new__(cls)
        made._fill(row_offsets=row_offsets, column=column, phase=phase, size=size, denominator=denominator)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return (AlignedRouting._make, (self.row_offsets, self.column, self.phase, self.size, self.denominator))

    @property
    def values(self) -> NDArray[np.complex128]:
        """Entries, ``exp(2 pi i phase / denominator) / size``."""
        size = np.repeat(self.size, np.diff(self.row_offsets))
        return np.exp(2j * np.pi * self.phase / self.denominator) / size

    def matrix(self) -> NDArray[np.complex128]:
        """The dense matrix, shape (K, K)."""
        dense = np.zeros((len(self), len(self)), dtype=np.complex128)
        dense[np.repeat(np.arange(len(self)), np.diff(self.row_offsets)), self.column] = self.values
        return dense

    def __len__(self) -> int:
        return len(self.size)

    def __repr__(self) -> str:
        return f"AlignedRouting({len(self)} modes, {len(self.column)} entries)"


def fourier_basis(
    group_or_crystal: GroupLike | Crystal,
    *,
    radius: float | None = None,
    d_min: float | None = None,
    lattice: ArrayLike | None = None,
    symprec: float | None = None,
    max_modes: int = 10**7,
) -> FourierBasis:
    """The symmetry-adapted Fourier basis of a space group or of a crystal.

    Parameters
    ----------
    group_or_crystal : int, str, SpaceGroup, Operations or Crystal
        Number (1 to 230, its standard setting), Hermann-Mauguin or Hall symbol, group, list of operations, or a
        crystal: its declared group, else P 1, or with ``symprec`` the group that is found.
    radius : float, optional
        Truncation by integers alone, the same in every cell: ``sum over rotations W of |h W|**2 <= n radius**2``, n
        being their number. That is ``h**2 + k**2 + l**2 <= radius**2`` in all but hexagonal axes, and there
        ``4/3 (h**2 + h k + k**2) + l**2``.
    d_min : float, optional
        Truncation in angstrom: all orbits with a spacing of at least this. Needs a lattice, whose metric is averaged
        over the group. Exactly one of ``radius`` and ``d_min``.
    lattice : array_like, shape (3, 3), optional
        Rows a, b, c in angstrom, for ``d_min`` with a group.
    symprec : float, optional
        Search the crystal's symmetry with this tolerance in angstrom. The exact operations of the standard setting are
        carried to the given cell; ``origin`` says where they have their origin there.
    max_modes : int, default 10**7
        More plane waves are refused before memory is taken.

    Returns
    -------
    FourierBasis
        Tables of one set of operations and one truncation are built once and shared between threads.

    Raises
    ------
    SymmetryError
        A symbol that is unknown, operations that are no group, a cell that does not fit them (more than 1e-3 of its
        reciprocal metric), or atoms that the declared operations do not map onto themselves.
    ArgumentError
        Both or none of ``radius`` and ``d_min``, or a value outside its domain.
    LimitError
        More than ``max_modes`` plane waves.

    Examples
    --------
    >>> import recipnet as rn
    >>> basis = rn.fourier_basis(225, radius=5)
    >>> basis
    FourierBasis(10 functions of 192 operations, radius=5)
    >>> basis.representative[:4].tolist(), basis.size[:4].tolist()
    ([[0, 0, 0], [1, 1, 1], [2, 0, 0], [2, 2, 0]], [1, 8, 6, 12])
    >>> rn.fourier_basis(rn.sample("silicon"), d_min=1.0, symprec=0.01).counts["n_basis"]
    10
    """
    if (radius is None) == (d_min is None):
        message = f"radius = {radius!r}, d_min = {d_min!r}: give exactly one of them"
        raise ArgumentError(message, name="radius", value=radius)
    group = group_of(group_or_crystal, symprec)
    rows = group.lattice
    if lattice is not None:
        if rows is not None:
            message = "lattice: a crystal brings its own; leave it out, or give the group instead of the crystal"
            raise ArgumentError(message, name="lattice", value=None)
        rows = np.ascontiguousarray(lattice, dtype=np.float64)
        if rows.shape != (3, 3):
            message = f"lattice: expected rows a, b, c of shape (3, 3), got {rows.shape}"
            raise ArgumentError(message, name="lattice", value=rows.shape)
    most = count("max_modes", max_modes)
    if radius is not None:
        if lattice is not None:
            message = "lattice: only d_min needs one; the ball of radius= is made of integers"
            raise ArgumentError(message, name="lattice", value=None)
        return FourierBasis._make(group.operations, group.origin, number("radius", radius), None, 0.0, most)
    if rows is None:
        message = "d_min needs a cell: give lattice=, or a crystal instead of its group"
        raise ArgumentError(message, name="lattice", value=None)
    assert d_min is not None
    return FourierBasis._make(group.operations, group.origin, None, rows, number("d_min", d_min), most)


def _is_single(dtype: DTypeLike) -> bool:
    kind = np.dtype(dtype)
    if kind == np.complex64:
        return True
    return False if kind == np.complex128 else is_single(kind)


def _as_complex(flat: NDArray[Any]) -> NDArray[Any]:
    return flat.view(np.complex64 if flat.dtype == np.float32 else np.complex128)
