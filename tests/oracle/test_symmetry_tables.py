"""Names and operations of all settings against gemmi and the reference table."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import recipnet as rn
from recipnet.errors import SymmetryError

gemmi = pytest.importorskip("gemmi")


def texts_of(group: object) -> set[str]:
    return {op.triplet() for op in group.operations()}  # type: ignore[attr-defined]


def same(ours: rn.Operations, theirs: object) -> bool:
    return set(ours.to_xyz()) == set(rn.Operations.from_xyz(sorted(texts_of(theirs))).to_xyz())


def test_the_two_defaults_of_a_number(shared_dir):
    table = json.loads((shared_dir / "oracles" / "symmetry_basis_r3.json").read_text())
    for setting, key in (("standard", "moyo_standard_hall_of_number"), ("spglib", "first_hall_of_number")):
        listed = table[key]
        items = listed.items() if isinstance(listed, dict) else zip(range(1, 231), listed, strict=True)
        found = {int(number): rn.SpaceGroup(int(number), setting=setting).hall_number for number, _ in items}
        assert found == {int(number): hall_number for number, hall_number in items}
    for hall_number, entry in table["hall"].items():
        group = rn.SpaceGroup.from_hall_number(int(hall_number))
        assert (group.number, len(group.operations)) == (entry["number"], entry["n_ops"])


# Settings of gemmi's table that are not among the 530: centrings of larger cells than needed, and shifted origins that
# its table marks with a letter. They have Hall symbols, and a Hermann-Mauguin symbol is never taken for another group.
ONLY_GEMMI = """
A 1; B 1; C 1; F 1; I 1; A -1; B -1; C -1; F -1; I -1; B 1 2 1; C 1 1 2; B 1 21 1; C 1 1 21; F 1 2 1; F 1 m 1; F 1 d 1
F 1 2/m 1; C 4 2 2; C 4 2 21; F 4 2 2; C -4 2 m; C -4 2 b; F 4/m m m; I 1 21 1; C 1 21 1; P 21212(a); C 2 2 21a)
C 2 2 2a; F 2 2 2a; I 2 2 2a; P 42 21 2a; I 2 3a
"""


def test_every_setting_of_gemmi():
    """Its Hall symbols give its operations and its numbers, its own names are understood."""
    unknown = set()
    for known in gemmi.spacegroup_table():
        group = rn.SpaceGroup.from_hall(known.hall)
        assert same(group.operations, known), known.hall
        assert group.number == known.number, known.hall
        assert group.point_group == known.point_group_hm()
        assert group.crystal_system == known.crystal_system_str()
        try:
            named = rn.SpaceGroup(known.xhm())
        except SymmetryError:
            unknown.add(known.xhm())
        else:
            assert same(named.operations, known), known.xhm()
    assert unknown == set(re.split(r"; |\n", ONLY_GEMMI.strip()))


def test_bases_change_as_gemmi_changes_them():
    rng = np.random.default_rng(8)
    for number in (5, 14, 62, 96, 148, 166, 194, 220, 227):
        group = rn.SpaceGroup(number)
        matrix = np.eye(3, dtype=int)
        for _ in range(4):
            i, j = rng.permutation(3)[:2]
            matrix[:, i] += matrix[:, j]
        shift = rng.integers(-24, 24, 3)
        theirs = gemmi.symops_from_hall(group.hall_symbol)
        forward = gemmi.Op()
        forward.rot = (24 * np.rint(np.linalg.inv(matrix)).astype(int)).tolist()
        forward.tran = (-np.rint(np.linalg.inv(matrix)).astype(int) @ shift).tolist()
        theirs.change_basis_forward(forward)
        listed = rn.Operations.from_xyz([op.triplet() for op in theirs])
        ours = group.operations.change_basis(matrix, shift / 24)
        assert set(ours.to_xyz()) == set(listed.to_xyz())
