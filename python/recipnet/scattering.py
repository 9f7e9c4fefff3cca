"""Form factors and structure factors."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from recipnet import _core
from recipnet._arguments import choice, is_single, threads_or_none
from recipnet.batch import CrystalBatch, Crystals, borrow
from recipnet.errors import ArgumentError, ScatteringWarning
from recipnet.reciprocal import Reflections, core_operations
from recipnet.wavelengths import dispersion, in_angstrom

__all__ = ["form_factors", "structure_factors"]

#: Errors, against the sum of all terms, that a fast Fourier transform of a large cell must keep.
_ERROR, _ERROR_SINGLE = 1e-13, 1e-7
RADIATIONS = ("xray", "electron", "neutron")


def form_factors(
    numbers: ArrayLike,
    stol: ArrayLike,
    *,
    radiation: str = "xray",
    charges: ArrayLike | None = None,
    isotopes: ArrayLike | None = None,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """What one atom scatters, at values of s = sin(theta)/lambda = 1/(2d).

    X-rays: f(s) = sum a_i exp(-b_i s^2) + c in electrons, neutral atoms H to Cf and the usual ions, s up to 6 per
    angstrom (D. Waasmaier and A. Kirfel, Acta Cryst. A 51 (1995) 416). Electrons: five Gaussians in angstrom, neutral
    atoms H to Cf, s up to 2 (International Tables C (1999), table 4.3.2.2; first Born approximation at rest mass).
    Neutrons: bound coherent scattering lengths in femtometres, real part, for any s (V. F. Sears, Neutron News 3(3)
    (1992) 26).

    Parameters
    ----------
    numbers : array_like of int, shape (N,)
        Atomic numbers.
    stol : array_like, shape (S,)
        Inverse angstrom, 0 or more.
    radiation : {"xray", "electron", "neutron"}
    charges : array_like, shape (N,), optional
        Ions, for X-rays; NaN or 0 for the neutral atom. For electrons and neutrons they change nothing.
    isotopes : array_like of int, shape (N,), optional
        Mass numbers, for neutrons; 0 for the natural mixture.
    threads : int, optional
        At most this many threads; None for the pool's size.

    Returns
    -------
    ndarray, shape (N, S), float64

    Raises
    ------
    ArgumentError
        An atom, ion or isotope that the table does not have (the message names the ions that it has); an s that is
        negative or beyond the table.

    Examples
    --------
    >>> import recipnet as rn
    >>> rn.form_factors([14, 8], [0.0, 0.5]).round(2).tolist()
    [[14.0, 6.24], [8.0, 2.34]]
    >>> rn.form_factors([8], [0.0], charges=[-2]).round(1).tolist()
    [[10.0]]
    """
    kind = choice("radiation", radiation, RADIATIONS)
    z = _column("numbers", numbers, np.uint8)
    s = _column("stol", stol, np.float64)
    q = None if charges is None else _column("charges", charges, np.float64)
    mass = None if isotopes is None else _column("isotopes", isotopes, np.uint16)
    values = _core.form_factors(kind, z, q, mass, s, threads_or_none(threads))
    return values.reshape(len(z), len(s))


def structure_factors(
    batch: Crystals,
    reflections: Reflections,
    *,
    radiation: str = "xray",
    weights: ArrayLike | None = None,
    displacement: bool = True,
    anomalous: str | float | Mapping[Any, Any] | None = None,
    threads: int | None = None,
    dtype: DTypeLike = np.float64,
) -> NDArray[Any]:
    """F(h) = sum_j occ_j (f_j(s) + f'_j + i f''_j) T_j(h) exp(+2 pi i h.x_j), of every reflection.

    The sign of the phase is that of International Tables; f_j has exactly the values of `form_factors`, T_j is
    exp(-8 pi^2 U s^2) with an isotropic U and exp(-2 pi^2 sum U_ij a*_i a*_j h_i h_j) with an anisotropic one
    (International Tables D (2003) 1.9). The error, as max |F - F_exact| / sum_j |occ_j f_j|, is below 1e-12 for |h| up
    to 64. In large cells reflections that are equivalent by the declared symmetry are summed once where atoms and cell
    obey it to rounding: symmetry changes the time and not F.

    Parameters
    ----------
    batch : CrystalBatch, Crystal or list of Crystal
        Its occupancies, charges (X-rays: an ion that the table does not have counts as the neutral atom, with a
        `ScatteringWarning`), isotopes (neutrons) and displacements are used.
    reflections : Reflections
        Of the same batch.
    radiation : {"xray", "electron", "neutron"}
    weights : array_like, shape (N,), optional
        Real numbers that stand for f_j, the same for every reflection; ``radiation`` does not matter then.
    displacement : bool, default True
        False: T_j = 1. Where an atom has no U, T_j = 1 in any case.
    anomalous : float, str or mapping, optional
        For X-rays: a wavelength in angstrom (0.4 to 3) or its name ("CuKa", ... as in `powder_pattern`), for f' and f''
        of free atoms, hydrogen to uranium (Cromer and Liberman 1981, interpolated to 0.02 electrons); or (f', f'') by
        element symbol or atomic number, where elements that are left out have none. Friedel mates then differ, so the
        reflections must be a full sphere (``unique="none"``).
    threads : int, optional
        At most this many threads; None for the pool's size.
    dtype : float64 or float32
        Of the real and imaginary parts. Computed in float64; with float32 the error of large cells may reach 1e-7
        before it is rounded.

    Returns
    -------
    ndarray, shape (M,), complex128 (complex64 with float32)

    Raises
    ------
    ArgumentError
        Reflections of another batch, or of a half sphere together with ``anomalous``; an element that the table does
        not have; reflections beyond the table.

    Examples
    --------
    The basis-forbidden 222 of silicon is absent; 200 is by the face centring.

    >>> import recipnet as rn
    >>> silicon = rn.sample("silicon")
    >>> refl = rn.reflections(silicon, d_min=1.5)
    >>> f = rn.structure_factors(silicon, refl)
    >>> [abs(f[refl.hkl.tolist().index(h)]).round(1).item() for h in ([1, 1, 1], [2, 0, 0], [2, 2, 2])]
    [59.6, 0.0, 0.0]
    """
    crystals = borrow(batch)
    if not isinstance(reflections, Reflections):
        message = f"reflections: expected recipnet.Reflections, got {type(reflections).__name__}"
        raise ArgumentError(message, name="reflections", value=type(reflections).__name__)
    lattices, unique = reflections._recipe[:2]
    # Bytes are compared in a tenth of the time; cells with -0.0 for 0.0 are the same.
    same = lattices.tobytes() == crystals.lattices.tobytes() or np.array_equal(lattices, crystals.lattices)
    if len(reflections.offsets) != len(crystals) + 1 or not same:
        raise ArgumentError(
            "reflections: they belong to another batch (its cells differ); make them with rn.reflections of this one",
            name="reflections",
            value=repr(reflections),
        )
    if anomalous is not None and unique != "none":
        raise ArgumentError(
            f'reflections: with anomalous dispersion F(-h) is not the conjugate of F(h), and unique="{unique}" lists '
            'only one of the two; take rn.reflections(..., unique="none")',
            name="reflections",
            value=unique,
        )
    single, workers = is_single(dtype), threads_or_none(threads)
    atoms = core_atoms(crystals, radiation, weights=weights, displacement=displacement, anomalous=anomalous)
    error = _ERROR_SINGLE if single else _ERROR
    # Only large crystals are summed by symmetry; of others the operations need not be looked up.
    least = _core.ORBIT_ATOMS
    is_large = len(crystals.numbers) >= least and (np.diff(crystals.offsets) >= least).any()
    operations = core_operations(crystals) if is_large else None
    hkl, rows = reflections.hkl, reflections.offsets
    pairs, replaced = _core.structure_factors(atoms, operations, hkl, rows, error, workers)
    warn_replaced(replaced)
    factors = pairs.view(np.complex128)
    return factors.astype(np.complex64) if single else factors


def core_atoms(
    crystals: CrystalBatch,
    radiation: str,
    *,
    weights: ArrayLike | None = None,
    displacement: bool = True,
    anomalous: str | float | Mapping[Any, Any] | None = None,
) -> dict[str, Any]:
    """What the core needs to know about the atoms."""
    kind: str | None = choice("radiation", radiation, RADIATIONS)
    amplitudes = crystals.occupancies
    if weights is not None:
        given = _column("weights", weights, np.float64)
        if len(given) != len(amplitudes):
            message = f"weights: {len(given)} values for {len(amplitudes)} atom rows"
            raise ArgumentError(message, name="weights", value=len(given))
        amplitudes, kind = amplitudes * given, None
    known = None if anomalous is None else _dispersion(anomalous, kind, crystals.numbers)
    return {
        "lattices": crystals.lattices,
        "frac": crystals.frac_coords,
        "offsets": crystals.offsets,
        "numbers": crystals.numbers,
        "amplitudes": amplitudes,
        "charges": crystals.charges,
        "isotopes": crystals.isotopes,
        "u_iso": crystals.u_iso if displacement else None,
        "u_aniso": crystals.u_aniso if displacement else None,
        "dispersion": known,
        "radiation": kind,
    }


def warn_replaced(replaced: list[str]) -> None:
    """Tell which ions were taken as neutral atoms."""
    if replaced:
        warnings.warn(
            f"ions without a form factor count as neutral atoms: {'; '.join(replaced)}", ScatteringWarning, stacklevel=3
        )


def _dispersion(
    anomalous: str | float | Mapping[Any, Any], kind: str | None, numbers: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """f' and f'' by atomic number, (119, 2)."""
    if kind != "xray":
        message = 'anomalous: f\' and f" belong to radiation="xray" without weights of your own'
        raise ArgumentError(message, name="anomalous", value=kind)
    if not isinstance(anomalous, Mapping):
        return dispersion(numbers, in_angstrom("anomalous", anomalous))
    symbols = {symbol: number for number, symbol in enumerate(_core.element_symbols())}
    table = np.zeros((len(symbols), 2))
    for element, pair in anomalous.items():
        number = symbols.get(element, element) if isinstance(element, str) else element
        try:
            values = np.asarray(pair, dtype=np.float64)
            good = 0 < int(number) < len(table) and values.shape == (2,) and bool(np.isfinite(values).all())
        except (TypeError, ValueError):
            good = False
        if not good:
            message = f"anomalous[{element!r}] = {pair!r}: must map an element to two finite numbers (f', f\")"
            raise ArgumentError(message, name="anomalous", value=element)
        table[int(number)] = values
    return table


def _column(name: str, values: ArrayLike, dtype: type[np.generic]) -> NDArray[Any]:
    """A contiguous vector of a type, values unchanged."""
    try:
        array = np.atleast_1d(np.asarray(values))
        column = np.ascontiguousarray(array, dtype=dtype)
        same = array.ndim == 1 and array.dtype.kind in "iuf" and np.array_equal(column, array, equal_nan=True)
    except (TypeError, ValueError, OverflowError):
        same = array_empty = False
    else:
        array_empty = array.shape == (0,)
    if not same and not array_empty:
        raise ArgumentError(f"{name}: must be a vector of {np.dtype(dtype).name} values", name=name, value=values)
    return column
