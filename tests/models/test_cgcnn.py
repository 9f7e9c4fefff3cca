"""CGCNN: equal to its definition, and what cutting ties does."""

from __future__ import annotations

import numpy as np
import pytest

import recipnet as rn
from models import twin_cgcnn
from models.baselines import predictions, seeded, twin_crystals, weights
from models.crystals import tied_crystal
from recipnet.errors import ArgumentError
from recipnet.models import build


@pytest.mark.parametrize("radius", [8.0, 3.0])
def test_equals_its_twin(radius):
    model = seeded("cgcnn", "paper", channels=6, blocks=2, hidden=5, k=7, radius=radius, targets=2)
    crystals = twin_crystals()
    expected = [twin_cgcnn.predict(weights(model), c, 2, 7, radius) for c in crystals]
    np.testing.assert_allclose(predictions(model, crystals), expected, rtol=1e-12, atol=1e-12)


def test_default_sizes():
    model = build("cgcnn", "paper")
    assert len(model.basis.centres) == 41
    assert sum(p.numel() for p in model.parameters()) == 80_833


def test_what_fails_is_the_cut_through_a_shell():
    """Of twelve second neighbours six are kept; with all of them the order of atoms does not matter."""
    crystal = tied_crystal()
    order = np.array([1, 0, 3, 2])
    other = rn.Crystal(crystal.lattice, crystal.numbers[order], crystal.frac_coords[order])
    for k, equal in ((12, False), (18, True)):
        a, b = predictions(seeded("cgcnn", "paper", channels=8, blocks=2, k=k), [crystal, other])
        assert (np.abs(a - b).max() <= 1e-12 * np.abs(a).max()) == equal


def test_refusals():
    with pytest.raises(ArgumentError, match="hidden"):
        build("cgcnn", "paper", hidden=0)
    with pytest.raises(ArgumentError, match="radius"):
        build("cgcnn", "paper", radius=0.0)
