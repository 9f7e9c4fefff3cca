"""What must not change: values under operations, pair products under settings and origins, features in other cells."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import recipnet as rn

HALL = st.integers(1, 530)


def cell_of(operations):
    """Some lattice that the rotations keep: the metric is the mean of W^T W."""
    rotations = operations.rotations.astype(float)
    return np.linalg.cholesky(np.einsum("gij,gik->jk", rotations, rotations) / len(rotations)) * 5.0


@given(hall=HALL, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_values_do_not_change_under_operations(hall, seed):
    operations = rn.SpaceGroup.from_hall_number(hall).operations
    basis = rn.fourier_basis(operations, radius=4)
    x = np.random.default_rng(seed).normal(size=3) * 2
    images = operations.rotations @ x + operations.translations / operations.denominator
    for kind in ("complex", "real"):
        values = basis.evaluate(images, kind)
        assert np.abs(values - basis.evaluate(x, kind)).max() < 1e-12
    # Gradients turn with the operation: grad f (x) = W^T grad f (W x + w).
    turned = np.einsum("gij,gki->gkj", operations.rotations, basis.gradient(images, "real"))
    assert np.abs(turned - basis.gradient(x, "real")).max() < 1e-9


@given(hall=HALL, picks=st.tuples(st.integers(0, 191), st.integers(0, 191)), h=st.tuples(*[st.integers(-9, 9)] * 3))
@settings(max_examples=100, deadline=None)
def test_indices_are_turned_from_the_right_and_phases_add_up(hall, picks, h):
    """h.(g1 g2) = (h.g1).g2 and theta(h, g1 g2) = theta(h, g1) + theta(h.g1, g2), with theta(h, (W|w)) = h w."""
    operations = rn.SpaceGroup.from_hall_number(hall).operations
    one, two = (operations[pick % len(operations)] for pick in picks)
    both = one.compose(two)
    row = np.array(h)

    def theta(index, operation):
        return int(index @ operation.translations[0].astype(int))

    middle = row @ one.rotations[0]
    np.testing.assert_array_equal(row @ both.rotations[0], middle @ two.rotations[0])
    assert (theta(row, both) - theta(row, one) - theta(middle, two)) % both.denominator == 0


shears = st.lists(st.tuples(st.permutations([0, 1, 2]), st.integers(-2, 2), st.booleans()), max_size=3)
origins = st.tuples(*[st.fractions(min_value=-1, max_value=1, max_denominator=24)] * 3)


@given(hall=HALL, shears=shears, origin=origins, seed=st.integers(0, 2**32 - 1))
@example(hall=1, shears=[([0, 1, 2], 1, False), ([1, 0, 2], 2, False)], origin=(Fraction(0),) * 3, seed=0)
@settings(max_examples=60, deadline=None)
def test_settings_and_origins_change_nothing_but_unit_phases(hall, shears, origin, seed):
    operations = rn.SpaceGroup.from_hall_number(hall).operations
    lattice = cell_of(operations)
    change = np.eye(3, dtype=int)
    for (i, j, _), factor, flip in shears:
        step = np.eye(3, dtype=int)
        step[i, j] = factor
        step[i, i] = -1 if flip else 1
        change = change @ step
    origin = [Fraction(round(24 * part), 24) for part in origin]
    there = operations.change_basis(change.tolist(), origin)
    d_min = 1.7
    here = rn.fourier_basis(operations, d_min=d_min, lattice=lattice)
    moved = rn.fourier_basis(there, d_min=d_min, lattice=change.T @ lattice)
    if here.shell_gap < 1e-6:
        return
    assert moved.counts == here.counts
    assert np.allclose(moved.norm, here.norm, atol=1e-9)
    x, y = np.random.default_rng(seed).random((2, 3))
    new = [np.linalg.inv(change) @ (point - np.array(origin, dtype=float)) for point in (x, y)]
    # Representatives are chosen anew, so functions are matched by the orbit that a representative maps to.
    places = {tuple(h): k for k in range(len(moved)) for h in
              moved.hkl[moved.column[moved.row_offsets[k] : moved.row_offsets[k + 1]]].tolist()}  # fmt: skip
    match = [places[tuple((h @ change).tolist())] for h in here.representative]
    assert sorted(match) == list(range(len(here)))
    values, others = here.evaluate(x), moved.evaluate(new[0])[match]
    assert np.abs(np.abs(values) - np.abs(others)).max() < 1e-11
    products, other = here.pair_products(x, y), moved.pair_products(*new)[match]
    assert np.abs(products - other).max() < 1e-11


@pytest.mark.parametrize("name", ["silicon", "quartz", "salt"])
def test_features_of_a_sample_do_not_depend_on_the_cell(name):
    if name == "salt":
        faces = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
        places = np.concatenate([faces, faces + np.array([0.5, 0, 0])])
        crystal = rn.Crystal(np.eye(3) * 5.64, [11] * 4 + [17] * 4, places)
    else:
        crystal = rn.sample(name)
    d_min = 1.03
    whole = rn.fourier_features(crystal, d_min, kind="complex", symprec=0.01)
    primitive = rn.find_symmetry(crystal, 0.01).primitive
    small = rn.fourier_features(primitive, d_min, kind="complex", symprec=0.01)
    # One value per element and function: the same moduli, atom orbit by atom orbit, in whatever cell.
    np.testing.assert_allclose(np.sort(whole.norm), np.sort(small.norm), rtol=1e-6)
    for z in np.unique(crystal.numbers):
        a = np.abs(whole[0][crystal.numbers == z])
        b = np.abs(small[0][primitive.numbers == z])
        # Functions with one norm may stand in another order.
        key = lambda rows: np.sort(np.round(np.concatenate([np.tile(whole.norm, (len(rows), 1)), rows], axis=0), 6))  # noqa: E731
        assert key(np.unique(np.round(a, 5), axis=0)).shape[1] == key(np.unique(np.round(b, 5), axis=0)).shape[1]
        np.testing.assert_allclose((a**2).mean(axis=0).sum(), (b**2).mean(axis=0).sum(), rtol=1e-6)
    ratio = len(crystal) / len(primitive)
    assert whole.site_multiplicity.sum() == len(crystal)
    np.testing.assert_array_equal(np.sort(whole.site_multiplicity), np.sort(small.site_multiplicity) * ratio)


def test_equivalent_atoms_have_equal_values_and_batches_are_their_crystals():
    crystals = [rn.sample(name) for name in ("silicon", "quartz")] + [rn.Crystal(np.eye(3) * 4, [], np.zeros((0, 3)))]
    for symprec, names in ((0.01, crystals[:2]), (None, crystals)):
        together = rn.fourier_features(names, 1.2, symprec=symprec)
        for b, crystal in enumerate(names):
            alone = rn.fourier_features(crystal, 1.2, symprec=symprec)
            np.testing.assert_array_equal(together[b], alone[0])
            first = alone.equivalent_atoms
            np.testing.assert_allclose(alone[0], alone[0][first], atol=2e-2 if symprec else 1e-9)
        one = rn.fourier_features(names, 1.2, symprec=symprec, threads=1)
        two = rn.fourier_features(names, 1.2, symprec=symprec, threads=2)
        assert one == two == together


def test_float32_and_complex_features():
    crystal = rn.sample("quartz")
    double = rn.fourier_features(crystal, 1.2, kind="complex", symprec=0.01)
    single = rn.fourier_features(crystal, 1.2, kind="complex", symprec=0.01, dtype=np.float32)
    assert double.values.dtype == np.complex128
    assert single.values.dtype == np.complex64
    assert np.abs(double.values - single.values).max() < 2e-5
    real = rn.fourier_features(crystal, 1.2, symprec=0.01, dtype=np.float32)
    assert real.values.dtype == np.float32
    assert real.norm.dtype == np.float32
    assert real.values.flags.writeable
    assert real.values.flags.c_contiguous
    torch = pytest.importorskip("torch")
    assert torch.from_numpy(real.values).data_ptr() == real.values.ctypes.data


def test_a_crystal_brings_its_declared_group():
    quartz = rn.sample("quartz")
    declared = rn.fourier_basis(quartz, d_min=1.5)
    assert len(declared.operations) == 6
    found = rn.fourier_basis(quartz, d_min=1.5, symprec=0.05)
    assert found.counts == declared.counts
    x = np.random.default_rng(0).random((5, 3))
    np.testing.assert_allclose(
        np.sort(np.abs(found.evaluate(x)).round(4)), np.sort(np.abs(declared.evaluate(x)).round(4)), atol=2e-2
    )
    plain = rn.Crystal(quartz.lattice, quartz.numbers, quartz.frac_coords)
    assert len(rn.fourier_basis(plain, d_min=1.5).operations) == 1
    wrong = rn.Crystal(quartz.lattice, quartz.numbers, quartz.frac_coords, symmetry="P 6/m m m")
    with pytest.raises(rn.errors.SymmetryError, match="no atom of its kind"):
        rn.fourier_basis(wrong, d_min=1.5)
    with pytest.raises(rn.errors.SymmetryError, match="crystal 1"):
        rn.fourier_features([quartz, wrong], 1.5)


@given(st.integers(1, 530), st.tuples(*[st.integers(1, 2)] * 3), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_a_searched_group_is_exact_in_any_cell(hall, repeats, seed):
    """Atoms on general positions, moved by any origin, in supercells: values at equivalent atoms agree."""
    operations = rn.SpaceGroup.from_hall_number(hall).operations
    rng = np.random.default_rng(seed)
    lattice = cell_of(operations) * 2
    shift = rng.random(3)
    frac = []
    numbers = []
    for number, x in ((6, rng.random(3)), (8, rng.random(3))):
        images = (operations.rotations @ x + operations.translations / 24 + shift) % 1.0
        frac.extend(images)
        numbers.extend([number] * len(images))
    crystal = rn.Crystal(lattice, numbers, frac)
    big = [
        (crystal.frac_coords + np.array([i, j, k])) / repeats
        for i in range(repeats[0]) for j in range(repeats[1]) for k in range(repeats[2])
    ]  # fmt: skip
    super_crystal = rn.Crystal(lattice * np.array(repeats)[:, None], numbers * len(big), np.concatenate(big))
    try:
        basis = rn.fourier_basis(super_crystal, d_min=2.5, symprec=1e-4)
    except rn.errors.SymmetryError as error:
        if "384" not in str(error):
            raise
        return
    values = np.abs(basis.evaluate(super_crystal.frac_coords))
    single = rn.fourier_basis(crystal, d_min=2.5, symprec=1e-4)
    expected = np.abs(single.evaluate(crystal.frac_coords))
    assert basis.evaluate(super_crystal.frac_coords)[: len(numbers)].shape == (len(numbers), len(basis))
    if repeats == (1, 1, 1):
        assert basis.counts == single.counts
    whole = len(basis.operations) == len(single.operations) * len(big)
    if whole and single.shell_gap > 1e-6:
        # The supercell kept the whole group: no function is new.
        assert len(basis) == len(single)
        np.testing.assert_allclose((values**2).sum(), (expected**2).sum() * len(big), rtol=1e-6)
    # The operations do what they say.
    turned = basis.operations.rotations @ super_crystal.frac_coords[0]
    origin = basis.origin
    images = basis.operations.rotations @ (super_crystal.frac_coords[0] - origin)
    images = images + basis.operations.translations / basis.denominator + origin
    assert turned.shape == images.shape
    complex_values = basis.evaluate(images)
    assert np.abs(complex_values - complex_values[0]).max() < 1e-10
