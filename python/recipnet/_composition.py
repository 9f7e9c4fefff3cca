"""Contents of a cell: amounts, formulas and mass."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipnet import _core

#: Grams per cubic centimetre in one unit (dalton) per cubic angstrom; CODATA 2022.
DALTON = 1.66053906892
#: Relative atomic masses of the hydrogen isotopes (AME 2020); elsewhere the mass number is within 0.1 % of the mass.
_HYDROGEN = {1: 1.00782503, 2: 2.01410178, 3: 3.01604928}


@cache
def symbols() -> tuple[str, ...]:
    """Element symbols by atomic number; 0 is ``"X"``."""
    return tuple(_core.element_symbols())


@cache
def _masses() -> NDArray[np.float64]:
    masses = np.array(_core.element_masses(), dtype=np.float64)
    masses[0] = np.nan
    return masses


def amounts(
    numbers: NDArray[np.uint8], occupancies: NDArray[np.float64], isotopes: NDArray[np.uint16]
) -> dict[str, float]:
    """Sum of occupancies of each element in the cell, by symbol in alphabetical order; what is absent is left out."""
    names = symbols()
    # One bin per element, two more for D and T.
    kinds = numbers.astype(np.int64)
    kinds[(numbers == 1) & (isotopes == 2)] = len(names)
    kinds[(numbers == 1) & (isotopes == 3)] = len(names) + 1
    sums = np.bincount(kinds, weights=occupancies, minlength=len(names) + 2)
    labels = (*names, "D", "T")
    return dict(sorted((labels[i], float(sums[i])) for i in np.flatnonzero(sums > 1e-6).tolist()))


def formula(contents: dict[str, float]) -> str:
    """``"O6 Si3"``: amounts of 1 are left out, others are written with at most four decimals."""
    return " ".join(symbol + _number(amount) for symbol, amount in contents.items())


def reduced_formula(contents: dict[str, float]) -> str:
    """``"O2Si"`` where all amounts are whole (to 1e-3), otherwise atomic fractions with a star: ``"Fe0.4500O0.5500*"``.

    Both are the same for every supercell.
    """
    whole = {symbol: round(amount) for symbol, amount in contents.items()}
    if all(n > 0 and abs(contents[s] - n) < 1e-3 * max(1.0, contents[s]) for s, n in whole.items()):
        divisor = math.gcd(*whole.values()) or 1
        return "".join(symbol + _number(n // divisor) for symbol, n in whole.items())
    total = sum(contents.values())
    return "".join(f"{symbol}{amount / total:.4f}" for symbol, amount in contents.items()) + "*"


def mass(numbers: NDArray[Any], occupancies: NDArray[Any], isotopes: NDArray[Any]) -> float:
    """Mass of the cell in g/cm^3 times cubic angstrom, so that dividing by the volume gives the density."""
    weights = _masses()[numbers]
    if isotopes.any():
        known = isotopes > 0
        weights[known] = isotopes[known]
        for number, value in _HYDROGEN.items():
            weights[(numbers == 1) & (isotopes == number)] = value
    return float(occupancies @ weights) * DALTON


def _number(amount: float) -> str:
    text = f"{amount:.4f}".rstrip("0").rstrip(".")
    return "" if text == "1" else text
