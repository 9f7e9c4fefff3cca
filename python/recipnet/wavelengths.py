"""Wavelengths by name, and the anomalous dispersion of free atoms at a wavelength."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from recipnet import _core
from recipnet._arguments import number
from recipnet.errors import ArgumentError

__all__ = ["WAVELENGTHS", "dispersion", "in_angstrom"]

#: Mean of K alpha 1 and 2, weighted 2:1, in angstrom (International Tables C (1999), table 4.2.2.1).
WAVELENGTHS = {"CuKa": 1.54184, "MoKa": 0.71073, "CoKa": 1.79026, "FeKa": 1.93735, "CrKa": 2.29100, "AgKa": 0.560868}
#: Electronvolts times angstrom.
_HC = 12398.419843320026
#: Where f' and f'' are known, in angstrom.
DISPERSION_RANGE = (0.4, 3.0)


def in_angstrom(name: str, wavelength: str | float) -> float:
    """A wavelength that is given as a number or by a name of `WAVELENGTHS`."""
    if not isinstance(wavelength, str):
        return number(name, wavelength)
    if wavelength not in WAVELENGTHS:
        words = ", ".join(WAVELENGTHS)
        message = f"{name} = {wavelength!r}: must be a number in angstrom or one of {words}"
        raise ArgumentError(message, name=name, value=wavelength)
    return WAVELENGTHS[wavelength]


def dispersion(numbers: NDArray[np.uint8], wavelength: float) -> NDArray[np.float64]:
    """f' and f'' by atomic number, in electrons, shape (119, 2), filled for the elements that occur.

    Free neutral atoms (D. T. Cromer and D. A. Liberman, Acta Cryst. A 37 (1981) 267, with the high-energy correction of
    L. Kissel and R. H. Pratt, Acta Cryst. A 46 (1990) 170), interpolated to 0.02 electrons; none for hydrogen, helium.

    Raises
    ------
    ArgumentError
        A wavelength outside 0.4 to 3 angstrom; an element past uranium; a wavelength within one electronvolt of an
        absorption edge of an element that occurs.

    Examples
    --------
    >>> import numpy as np
    >>> dispersion(np.array([14], np.uint8), 1.54184)[14].round(1).tolist()
    [0.3, 0.3]
    """
    low, high = DISPERSION_RANGE
    if not low <= wavelength <= high:
        message = f"anomalous = {wavelength}: f' and f\" are known for wavelengths from {low} to {high} angstrom"
        raise ArgumentError(message, name="anomalous", value=wavelength)
    energies, pairs, gaps, offsets = _table()
    energy = _HC / wavelength
    symbols = _core.element_symbols()
    out = np.zeros((len(symbols), 2))
    for z in np.unique(numbers).tolist():
        if z + 1 >= len(offsets):
            message = f"anomalous: f' and f\" are known up to uranium, not for {symbols[z]}; give them by element"
            raise ArgumentError(message, name="anomalous", value=symbols[z])
        own = slice(offsets[z], offsets[z + 1])
        if offsets[z] == offsets[z + 1]:
            continue
        knots = energies[own]
        if gaps[own][np.searchsorted(knots, energy) - 1]:
            message = (
                f"anomalous = {wavelength}: that is within one electronvolt of an absorption edge of {symbols[z]}; "
                "give f' and f\" by element"
            )
            raise ArgumentError(message, name="anomalous", value=wavelength)
        for part in range(2):
            out[z, part] = np.interp(np.log(energy), np.log(knots), pairs[own, part])
    return out


@cache
def _table() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.int32]]:
    """Energies in electronvolts, f' and f'', whether an edge follows, and where the knots of each element begin."""
    # What only this needs is not imported with the package.
    from importlib.resources import files
    from zipfile import ZipFile

    columns = {}
    with (files("recipnet") / "dispersion.npz").open("rb") as file, ZipFile(file) as archive:
        for name in ("energy", "pair", "gap", "offsets"):
            with archive.open(f"{name}.npy") as column:
                columns[name] = np.lib.format.read_array(column, allow_pickle=False)
    energy, pair = (columns[name].astype(np.float64) for name in ("energy", "pair"))
    return energy, pair, columns["gap"], columns["offsets"]
