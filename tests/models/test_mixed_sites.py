"""Rows of a mixed site count by occupancy: halves of one species on one site are that species."""

from __future__ import annotations

import numpy as np
import pytest

import recipnet as rn
from models.baselines import predictions, seeded
from recipnet.data import Radius
from recipnet.models import build, modes, names

#: On a graph of nearest neighbours a split site takes two of the k places.
MODES = [(name, mode) for name in names() for mode in modes(name) if isinstance(build(name, mode).spec.edges, Radius)]


@pytest.mark.parametrize(("name", "mode"), MODES, ids=["-".join(pair) for pair in MODES])
def test_halves_are_a_whole(name, mode):
    lattice, frac = np.diag([4.0, 4.1, 4.2]), np.array([[0.1, 0.2, 0.3], [0.6, 0.7, 0.8]])
    whole = rn.Crystal(lattice, np.array([29, 8], np.uint8), frac)
    split = rn.Crystal(
        lattice,
        np.array([29, 29, 8], np.uint8),
        frac[[0, 0, 1]],
        occupancies=np.array([0.25, 0.75, 1.0]),
        site=np.array([0, 0, 1], np.int32),
    )
    other = rn.Crystal(lattice, np.array([29, 8], np.uint8), frac, occupancies=np.array([0.5, 1.0]))
    a, b, c = predictions(seeded(name, mode, channels=8), [whole, split, other])[:, 0]
    assert abs(a - b) <= 1e-10 * abs(a)
    assert abs(a - c) > 1e-6 * abs(a)
