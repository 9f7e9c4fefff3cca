"""The vectorised gather of a mini-batch against the batch's own selection."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import recipnet as rn
from recipnet.data import CrystalDataset


def batch_of(counts: list[int], seed: int) -> rn.CrystalBatch:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    total = int(offsets[-1])
    return rn.CrystalBatch.from_arrays(
        np.eye(3) * rng.uniform(3, 9, (len(counts), 1, 1)),
        rng.integers(1, 100, total),
        rng.uniform(-1, 2, (total, 3)),
        offsets,
        ids=[f"c{place}" for place in range(len(counts))],
        occupancies=rng.uniform(0.1, 1, total),
        site=rng.integers(0, 3, total),
    )


@settings(max_examples=80, deadline=None)
@given(data=st.data(), counts=st.lists(st.integers(0, 6), min_size=1, max_size=9), seed=st.integers(0, 2**32 - 1))
def test_take_is_the_selection(data: st.DataObject, counts: list[int], seed: int) -> None:
    batch = batch_of(counts, seed)
    dataset = CrystalDataset(batch, np.arange(2.0 * len(batch)).reshape(-1, 2), ["a", "b"])
    places = st.integers(0, len(batch) - 1)
    first = data.draw(st.lists(places, min_size=1, max_size=12))
    second = data.draw(st.lists(st.integers(0, len(first) - 1), max_size=12))
    mini = dataset.subset(first).take(second)
    rows = [first[place] for place in second]
    expected = batch[rows]
    for name in ("lattices", "numbers", "frac_coords", "occupancies", "site"):
        mine, other = getattr(mini.crystals, name), getattr(expected, name)
        assert mine.dtype == other.dtype
        assert mine.flags.writeable
        assert mine.flags.c_contiguous
        assert not np.shares_memory(mine, getattr(batch, name))
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(mini.crystals.offsets, expected.offsets)
    assert mini.ids == expected.ids
    assert mini.targets[:, 0].tolist() == [2.0 * row for row in rows]
    np.testing.assert_array_equal(mini.crystals.is_ordered(), [crystal.is_ordered for crystal in expected])
