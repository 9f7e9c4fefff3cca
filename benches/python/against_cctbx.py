"""Reflections and structure factors against cctbx.

    python benches/python/against_cctbx.py [--source FILE.parquet] [--crystals 500] [--repeats 7]

The tasks of reflections.py and structure_factors.py, in a process without the other peers: cctbx's wheel brings a C++
library of its own. Loaded after the system's it crashes; beside it finufft returns NaN. Cells, groups and atoms are
ready-made.
"""

from __future__ import annotations

import contextlib
import importlib
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("BOOST_ADAPTBX_FPE_DEFAULT", "1")  # or cctbx traps floating-point flags that NumPy sets

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import reflections
import structure_factors
from _crystals import CUBIC, IMAGES, parameters
from _race import Call, Peer, Race, options

import recipnet as rn


def indices(crystals: Sequence[rn.Crystal], d_min: float) -> Call:
    from cctbx import miller, sgtbx, uctbx

    def group(crystal: rn.Crystal) -> Any:
        found = sgtbx.space_group()
        for text in reflections.xyz(crystal):
            found.expand_smx(sgtbx.rt_mx(text))
        return found.type()

    given = [(uctbx.unit_cell(parameters(crystal)), group(crystal)) for crystal in crystals]
    return lambda: sum(len(miller.index_generator(cell, own, False, d_min).to_array()) for cell, own in given)


def factors(crystals: Sequence[rn.Crystal], d_min: float, algorithm: str, group: str = "P 1", images: int = 1) -> Call:
    """Of every ``images``-th atom, which has as many in the group."""
    from cctbx import crystal as cctbx_crystal
    from cctbx import miller, xray
    from cctbx.array_family import flex
    from cctbx.eltbx import tiny_pse

    given = []
    for own, hkl, _ in structure_factors.lists(crystals, d_min):
        symmetry = cctbx_crystal.symmetry(parameters(own), group)
        structure = xray.structure(crystal_symmetry=symmetry)
        for number, frac in zip(own.numbers[::images].tolist(), own.frac_coords[::images].tolist(), strict=True):
            symbol = tiny_pse.table(number).symbol()
            structure.add_scatterer(xray.scatterer(scattering_type=symbol, site=frac, u=0.0))
        structure.scattering_type_registry(table="wk1995")
        given.append((miller.set(symmetry, flex.miller_index(list(map(tuple, hkl.tolist()))), False), structure))

    def one(indices: Any, structure: Any) -> np.ndarray:
        found = indices.structure_factors_from_scatterers(structure, algorithm=algorithm)
        return found.f_calc().data().as_numpy_array()

    return lambda: [one(*own) for own in given]


def main() -> None:
    arguments = options(__doc__).parse_args()
    with contextlib.suppress(ImportError):  # each row says it
        importlib.import_module("cctbx.miller")
    race = Race("against_cctbx", arguments)
    reflections.race_all(race, lambda d_min: Peer("cctbx", "cctbx-base", partial(indices, d_min=d_min), tolerance=2e-3))

    def direct(d_min: float) -> Peer:
        return Peer("cctbx, direct", "cctbx-base", partial(factors, d_min=d_min, algorithm="direct"), slow=True)

    structure_factors.race_small(race, lambda d_min: [direct(d_min)])
    fft = partial(factors, d_min=structure_factors.LARGE, algorithm="fft")
    structure_factors.race_large(race, [Peer("cctbx, FFT", "cctbx-base", fft)])
    few = partial(factors, d_min=structure_factors.SYMMETRIC, algorithm="direct", group=CUBIC, images=IMAGES)
    structure_factors.race_symmetric(race, [Peer("cctbx, direct", "cctbx-base", few)])


if __name__ == "__main__":
    main()
