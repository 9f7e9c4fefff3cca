"""Structure factors against NumPy, gemmi and finufft.

    python benches/python/structure_factors.py [--source FILE.parquet] [--crystals 500] [--repeats 7]

Reflections are given, and the answer has its form factors. Small: structures of a Parquet table. Large: silicon,
11 x 11 x 11 cells, rattled by 0.05 angstrom, seed 1, 55,769 reflections, float32 with an error of 1e-6. Symmetric: 576
atoms in Fm-3m, which recipnet and cctbx are told, half a sphere at 1 angstrom without absences. Every answer is
compared before it is timed; the note says how it differs (gemmi has its own form factors).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from _crystals import cubic, parameters, silicon
from _race import Call, Peer, Race, options

import recipnet as rn

#: Reflections of the large crystal: d_min in angstrom.
LARGE = 2.0
#: And of the symmetric one.
SYMMETRIC = 1.0


def numpy_tables(crystal: rn.Crystal, hkl: np.ndarray, stol: np.ndarray) -> np.ndarray:
    """Powers by index, form factors by element: what a careful NumPy user writes."""
    kinds, inverse = np.unique(crystal.numbers, return_inverse=True)
    factors = rn.form_factors(kinds, stol, threads=1)
    powers = []
    for axis in range(3):
        low, high = hkl[:, axis].min(), hkl[:, axis].max()
        turns = np.outer(np.arange(low, high + 1), crystal.frac_coords[:, axis])
        powers.append(np.exp(2j * np.pi * turns)[hkl[:, axis] - low])
    phases = powers[0] * powers[1] * powers[2]
    out = np.zeros(len(hkl), dtype=complex)
    for kind in range(len(kinds)):
        out += factors[kind] * phases[:, inverse == kind].sum(1)
    return out


def numpy_product(crystal: rn.Crystal, hkl: np.ndarray, stol: np.ndarray) -> np.ndarray:
    """The box of indices as complex matrix products by element, then the ball picked from it."""
    kinds, inverse = np.unique(crystal.numbers, return_inverse=True)
    factors = rn.form_factors(kinds, stol, threads=1)
    low = hkl.min(0)
    x, y, z = (
        np.exp(2j * np.pi * np.outer(np.arange(low[axis], hkl[:, axis].max() + 1), crystal.frac_coords[:, axis]))
        for axis in range(3)
    )
    h, k, l = (hkl - low).T  # noqa: E741
    out = np.zeros(len(hkl), dtype=complex)
    for kind in range(len(kinds)):
        own = inverse == kind
        xy = (x[:, None, own] * y[None, :, own]).reshape(-1, own.sum())
        out += factors[kind] * (xy @ z[:, own].T).reshape(len(x), len(y), len(z))[h, k, l]
    return out


def lists(crystals: Sequence[rn.Crystal], d_min: float) -> list[tuple[rn.Crystal, np.ndarray, np.ndarray]]:
    found = [rn.reflections(crystal, d_min, absences="drop") for crystal in crystals]
    return [(crystal, own.hkl, own.stol) for crystal, own in zip(crystals, found, strict=True)]


def in_numpy(
    crystals: Sequence[rn.Crystal], d_min: float, function: Callable[[rn.Crystal, np.ndarray, np.ndarray], np.ndarray]
) -> Call:
    given = lists(crystals, d_min)
    return lambda: [function(*one) for one in given]


def gemmi(crystals: Sequence[rn.Crystal], d_min: float) -> Call:
    import gemmi

    def structure(crystal: rn.Crystal) -> Any:
        made = gemmi.SmallStructure()
        made.cell = gemmi.UnitCell(*parameters(crystal))
        made.spacegroup_hm = "P 1"
        for number, frac in zip(crystal.numbers.tolist(), crystal.frac_coords.tolist(), strict=True):
            site = gemmi.SmallStructure.Site()
            site.element = gemmi.Element(number)
            site.type_symbol = site.element.name
            site.fract = gemmi.Fractional(*frac)
            site.occ = 1.0
            made.add_site(site)
        return made

    given = [(structure(crystal), hkl.tolist()) for crystal, hkl, _ in lists(crystals, d_min)]

    def one(structure: Any, hkl: list[list[int]]) -> np.ndarray:
        calculator = gemmi.StructureFactorCalculatorX(structure.cell)
        return np.array([calculator.calculate_sf_from_small_structure(structure, h) for h in hkl])

    return lambda: [one(*own) for own in given]


def finufft(crystals: Sequence[rn.Crystal], threads: int) -> Call:
    import finufft

    # It warns about processors that look like two halves of one.
    compute = partial(finufft.nufft3d1, eps=1e-6, isign=1, nthreads=threads, showwarn=0)
    ((crystal, hkl, stol),) = lists(crystals, LARGE)
    reach = int(np.abs(hkl).max())
    angles = [np.ascontiguousarray(2 * np.pi * ((x + 0.5) % 1.0 - 0.5)) for x in crystal.frac_coords.T]
    ones = np.ones(len(crystal), dtype=complex)
    places = tuple((hkl + reach).T)

    def run() -> list[np.ndarray]:
        modes = compute(*angles, ones, (2 * reach + 1,) * 3)
        return [rn.form_factors([14], stol, threads=1)[0] * modes[places]]

    return run


def ours(d_min: float, dtype: type, crystals: rn.CrystalBatch) -> Callable[[int], np.ndarray]:
    refl = rn.reflections(crystals, d_min, absences="drop")
    return lambda threads: rn.structure_factors(crystals, refl, threads=threads, dtype=dtype)


def agree(found: np.ndarray, theirs: list[np.ndarray]) -> tuple[bool, str]:
    error = np.abs(np.concatenate(theirs) - found).max() / np.abs(found).max()
    return bool(error < 1e-2), f"differs by {error:.0e} of the largest"


def race_small(race: Race, peers: Callable[[float], list[Peer]]) -> None:
    """Small crystals, against the peers for each d_min."""
    for d_min, goal in ((0.8, 35), (0.5, 25)):
        refl = rn.reflections(race.small, d_min)
        terms = (np.diff(race.small.offsets) * np.diff(refl.offsets)).mean()
        task = f"F(hkl) with form factors, {d_min:g} angstrom"
        given = partial(ours, d_min, np.float64)
        race.run(task, given, peers(d_min), goal=goal, agree=agree, note=f"{terms:.0f} terms")


def race_large(race: Race, peers: list[Peer]) -> None:
    """The large crystal, in float32."""
    large = silicon()
    name = f"{len(large.numbers)} silicon atoms"
    task = f"F(hkl), {name}, {len(rn.reflections(large, LARGE))} reflections"
    exact, found = (ours(LARGE, dtype, large)(1) for dtype in (np.float64, np.float32))
    given = partial(ours, LARGE, np.float32)
    note = f"float32, {agree(exact, [found])[1]}"
    race.run(task, given, peers, goal=2, crystals=large, data=name, agree=agree, note=note)


def race_symmetric(race: Race, peers: list[Peer]) -> None:
    """A large crystal with the symmetry that it declares, half a sphere of reflections."""
    crystals = cubic()
    name = f"{len(crystals.numbers)} atoms in Fm-3m"
    count = len(rn.reflections(crystals, SYMMETRIC, absences="drop"))
    given = partial(ours, SYMMETRIC, np.float64)
    race.run(f"F(hkl), {name}, {count} reflections", given, peers, goal=None, crystals=crystals, data=name, agree=agree)


def main() -> None:
    race = Race("structure_factors", options(__doc__).parse_args())
    race_small(
        race,
        lambda d_min: [
            Peer("NumPy, tables of powers", "numpy", partial(in_numpy, d_min=d_min, function=numpy_tables), slow=True),
            Peer("NumPy, zgemm", "numpy", partial(in_numpy, d_min=d_min, function=numpy_product), slow=True),
            Peer("gemmi", "gemmi", partial(gemmi, d_min=d_min), slow=True),
        ],
    )
    race_large(
        race,
        [Peer("finufft, 1e-6", "finufft", partial(finufft, threads=threads), threads=threads) for threads in (1, 2)],
    )
    whole = partial(in_numpy, d_min=SYMMETRIC, function=numpy_product)
    race_symmetric(race, [Peer("NumPy, zgemm", "numpy", whole)])


if __name__ == "__main__":
    main()
