"""Errors carry their values, through copies and processes."""

from __future__ import annotations

import copy
import multiprocessing
import pickle

import pytest

import recipnet as rn
from recipnet import errors

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.RecipnetError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_values_survive(kind):
    error = kind("what is wrong", field="x", value="7", path="a.cif")
    assert isinstance(error, ValueError)
    assert str(error) == error.message == "what is wrong"
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is kind
        assert str(twin) == "what is wrong"
        assert (twin.field, twin.value, twin.path, twin.values) == ("x", "7", "a.cif", error.values)


def test_core_errors_pickle():
    with pytest.raises(errors.CifError) as caught:
        rn.parse("data_a\nloop_\n_a\n_b\n1 2 3\n")
    twin = pickle.loads(pickle.dumps(caught.value))
    assert (str(twin), twin.code, twin.line) == (str(caught.value), caught.value.code, caught.value.line)


def test_errors_cross_processes():
    with multiprocessing.get_context("spawn").Pool(1) as pool, pytest.raises(errors.CrystalError) as caught:
        pool.apply_async(rn.Crystal, ([[1, 0, 0]] * 3, [1], [[0, 0, 0]])).get(timeout=120)
    assert caught.value.field == "lattice"
