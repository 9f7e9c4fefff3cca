"""The crystals that ship with the package are what they say."""

from __future__ import annotations

import os

import gemmi
import numpy as np
import pytest

import recipnet as rn
from recipnet.errors import ArgumentError

FOLDER = os.path.join(os.path.dirname(rn.__file__), "samples")
# Contents of the cell, density in g/cm^3 from handbooks, shortest distance of two atoms in angstrom.
EXPECTED = {
    "caesium_chloride": ("Cl Cs", 3.99, 3.571),
    "copper": ("Cu4", 8.93, 2.556),
    "diamond": ("C8", 3.52, 1.544),
    "fluorite": ("Ca4 F8", 3.18, 2.366),
    "graphite": ("C4", 2.28, 1.418),
    "halite": ("Cl4 Na4", 2.16, 2.820),
    "iron": ("Fe2", 7.87, 2.482),
    "magnesium": ("Mg2", 1.74, 3.197),
    "perovskite": ("O3 Sr Ti", 5.12, 1.953),
    "quartz": ("O6 Si3", 2.65, 1.605),
    "rutile": ("O4 Ti2", 4.25, 1.949),
    "silicon": ("Si8", 2.33, 2.352),
    "sphalerite": ("S4 Zn4", 4.09, 2.342),
    "wurtzite": ("S2 Zn2", 4.09, 2.342),
}


def test_all_are_listed():
    files = {entry.removesuffix(".cif") for entry in os.listdir(FOLDER) if entry.endswith(".cif")}
    assert files == set(EXPECTED)
    with open(os.path.join(FOLDER, "SOURCE.md"), encoding="utf-8") as handle:
        text = handle.read()
    for name in files:
        assert f"| `{name}` |" in text
        assert f'"{name}"' in rn.sample.__doc__


@pytest.mark.parametrize("name", EXPECTED)
def test_contents(name):
    crystal = rn.sample(name)
    formula, density, shortest = EXPECTED[name]
    assert crystal.formula == formula
    assert crystal.density == pytest.approx(density, abs=0.006)
    assert crystal.warnings == ()
    assert crystal.is_ordered
    assert crystal.source.block == name
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), axis=-1).reshape(-1, 3)
    pairs = crystal.frac_coords[None, :, None] - crystal.frac_coords[:, None, None] + shifts
    distances = np.linalg.norm(pairs @ crystal.lattice, axis=-1)
    assert distances[distances > 1e-9].min() == pytest.approx(shortest, abs=6e-4)


@pytest.mark.parametrize("name", EXPECTED)
def test_symmetry_is_that_of_gemmi(name):
    symmetry = rn.sample(name).symmetry
    group = gemmi.SpaceGroup(symmetry.hm_symbol.replace(" :", ":"))
    assert group.number == symmetry.number
    assert gemmi.symops_from_hall(symmetry.hall_symbol) == group.operations()
    assert {gemmi.Op(text) for text in symmetry.operations.to_xyz()} == set(group.operations())


def test_unknown_name():
    with pytest.raises(
        ArgumentError, match="name = 'unobtainium': there is no such sample; there are caesium_chloride, "
    ):
        rn.sample("unobtainium")
    with pytest.raises(ArgumentError):
        rn.sample("../samples/quartz")
