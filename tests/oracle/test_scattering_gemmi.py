"""Structure factors against gemmi: neutrons and electrons from the same tables, X-rays from a different fit."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest

import recipnet as rn

CALCULATORS = {
    "xray": gemmi.StructureFactorCalculatorX,
    "electron": gemmi.StructureFactorCalculatorE,
    "neutron": gemmi.StructureFactorCalculatorN,
}
#: gemmi holds its tables in float32; for X-rays it has Cromer and Mann's four Gaussians, which differ by a per cent.
TOLERANCE = {"xray": 1e-2, "electron": 2e-5, "neutron": 1e-6}


def crystal_with_everything():
    generator = np.random.default_rng(4)
    u = np.concatenate([generator.uniform(0.01, 0.04, (9, 3)), generator.uniform(-0.004, 0.004, (9, 3))], 1)
    u[::2] = np.nan
    return rn.Crystal(
        [[5.1, 0.0, 0.3], [-1.2, 6.0, 0.4], [0.5, -0.7, 7.2]],
        [14, 8, 26, 1, 57, 92, 6, 35, 79],
        generator.uniform(-1.0, 2.0, (9, 3)),
        occupancies=generator.uniform(0.2, 1.0, 9),
        u_iso=generator.uniform(0.0, 0.03, 9),
        u_aniso=u,
    )


def gemmi_structure(crystal):
    lengths = np.linalg.norm(crystal.lattice, axis=1)
    unit = crystal.lattice / lengths[:, None]
    angles = [np.degrees(np.arccos(unit[i] @ unit[j])) for i, j in ((1, 2), (0, 2), (0, 1))]
    structure = gemmi.SmallStructure()
    structure.cell = gemmi.UnitCell(*lengths, *angles)
    structure.spacegroup_hm = "P 1"
    for row in range(len(crystal)):
        site = gemmi.SmallStructure.Site()
        site.label = f"X{row}"
        site.element = gemmi.Element(int(crystal.numbers[row]))
        site.type_symbol = site.element.name
        site.fract = gemmi.Fractional(*crystal.frac_coords[row])
        site.occ = float(crystal.occupancies[row])
        if crystal.u_iso is not None:
            site.u_iso = float(crystal.u_iso[row])
        if crystal.u_aniso is not None and not np.isnan(crystal.u_aniso[row]).any():
            u11, u22, u33, u23, u13, u12 = crystal.u_aniso[row].tolist()
            site.aniso = gemmi.SMat33d(u11, u22, u33, u12, u13, u23)
        structure.add_site(site)
    return structure


@pytest.mark.parametrize("radiation", ["xray", "electron", "neutron"])
@pytest.mark.parametrize("make", [lambda: rn.sample("quartz"), crystal_with_everything], ids=["quartz", "everything"])
def test_gemmi_finds_the_same(make, radiation):
    crystal = make()
    refl = rn.reflections(crystal, 0.8)
    structure = gemmi_structure(crystal)
    calculator = CALCULATORS[radiation](structure.cell)
    expected = np.array([calculator.calculate_sf_from_small_structure(structure, h) for h in refl.hkl.tolist()])
    found = rn.structure_factors(crystal, refl, radiation=radiation)
    size = crystal.occupancies @ np.abs(rn.form_factors(crystal.numbers, [0.0], radiation=radiation)[:, 0])
    assert np.abs(found - expected).max() < TOLERANCE[radiation] * size
    assert np.abs(expected).max() > 0.05 * size


def test_form_factors_are_near_the_other_tables():
    stol = np.linspace(0.0, 1.5, 16)
    for number in range(1, 93):
        element = gemmi.Element(number)
        other = np.array([element.it92.calculate_sf(s * s) for s in stol])
        # Cromer and Mann's fits of the heaviest atoms are off by some tenths of an electron.
        assert np.abs(rn.form_factors([number], stol)[0] - other).max() < 0.1 + 0.01 * number, element.name
        born = [element.c4322.calculate_sf(s * s) for s in stol]
        np.testing.assert_allclose(rn.form_factors([number], stol, radiation="electron")[0], born, atol=2e-4)
