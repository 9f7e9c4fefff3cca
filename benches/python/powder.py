"""Powder lines, Cu K alpha, 0 to 90 degrees, against pymatgen's XRDCalculator.

    python benches/python/powder.py [--source FILE.parquet] [--crystals 500] [--repeats 7]

pymatgen gets its structures ready-made. Before timing, intensities are compared within 1e-3 degree of each of its
lines: to 6 % of the strongest, since its form factors are another fit and it merges lines in its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from _race import Call, Peer, Race, options

import recipnet as rn


def pymatgen(crystals: Sequence[rn.Crystal]) -> Call:
    from pymatgen.analysis.diffraction.xrd import XRDCalculator

    calculator = XRDCalculator(wavelength="CuKa", symprec=0)
    structures = [crystal.to_pymatgen() for crystal in crystals]
    return lambda: [calculator.get_pattern(structure, two_theta_range=(0, 90)) for structure in structures]


def ours(crystals: rn.CrystalBatch) -> Callable[[int], rn.PowderPattern]:
    return lambda threads: rn.powder_pattern(crystals, threads=threads)


def agree(found: rn.PowderPattern, patterns: list[Any]) -> tuple[bool, str]:
    worst = 0.0
    for b, peer in enumerate(patterns):
        rows = slice(found.offsets[b], found.offsets[b + 1])
        angles, intensity = found.two_theta[rows], found.intensity[rows]
        # Cells with rounded parameters split lines by less than 1e-3 degree, each program at its own places: windows
        # are compared, and patterns scaled to one sum.
        x, y = np.asarray(peer.x), np.asarray(peer.y)
        scale = y.sum() / intensity.sum()
        for angle in x:
            own = scale * intensity[np.abs(angles - angle) < 1e-3].sum()
            worst = max(worst, abs(own - y[np.abs(x - angle) < 1e-3].sum()) / y.max())
    return worst < 0.06, f"lines differ by up to {worst:.1%} of the strongest (other form factors)"


def main() -> None:
    arguments = options(__doc__).parse_args()
    race = Race("powder", arguments)
    peer = Peer("pymatgen XRDCalculator", "pymatgen", pymatgen, slow=True)
    race.run("powder lines, Cu K alpha, 0 to 90 degrees", ours, [peer], goal=1000, agree=agree)


if __name__ == "__main__":
    main()
