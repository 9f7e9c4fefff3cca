"""What form factors and structure factors accept, refuse and warn about."""

from __future__ import annotations

import numpy as np
import pytest

import recipnet as rn
from recipnet.errors import ArgumentError, ScatteringWarning


def test_form_factors_by_hand():
    # Silicon, Waasmaier and Kirfel (1995), table 1.
    a = [5.275329, 3.191038, 1.511514, 1.356849, 2.519114]
    b = [2.631338, 33.730728, 0.081119, 86.288643, 1.170087]
    s = np.array([0.0, 0.3, 1.7, 6.0])
    expected = sum(x * np.exp(-y * s * s) for x, y in zip(a, b, strict=True)) + 0.145073
    np.testing.assert_allclose(rn.form_factors([14], s)[0], expected, rtol=1e-14)
    assert rn.form_factors([1, 1], [3.0, 9.0], radiation="neutron", isotopes=[0, 2]).tolist() == [
        [-3.739, -3.739],
        [6.671, 6.671],
    ]
    assert rn.form_factors([], s).shape == (0, 4)
    assert rn.form_factors([14], []).shape == (1, 0)
    assert rn.form_factors(14, 0.5).shape == (1, 1)


def test_ions_hold_their_electrons():
    numbers, charges = [8, 26, 26, 92, 17], [-2, 2, 3, 4, -1]
    found = rn.form_factors(numbers, [0.0], charges=charges)[:, 0]
    np.testing.assert_allclose(found, np.subtract(numbers, charges), atol=0.05)


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        (([14], [6.1]), {}, "0 to 6 per angstrom"),
        (([14], [2.1]), {"radiation": "electron"}, "0 to 2 per angstrom"),
        (([14], [-0.1]), {}, "0 or more"),
        (([14], [np.nan]), {}, "0 or more"),
        (([0], [0.1]), {}, 'the table of "xray" has no X'),
        (([99], [0.1]), {}, "has no Es"),
        (([84], [0.1]), {"radiation": "neutron"}, "has no Po"),
        (([6], [0.1]), {"radiation": "neutron", "isotopes": [14]}, "has no 14C"),
        (([26], [0.1]), {"charges": [1]}, "Fe, Fe2+, Fe3+, not Fe1+"),
        (([26], [0.1]), {"charges": [1, 2]}, "2 values"),
        (([300], [0.1]), {}, "numbers"),
        (([[14]], [0.1]), {}, "numbers"),
        (([14], ["a"]), {}, "stol"),
        (([14], [0.1]), {"radiation": "light"}, "radiation"),
    ],
)
def test_form_factors_refuse(arguments, options, text):
    with pytest.raises(ArgumentError, match=text.replace("+", r"\+")):
        rn.form_factors(*arguments, **options)


def test_reflections_of_another_batch_are_refused():
    quartz, silicon = rn.sample("quartz"), rn.sample("silicon")
    refl = rn.reflections(quartz, 2.0)
    for batch in (silicon, [quartz, quartz], []):
        with pytest.raises(ValueError, match="another batch"):
            rn.structure_factors(batch, refl)
    with pytest.raises(ValueError, match=r"recipnet\.Reflections"):
        rn.structure_factors(quartz, refl.hkl)
    # An equal batch is the same batch.
    assert len(rn.structure_factors([quartz], refl)) == len(refl)


def test_a_crystal_has_the_same_bytes_in_any_batch():
    crystals = [rn.sample(name) for name in ("rutile", "quartz", "halite", "silicon")]
    alone = [rn.structure_factors(crystal, rn.reflections(crystal, 0.9)) for crystal in crystals]
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]):
        batch = [crystals[i] for i in order]
        together = rn.structure_factors(batch, rn.reflections(batch, 0.9))
        # Elements come in another order in each of these batches, and sums are rounded.
        assert together.tobytes() == np.concatenate([alone[i] for i in order]).tobytes()


def test_dispersion_needs_the_full_sphere():
    quartz = rn.sample("quartz")
    table = {"Si": (0.25, 0.33), 8: (0.05, 0.03)}
    for unique in ("friedel", "laue"):
        with pytest.raises(ValueError, match=f'unique="{unique}"'):
            rn.structure_factors(quartz, rn.reflections(quartz, 2.0, unique=unique), anomalous=table)
    full = rn.reflections(quartz, 2.0, unique="none")
    f = rn.structure_factors(quartz, full, anomalous=table)
    place = {tuple(h): i for i, h in enumerate(full.hkl.tolist())}
    mates = [place[tuple(-h)] for h in full.hkl]
    # Quartz has no centre: Bijvoet pairs differ.
    assert np.abs(np.abs(f) - np.abs(f[mates])).max() > 0.1
    plain = rn.structure_factors(quartz, full, anomalous={})
    assert plain.tobytes() == rn.structure_factors(quartz, full).tobytes()
    tables = ({"Qq": (1.0, 2.0)}, {"Si": 1.0}, {"Si": (np.nan, 0.0)}, {119: (0.0, 0.0)})
    for bad in (*tables, [1.54], "Cu", 0.3, 3.1, np.nan):
        with pytest.raises(ArgumentError, match="anomalous"):
            rn.structure_factors(quartz, full, anomalous=bad)
    with pytest.raises(ArgumentError, match="anomalous"):
        rn.structure_factors(quartz, full, anomalous=table, radiation="neutron")


def test_a_wavelength_stands_for_its_dispersion():
    quartz = rn.sample("quartz")
    full = rn.reflections(quartz, 2.0, unique="none")
    f = rn.structure_factors(quartz, full, anomalous="CuKa")
    assert f.tobytes() == rn.structure_factors(quartz, full, anomalous=1.54184).tobytes()
    # Silicon and oxygen at Cu K alpha, International Tables C (1999), table 4.2.6.8.
    table = {"Si": (0.2541, 0.3302), "O": (0.0492, 0.0322)}
    np.testing.assert_allclose(f, rn.structure_factors(quartz, full, anomalous=table), atol=0.2)
    frac = [[0.0, 0.0, 0.0]]
    heavy = rn.Crystal(np.eye(3) * 3, [93], frac)
    with pytest.raises(ArgumentError, match="not for Np"):
        rn.structure_factors(heavy, rn.reflections(heavy, 2.0, unique="none"), anomalous="MoKa")
    nickel = rn.Crystal(np.eye(3) * 3, [28], frac)
    refl = rn.reflections(nickel, 2.0, unique="none")
    with pytest.raises(ArgumentError, match="edge of Ni"):
        rn.structure_factors(nickel, refl, anomalous=1.4879055)
    hydrogen = rn.Crystal(np.eye(3) * 3, [1], frac)
    refl = rn.reflections(hydrogen, 1.0, unique="none")
    plain = rn.structure_factors(hydrogen, refl)
    assert plain.tobytes() == rn.structure_factors(hydrogen, refl, anomalous=1.0).tobytes()


def test_charges_choose_ions_and_missing_ones_are_told():
    cell, frac = np.eye(3) * 4.2, [[0, 0, 0], [0.5, 0.5, 0.5]]
    atoms = rn.Crystal(cell, [12, 8], frac)
    ions = rn.Crystal(cell, [12, 8], frac, charges=[2, -2])
    odd = rn.Crystal(cell, [12, 8], frac, charges=[1.5, np.nan])
    refl = rn.reflections(atoms, 3.0)
    assert abs(rn.structure_factors(ions, refl)[0] - rn.structure_factors(atoms, refl)[0]) > 0.1
    with pytest.warns(ScatteringWarning, match=r"Mg, Mg2\+, not Mg1\.5\+"):
        neutral = rn.structure_factors(odd, refl)
    assert neutral.tobytes() == rn.structure_factors(atoms, refl).tobytes()
    # Charges do not matter to neutrons.
    assert len(rn.structure_factors(odd, refl, radiation="neutron")) == len(refl)


def test_weights_and_ranges():
    silicon = rn.sample("silicon")
    refl = rn.reflections(silicon, 0.24)
    with pytest.raises(ArgumentError, match=r"down to d = 0\.25"):
        rn.structure_factors(silicon, refl, radiation="electron")
    for bad in ([1.0], ["a"] * 8, [np.nan] * 8):
        with pytest.raises(ArgumentError, match="weights"):
            rn.structure_factors(silicon, refl, weights=bad)
    unknown = rn.Crystal(np.eye(3) * 4, [0], [[0, 0, 0]])
    few = rn.reflections(unknown, 2.0)
    with pytest.raises(ArgumentError, match="has no X"):
        rn.structure_factors(unknown, few)
    assert rn.structure_factors(unknown, few, weights=[2.0]).tolist() == [2.0] * len(few)


def test_isotropic_and_anisotropic_displacements_agree():
    generator = np.random.default_rng(1)
    lattice = np.diag([4.0, 5.0, 6.0]) + np.tril(generator.normal(size=(3, 3)), -1)
    frac = generator.random((3, 3))
    # An isotropic tensor on the axes of International Tables: U_ij = U (a*_i . a*_j) / (a*_i a*_j).
    reciprocal = np.linalg.inv(lattice).T
    unit = reciprocal / np.linalg.norm(reciprocal, axis=1)[:, None]
    tensor = 0.02 * unit @ unit.T
    voigt = [tensor[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))]
    iso = rn.Crystal(lattice, [6, 7, 8], frac, u_iso=[0.02] * 3)
    aniso = rn.Crystal(lattice, [6, 7, 8], frac, u_aniso=[voigt] * 3, u_iso=[0.5] * 3)
    refl = rn.reflections(iso, 0.8)
    f = rn.structure_factors(iso, refl)
    np.testing.assert_allclose(rn.structure_factors(aniso, refl), f, atol=1e-12)
    bare = rn.structure_factors(iso, refl, displacement=False)
    np.testing.assert_allclose(f, bare * np.exp(-8 * np.pi**2 * 0.02 * refl.stol**2), atol=1e-12)


def _spinel(moved: float = 0.0) -> tuple[rn.Crystal, rn.Crystal]:
    """Spinel in a cell of 2 x 2 x 2 conventional ones with the group of one, and the same without symmetry."""
    group = rn.SpaceGroup("F d -3 m :2").operations
    sites = [(12, [0.125, 0.125, 0.125]), (13, [0.5, 0.5, 0.5]), (8, [0.2624, 0.2624, 0.2624])]
    numbers: list[int] = []
    points: list[np.ndarray] = []
    for number, site in sites:
        images = group.rotations @ np.array(site) + group.translations / group.denominator
        for image in images - np.floor(images):
            apart = [image - other for other in points]
            if all(np.abs(d - np.round(d)).max() > 1e-6 for d in apart):
                points.append(image)
                numbers.append(number)
    assert len(points) == 56
    frac = np.array(points)
    # Steps along one axis of a doubled cell are translations; the rotations keep those of all three.
    steps = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    frac = ((frac[None] + steps[:, None]) / 2).reshape(-1, 3)
    frac[0, 0] += moved
    translations = (group.translations[:, None] + group.denominator * steps[None]).reshape(-1, 3)
    operations = rn.Operations(np.repeat(group.rotations, 8, axis=0), translations, 2 * group.denominator)
    cell, z = 16.16 * np.eye(3), np.tile(numbers, 8)
    return rn.Crystal(cell, z, frac, symmetry=operations), rn.Crystal(cell, z, frac)


@pytest.mark.parametrize("moved", [0.0, 1e-3])
def test_declared_symmetry_changes_the_time_alone(moved):
    crystal, bare = _spinel(moved)
    refl = rn.reflections(bare, 1.2)
    expected = rn.structure_factors(bare, refl)
    assert len(crystal) * len(refl.hkl) > 1e6
    found = rn.structure_factors(rn.CrystalBatch.from_crystals([crystal]), refl)
    scale = rn.form_factors(crystal.numbers, [0.0]).sum()
    assert np.abs(found - expected).max() < 1e-12 * scale
    # An atom that is out of its place is summed where it is: then no symmetry is used, to the last bit.
    assert np.array_equal(found, expected) == (moved > 0)
    weighted = rn.structure_factors(crystal, refl, weights=np.arange(len(crystal)))
    assert np.array_equal(weighted, rn.structure_factors(bare, refl, weights=np.arange(len(crystal))))
