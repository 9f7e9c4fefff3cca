"""Structure factors against NumPy, gemmi and finufft.

    python benches/python/structure_factors.py STRUCTURES.parquet [--crystals 200] [--repeats 5]

Small: structures of a Parquet table (lattice, numbers, frac), reflections given, with form factors, one thread, in
batches and one by one. Large: silicon, 11 x 11 x 11 cells, rattled by 0.05 angstrom, seed 1, 55,769 reflections;
finufft is timed where it is installed. Every answer is compared before it is timed: exactly where tables agree, to 1 %
of the largest where a peer has its own form factors.
"""

from __future__ import annotations

import argparse
import contextlib
from functools import partial

import gemmi
import numpy as np
from _record import median_time, table, versions, write

import recipnet as rn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("structures")
parser.add_argument("--crystals", type=int, default=200)
parser.add_argument("--repeats", type=int, default=5)
arguments = parser.parse_args()
rows: list[dict[str, str]] = []


def record(task: str, scale: float, unit: str, times: dict[str, partial]) -> None:
    """Time each program; the first is what the others are compared with."""
    first = 0.0
    for name, function in times.items():
        middle, fastest, slowest = (scale * t for t in median_time(function, arguments.repeats))
        first = first or middle
        rows.append({
            "task": task,
            "program": name,
            f"{unit} (median)": f"{middle:.1f}",
            "min": f"{fastest:.1f}",
            "max": f"{slowest:.1f}",
            "times recipnet": f"{middle / first:.2f}",
        })  # fmt: skip


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


def gemmi_structure(crystal: rn.Crystal) -> gemmi.SmallStructure:
    structure = gemmi.SmallStructure()
    lengths = np.linalg.norm(crystal.lattice, axis=1)
    unit = crystal.lattice / lengths[:, None]
    angles = [np.degrees(np.arccos(unit[i] @ unit[j])) for i, j in ((1, 2), (0, 2), (0, 1))]
    structure.cell = gemmi.UnitCell(*lengths, *angles)
    structure.spacegroup_hm = "P 1"
    for number, frac in zip(crystal.numbers.tolist(), crystal.frac_coords.tolist(), strict=True):
        site = gemmi.SmallStructure.Site()
        site.element = gemmi.Element(number)
        site.type_symbol = site.element.name
        site.fract = gemmi.Fractional(*frac)
        site.occ = 1.0
        structure.add_site(site)
    return structure


def small(d_min: float, batch: rn.CrystalBatch) -> None:
    refl = rn.reflections(batch, d_min)
    terms = (np.diff(batch.offsets) * np.diff(refl.offsets)).mean()
    singles = [batch[i] for i in range(len(batch))]
    own = [rn.reflections(crystal, d_min) for crystal in singles]
    lists = [(crystal, r.hkl, r.stol) for crystal, r in zip(singles, own, strict=True)]
    structures = [gemmi_structure(crystal) for crystal in singles]
    index_lists = [r.hkl.tolist() for r in own]

    def by_gemmi() -> list[np.ndarray]:
        out = []
        for structure, hkl in zip(structures, index_lists, strict=True):
            calculator = gemmi.StructureFactorCalculatorX(structure.cell)
            out.append(np.array([calculator.calculate_sf_from_small_structure(structure, h) for h in hkl]))
        return out

    found = rn.structure_factors(batch, refl, threads=1)
    largest = np.abs(found).max()
    for function in (numpy_tables, numpy_product):
        assert np.abs(np.concatenate([function(*item) for item in lists]) - found).max() < 1e-10 * largest
    assert np.abs(np.concatenate(by_gemmi()) - found).max() < 1e-2 * largest
    scan = rn.reflections(batch, d_min, order="scan")
    programs = {
        "recipnet batch, 1 thread": partial(rn.structure_factors, batch, refl, threads=1),
        "recipnet batch, scan order, 1 thread": partial(rn.structure_factors, batch, scan, threads=1),
        "recipnet batch, 2 threads": partial(rn.structure_factors, batch, refl, threads=2),
        "recipnet one by one": lambda: [rn.structure_factors(c, r) for c, r in zip(singles, own, strict=True)],
        "numpy tables": lambda: [numpy_tables(*item) for item in lists],
        "numpy zgemm": lambda: [numpy_product(*item) for item in lists],
        "gemmi": by_gemmi,
    }
    record(f"F, {d_min} angstrom, {terms:.0f} terms", 1e6 / len(batch), "us (large: ms)", programs)


def silicon() -> rn.Crystal:
    basis = np.array([
        [0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0],
        [0.25, 0.25, 0.25], [0.25, 0.75, 0.75], [0.75, 0.25, 0.75], [0.75, 0.75, 0.25],
    ])  # fmt: skip
    cells = np.stack(np.meshgrid(*[np.arange(11)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    frac = (cells + basis).reshape(-1, 3) / 11
    rattle = np.random.default_rng(1).normal(scale=0.05, size=frac.shape) / (11 * 5.43)
    return rn.Crystal(np.eye(3) * 11 * 5.43, [14] * len(frac), frac + rattle)


def large() -> None:
    crystal = silicon()
    refl = rn.reflections(crystal, 2.0)
    exact = rn.structure_factors(crystal, refl, threads=1)
    size = np.abs(rn.form_factors([14], refl.stol)[0]) * len(crystal)
    programs = {
        "recipnet float32 (error 1e-6), 1 thread": partial(
            rn.structure_factors, crystal, refl, threads=1, dtype=np.float32
        ),
        "recipnet float64 (error 1e-12), 1 thread": partial(rn.structure_factors, crystal, refl, threads=1),
        "recipnet float32, 2 threads": partial(rn.structure_factors, crystal, refl, threads=2, dtype=np.float32),
    }
    assert (np.abs(programs["recipnet float32 (error 1e-6), 1 thread"]() - exact) / size).max() < 1e-6
    with contextlib.suppress(ImportError):
        import finufft

        reach = int(np.abs(refl.hkl).max())
        angles = [np.ascontiguousarray(2 * np.pi * ((x + 0.5) % 1.0 - 0.5)) for x in crystal.frac_coords.T]
        ones = np.ones(len(crystal), dtype=complex)
        places = tuple((refl.hkl + reach).T)

        def by_finufft() -> np.ndarray:
            modes = finufft.nufft3d1(*angles, ones, (2 * reach + 1,) * 3, eps=1e-6, isign=1, nthreads=1)
            return rn.form_factors([14], refl.stol, threads=1)[0] * modes[places]

        assert (np.abs(by_finufft() - exact) / size).max() < 1e-5
        programs["finufft, eps 1e-6"] = partial(by_finufft)
    record("F, large, 55,769 reflections (ms)", 1e3, "us (large: ms)", programs)


if __name__ == "__main__":
    everything = rn.read_many(arguments.structures)[0]
    small(0.8, everything[: arguments.crystals])
    small(0.5, everything[: arguments.crystals // 2])
    large()
    print(table(rows))
    print(write("structure_factors", rows, versions("numpy", "gemmi")))
