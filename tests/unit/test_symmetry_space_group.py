"""Space groups by all of their names."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import recipnet as rn
from recipnet.errors import ArgumentError, CrystalError, SymmetryError
from recipnet.symmetry import DeclaredSymmetry


def test_the_names_of_one_group():
    group = rn.SpaceGroup(14)
    assert (group.number, group.hall_number, group.hm_symbol, group.hall_symbol) == (14, 81, "P 1 21/c 1", "-P 2ybc")
    assert (group.crystal_system, group.point_group, len(group.operations)) == ("monoclinic", "2/m", 4)
    for other in (
        rn.SpaceGroup("P21/c"),
        rn.SpaceGroup("P 1 2_1/c 1"),
        rn.SpaceGroup(np.int32(14), setting="spglib"),
        rn.SpaceGroup.from_hall("-P_2ybc"),
        rn.SpaceGroup.from_hall_number(81),
        rn.SpaceGroup.from_operations(["x,y,z", "-x,-y,-z", "-x,y+1/2,1/2-z", "x,1/2-y,z+.5"]),
    ):
        assert other == group
        assert hash(other) == hash(group)
    assert rn.SpaceGroup("P 21/n") != group
    assert group != 14
    assert pickle.loads(pickle.dumps(group)) == group
    assert repr(group) == "SpaceGroup(number=14, hm_symbol='P 1 21/c 1', hall_number=81, 4 operations)"
    with pytest.raises(AttributeError, match="frozen"):
        group.number = 15


def test_a_setting_of_no_table():
    shifted = rn.SpaceGroup.from_hall("-P 2ybc (x-1/8,y,z)")
    assert (shifted.number, shifted.hall_number, shifted.hm_symbol) == (14, None, "P 1 21/c 1")
    assert shifted.hall_symbol == "-P 2ybc (x-1/8,y,z)"
    assert rn.SpaceGroup.from_operations(shifted.operations).hall_symbol is None
    assert "hall_number" not in repr(shifted)
    assert shifted != rn.SpaceGroup(14)


def test_every_name_leads_back():
    for hall_number in range(1, 531):
        group = rn.SpaceGroup.from_hall_number(hall_number)
        assert group.hall_number == hall_number
        assert rn.SpaceGroup(group.hm_symbol) == group


def test_the_hand_of_the_axes_changes_the_name():
    """In left-handed axes P 41 reads as P 43: a list of operations does not tell its hand."""
    mirrored = rn.SpaceGroup("P 41").operations.change_basis(np.diag([1, 1, -1]))
    assert rn.SpaceGroup.from_operations(mirrored).number == 78


BAD_NAMES = [
    (0, "1 to 230"),
    (231, "1 to 230"),
    (-5, "1 to 230"),
    (10**30, "named by a number"),
    (2.0, "named by a number"),
    (True, "named by a number"),
    (None, "named by a number"),
    ("", "no Hermann-Mauguin symbol"),
    ("F d -3 n", "near it are F d -3 m"),
    ("X" * 10000, "no Hermann-Mauguin symbol"),
    ("P 1 21/c 1:9", "no Hermann-Mauguin symbol"),
    ("\0", "no Hermann-Mauguin symbol"),
]


@pytest.mark.parametrize(("name", "message"), BAD_NAMES)
def test_names_that_are_refused(name, message):
    with pytest.raises(SymmetryError, match=message) as caught:
        rn.SpaceGroup(name)
    assert len(str(caught.value)) < 600


def test_other_refusals():
    with pytest.raises(ArgumentError, match="setting"):
        rn.SpaceGroup(5, setting="mine")
    for number in (0, 531, 1.5, "1", None):
        with pytest.raises(SymmetryError, match="Hall number"):
            rn.SpaceGroup.from_hall_number(number)
    for symbol in ("", "P", "P 5", 14, None, "P 2 (0 0"):
        with pytest.raises(SymmetryError, match="Hall symbol"):
            rn.SpaceGroup.from_hall(symbol)


BAD_LISTS = [
    (["-x,-y,-z"], "x,y,z is missing"),
    (["x,y,z", "-x,y,z", "x,-y,z"], "gives -x,-y,z, which is missing"),
    (["x,y,z", "x,y,z+1"], "operation 1, x,y,z, is listed before"),
    (["x,y,z", "x+y,y,z"], "which is missing"),
    ([], "x,y,z is missing"),
    (["x,y,z", "q"], "not a symmetry operation"),
    (7, "expected texts"),
]


@pytest.mark.parametrize(("operations", "message"), BAD_LISTS)
def test_lists_that_are_refused(operations, message):
    with pytest.raises(SymmetryError, match=message):
        rn.SpaceGroup.from_operations(operations)


def test_a_crystal_takes_each_of_them():
    def declared(symmetry):
        return rn.Crystal(4 * np.eye(3), [14], [[0, 0, 0]], symmetry=symmetry).symmetry

    group = rn.SpaceGroup(221)
    full = DeclaredSymmetry(group.operations, "-P 4 2 3", "P m -3 m", 221)
    assert declared(group) == declared("Pm-3m") == declared(full) == full
    assert declared(group.operations) == DeclaredSymmetry(operations=group.operations)
    assert declared(None) is None
    with pytest.raises(SymmetryError, match="near"):
        declared("P m -3 q")
    with pytest.raises(CrystalError, match="SpaceGroup"):
        declared(221)
