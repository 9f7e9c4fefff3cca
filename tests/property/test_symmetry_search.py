"""What a symmetry search must give whatever the cell, the order of atoms and the number of threads."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import recipnet as rn
from recipnet.errors import ArgumentError, CrystalError, LimitError, SymmetryError

SAMPLES = ["caesium_chloride", "copper", "diamond", "fluorite", "graphite", "halite", "iron", "magnesium"]
SAMPLES += ["perovskite", "quartz", "rutile", "silicon", "sphalerite", "wurtzite"]


def mixed() -> rn.Crystal:
    """Rock salt whose cation site holds two kinds, one row of a site given before the other or after it."""
    halite = rn.sample("halite")
    numbers, frac, occupancies, site = [], [], [], []
    for place, (number, x) in enumerate(zip(halite.numbers.tolist(), halite.frac_coords, strict=True)):
        species = [(11, 0.75), (19, 0.25)] if number == 11 else [(17, 1.0)]
        for kind, occupancy in species[:: 1 if place % 2 else -1]:
            numbers.append(kind)
            frac.append(x)
            occupancies.append(occupancy)
            site.append(place)
    return rn.Crystal(halite.lattice, numbers, frac, occupancies=occupancies, site=site)


CRYSTALS = {name: rn.sample(name) for name in SAMPLES} | {
    "mixed halite": mixed(),
    "one atom": rn.Crystal([[3, 0, 0], [0.4, 3.3, 0], [0.5, 0.7, 4.1]], [6], [[0.3, 0.2, 0.1]]),
    "no symmetry": rn.Crystal(
        [[5, 0, 0], [1, 6, 0], [0.5, 0.7, 7]], [6, 7, 8], [[0.3, 0.2, 0.1], [0.1, 0.9, 0.4], [0.7, 0.6, 0.6]]
    ),
}


def moved(crystal: rn.Crystal, matrix: np.ndarray, rng: np.random.Generator, shift: np.ndarray) -> rn.Crystal:
    """Other axes (a b c) P, of any determinant: the rows of all cells inside, shuffled."""
    size = round(abs(np.linalg.det(matrix)))
    reach = range(-size - 3, size + 4)
    cells = np.array([(i, j, k) for i in reach for j in reach for k in reach])
    inverse = np.linalg.inv(matrix)
    inside = cells @ inverse.T
    cells = cells[((inside > -1e-9) & (inside < 1 - 1e-9)).all(axis=1)]
    assert len(cells) == size
    frac = (crystal.frac_coords[:, None] + cells + shift) @ inverse.T
    sites = np.arange(len(crystal) * size).reshape(len(crystal), size) % size + crystal.site[:, None] * size
    order = rng.permutation(len(crystal) * size)
    return rn.Crystal(
        matrix.T @ crystal.lattice,
        np.repeat(crystal.numbers, size)[order],
        frac.reshape(-1, 3)[order],
        occupancies=np.repeat(crystal.occupancies, size)[order],
        site=sites.reshape(-1)[order],
    )


def same_points(a: np.ndarray, b: np.ndarray, lattice: np.ndarray, tolerance: float) -> bool:
    """Each row of a has one of b within the tolerance, modulo the lattice."""
    step = a[:, None] - b
    distance = np.linalg.norm((step - np.rint(step)) @ lattice, axis=2)
    return bool(((distance < tolerance).sum(axis=1) == 1).all()) and len(a) == len(b)


@pytest.mark.parametrize("name", CRYSTALS)
def test_tabulated_operations_map_the_standard_atoms_onto_themselves(name):
    crystal = CRYSTALS[name]
    for setting in ("standard", "spglib"):
        result = rn.find_symmetry(crystal, setting=setting)
        assert result.hall_number == rn.SpaceGroup(result.number, setting=setting).hall_number
        for cell in (result.standard, result.primitive):
            operations = cell.symmetry.operations
            assert operations.is_group()
            assert cell.symmetry.number == result.number == rn.SpaceGroup.from_operations(operations).number
            metric = cell.lattice @ cell.lattice.T
            kinds = np.stack([cell.numbers, cell.occupancies], axis=1)
            for rotation, shift in zip(operations.rotations, operations.translations, strict=True):
                np.testing.assert_allclose(rotation.T @ metric @ rotation, metric, atol=1e-8 * metric.max())
                image = cell.frac_coords @ rotation.T + shift / operations.denominator
                for kind in np.unique(kinds, axis=0):
                    rows = (kinds == kind).all(axis=1)
                    assert same_points(image[rows], cell.frac_coords[rows], cell.lattice, 1e-6)
            assert ((cell.frac_coords >= 0) & (cell.frac_coords < 1)).all()
            assert np.linalg.det(cell.lattice) > 0


@pytest.mark.parametrize("name", CRYSTALS)
def test_operations_of_the_given_cell(name):
    crystal = CRYSTALS[name]
    operations = rn.find_symmetry(crystal).operations
    assert operations.denominator == 1
    assert operations.rotations.shape[1:] == (3, 3)
    assert len(operations) == len(operations.translations)
    for rotation, shift in zip(operations.rotations, operations.translations, strict=True):
        image = crystal.frac_coords @ rotation.T + shift
        for number in np.unique(crystal.numbers):
            rows = crystal.numbers == number
            assert same_points(image[rows], crystal.frac_coords[rows], crystal.lattice, 0.01)


@pytest.mark.parametrize("name", CRYSTALS)
def test_the_transformation_leads_to_the_standard_cell(name):
    """lattice' = P^T lattice up to a turn, x' = P^-1 (x - p) up to the tolerance; distances are kept."""
    crystal = CRYSTALS[name]
    result = rn.find_symmetry(crystal)
    for matrix, cell in (
        (result.transformation, result.standard),
        (result.primitive_transformation, result.primitive),
    ):
        lattice = matrix.T @ crystal.lattice
        np.testing.assert_allclose(lattice @ lattice.T, cell.lattice @ cell.lattice.T, atol=0.02)
        image = (crystal.frac_coords - result.origin_shift) @ np.linalg.inv(matrix).T
        step = image[:, None] - cell.frac_coords
        distance = np.linalg.norm((step - np.rint(step)) @ cell.lattice, axis=2)
        alike = (crystal.numbers[:, None] == cell.numbers) & (distance < 0.02)
        assert alike.any(axis=1).all()
        volume = cell.volume / crystal.volume
        assert len(cell) == pytest.approx(len(crystal) * volume)
        assert cell.density == pytest.approx(crystal.density, rel=1e-3)
    ours = rn.neighbors(crystal, 4.0).distance
    theirs = rn.neighbors(result.standard, 4.0).distance
    counts = [np.histogram(d, np.arange(0.55, 4.0, 0.1))[0] for d in (ours, theirs)]
    assert np.abs(counts[0] / len(crystal) - counts[1] / len(result.standard)).max() < 1e-9


@pytest.mark.parametrize("name", CRYSTALS)
def test_orbits(name):
    crystal = CRYSTALS[name]
    result = rn.find_symmetry(crystal)
    equivalent, multiplicity = result.equivalent_atoms, result.site_multiplicity
    assert (equivalent[equivalent] == equivalent).all()
    assert (equivalent <= np.arange(len(crystal))).all()
    assert (crystal.numbers[equivalent] == crystal.numbers).all()
    assert (crystal.occupancies[equivalent] == crystal.occupancies).all()
    assert len(result.wyckoffs) == len(result.site_symmetry) == len(crystal)
    for first in np.unique(equivalent):
        rows = equivalent == first
        assert len({result.wyckoffs[row] for row in np.flatnonzero(rows)}) == 1
        # The orbit fills its share of the cell.
        assert rows.sum() * abs(np.linalg.det(result.transformation)) == pytest.approx(multiplicity[first])
    assert multiplicity[np.unique(equivalent)].sum() == len(result.standard)
    order = len(result.standard.symmetry.operations)
    assert (order % multiplicity == 0).all()


MATRICES = {
    "sheared": [[1, 1, 0], [0, 1, -1], [0, 0, 1]],
    "left-handed": [[0, 1, 0], [1, 0, 0], [0, 0, 1]],
    "doubled": [[2, 0, 0], [0, 1, 0], [0, 0, 1]],
    "tripled askew": [[1, 1, 0], [-1, 2, 0], [0, 1, 1]],
}


@pytest.mark.parametrize("change", MATRICES)
def test_other_cells_of_one_crystal(change):
    rng = np.random.default_rng(5)
    matrix = np.array(MATRICES[change])
    for name, crystal in CRYSTALS.items():
        other = moved(crystal, matrix, rng, rng.random(3))
        a, b = rn.find_symmetry(crystal), rn.find_symmetry(other)
        assert (a.number, a.hall_number, a.pearson_symbol) == (b.number, b.hall_number, b.pearson_symbol), name
        assert a.standard.formula == b.standard.formula
        np.testing.assert_allclose(a.standard.lattice, b.standard.lattice, atol=1e-5)
        assert sorted(zip(a.site_multiplicity[np.unique(a.equivalent_atoms)].tolist(), strict=True)) == sorted(
            zip(b.site_multiplicity[np.unique(b.equivalent_atoms)].tolist(), strict=True)
        ), name
        assert np.sign(np.linalg.det(b.transformation)) == np.sign(np.linalg.det(other.lattice))


def test_a_batch_is_its_crystals_for_any_threads():
    crystals = [crystal for _ in range(3) for crystal in CRYSTALS.values()]
    single = [rn.find_symmetry(crystal) for crystal in crystals]
    for threads in (1, 2, 5, None):
        results = rn.find_symmetry(rn.CrystalBatch.from_crystals(crystals), threads=threads)
        for a, b in zip(single, results, strict=True):
            assert a.number == b.number
            assert a.wyckoffs == b.wyckoffs
            assert a.site_symmetry == b.site_symmetry
            assert a.standard == b.standard
            assert a.primitive == b.primitive
            np.testing.assert_array_equal(a.operations.translations, b.operations.translations)
            np.testing.assert_array_equal(a.equivalent_atoms, b.equivalent_atoms)
    assert rn.find_symmetry([]) == []
    assert isinstance(rn.find_symmetry(crystals[:1]), list)


def test_results_are_values():
    batch = rn.CrystalBatch.from_crystals([rn.sample("quartz"), rn.sample("rutile")])
    result = rn.find_symmetry(batch)[1]
    batch.numbers[:] = 1
    assert result.standard.formula == "O4 Ti2"
    again = pickle.loads(pickle.dumps(result))
    assert again.standard == result.standard
    assert (again.number, again.wyckoffs, repr(again)) == (result.number, result.wyckoffs, repr(result))
    with pytest.raises(AttributeError, match="frozen"):
        result.number = 1
    with pytest.raises(TypeError, match="find_symmetry"):
        rn.SymmetryResult()


def test_what_rows_carry_survives():
    silicon = rn.sample("silicon")
    n = len(silicon)
    crystal = rn.Crystal(
        silicon.lattice,
        silicon.numbers,
        silicon.frac_coords,
        labels=["Si1"] * n,
        isotopes=[28] * n,
        charges=[1.5] * n,
        u_iso=[0.01] * n,
        u_aniso=[[0.01, 0.01, 0.01, 0, 0, 0]] * n,
    )
    for cell in (rn.find_symmetry(crystal).standard, rn.find_symmetry(crystal).primitive, rn.niggli(crystal)):
        assert cell.labels == ("Si1",) * len(cell)
        assert (cell.isotopes == 28).all()
        assert (cell.charges == 1.5).all()
        # An isotropic tensor stays one: U_ij = U a*_i . a*_j / (|a*_i| |a*_j|) in any axes.
        inverse = np.linalg.inv(cell.lattice)
        length = np.linalg.norm(inverse, axis=0)
        full = 0.01 * (inverse.T @ inverse) / np.outer(length, length)
        expected = full[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        np.testing.assert_allclose(cell.u_aniso, np.tile(expected, (len(cell), 1)), rtol=1e-6, atol=1e-12)
    parts = rn.find_symmetry(mixed())
    assert parts.number == 225
    assert parts.primitive.formula == "Cl K0.25 Na0.75"
    assert len(parts.primitive) == 3
    assert len(set(parts.primitive.site.tolist())) == 2


def test_niggli():
    rng = np.random.default_rng(1)
    for name, crystal in CRYSTALS.items():
        for matrix in MATRICES.values():
            other = moved(crystal, np.array(matrix), rng, np.zeros(3))
            reduced, change = rn.niggli(other, return_transformation=True)
            np.testing.assert_allclose(change.T @ other.lattice, reduced.lattice, atol=1e-12)
            assert np.linalg.det(reduced.lattice) > 0
            g = reduced.lattice @ reduced.lattice.T
            assert g[0, 0] <= g[1, 1] + 1e-6
            assert g[1, 1] <= g[2, 2] + 1e-6
            assert 2 * abs(g[1, 2]) <= g[1, 1] + 1e-6
            assert 2 * max(abs(g[0, 1]), abs(g[0, 2])) <= g[0, 0] + 1e-6
            step = reduced.cart_coords - other.cart_coords
            whole = step @ np.linalg.inv(reduced.lattice)
            np.testing.assert_allclose(whole, np.rint(whole), atol=1e-9)
            again, identity = rn.niggli(reduced, return_transformation=True)
            np.testing.assert_allclose(np.abs(again.lattice @ again.lattice.T), np.abs(g), atol=1e-6)
            assert abs(round(np.linalg.det(identity))) == 1
            assert rn.find_symmetry(reduced).number == rn.find_symmetry(crystal).number, name
    silicon = rn.sample("silicon")
    skewed = rn.Crystal(
        np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]]) @ silicon.lattice,
        silicon.numbers,
        silicon.frac_coords @ np.linalg.inv([[1, 0, 0], [1, 1, 0], [0, 0, 1]]),
        symmetry=silicon.symmetry.operations.change_basis(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]])),
    )
    declared = rn.niggli(skewed).symmetry
    assert rn.SpaceGroup.from_operations(declared.operations).number == 227


def test_refused():
    cube = 4 * np.eye(3)
    one = rn.Crystal(cube, [14], [[0, 0, 0]])
    with pytest.raises(SymmetryError, match=r"^a crystal without atoms") as caught:
        rn.find_symmetry(rn.Crystal(cube, [], []))
    assert caught.value.crystal is None
    with pytest.raises(SymmetryError, match=r"^crystal 1: a crystal without atoms") as caught:
        rn.find_symmetry([one, rn.Crystal(cube, [], [])])
    assert caught.value.crystal == 1
    for bad in (0, -1, np.nan, np.inf, "a", None):
        with pytest.raises(ArgumentError, match="symprec"):
            rn.find_symmetry(one, bad)
    with pytest.raises(SymmetryError, match="too large for its cell"):
        rn.find_symmetry(one, 1.0)
    with pytest.raises(SymmetryError, match="too large for its cell"):
        rn.find_symmetry(rn.Crystal(np.diag([1000.0, 3.0, 1.0]), [14], [[0, 0, 0]]), 0.08)
    with pytest.raises(SymmetryError, match="rows 0 and 1, of one kind, lie 0"):
        rn.find_symmetry(rn.Crystal(cube, [14, 14], [[0, 0, 0], [0, 0, 1]]))
    with pytest.raises(CrystalError, match="share a site"):
        rn.find_symmetry(rn.Crystal(cube, [14, 15], [[0, 0, 0], [0, 0, 0.5]], site=[3, 3]))
    with pytest.raises(LimitError, match="max_sites"):
        rn.find_symmetry(rn.sample("silicon"), max_sites=7)
    with pytest.raises(ArgumentError, match="setting"):
        rn.find_symmetry(one, setting="x")
    with pytest.raises(ArgumentError, match="expected a Crystal"):
        rn.niggli("x")
    with pytest.raises(ArgumentError, match="expected"):
        rn.find_symmetry(5)
