"""Large results lie in memory that is used again, which nobody may notice."""

from __future__ import annotations

import gc
import multiprocessing
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import recipnet as rn
from recipnet import _core

LARGE = 1 << 18
"""Bytes from which on a result's memory is used again."""


@pytest.fixture(scope="module")
def silicon() -> rn.CrystalBatch:
    """1,728 atoms of silicon, rattled: 48,000 edges of 5 angstrom."""
    cell = np.array([[i, j, k] for i in range(6) for j in range(6) for k in range(6)], dtype=float)
    base = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0], [1, 1, 1], [1, 3, 3], [3, 1, 3], [3, 3, 1]]) / 4
    frac = (cell[:, None] + base).reshape(-1, 3) / 6
    frac += np.random.default_rng(3).normal(scale=2e-3, size=frac.shape)
    return rn.CrystalBatch.from_crystals([rn.Crystal(32.58 * np.eye(3), np.full(1728, 14), frac)])


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_results_that_live_together_share_nothing(silicon):
    edges = [rn.neighbors(silicon, 5.0) for _ in range(4)]
    arrays = [a for e in edges for a in (e.index, e.shift, e.vector, e.distance)]
    assert min(a.nbytes for a in arrays) > LARGE
    for place, one in enumerate(arrays):
        assert one.flags.c_contiguous
        assert one.flags.aligned
        assert address(one) % 64 == 0
        assert not any(np.shares_memory(one, other) for other in arrays[place + 1 :])
    for e in edges[1:]:
        assert np.array_equal(e.vector, edges[0].vector)
        assert np.array_equal(e.index, edges[0].index)


def test_what_was_let_go_is_used_again_until_it_is_given_back(silicon):
    gc.collect()
    rn.empty_cache()
    assert _core.kept_bytes() == 0
    edges = rn.neighbors(silicon, 5.0)
    assert _core.kept_bytes() == 0
    places, size = {address(a) for a in (edges.index, edges.vector)}, edges.index.nbytes + edges.vector.nbytes
    del edges
    assert size <= _core.kept_bytes() <= 3 * size
    edges = rn.neighbors(silicon, 5.0)
    assert places == {address(a) for a in (edges.index, edges.vector)}
    del edges
    rn.empty_cache()
    assert _core.kept_bytes() == 0


def test_of_memory_that_is_kept_the_smallest_that_fits_is_taken():
    rn.empty_cache()
    arrays = [_core.empty_bytes(size << 20) for size in (5, 4, 3)]
    places = [address(a) for a in arrays]
    arrays.clear()
    large = _core.empty_bytes((4 << 20) - 1000)
    assert address(large) == places[1]
    other = _core.empty_bytes(1 << 20)
    assert address(other) not in places
    small = _core.empty_bytes(1000)
    assert _core.kept_bytes() == 8 << 20
    del large, other, small
    assert _core.kept_bytes() == 13 << 20
    huge = _core.empty_bytes(257 << 20)
    del huge
    assert _core.kept_bytes() == 13 << 20


def test_what_is_old_makes_room():
    rn.empty_cache()
    arrays = [_core.empty_bytes(96 << 20) for _ in range(3)]
    arrays.clear()
    assert _core.kept_bytes() == 192 << 20
    rn.empty_cache()


def test_a_part_of_a_result_keeps_its_memory(silicon):
    edges = rn.neighbors(silicon, 5.0)
    part, expected = edges.vector[100:200], edges.vector[100:200].copy()
    f = rn.structure_factors(silicon, rn.reflections(silicon, 1.0))
    some, values = f[::7], f[::7].copy()
    del edges, f
    for cutoff in (4.9, 5.0, 5.1):
        rn.neighbors(silicon, cutoff)
        rn.structure_factors(silicon, rn.reflections(silicon, 1.0))
    assert np.array_equal(part, expected)
    assert np.array_equal(some, values)


def test_threads_do_not_get_the_same_memory(silicon):
    expected = {cutoff: rn.neighbors(silicon, cutoff).distance.sum() for cutoff in (4.6, 4.8, 5.0)}

    def work(number: int) -> bool:
        cutoff = (4.6, 4.8, 5.0)[number % 3]
        return rn.neighbors(silicon, cutoff, threads=1).distance.sum() == expected[cutoff]

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(60)))


def _in_child(silicon: rn.CrystalBatch, expected: float) -> None:
    sys.exit(0 if rn.neighbors(silicon, 5.0, threads=1).distance.sum() == expected else 1)


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_a_forked_child_has_memory_of_its_own(silicon):
    edges = rn.neighbors(silicon, 5.0)
    before = edges.vector.copy()
    expected = float(edges.distance.sum())
    rn.neighbors(silicon, 5.0)
    child = multiprocessing.get_context("fork").Process(target=_in_child, args=(silicon, expected))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert np.array_equal(edges.vector, before)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_not_much_is_kept(silicon):
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    rn.empty_cache()
    before = resident()
    many = [rn.neighbors(silicon, 6.5) for _ in range(160)]
    assert sum(e.vector.nbytes for e in many) > 300e6
    assert resident() > before + 600e6
    del many
    assert resident() < before + 350e6
    rn.empty_cache()
    assert resident() < before + 50e6
