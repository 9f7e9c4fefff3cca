"""Stackings that no network of neighbours separates at its depth, and that the reciprocal streams do."""

from __future__ import annotations

import runpy
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import recipnet as rn

EXAMPLE = runpy.run_path(str(Path(__file__).resolve().parents[2] / "examples" / "what_graphs_cannot_see.py"))
PAIRS, difference, stacking = EXAMPLE["PAIRS"], EXAMPLE["difference"], EXAMPLE["stacking"]


pytestmark = pytest.mark.usefixtures("one_thread")


def words_of(word: str, length: int) -> Counter[str]:
    """Cyclic words of that many signs, each counted as the least of itself, its reverse and both with signs changed."""
    swap = str.maketrans("+-", "-+")
    out: Counter[str] = Counter()
    for start in range(len(word)):
        part = "".join(word[(start + i) % len(word)] for i in range(length))
        out[min(part, part[::-1], part.translate(swap), part[::-1].translate(swap))] += 1
    return out


@pytest.mark.parametrize("depth", PAIRS)
def test_pairs_are_what_they_are_said_to_be(depth):
    one, two = PAIRS[depth]
    assert words_of(one, 2 * depth) == words_of(two, 2 * depth)
    assert words_of(one, 2 * depth + 2) != words_of(two, 2 * depth + 2)
    for word in (one, two):
        edges = rn.neighbors(stacking(word), cutoff=EXAMPLE["RADIUS"])
        np.testing.assert_allclose(edges.distance, EXAMPLE["NEAREST"])
        assert (np.diff(edges.atom_offsets) == 12).all()
    (x, first), (y, second) = EXAMPLE["lines"](one), EXAMPLE["lines"](two)
    np.testing.assert_allclose(x, y)
    assert abs(first - second).max() == pytest.approx({1: 0.73, 2: 0.30, 3: 0.18, 4: 0.22}[depth], abs=0.01)


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("schnet", {"blocks": 3}),
        ("regnet", {"blocks": 3, "reciprocal_blocks": 0}),
        ("prdnet", {"layers": 3, "angles": False, "diffraction": False}),
    ],
)
def test_distances_alone_do_not_tell_fcc_from_hcp(name, without):
    assert difference(("+++", "+-"), name, seed=1, **without) <= 1e-10


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("depth", PAIRS)
def test_angles_at_depth_l_do_not_tell_the_pair_and_reflections_do(depth, seed):
    pair = PAIRS[depth]
    assert difference(pair, "prdnet", seed, layers=depth, diffraction=False) <= 1e-10
    assert difference(pair, "prdnet", seed, layers=depth, **EXAMPLE["DIFFRACTION"]) > 1e-7
    assert difference(pair, "regnet", seed, blocks=depth, reciprocal_blocks=0) <= 1e-10
    assert difference(pair, "regnet", seed, blocks=depth) > 1e-7


def test_one_layer_more_tells_the_first_pair():
    """So it is the depth that fails, not the angles."""
    assert difference(PAIRS[1], "prdnet", layers=2, diffraction=False) > 1e-9
