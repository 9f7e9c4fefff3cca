"""Reflections, orbits and absences against gemmi."""

from __future__ import annotations

import numpy as np
import pytest

import recipnet as rn
from hard_cells import crystal, from_parameters

gemmi = pytest.importorskip("gemmi")

CASES = {
    "P 1": (5.0, 6.0, 7.0, 75.0, 85.0, 110.0),
    "P 1 21/c 1": (5.0, 6.0, 7.0, 90.0, 105.0, 90.0),
    "C 1 2/c 1": (9.0, 5.0, 7.0, 90.0, 110.0, 90.0),
    "P n m a": (5.0, 6.0, 7.0, 90.0, 90.0, 90.0),
    "I 41/a m d:2": (4.5, 4.5, 9.0, 90.0, 90.0, 90.0),
    "P 31 2 1": (4.9, 4.9, 5.4, 90.0, 90.0, 120.0),
    "R -3 c:H": (5.0, 5.0, 13.0, 90.0, 90.0, 120.0),
    "P 63/m m c": (3.2, 3.2, 5.2, 90.0, 90.0, 120.0),
    "P a -3": (5.4, 5.4, 5.4, 90.0, 90.0, 90.0),
    "F d -3 m:2": (5.4, 5.4, 5.4, 90.0, 90.0, 90.0),
    "I a -3 d": (7.0, 7.0, 7.0, 90.0, 90.0, 90.0),
}


def operations_of(group: object) -> rn.Operations:
    return rn.Operations.from_xyz([op.triplet() for op in group.operations()])  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("d_min", [0.9, 1.4])
def test_spheres_orbits_and_absences(name: str, d_min: float) -> None:
    group = gemmi.find_spacegroup_by_name(name)
    cell = gemmi.UnitCell(*CASES[name])
    c = crystal(from_parameters(*CASES[name]), [[0, 0, 0]])
    operations = operations_of(group)
    edge = d_min * (1 - 1e-9)

    # gemmi keeps one of each +-h in the asymmetric unit of P 1 and leaves (0, 0, 0) out.
    half = gemmi.make_miller_array(cell, gemmi.SpaceGroup("P 1"), edge)
    full = rn.reflections(c, d_min, unique="none", operations=operations)
    assert {tuple(h) for h in full.hkl.tolist()} == {tuple(s * h) for h in half for s in (1, -1)}
    np.testing.assert_allclose(full.d_spacing, [cell.calculate_d(h) for h in full.hkl.tolist()], rtol=1e-9)

    absent = group.operations().systematic_absences(full.hkl)
    assert (full.absent == absent).all()

    # gemmi's list is one of each orbit without absences, under its own choice of representative.
    unique = rn.reflections(c, d_min, unique="laue", operations=operations, absences="drop")
    theirs = gemmi.make_miller_array(cell, group, edge)
    assert len(unique) == len(theirs)
    asu, ops = gemmi.ReciprocalAsu(group), group.operations()
    moved = {tuple(asu.to_asu(h, ops)[0]) for h in unique.hkl.tolist()}
    assert moved == {tuple(h) for h in theirs.tolist()}
    assert unique.multiplicity.sum() == (~full.absent).sum()


CELLS = {
    range(1, 3): (4.1, 5.0, 6.3, 75.0, 85.0, 110.0),
    range(3, 16): (5.0, 4.4, 6.0, 90.0, 105.0, 90.0),
    range(16, 75): (4.0, 5.0, 6.0, 90.0, 90.0, 90.0),
    range(75, 143): (4.5, 4.5, 6.0, 90.0, 90.0, 90.0),
    range(143, 195): (4.4, 4.4, 7.0, 90.0, 90.0, 120.0),
    range(195, 231): (5.4, 5.4, 5.4, 90.0, 90.0, 90.0),
}


@pytest.mark.parametrize("numbers", CELLS, ids=lambda numbers: f"{numbers.start} to {numbers.stop - 1}")
def test_the_unique_reflections_of_all_groups(numbers: range) -> None:
    cell, c = gemmi.UnitCell(*CELLS[numbers]), crystal(from_parameters(*CELLS[numbers]), [[0, 0, 0]])
    for number in numbers:
        group = gemmi.find_spacegroup_by_number(number)
        unique = rn.reflections(c, 1.1, unique="laue", operations=operations_of(group), absences="drop")
        theirs = gemmi.make_miller_array(cell, group, 1.1 * (1 - 1e-9))
        assert len(unique) == len(theirs), number
        asu, ops = gemmi.ReciprocalAsu(group), group.operations()
        assert {tuple(asu.to_asu(h, ops)[0]) for h in unique.hkl.tolist()} == {tuple(h) for h in theirs.tolist()}, (
            number
        )


def test_the_samples_agree_with_gemmi_on_angles() -> None:
    c = rn.sample("silicon")
    refl = rn.reflections(c, 1.0)
    cell = gemmi.UnitCell(*(np.linalg.norm(c.lattice, axis=1).tolist()), 90, 90, 90)
    theirs = [np.rad2deg(2 * np.arcsin(1.54184 / (2 * cell.calculate_d(h)))) for h in refl.hkl.tolist()]
    np.testing.assert_allclose(refl.two_theta(1.54184), theirs, rtol=1e-9)
