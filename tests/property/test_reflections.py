"""Reflections: the exact ball, orbits, absences, order, and what is refused."""

from __future__ import annotations

import pickle
from itertools import product

import numpy as np
import pytest

import recipnet as rn
from hard_cells import crystal, from_parameters, hard_crystals
from recipnet.errors import ArgumentError, LimitError, SymmetryError

HARD = {name: c for name, (c, _) in hard_crystals().items()}
CELLS = {
    "cubic": from_parameters(4.2, 4.2, 4.2, 90, 90, 90),
    "hexagonal": from_parameters(3.1, 3.1, 5.2, 90, 90, 120),
    "triclinic": from_parameters(3.0, 4.0, 5.0, 75, 85, 110),
    "rhombohedral, 10 degrees": from_parameters(7, 7, 7, 10, 10, 10),
    "monoclinic, 150 degrees": from_parameters(4, 5, 9, 90, 150, 90),
    "left-handed": from_parameters(3.0, 4.0, 5.0, 75, 85, 110)[[1, 0, 2]],
    "flat": np.diag([40.0, 0.5, 3.0]),
}


def box(lattice: np.ndarray, d_min: float) -> np.ndarray:
    bound = np.floor(np.linalg.norm(lattice, axis=1) / d_min * (1 + 1e-6)).astype(int) + 1
    hkl = np.array(list(product(*(range(-m, m + 1) for m in bound))), dtype=np.int32)
    inside = np.linalg.norm(hkl @ np.linalg.inv(lattice).T, axis=1) <= (1 + 1e-9) / d_min
    return hkl[inside & hkl.any(axis=1)]


def first_positive(hkl: np.ndarray) -> np.ndarray:
    return np.array([tuple(h) > (0, 0, 0) for h in hkl.tolist()], dtype=bool)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("d_min", [1.2, 2.1])
def test_the_ball_equals_a_box_that_is_tested(name: str, d_min: float) -> None:
    lattice = CELLS[name]
    expected = box(lattice, d_min)
    c = crystal(lattice, [[0, 0, 0]])
    full = rn.reflections(c, d_min, unique="none", order="scan")
    assert (full.hkl == expected).all()
    assert (full.multiplicity == 1).all()
    half = rn.reflections(c, d_min, order="scan")
    assert (half.hkl == expected[first_positive(expected)]).all()
    assert (half.multiplicity == 2).all()
    assert not half.absent.any()
    spacing = 1 / np.linalg.norm(full.hkl @ np.linalg.inv(lattice).T, axis=1)
    np.testing.assert_allclose(full.d_spacing, spacing, rtol=1e-12)


@pytest.mark.parametrize("unique", ["none", "friedel"])
@pytest.mark.parametrize("name", CELLS)
def test_order_by_d_is_the_scan_sorted(name: str, unique: str) -> None:
    c = crystal(CELLS[name], [[0, 0, 0]])
    scan, by_d = (rn.reflections(c, 1.0, unique=unique, order=order) for order in ("scan", "d"))
    assert sorted(map(tuple, scan.hkl.tolist())) == sorted(map(tuple, by_d.hkl.tolist()))
    rows = sorted(zip(by_d.d_spacing.tolist(), map(tuple, by_d.hkl.tolist()), strict=True), reverse=True)
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or rows[end - 1][0] - rows[end][0] > 1e-9:
            rows[start:end] = sorted(rows[start:end], key=lambda row: row[1], reverse=True)
            start = end
    assert [row[1] for row in rows] == list(map(tuple, by_d.hkl.tolist()))


def test_whole_shells_at_the_boundary() -> None:
    c = crystal(4.2 * np.eye(3), [[0, 0, 0]])
    assert len(rn.reflections(c, 4.2, unique="none")) == 6
    assert len(rn.reflections(c, 1.4, unique="none")) == 122
    assert len(rn.reflections(c, 1.4 * (1 + 1e-6), unique="none")) == 92
    for name in CELLS:
        c = crystal(CELLS[name], [[0, 0, 0]])
        refl = rn.reflections(c, 1.0, unique="none")
        for d in np.unique(refl.d_spacing)[::7]:
            whole = (refl.d_spacing >= d * (1 - 1e-9)).sum()
            assert len(rn.reflections(c, float(d), unique="none")) == whole


def operations(*texts: str) -> rn.Operations:
    return rn.Operations.from_xyz(list(texts))


GROUPS = {
    "P 21/c": ("x,y,z", "-x,y+1/2,-z+1/2", "-x,-y,-z", "x,-y+1/2,z+1/2"),
    "P 41": ("x,y,z", "-y,x,z+1/4", "-x,-y,z+1/2", "y,-x,z+3/4"),
    "I 1": ("x,y,z", "x+1/2,y+1/2,z+1/2"),
    "P 3 2 1": ("x,y,z", "-y,x-y,z", "-x+y,-x,z", "y,x,-z", "x-y,-y,-z", "-x,-x+y,-z"),
}
CELL_OF = {
    "P 21/c": from_parameters(5, 6, 7, 90, 105, 90),
    "P 41": from_parameters(5, 5, 7, 90, 90, 90),
    "I 1": CELLS["triclinic"],
    "P 3 2 1": CELLS["hexagonal"],
}


def laue_rotations(group: rn.Operations) -> list[np.ndarray]:
    return [sign * w.astype(int) for w in group.rotations for sign in (1, -1)]


@pytest.mark.parametrize("name", GROUPS)
def test_orbits_partition_the_sphere(name: str) -> None:
    group = operations(*GROUPS[name])
    c = crystal(CELL_OF[name], [[0, 0, 0]])
    full = rn.reflections(c, 1.1, unique="none", operations=group)
    unique = rn.reflections(c, 1.1, unique="laue", operations=group)
    seen: set[tuple[int, ...]] = set()
    for h, multiplicity in zip(unique.hkl.astype(int), unique.multiplicity.tolist(), strict=True):
        orbit = {tuple((h @ w).tolist()) for w in laue_rotations(group)}
        assert max(orbit) == tuple(h.tolist())
        assert len(orbit) == multiplicity
        assert not orbit & seen
        seen |= orbit
    assert seen == set(map(tuple, full.hkl.tolist()))
    friedel = rn.reflections(c, 1.1, operations=group)
    assert unique.multiplicity.sum() == friedel.multiplicity.sum() == len(full)
    scan = rn.reflections(c, 1.1, unique="laue", operations=group, order="scan")
    assert (np.sort(scan.multiplicity) == np.sort(unique.multiplicity)).all()


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("unique", ["none", "friedel", "laue"])
def test_absent_means_that_any_content_cancels(name: str, unique: str) -> None:
    group = operations(*GROUPS[name])
    rng = np.random.default_rng(0)
    points = rng.random((3, 3))
    moved = points @ np.swapaxes(group.rotations.astype(float), 1, 2) + group.translations[:, None] / group.denominator
    refl = rn.reflections(crystal(CELL_OF[name], [[0, 0, 0]]), 1.1, unique=unique, operations=group)
    amplitude = np.abs(np.exp(2j * np.pi * moved.reshape(-1, 3) @ refl.hkl.T).sum(axis=0))
    assert (amplitude[refl.absent] < 1e-9).all()
    assert (amplitude[~refl.absent] > 1e-9).all()
    kept = rn.reflections(crystal(CELL_OF[name], [[0, 0, 0]]), 1.1, unique=unique, operations=group, absences="drop")
    assert (kept.hkl == refl.hkl[~refl.absent]).all()
    assert not kept.absent.any()


def test_declared_operations_are_used() -> None:
    quartz = rn.sample("quartz")
    declared = rn.reflections(quartz, 1.0, unique="laue")
    given = rn.reflections(quartz, 1.0, unique="laue", operations=quartz.symmetry.operations)
    assert (declared.hkl == given.hkl).all()
    assert declared.absent.tolist() == given.absent.tolist()
    assert declared.absent.any()


def test_symmetry_that_does_not_fit_is_refused() -> None:
    triclinic = crystal(CELLS["triclinic"], [[0, 0, 0]])
    with pytest.raises(SymmetryError, match="crystal 1: no symmetry is declared"):
        rn.reflections([rn.sample("quartz"), triclinic], 1.0, unique="laue")
    with pytest.raises(SymmetryError, match="another cell"):
        rn.reflections(triclinic, 1.0, unique="laue", operations=operations(*GROUPS["P 41"]))
    with pytest.raises(SymmetryError, match="not among them"):
        rn.reflections(triclinic, 1.0, unique="laue", operations=operations("x,y,z", "-y,x,z"))


def test_lazy_parts_equal_the_eager_ones_and_survive_pickling() -> None:
    batch = rn.CrystalBatch.from_crystals([rn.sample("quartz"), *HARD.values()])
    lazy = rn.reflections(batch, 1.5, order="scan")
    copy = pickle.loads(pickle.dumps(lazy))
    assert copy == lazy
    for name in ("d_spacing", "multiplicity", "absent"):
        value = getattr(lazy, name)
        assert value is getattr(lazy, name)
        assert len(value) == len(lazy)
        assert (value == getattr(copy, name)).all()
    single = rn.reflections(batch, 1.5, order="scan", dtype=np.float32)
    assert single.d_spacing.dtype == single.stol.dtype == single.two_theta(1.5).dtype == np.float32
    assert (single.d_spacing == lazy.d_spacing.astype(np.float32)).all()


def test_angles() -> None:
    refl = rn.reflections(crystal(4.0 * np.eye(3), [[0, 0, 0]]), 0.7)
    np.testing.assert_allclose(refl.stol, 1 / (2 * refl.d_spacing))
    angle = refl.two_theta(1.54184)
    seen = refl.d_spacing >= 1.54184 / 2
    np.testing.assert_allclose(2 * refl.d_spacing[seen] * np.sin(np.deg2rad(angle[seen] / 2)), 1.54184)
    assert np.isnan(angle[~seen]).all()
    assert (~seen).any()
    for wavelength in (0.0, -1.0, float("nan"), "CuKa"):
        with pytest.raises(ArgumentError, match="wavelength"):
            refl.two_theta(wavelength)  # type: ignore[arg-type]


@pytest.mark.parametrize("order", ["d", "scan"])
@pytest.mark.parametrize("unique", ["none", "friedel"])
def test_bytes_depend_neither_on_threads_nor_on_the_batch(order: str, unique: str) -> None:
    crystals = [rn.sample("quartz")] * 40 + [crystal(lattice, [[0, 0, 0]]) for lattice in CELLS.values()]
    batch = rn.CrystalBatch.from_crystals(crystals)
    whole = rn.reflections(batch, 0.7, order=order, unique=unique, threads=1)
    for threads in (2, 7, None):
        other = rn.reflections(batch, 0.7, order=order, unique=unique, threads=threads)
        for name in ("hkl", "offsets", "d_spacing", "multiplicity", "absent"):
            assert getattr(whole, name).tobytes() == getattr(other, name).tobytes()
    for b in (3, 40, len(crystals) - 1):
        part = slice(whole.offsets[b], whole.offsets[b + 1])
        alone = rn.reflections(crystals[b], 0.7, order=order, unique=unique)
        assert alone.hkl.tobytes() == whole.hkl[part].tobytes()
        assert alone.d_spacing.tobytes() == whole.d_spacing[part].tobytes()


def test_arrays_are_owned_and_typed() -> None:
    refl = rn.reflections(rn.sample("quartz"), 1.0)
    dtypes = {"hkl": np.int32, "d_spacing": np.float64, "multiplicity": np.int32, "absent": bool, "offsets": np.int64}
    for name, dtype in dtypes.items():
        array = getattr(refl, name)
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        assert array.flags.writeable
    with pytest.raises(AttributeError):
        refl.hkl = refl.hkl


def test_bad_arguments_are_refused() -> None:
    c = rn.sample("quartz")
    for d_min in (0, -1.0, float("nan"), float("inf"), "1", None):
        with pytest.raises(ArgumentError, match="d_min"):
            rn.reflections(c, d_min)  # type: ignore[arg-type]
    for name, value in {"unique": "all", "order": "hkl", "absences": "keep", "operations": "x,y,z"}.items():
        with pytest.raises(ArgumentError, match=name):
            rn.reflections(c, 1.0, **{name: value})  # type: ignore[arg-type]


def test_too_many_reflections_are_refused_before_memory_is_taken() -> None:
    c = rn.sample("quartz")
    with pytest.raises(LimitError, match="max_reflections") as caught:
        rn.reflections(c, 1e-4)
    assert caught.value.needed > 1e13
    count = len(rn.reflections(c, 0.8))
    # The estimate is the ball's volume, the count what lies in it.
    with pytest.raises(LimitError):
        rn.reflections(c, 0.8, max_reflections=count - count // 10)
    flat = crystal(np.diag([900.0, 900.0, 1.0]), [[0, 0, 0]])
    inside = len(rn.reflections(flat, 8.0))
    with pytest.raises(LimitError):
        rn.reflections(flat, 8.0, max_reflections=inside - 1)
    assert len(rn.reflections(flat, 8.0, max_reflections=inside)) == inside


def test_empty_batches() -> None:
    for order in ("d", "scan"):
        refl = rn.reflections([], 1.0, order=order)
        assert refl.hkl.shape == (0, 3)
        assert refl.offsets.tolist() == [0]
        assert len(refl.d_spacing) == 0
    assert len(rn.reflections(crystal(np.eye(3), [[0, 0, 0]]), 1.5)) == 0


def test_the_primitive_lattice_does_not_see_the_cell() -> None:
    batch = [rn.sample("silicon"), rn.sample("quartz"), rn.sample("rutile")]
    for c in batch:
        small = rn.reflections(c, 0.9, lattice="primitive", unique="none")
        scale = np.array([[2, 1, 0], [0, 1, 0], [0, 0, 3]])
        copies = np.array([[x, 0, z] for x in range(2) for z in range(3)])
        frac = (c.frac_coords[:, None] + copies).reshape(-1, 3) @ np.linalg.inv(scale)
        big = rn.Crystal(scale @ c.lattice, np.repeat(c.numbers, 6), frac)
        large = rn.reflections(big, 0.9, lattice="primitive", unique="none")
        np.testing.assert_allclose(small.d_spacing, large.d_spacing, atol=1e-9)
        # h' = h M^T names the same reflection in the larger cell.
        expected = {tuple(h) for h in (small.hkl @ scale.T).tolist()}
        assert {tuple(h) for h in large.hkl.tolist()} == expected


def test_the_primitive_lattice_drops_zeros_only() -> None:
    silicon = rn.sample("silicon")
    batch = rn.CrystalBatch.from_crystals([silicon, rn.sample("quartz"), silicon])
    given, primitive = (rn.reflections(batch, 1.0, lattice=x, order="scan") for x in ("given", "primitive"))
    assert (np.diff(primitive.offsets) < np.diff(given.offsets)).tolist() == [True, False, True]
    h = given.hkl[: given.offsets[1]]
    even = (np.diff(h % 2, axis=1) == 0).all(axis=1)
    assert (primitive.hkl[: primitive.offsets[1]] == h[even]).all()
    phases = np.exp(2j * np.pi * (h[~even] @ silicon.frac_coords.T)).sum(axis=1)
    assert abs(phases).max() < 1e-9
    assert len(primitive.d_spacing) == len(primitive)
    with pytest.raises(ArgumentError, match="lattice"):
        rn.reflections(silicon, 1.0, lattice="reduced")


@pytest.mark.parametrize("unique", ["none", "friedel"])
def test_long_lines_in_scan_order_hold_what_the_order_by_d_holds(unique: str) -> None:
    c = crystal(from_parameters(4.0, 5.0, 61.0, 80.0, 95.0, 100.0), [[0, 0, 0]])
    scan = rn.reflections(c, 0.8, unique=unique, order="scan").hkl.tolist()
    assert max(row[2] for row in scan) > 64  # lines of several vectors
    assert scan == sorted(rn.reflections(c, 0.8, unique=unique).hkl.tolist())
