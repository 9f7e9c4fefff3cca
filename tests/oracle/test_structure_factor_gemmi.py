"""Structure factors with gemmi's form factors as weights, against gemmi's own sum."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest
import torch

import recipnet as rn
from recipnet.ops import structure_factor


def gemmi_structure(crystal: rn.Crystal) -> gemmi.SmallStructure:
    """All rows as sites in P 1, without displacements."""
    lengths = np.linalg.norm(crystal.lattice, axis=1)
    unit = crystal.lattice / lengths[:, None]
    angles = [np.degrees(np.arccos(unit[i] @ unit[j])) for i, j in ((1, 2), (0, 2), (0, 1))]
    structure = gemmi.SmallStructure()
    structure.cell = gemmi.UnitCell(*lengths, *angles)
    structure.spacegroup_hm = "P 1"
    for row, (number, frac) in enumerate(zip(crystal.numbers, crystal.frac_coords, strict=True)):
        site = gemmi.SmallStructure.Site()
        site.label = f"X{row}"
        site.element = gemmi.Element(int(number))
        site.type_symbol = site.element.name
        site.fract = gemmi.Fractional(*frac)
        site.occ = 1.0
        structure.add_site(site)
    return structure


@pytest.mark.parametrize("name", ["quartz", "rutile", "perovskite", "sphalerite"])
def test_sums_are_those_of_gemmi(name):
    crystal = rn.sample(name)
    reflections = rn.reflections(crystal, d_min=0.7)
    structure = gemmi_structure(crystal)
    calculator = gemmi.StructureFactorCalculatorX(structure.cell)
    expected = [calculator.calculate_sf_from_small_structure(structure, h.tolist()) for h in reflections.hkl]
    stol2 = 0.25 / reflections.d_spacing**2
    factors = np.array([[gemmi.Element(int(z)).it92.calculate_sf(s) for s in stol2] for z in crystal.numbers])
    offsets = [torch.tensor([0, len(values)]) for values in (crystal.numbers, stol2)]
    frac, hkl = torch.from_numpy(crystal.frac_coords), torch.from_numpy(reflections.hkl)
    got = structure_factor(frac, torch.from_numpy(factors.ravel()), hkl, *offsets).numpy()
    assert np.abs(got - expected).max() < 1e-4 * factors.sum(0).max()
