"""Structure factors against the sum term by term: every space group, hard cells, displacements, any list."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recipnet as rn
from scattering_twin import general_crystal
from scattering_twin import structure_factors as twin


def error(crystal, found, expected, hkl):
    """The error that the specification defines: against the sum of the sizes of all terms."""
    reciprocal = np.linalg.inv(crystal.lattice).T
    stol = 0.5 * np.linalg.norm(hkl @ reciprocal, axis=1)
    sizes = crystal.occupancies @ np.abs(rn.form_factors(crystal.numbers, stol))
    return (np.abs(found - expected) / sizes).max()


@pytest.mark.parametrize("numbers", [range(1, 75), range(75, 143), range(143, 195), range(195, 231)])
def test_every_space_group(numbers):
    for number in numbers:
        operations = rn.SpaceGroup(number).operations
        crystal = general_crystal(operations, seed=number, size=3.0 * len(operations) ** 0.25)
        full = rn.reflections(crystal, d_min=1.1, unique="none")
        f = rn.structure_factors(crystal, full)
        assert error(crystal, f, twin(crystal, full.hkl), full.hkl) < 1e-13

        # Friedel's half holds the same numbers.
        place = {tuple(h): i for i, h in enumerate(full.hkl.tolist())}
        half = rn.reflections(crystal, d_min=1.1)
        assert 2 * len(half) == len(full)
        f_half = rn.structure_factors(crystal, half)
        scale = np.abs(f).max()
        assert np.abs(f_half - f[[place[tuple(h)] for h in half.hkl.tolist()]]).max() < 1e-12 * scale
        assert np.abs(f_half.conj() - f[[place[tuple(-h)] for h in half.hkl]]).max() < 1e-12 * scale

        # F(hW) = F(h) exp(-2 pi i h.w); absences vanish.
        step = max(1, len(operations) // 12)
        for rotation, shift in zip(operations.rotations[::step], operations.translations[::step], strict=True):
            images = [place[tuple(h)] for h in (full.hkl @ rotation).tolist()]
            phase = np.exp(-2j * np.pi * (full.hkl @ shift) / operations.denominator)
            assert np.abs(f[images] - f * phase).max() < 1e-12 * scale
        assert np.abs(f[full.absent]).max(initial=0.0) < 1e-12 * scale

        # One of each orbit with its multiplicity stands for the sphere.
        unique = rn.reflections(crystal, d_min=1.1, unique="laue")
        f_unique = rn.structure_factors(crystal, unique)
        assert unique.multiplicity.sum() == len(full)
        np.testing.assert_allclose(
            (unique.multiplicity * np.abs(f_unique) ** 2).sum(), (np.abs(f) ** 2).sum(), rtol=1e-11
        )
        present = rn.reflections(crystal, d_min=1.1, absences="drop")
        assert (
            np.abs(rn.structure_factors(crystal, present) - f[[place[tuple(h)] for h in present.hkl.tolist()]]).max(
                initial=0.0
            )
            < 1e-12 * scale
        )


@st.composite
def crystals(draw):
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    atoms = draw(st.integers(0, 70))
    lattice = np.diag(generator.uniform(1.5, 9.0, 3)) + np.tril(generator.uniform(-4.0, 4.0, (3, 3)), -1)
    fields = {"occupancies": generator.uniform(0.1, 1.0, atoms)}
    if draw(st.booleans()):
        fields["u_iso"] = np.where(generator.random(atoms) < 0.3, np.nan, generator.uniform(0.0, 0.05, atoms))
    if draw(st.booleans()):
        u = np.concatenate([generator.uniform(0.01, 0.05, (atoms, 3)), generator.uniform(-0.005, 0.005, (atoms, 3))], 1)
        u[generator.random(atoms) < 0.5] = np.nan
        fields["u_aniso"] = u
    numbers = generator.choice([1, 6, 8, 14, 26, 57, 92], atoms)
    return rn.Crystal(lattice, numbers, generator.uniform(-2.0, 2.0, (atoms, 3)), **fields)


@given(batch=st.lists(crystals(), max_size=3), data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_batch(batch, data):
    unique = data.draw(st.sampled_from(["none", "friedel"]))
    order = data.draw(st.sampled_from(["d", "scan"]))
    refl = rn.reflections(batch, data.draw(st.floats(0.7, 4.0)), unique=unique, order=order)
    radiation = data.draw(st.sampled_from(["xray", "electron", "neutron"]))
    displacement = data.draw(st.booleans())
    anomalous = {"Fe": (-1.1, 3.2), 8: (0.05, 0.03)} if unique == "none" and radiation == "xray" else None
    options = {"radiation": radiation, "displacement": displacement}
    found = rn.structure_factors(batch, refl, anomalous=anomalous, **options)
    single = rn.structure_factors(batch, refl, anomalous=anomalous, dtype=np.float32, threads=1, **options)
    assert (found.dtype, single.dtype) == (np.complex128, np.complex64)
    np.testing.assert_array_equal(found.astype(np.complex64), single)
    for b, crystal in enumerate(batch):
        rows = slice(refl.offsets[b], refl.offsets[b + 1])
        table = {26: (-1.1, 3.2), 8: (0.05, 0.03)} if anomalous else None
        expected = twin(crystal, refl.hkl[rows], anomalous=table, **options)
        size = 60.0 * len(crystal) + 1.0
        assert np.abs(found[rows] - expected).max(initial=0.0) < 1e-13 * size


def test_bytes_do_not_depend_on_threads_or_batch():
    batch = [general_crystal(rn.SpaceGroup(n).operations, seed=n) for n in (1, 62, 225)]
    refl = rn.reflections(batch, 0.9)
    all_threads = rn.structure_factors(batch, refl)
    assert all_threads.tobytes() == rn.structure_factors(batch, refl, threads=1).tobytes()
    for b, crystal in enumerate(batch):
        own = rn.structure_factors(crystal, rn.reflections(crystal, 0.9))
        assert own.tobytes() == all_threads[refl.offsets[b] : refl.offsets[b + 1]].tobytes()


def test_many_atoms_and_many_reflections():
    """Enough of both that lines are shared by threads and atoms fill several blocks."""
    generator = np.random.default_rng(5)
    crystal = rn.Crystal(
        np.diag([31.0, 11.0, 13.0]), generator.choice([8, 14], 700), generator.random((700, 3)),
        u_iso=generator.choice([0.0, 0.01, 0.02], 700),
    )  # fmt: skip
    refl = rn.reflections(crystal, 0.8)
    found = rn.structure_factors(crystal, refl)
    assert found.tobytes() == rn.structure_factors(crystal, refl, threads=1).tobytes()
    picks = generator.choice(len(refl), 400, replace=False)
    assert error(crystal, found[picks], twin(crystal, refl.hkl[picks]), refl.hkl[picks]) < 1e-13


def test_indices_up_to_64_keep_twelve_digits():
    generator = np.random.default_rng(6)
    crystal = rn.Crystal(np.eye(3) * 12.8, [14] * 40, generator.random((40, 3)))
    refl = rn.reflections(crystal, 0.2)
    assert np.abs(refl.hkl).max() == 64
    found = rn.structure_factors(crystal, refl)
    picks = np.r_[np.flatnonzero(np.abs(refl.hkl).max(1) == 64), generator.choice(len(refl), 2000)]
    assert error(crystal, found[picks], twin(crystal, refl.hkl[picks]), refl.hkl[picks]) < 1e-12


def test_own_weights_take_the_place_of_form_factors():
    crystal = general_crystal(rn.SpaceGroup(14).operations, seed=3, u_iso=np.full(8, 0.01))
    refl = rn.reflections(crystal, 1.0)
    weights = np.linspace(-1.0, 2.0, len(crystal))
    found = rn.structure_factors(crystal, refl, weights=weights)
    np.testing.assert_allclose(found, twin(crystal, refl.hkl, weights=weights), atol=1e-13)


def test_origin_and_cell_change_phases_only():
    operations = rn.SpaceGroup(194).operations
    crystal = general_crystal(operations, seed=11)
    refl = rn.reflections(crystal, 1.2)
    f = rn.structure_factors(crystal, refl)
    shift = np.array([0.11, -0.37, 0.71])
    moved = rn.Crystal(crystal.lattice, crystal.numbers, crystal.frac_coords + shift)
    np.testing.assert_allclose(
        rn.structure_factors(moved, refl), f * np.exp(2j * np.pi * (refl.hkl @ shift)), atol=1e-11 * np.abs(f).max()
    )
    change = np.array([[1, 1, 0], [0, 1, -2], [0, 0, 1]])
    other = rn.Crystal(change @ crystal.lattice, crystal.numbers, crystal.frac_coords @ np.linalg.inv(change))
    again = rn.reflections(other, 1.2)
    np.testing.assert_allclose(
        np.sort(np.abs(rn.structure_factors(other, again))), np.sort(np.abs(f)), atol=1e-11 * np.abs(f).max()
    )


def test_a_large_cell_by_a_grid_keeps_the_error():
    """Enough terms of one kind that atoms are spread over a grid, in a cell that is not orthogonal."""
    generator = np.random.default_rng(7)
    atoms = 8000
    crystal = rn.Crystal(
        [[40.0, 0.0, 0.0], [9.0, 38.0, 0.0], [-7.0, 5.0, 30.0]],
        [22] * atoms,
        generator.uniform(-1.0, 2.0, (atoms, 3)),
        occupancies=generator.uniform(0.2, 1.0, atoms),
        u_iso=[0.01] * atoms,
    )
    for unique in ("friedel", "none"):
        refl = rn.reflections(crystal, 1.2, unique=unique)
        found = rn.structure_factors(crystal, refl)
        assert found.tobytes() == rn.structure_factors(crystal, refl, threads=1).tobytes()
        picks = generator.choice(len(refl), 300, replace=False)
        expected = twin(crystal, refl.hkl[picks])
        assert error(crystal, found[picks], expected, refl.hkl[picks]) < 1e-12
        single = rn.structure_factors(crystal, refl, dtype=np.float32)
        assert error(crystal, single[picks], expected, refl.hkl[picks]) < 1e-6
