"""Batches hold everything that their crystals carry and give it back."""

from __future__ import annotations

import copy
import pickle
import sys

import numpy as np
import pytest

import recipnet as rn
from recipnet.batch import as_batch
from recipnet.crystal import ReadWarning, Source
from recipnet.errors import ArgumentError, CrystalError
from recipnet.symmetry import DeclaredSymmetry


def crystals():
    rng = np.random.default_rng(7)
    made = []
    for count in (2, 0, 1, 5):
        more = {}
        if count == 2:
            more = {"charges": [1, np.nan], "labels": ["A", "B"], "symmetry": DeclaredSymmetry(hm_symbol="P 1")}
        if count == 5:
            more = {
                "occupancies": [0.5, 0.5, 1, 1, 1],
                "site": [0, 0, 1, 2, 3],
                "isotopes": [2, 0, 0, 0, 0],
                "u_iso": [0.1, 0.2, np.nan, 0.3, 0.4],
                "u_aniso": rng.random((5, 6)),
                "properties": {"e_form": -1.5},
            }
        lattice = np.eye(3) * 5 + rng.random((3, 3))
        made.append(rn.Crystal(lattice, rng.integers(1, 90, count), rng.random((count, 3)), **more))
    fields = made[2].__getstate__()
    fields |= {"warnings": (ReadWarning("W-X", "text", 3),), "source": Source("a.cif", "a")}
    made[2] = rn.Crystal._make(**fields)
    return made


def arrays(value):
    return {name: x for name, x in value.__getstate__().items() if isinstance(x, np.ndarray)}


def test_round_trip():
    given = crystals()
    batch = rn.CrystalBatch.from_crystals(given, ids=["a", "b", "c", "d"])
    assert len(batch) == 4
    assert batch.offsets.tolist() == [0, 2, 2, 3, 8]
    assert batch.source_index.tolist() == [0, 1, 2, 3]
    assert [batch[i] for i in range(4)] == given
    assert list(batch) == given
    assert batch[-1] == given[-1]
    assert batch[np.int64(2)].source == Source("a.cif", "a")
    dtypes = {name: x.dtype.name for name, x in arrays(batch).items()}
    assert dtypes == {
        "lattices": "float64",
        "numbers": "uint8",
        "frac_coords": "float64",
        "occupancies": "float64",
        "isotopes": "uint16",
        "site": "int32",
        "charges": "float64",
        "u_iso": "float64",
        "u_aniso": "float64",
        "offsets": "int64",
        "source_index": "int64",
    }
    assert batch.labels == ["A", "B", "", "", "", "", "", ""]


@pytest.mark.parametrize(
    ("key", "places"),
    [
        (slice(1, 3), [1, 2]),
        (slice(None, None, -1), [3, 2, 1, 0]),
        (slice(4, None), []),
        ([3, 0, 3], [3, 0, 3]),
        ([-1], [3]),
        ([], []),
        (np.array([True, False, False, True]), [0, 3]),
    ],
)
def test_selections_are_batches_of_copies(key, places):
    given = crystals()
    batch = rn.CrystalBatch.from_crystals(given, ids=list("abcd"))
    part = batch[key]
    assert list(part) == [given[i] for i in places]
    assert part.ids == [batch.ids[i] for i in places]
    assert part.source_index.tolist() == places
    for name, x in arrays(part).items():
        assert x.flags.c_contiguous, name
        assert x.flags.writeable, name
        for other in arrays(batch).values():
            assert not np.shares_memory(x, other), name
    if places:
        part.properties[-1]["new"] = 1
        assert all("new" not in one for one in batch.properties)


def test_one_crystal_is_a_copy():
    batch = rn.CrystalBatch.from_crystals(crystals())
    crystal = batch[3]
    crystal.frac_coords[:] = 0
    crystal.properties["new"] = 1
    assert batch[3] != crystal
    assert batch[3] == crystals()[3]


@pytest.mark.parametrize("key", [4, -5, [0, 4], np.zeros((2, 2), int), "a", np.array([0.5]), [True, False], None])
def test_wrong_keys(key):
    with pytest.raises(IndexError):
        rn.CrystalBatch.from_crystals(crystals())[key]


def test_concat():
    batch = rn.CrystalBatch.from_crystals(crystals(), ids=list("abcd"))
    assert rn.CrystalBatch.concat([batch[:1], batch[1:3], batch[3:]]) == batch
    assert rn.CrystalBatch.concat([batch[2:], rn.CrystalBatch.from_crystals([])]) == batch[2:]
    assert len(rn.CrystalBatch.concat([])) == 0
    twice = rn.CrystalBatch.concat([batch, batch])
    twice.properties[3]["new"] = 1
    assert "new" not in twice.properties[7]
    with pytest.raises(ArgumentError, match=r"batches\[1\]"):
        rn.CrystalBatch.concat([batch, crystals()[0]])


def test_empty():
    empty = rn.CrystalBatch.from_crystals([])
    assert (len(empty), empty.offsets.tolist(), empty.lattices.shape) == (0, [0], (0, 3, 3))
    assert (empty.frac_coords.shape, empty.numbers.dtype) == ((0, 3), np.uint8)
    assert list(empty) == []
    assert empty[:] == empty
    assert empty == rn.CrystalBatch.from_arrays(np.zeros((0, 3, 3)), [], [], [0])


def test_from_arrays_is_from_crystals():
    batch = rn.CrystalBatch.from_crystals(crystals())
    bare = rn.CrystalBatch.from_crystals(
        [rn.Crystal(c.lattice, c.numbers, c.frac_coords) for c in batch], ids=list("abcd")
    )
    given = (bare.lattices, bare.numbers, bare.frac_coords, bare.offsets)
    made = rn.CrystalBatch.from_arrays(*given, ids=list("abcd"))
    assert made == bare
    for x in arrays(made).values():
        assert not any(np.shares_memory(x, y) for y in given)


CELLS = np.array([np.eye(3) * 4] * 3)
GOOD = {"lattices": CELLS, "numbers": [1, 2, 3, 4], "frac_coords": np.zeros((4, 3)), "offsets": [0, 1, 1, 4]}


@pytest.mark.parametrize(
    ("change", "field", "crystal", "row"),
    [
        ({"lattices": CELLS * [[[1]], [[1]], [[0]]]}, "lattice", 2, None),
        ({"lattices": CELLS[:2]}, "offsets", None, None),
        ({"lattices": CELLS[0]}, "lattices", None, None),
        ({"numbers": [1, 2, 3, 200]}, "numbers", 2, 2),
        ({"frac_coords": [[0, 0, 0]] * 3 + [[0, np.nan, 0]]}, "frac_coords", 2, 2),
        ({"frac_coords": np.zeros((3, 3))}, "frac_coords", None, None),
        ({"offsets": [0, 2, 1, 4]}, "offsets", 1, 2),
        ({"offsets": [1, 1, 1, 4]}, "offsets", None, 0),
        ({"offsets": [0, 1, 1, 3]}, "offsets", None, 3),
        ({"offsets": []}, "offsets", None, 0),
        ({"offsets": [0, 1.5, 2, 4]}, "offsets", None, 1),
        ({"occupancies": [1, 1, 7, 1]}, "occupancies", 2, 1),
        ({"labels": ["a"]}, "labels", None, None),
    ],
)
def test_from_arrays_names_what_is_wrong(change, field, crystal, row):
    with pytest.raises(CrystalError) as caught:
        rn.CrystalBatch.from_arrays(**{**GOOD, **change})
    assert (caught.value.field, caught.value.crystal, caught.value.row) == (field, crystal, row)
    if crystal is not None and field != "offsets":
        assert f"crystal {crystal}: " in str(caught.value)


def test_ids_are_checked():
    with pytest.raises(ArgumentError, match="2 names for 3"):
        rn.CrystalBatch.from_arrays(**GOOD, ids=["a", "b"])
    with pytest.raises(ArgumentError, match=r"ids\[1\]"):
        rn.CrystalBatch.from_arrays(**GOOD, ids=["a", 2, "c"])
    assert rn.CrystalBatch.from_arrays(**GOOD).ids == ["0", "1", "2"]


def test_as_batch():
    given = crystals()
    batch = rn.CrystalBatch.from_crystals(given)
    assert as_batch(batch) is batch
    assert as_batch(given[0])[0] == given[0]
    assert as_batch(given) == as_batch(tuple(given)) == as_batch(iter(given)) == batch
    for wrong in (3, "quartz.cif", None, {"a": given[0]}):
        with pytest.raises(ArgumentError, match="expected a CrystalBatch"):
            as_batch(wrong)
    with pytest.raises(ArgumentError, match=r"crystals\[1\]: expected a Crystal, got int"):
        as_batch([given[0], 3])


def test_pickled_and_frozen():
    batch = rn.CrystalBatch.from_crystals(crystals())
    assert pickle.loads(pickle.dumps(batch)) == batch
    assert copy.deepcopy(batch) == batch
    with pytest.raises(AttributeError, match="frozen"):
        batch.ids = []
    with pytest.raises(TypeError, match="from_crystals"):
        rn.CrystalBatch()


def test_no_python_loop_over_atoms():
    # Calls made while 200 crystals are checked and cut are far fewer than their 20,000 atoms.
    batch = rn.CrystalBatch.from_arrays(
        np.array([np.eye(3) * 9] * 200),
        np.ones(20000, int),
        np.random.default_rng(0).random((20000, 3)),
        np.arange(201) * 100,
    )
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        rn.CrystalBatch.from_arrays(batch.lattices, batch.numbers, batch.frac_coords, batch.offsets)
        batch[10:]
        rn.CrystalBatch.concat([batch, batch])
    finally:
        sys.setprofile(None)
    assert calls < 2000
