"""The algebra of exact operations, against the definition in NumPy floats and fractions."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest

import recipnet as rn
from recipnet.errors import SymmetryError

LIST = ["x,y,z", "-y,x-y,z+1/3", "y,x,-z+1/5", "x+1/2,-y,z+3/8"]


def floats(operations: rn.Operations) -> tuple[np.ndarray, np.ndarray]:
    return operations.rotations.astype(float), operations.translations / operations.denominator


def equal_modulo_one(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b - np.rint(a - b)).max(initial=0) < 1e-12)


def test_compose_and_inverse_by_definition():
    a, b = rn.Operations.from_xyz(LIST), rn.Operations.from_xyz(LIST[::-1])
    (wa, ta), (wb, tb) = floats(a), floats(b)
    wc, tc = floats(a.compose(b))
    np.testing.assert_array_equal(wc, wa @ wb)
    assert equal_modulo_one(tc, (wa @ tb[:, :, None])[:, :, 0] + ta)
    for product in (a.compose(a.inverse()), a.inverse().compose(a)):
        assert product.to_xyz() == ["x,y,z"] * 4
    assert a[1].compose(b) == rn.Operations.from_xyz(LIST[1:2] * 4).compose(b)
    assert b.compose(a[1]) == b.compose(rn.Operations.from_xyz(LIST[1:2] * 4))


def test_rows_slices_and_equality():
    operations = rn.Operations.from_xyz(LIST)
    assert [one.to_xyz()[0] for one in operations] == operations.to_xyz()
    assert operations[-1].to_xyz() == ["x+1/2,-y,z+3/8"]
    assert operations[1:3].to_xyz() == operations.to_xyz()[1:3]
    assert rn.Operations([np.eye(3)], [[12, 0, 0]]) == rn.Operations([np.eye(3)], [[1, 0, 0]], denominator=2)
    assert operations != operations[::-1]
    assert operations != "x,y,z"
    assert pickle.loads(pickle.dumps(operations)) == operations
    for bad in (4, -5):
        with pytest.raises(IndexError, match="of 4"):
            operations[bad]
    with pytest.raises(IndexError, match="slice"):
        operations["x"]
    with pytest.raises(TypeError, match="unhashable"):
        hash(operations)


def test_what_is_a_group():
    assert rn.Operations.from_xyz(["x,y,z", "-x,-y,-z"]).is_group()
    assert not rn.Operations.from_xyz(["-x,-y,-z"]).is_group()
    assert not rn.Operations.from_xyz(["x,y,z", "-y,x,z"]).is_group()
    assert not rn.Operations(np.zeros((0, 3, 3)), np.zeros((0, 3))).is_group()


def test_change_of_basis_moves_coordinates():
    """x' = P^-1 (x - p): moved operations do to moved points what the old ones do to the old points."""
    rng = np.random.default_rng(4)
    group = rn.SpaceGroup("P 41 21 2").operations
    matrix = np.array([[1, 2, 0], [0, 1, 0], [1, 1, 1]])
    shift = np.array([Fraction(1, 5), Fraction(1, 8), Fraction(1)])
    moved = group.change_basis(matrix, shift)
    points = rng.random((7, 3))
    origin = np.array([float(n) for n in shift])
    there = np.linalg.solve(matrix, (points - origin).T).T
    for old, new in zip(group, moved, strict=True):
        (w, t), (u, s) = floats(old), floats(new)
        image = points @ w[0].T + t[0]
        assert equal_modulo_one(np.linalg.solve(matrix, (image - origin).T).T, there @ u[0].T + s[0])
    inverse = np.rint(np.linalg.inv(matrix)).astype(int)
    assert moved.change_basis(inverse, -inverse @ shift) == group


def test_supercells_and_back():
    face = rn.SpaceGroup(225).operations
    primitive = face.change_basis([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    assert len(primitive) == 48
    again = primitive.change_basis([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    assert set(again.to_xyz()) == set(face.to_xyz())
    assert len(primitive.change_basis(2 * np.eye(3))) == 8 * 48
    with pytest.raises(SymmetryError, match="more than 384"):
        face.change_basis(2 * np.eye(3))
    assert rn.SpaceGroup.from_operations(primitive).number == 225


BAD_CHANGES = [
    ([[1, 1, 0], [1, 1, 0], [0, 0, 1]], (0, 0, 0), "invertible"),
    ([[0.5, 0, 0], [0, 1, 0], [0, 0, 1]], (0, 0, 0), "a' = .* is no lattice translation"),
    ([[2, 0, 0], [0, 1, 0], [0, 0, 1]], (0, 0, 0), "no whole-numbered matrix"),
    (np.eye(3) * 0.3333, (0, 0, 0), "P: expected"),
    (np.eye(3), (0.1, 0, 0), "p: expected"),
    (np.eye(2), (0, 0, 0), "P: expected shape"),
    (np.eye(3), (0, 0), "p: expected shape"),
    ("abc", (0, 0, 0), "P: expected"),
    (np.full((3, 3), np.nan), (0, 0, 0), "P: expected"),
    (np.full((3, 3), None), (0, 0, 0), "P: expected"),
    (np.eye(3) * 10**6, (0, 0, 0), "at most 10080"),
    (np.eye(3), (Fraction(1, 10**6), 0, 0), "at most 10080"),
    (np.eye(3), (Fraction(1, 10079), 0, 0), "denominator"),
]


@pytest.mark.parametrize(("matrix", "shift", "message"), BAD_CHANGES)
def test_changes_that_are_refused(matrix, shift, message):
    with pytest.raises(SymmetryError, match=message):
        rn.SpaceGroup("P 4").operations.change_basis(matrix, shift)


def test_floats_of_a_finder():
    exact = rn.Operations.from_floats([np.eye(3)] * 2, [[1 / 3, -1e-6, 0.5], [0.99999999, 0.125, 23 / 24]])
    assert exact.to_xyz() == ["x+1/3,y,z+1/2", "x,y+1/8,z+23/24"]
    for bad in (0.3333, 0.2, np.nan, np.inf, 1e30):
        with pytest.raises(SymmetryError, match="1/24"):
            rn.Operations.from_floats([np.eye(3)], [[0, bad, 0]])
    with pytest.raises(SymmetryError, match="expected"):
        rn.Operations.from_floats([np.eye(3)], [[0, 0]])


@pytest.mark.parametrize("texts", [5, [1], ["x,y"], [b"x,y,z"], ["x,y,z+0.3300"], ["x,y,2z"], None])
def test_texts_that_are_refused(texts):
    with pytest.raises(SymmetryError):
        rn.Operations.from_xyz(texts)


def test_decimals_as_text():
    assert rn.Operations.from_xyz(["x,y,z+0.3333", "x,y,z+.333"]).translations[:, 2].tolist() == [8, 8]


def test_compose_refuses_what_does_not_fit():
    two, four = rn.Operations.from_xyz(LIST[:2]), rn.Operations.from_xyz(LIST)
    with pytest.raises(SymmetryError, match="row by row"):
        two.compose(four)
    with pytest.raises(SymmetryError, match="expected Operations"):
        two.compose("x,y,z")
    with pytest.raises(SymmetryError, match="10080"):
        rn.Operations([np.eye(3)], [[1, 0, 0]], denominator=9973).compose(four)
    for denominator in (0, 10081, 2.5, "24"):
        with pytest.raises(SymmetryError, match="denominator"):
            rn.Operations([np.eye(3)], [[0, 0, 0]], denominator=denominator)
