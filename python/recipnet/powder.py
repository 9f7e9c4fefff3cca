"""Powder patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from recipnet import _core
from recipnet._arguments import count, is_single, number, threads_or_none
from recipnet._frozen import Frozen
from recipnet.batch import Crystals, borrow
from recipnet.errors import ArgumentError
from recipnet.reciprocal import core_operations
from recipnet.scattering import core_atoms, warn_replaced
from recipnet.wavelengths import in_angstrom

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PowderPattern", "powder_pattern"]

#: Scherrer's constant for the full width at half maximum.
SCHERRER = 0.9


class PowderPattern(Frozen):
    """Powder lines of a batch; made by `powder_pattern`.

    Attributes
    ----------
    two_theta : ndarray, shape (L,)
        Degrees, rising in each crystal.
    intensity : ndarray, shape (L,)
        Strongest line of each crystal = 100.
    d_spacing : ndarray, shape (L,)
        Angstrom.
    hkl : ndarray, shape (L, 3), int32
        The lexicographically largest of the line.
    multiplicity : ndarray, shape (L,), int32
        Reflections of the full sphere in the line.
    offsets : ndarray, shape (B + 1,), int64
        Lines of crystal b are ``offsets[b]:offsets[b + 1]``.
    wavelength : float
        Angstrom.
    ids : list of str, length B
    """

    __slots__ = ("d_spacing", "hkl", "ids", "intensity", "multiplicity", "offsets", "two_theta", "wavelength")

    two_theta: NDArray[Any]
    intensity: NDArray[Any]
    d_spacing: NDArray[Any]
    hkl: NDArray[np.int32]
    multiplicity: NDArray[np.int32]
    offsets: NDArray[np.int64]
    wavelength: float
    ids: list[str]

    def __init__(self) -> None:
        raise TypeError("a PowderPattern is made by recipnet.powder_pattern")

    def __len__(self) -> int:
        return len(self.two_theta)

    def __repr__(self) -> str:
        return f"PowderPattern({len(self)} lines of {len(self.offsets) - 1} crystals, {self.wavelength} angstrom)"

    def profile(
        self,
        grid: ArrayLike,
        fwhm: float | None = None,
        eta: float = 0.5,
        *,
        size: float | None = None,
        threads: int | None = None,
    ) -> NDArray[Any]:
        """Broadened patterns: a pseudo-Voigt function of unit area at each line, times its intensity.

        ``eta * Lorentzian + (1 - eta) * Gaussian`` of the same full width at half maximum (Wertheim, Butler, West and
        Buchanan, Rev. Sci. Instrum. 45 (1974) 1369), in intensity per degree.

        Parameters
        ----------
        grid : array_like, shape (G,)
            Angles 2 theta in degrees.
        fwhm : float, optional
            Full width at half maximum in degrees; 0.1 if ``size`` is not given either.
        eta : float, default 0.5
            Share of the Lorentzian, 0 to 1.
        size : float, optional
            Size of the crystallites in angstrom instead of ``fwhm``: widths by Scherrer's formula,
            ``0.9 wavelength / (size cos(theta))`` (P. Scherrer, Nachr. Ges. Wiss. Goettingen (1918) 98).
        threads : int, optional
            At most this many threads; None for the pool's size.

        Returns
        -------
        ndarray, shape (B, G)

        Raises
        ------
        ArgumentError
            A width, size or eta outside its domain, or both ``fwhm`` and ``size``.

        Examples
        --------
        >>> import numpy as np
        >>> import recipnet as rn
        >>> grid = np.arange(0.0, 90.0, 0.02)
        >>> pattern = rn.powder_pattern(rn.sample("silicon")).profile(grid, size=200.0)
        >>> pattern.shape, round(grid[pattern[0].argmax()].item(), 2)
        ((1, 4500), 28.46)
        """
        if size is not None and fwhm is not None:
            raise ArgumentError("fwhm and size: give one of the two", name="size", value=size)
        lines = np.ascontiguousarray(self.two_theta, dtype=np.float64)
        if size is None:
            width = number("fwhm", 0.1 if fwhm is None else fwhm)
            if not (np.isfinite(width) and width > 0.0):
                message = f"fwhm = {fwhm!r}: must be a finite number above 0, in degrees"
                raise ArgumentError(message, name="fwhm", value=fwhm)
            widths = np.full(len(lines), width)
        else:
            length = number("size", size)
            if not (np.isfinite(length) and length > 0.0):
                message = f"size = {size!r}: must be a finite number above 0, in angstrom"
                raise ArgumentError(message, name="size", value=size)
            widths = np.rad2deg(SCHERRER * self.wavelength / (length * np.cos(np.deg2rad(0.5 * lines))))
        try:
            angles = np.ascontiguousarray(grid, dtype=np.float64)
        except (TypeError, ValueError):
            angles = np.empty((0, 0))
        if angles.ndim != 1:
            raise ArgumentError("grid: must be a vector of angles in degrees", name="grid", value=grid)
        intensity = np.ascontiguousarray(self.intensity, dtype=np.float64)
        share, workers = number("eta", eta), threads_or_none(threads)
        flat = _core.powder_profiles(lines, intensity, widths, self.offsets, share, angles, workers)
        return flat.reshape(len(self.offsets) - 1, len(angles)).astype(self.two_theta.dtype, copy=False)

    def plot(self, path: str | Path, *, fwhm: float | None = None, size: float | None = None) -> None:
        """Write a PNG: lines with the indices of the strongest, and the profile, a panel for each crystal.

        Parameters
        ----------
        path : str or Path
        fwhm, size : float, optional
            As in `profile`.

        Raises
        ------
        MissingExtraError
            Without matplotlib.
        ArgumentError
            More than twelve crystals.
        """
        from recipnet._optional import require

        require("recipnet.plot.powder", "PowderPattern.plot").powder(self, path, fwhm=fwhm, size=size)


def powder_pattern(
    batch: Crystals,
    *,
    wavelength: str | float = "CuKa",
    two_theta: tuple[float, float] = (0.0, 90.0),
    radiation: str = "xray",
    displacement: bool = True,
    max_reflections: int = 10**8,
    threads: int | None = None,
    dtype: DTypeLike = np.float64,
) -> PowderPattern:
    """Powder lines: multiplicity, |F|^2, Lorentz and polarisation factor.

    ``I = sum |F(h)|^2 (1 + cos^2 2 theta) / (sin^2 theta cos theta)`` over the reflections of a line (International
    Tables C (1999), 6.2.5 and 6.2.6); for neutrons and electrons without the polarisation's numerator. In large
    cells reflections that are equivalent by the declared symmetry are made once where atoms and cell obey it to
    rounding: symmetry changes the time and not the pattern. Reflections within 1e-5 degree are one line, and lines
    without intensity stay.

    Parameters
    ----------
    batch : CrystalBatch, Crystal or list of Crystal
    wavelength : str or float, default "CuKa"
        Angstrom, or one of CuKa (1.54184), MoKa, CoKa, FeKa, CrKa, AgKa: weighted means of K alpha 1 and 2.
    two_theta : (float, float), default (0, 90)
        Degrees. A line at 180 degrees itself, where the Lorentz factor has no value, is left out.
    radiation : {"xray", "electron", "neutron"}
    displacement : bool, default True
        Whether the crystal's U are used.
    max_reflections : int, default 10**8
        More are refused before memory is taken.
    threads : int, optional
        At most this many threads; None for the pool's size.
    dtype : float64 or float32
        Of real arrays, computed in float64.

    Returns
    -------
    PowderPattern

    Raises
    ------
    ArgumentError
        A wavelength, range or radiation outside its domain; an element that the table does not have.
    LimitError
        Too many reflections.

    Examples
    --------
    >>> import recipnet as rn
    >>> pattern = rn.powder_pattern(rn.sample("silicon"), two_theta=(0, 50))
    >>> strong = pattern.intensity > 1
    >>> [(h, round(t, 2)) for h, t in zip(pattern.hkl[strong].tolist(), pattern.two_theta[strong].tolist())]
    [([1, 1, 1], 28.46), ([2, 2, 0], 47.34)]
    """
    crystals = borrow(batch)
    length = in_angstrom("wavelength", wavelength)
    try:
        low, high = two_theta
    except (TypeError, ValueError):
        message = f"two_theta = {two_theta!r}: must be two angles in degrees"
        raise ArgumentError(message, name="two_theta", value=two_theta) from None
    angles = (number("two_theta", low), number("two_theta", high))
    single, workers = is_single(dtype), threads_or_none(threads)
    most = count("max_reflections", max_reflections)
    atoms = core_atoms(crystals, radiation, displacement=displacement)
    operations = core_operations(crystals)
    *reals, hkl, multiplicity, offsets, replaced = _core.powder_lines(atoms, operations, length, angles, most, workers)
    warn_replaced(replaced)
    angle, intensity, d_spacing = (array.astype(np.float32) for array in reals) if single else reals
    return PowderPattern._of(
        two_theta=angle,
        intensity=intensity,
        d_spacing=d_spacing,
        hkl=hkl,
        multiplicity=multiplicity,
        offsets=offsets,
        wavelength=length,
        ids=list(crystals.ids),
    )
