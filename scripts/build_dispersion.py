"""Write the table of f' and f'' that ``anomalous=<wavelength>`` reads.

    pip install gemmi numpy
    python scripts/build_dispersion.py

D. T. Cromer and D. A. Liberman, Acta Cryst. A 37 (1981) 267, with the high-energy correction of L. Kissel and R. H.
Pratt, Acta Cryst. A 46 (1990) 170, as gemmi (MPL 2.0) computes them for free atoms; the numbers are facts. Lithium to
uranium (hydrogen and helium: zero), 0.4 to 3 angstrom. The knots of each element are chosen so that lines between them
(in the logarithm of the energy) err by at most 0.02 electrons; an absorption edge is a gap between two knots, one
electronvolt to each side.
"""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np

TARGET = Path(__file__).resolve().parent.parent / "python/recipnet/dispersion.npz"
WAVELENGTHS = (0.4, 3.0)
TOLERANCE = 0.02
#: Electronvolts times angstrom.
HC = 12398.419843320026
LOW, HIGH = HC / WAVELENGTHS[1] / 1.001, HC / WAVELENGTHS[0] * 1.001


def values(z: int, energies: np.ndarray) -> np.ndarray:
    """f', f'' at energies, (E, 2)."""
    return np.array([gemmi.cromer_liberman(z, float(e)) for e in energies])


def edges(z: int) -> list[float]:
    """Energies at which f'' jumps, to a hundredth of an electronvolt."""
    grid = np.geomspace(LOW, HIGH, 3000)
    imaginary = values(z, grid)[:, 1]
    found = []
    for i in np.flatnonzero(imaginary[1:] > imaginary[:-1] * 1.02):
        low, high = grid[i], grid[i + 1]
        start, end = imaginary[i], imaginary[i + 1]
        while high - low > 0.01:
            middle = 0.5 * (low + high)
            if values(z, np.array([middle]))[0, 1] > 0.5 * (start + end):
                high = middle
            else:
                low = middle
        found.append(0.5 * (low + high))
    return found


def knots(z: int, low: float, high: float) -> list[float]:
    """Energies between which a line is good enough; without the last."""
    inside = np.geomspace(low, high, 9)
    at = values(z, inside)
    share = np.log(inside / low) / np.log(high / low)
    line = at[0] + share[:, None] * (at[-1] - at[0])
    if np.abs(line - at).max() <= TOLERANCE or high - low < 0.5:
        return [low]
    middle = float(np.sqrt(low * high))
    return knots(z, low, middle) + knots(z, middle, high)


def main() -> None:
    energies, pairs, gaps, offsets = [], [], [], [0, 0, 0, 0]
    for z in range(3, 93):
        ends = [LOW, *(e + side for e in edges(z) for side in (-1.0, 1.0)), HIGH]
        own: list[float] = []
        for low, high in zip(ends[::2], ends[1::2], strict=True):
            if high > low:
                own += [*knots(z, low, high), high]
                gaps += [False] * (len(own) - 1 - (len(gaps) - offsets[-1])) + [True]
        gaps[-1] = False
        energies.append(np.array(own))
        pairs.append(values(z, energies[-1]))
        offsets.append(offsets[-1] + len(own))
    np.savez_compressed(
        TARGET,
        energy=np.concatenate(energies).astype(np.float32),
        pair=np.concatenate(pairs).round(4).astype(np.float32),
        gap=np.array(gaps),
        offsets=np.array(offsets, dtype=np.int32),
    )
    print(f"{offsets[-1]} knots, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
