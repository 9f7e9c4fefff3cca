"""Crystals are checked when they are built, and say what is wrong."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import recipnet as rn
from recipnet.errors import CrystalError, RecipnetError, SymmetryError
from recipnet.symmetry import DeclaredSymmetry

CUBE = np.eye(3) * 4.0


def caesium_chloride(**more):
    return rn.Crystal(CUBE, [55, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], **more)


def test_fields_have_their_final_dtypes_and_are_owned():
    lattice = CUBE.copy()
    crystal = rn.Crystal(lattice, [55, 17], np.array([[0, 0, 0], [0.5, 0.5, 0.5]], order="F"))
    lattice[:] = 0
    assert crystal.lattice[0, 0] == 4.0
    assert (crystal.lattice.dtype, crystal.numbers.dtype, crystal.frac_coords.dtype) == (float, np.uint8, float)
    assert (crystal.occupancies.dtype, crystal.isotopes.dtype, crystal.site.dtype) == (float, np.uint16, np.int32)
    assert crystal.occupancies.tolist() == [1, 1]
    assert crystal.isotopes.tolist() == [0, 0]
    assert crystal.site.tolist() == [0, 1]
    for name, value in crystal.__getstate__().items():
        if isinstance(value, np.ndarray):
            assert value.flags.c_contiguous, name
            assert value.flags.writeable, name
    assert crystal.charges is crystal.labels is crystal.u_iso is crystal.u_aniso is crystal.symmetry is None
    assert crystal.warnings == ()
    assert crystal.source is None
    assert crystal.properties == {}


def test_views():
    crystal = rn.Crystal([[0, 4, 0], [3, 0, 0], [0, 0, 5]], [11, 17], [[0, 0, 0], [0.5, 0.5, 0.25]])
    assert crystal.volume == pytest.approx(60.0)  # left-handed cells are crystals too
    assert crystal.cart_coords[1] == pytest.approx([1.5, 2.0, 1.25])
    assert crystal.density == pytest.approx((22.98976928 + 35.45) * 1.66053906892 / 60)
    assert (crystal.formula, crystal.reduced_formula, len(crystal)) == ("Cl Na", "ClNa", 2)
    assert crystal.is_ordered


@pytest.mark.parametrize(
    ("numbers", "occupancies", "formula", "reduced"),
    [
        ([14] * 3 + [8] * 6, None, "O6 Si3", "O2Si"),
        ([6, 1, 1, 1, 1], None, "C H4", "CH4"),
        ([26, 26, 8, 8], [1, 0.8, 1, 1], "Fe1.8 O2", "Fe0.4737O0.5263*"),
        ([38, 56], [0.5, 0.5], "Ba0.5 Sr0.5", "Ba0.5000Sr0.5000*"),
        ([38, 56] * 2, [0.5] * 4, "Ba Sr", "BaSr"),
        ([29], [0.0], "", ""),
        ([0, 8], None, "O X", "OX"),
    ],
)
def test_formulas(numbers, occupancies, formula, reduced):
    coords = np.linspace(0, 0.9, len(numbers))[:, None] * np.ones(3)
    crystal = rn.Crystal(CUBE, numbers, coords, occupancies=occupancies)
    assert (crystal.formula, crystal.reduced_formula) == (formula, reduced)


def test_isotopes_in_formula_and_density():
    heavy = rn.Crystal(CUBE, [1, 1, 1, 8], np.eye(4, 3) / 2, isotopes=[2, 2, 3, 0])
    assert heavy.formula == "D2 O T"
    assert heavy.density == pytest.approx((2 * 2.01410178 + 3.01604928 + 15.999) * 1.66053906892 / 64)
    assert np.isnan(rn.Crystal(CUBE, [0], [[0, 0, 0]]).density)


def test_order():
    over = rn.Crystal._make(**{**caesium_chloride().__getstate__(), "occupancies": np.array([1.0, 2.0])})
    assert not over.is_ordered
    assert not caesium_chloride(occupancies=[1, 0.5]).is_ordered
    assert not caesium_chloride(site=[3, 3]).is_ordered
    assert not rn.Crystal(CUBE, [0], [[0, 0, 0]]).is_ordered
    assert caesium_chloride(site=[7, 3]).is_ordered


def test_empty():
    crystal = rn.Crystal(CUBE, [], [])
    assert (len(crystal), crystal.formula, crystal.density, crystal.is_ordered) == (0, "", 0.0, True)
    assert crystal.frac_coords.shape == crystal.wrapped().frac_coords.shape == (0, 3)
    assert "empty" in repr(crystal)
    assert crystal


def test_wrapped():
    crystal = rn.Crystal(CUBE, [1] * 4, [[-0.25, 1.0, 2.5], [-1e-20, 0.9999999999999999, 0], [-3, 7, 0.5], [0, 0, 0]])
    moved = crystal.wrapped()
    assert moved.frac_coords[0].tolist() == [0.75, 0.0, 0.5]
    assert ((moved.frac_coords >= 0) & (moved.frac_coords < 1)).all()
    assert crystal.frac_coords[0, 0] == -0.25
    assert not np.shares_memory(moved.lattice, crystal.lattice)
    back = (crystal.frac_coords - moved.frac_coords) - np.rint(crystal.frac_coords - moved.frac_coords)
    assert np.abs(back).max() < 1e-15


BAD = [
    ({"lattice": np.zeros((3, 3))}, "lattice", None, "length of a is 0"),
    ({"lattice": np.diag([4, 4, 0.05])}, "lattice", None, "0.05"),
    ({"lattice": np.diag([4, 2e4, 4])}, "lattice", None, "20000"),
    ({"lattice": np.diag([4, 4, 1e300])}, "lattice", None, "length of c"),
    ({"lattice": [[4, 0, 0], [0, 4, 0], [4, 4, 0]]}, "lattice", None, "linearly dependent"),
    ({"lattice": [[4, 0, 0], [3.999, 0.01, 0], [0, 0, 4]]}, "lattice", None, "planes"),
    ({"lattice": [[4, 0, 0], [0, np.nan, 0], [0, 0, 4]]}, "lattice", None, "not finite"),
    ({"lattice": np.eye(2)}, "lattice", None, "(2, 2)"),
    ({"lattice": "cubic"}, "lattice", None, "numbers"),
    ({"lattice": [[4, 0], [0, 4, 0], [0, 0, 4]]}, "lattice", None, "shape"),
    ({"numbers": [55, 119]}, "numbers", 1, "119"),
    ({"numbers": [55, -1]}, "numbers", 1, "-1"),
    ({"numbers": [55, 300]}, "numbers", 1, "300"),
    ({"numbers": [55, 17.5]}, "numbers", 1, "17.5"),
    ({"numbers": [55, np.nan]}, "numbers", 1, "nan"),
    ({"numbers": ["Cs", "Cl"]}, "numbers", None, "numbers"),
    ({"numbers": [55]}, "frac_coords", None, "numbers has 1"),
    ({"frac_coords": [[0, 0, 0], [0, np.inf, 0]]}, "frac_coords", 1, "inf"),
    ({"frac_coords": [[0, 0, 0], [0, 0, 1e9]]}, "frac_coords", 1, "1000000000.0"),
    ({"frac_coords": [0, 0]}, "frac_coords", None, "(N, 3)"),
    ({"occupancies": [1, 1.5]}, "occupancies", 1, "1.5"),
    ({"occupancies": [-0.1, 1]}, "occupancies", 0, "-0.1"),
    ({"occupancies": [1, np.nan]}, "occupancies", 1, "nan"),
    ({"occupancies": [1]}, "occupancies", None, "1 rows"),
    ({"isotopes": [0, 500]}, "isotopes", 1, "500"),
    ({"site": [0, -1]}, "site", 1, "-1"),
    ({"charges": [0, np.inf]}, "charges", 1, "inf"),
    ({"u_iso": [0.01, -np.inf]}, "u_iso", 1, "-inf"),
    ({"u_aniso": np.zeros((2, 3))}, "u_aniso", None, "(N, 6)"),
    ({"u_aniso": np.full((2, 6), np.inf)}, "u_aniso", 0, "inf"),
    ({"labels": ["Cs1"]}, "labels", None, "1 names"),
    ({"labels": ["Cs1", 2]}, "labels", 1, "2"),
    ({"labels": "CsCl"}, "labels", None, "one string"),
    ({"symmetry": 221}, "symmetry", None, "SpaceGroup"),
]


@pytest.mark.parametrize(("change", "field", "row", "part"), BAD)
def test_what_is_no_crystal_is_refused(change, field, row, part):
    given = {"lattice": CUBE, "numbers": [55, 17], "frac_coords": [[0, 0, 0], [0.5, 0.5, 0.5]], **change}
    with pytest.raises(CrystalError) as caught:
        rn.Crystal(**given)
    assert (caught.value.field, caught.value.row) == (field, row)
    assert part in str(caught.value)
    assert field in str(caught.value)


def test_a_bad_cell_gives_its_six_numbers():
    with pytest.raises(CrystalError, match=r"a, b, c = 4, 5, 0\.05 angstrom, alpha, beta, gamma = 90, 90, 90 degrees"):
        rn.Crystal(np.diag([4, 5, 0.05]), [], [])


def test_limits_of_the_cell_are_inclusive():
    rn.Crystal(np.diag([0.1, 4, 1e4]), [], [])


def test_rows_at_one_point_are_allowed():
    crystal = rn.Crystal(CUBE, [38, 56], np.zeros((2, 3)), occupancies=[0.4, 0.6], site=[0, 0])
    assert not crystal.is_ordered


def test_frozen_compared_and_copied():
    crystal = caesium_chloride(
        charges=[1, -1],
        labels=["Cs1", "Cl1"],
        u_iso=[0.01, np.nan],
        symmetry=DeclaredSymmetry(number=221),
        properties={"gap": 5.1},
    )
    with pytest.raises(AttributeError, match="frozen"):
        crystal.lattice = CUBE
    with pytest.raises(AttributeError, match="frozen"):
        del crystal.lattice
    with pytest.raises(AttributeError):
        crystal.extra = 1
    for twin in (pickle.loads(pickle.dumps(crystal)), copy.deepcopy(crystal), copy.copy(crystal)):
        assert twin == crystal
    assert crystal != caesium_chloride()
    assert crystal != "CsCl"
    with pytest.raises(TypeError, match="unhashable"):
        hash(crystal)


def test_columns_that_say_nothing_are_none():
    crystal = caesium_chloride(charges=[np.nan, np.nan], u_aniso=np.full((2, 6), np.nan), labels=["", ""])
    assert crystal.charges is crystal.u_aniso is crystal.labels is None


def test_errors_are_values_and_pickle():
    with pytest.raises(RecipnetError) as caught:
        caesium_chloride(occupancies=[1, 2])
    twin = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(caught.value, ValueError)
    assert type(twin) is CrystalError
    assert (str(twin), twin.field, twin.row, twin.value) == (str(caught.value), "occupancies", 1, "2.0")


def test_operations_are_checked():
    identity = np.eye(3, dtype=int)[None]
    operations = rn.Operations(identity, [[0, 36, -6]])
    assert operations.translations.tolist() == [[0, 12, 18]]
    assert (operations.rotations.dtype, operations.translations.dtype) == (np.int8, np.int16)
    assert len(operations) == 1
    assert pickle.loads(pickle.dumps(operations)) == operations
    assert caesium_chloride(symmetry=operations).symmetry.operations == operations
    for rotations, translations in [
        (2 * identity, [[0, 0, 0]]),
        (identity, [[0.5, 0, 0]]),
        (identity, np.zeros((2, 3))),
        (np.eye(3), [[0, 0, 0]]),
        ("x,y,z", [[0, 0, 0]]),
    ]:
        with pytest.raises(SymmetryError):
            rn.Operations(rotations, translations)
    with pytest.raises(SymmetryError, match="denominator"):
        rn.Operations(identity, [[0, 0, 0]], denominator=0)
