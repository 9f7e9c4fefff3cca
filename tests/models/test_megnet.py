"""MEGNet: equal to its definition; sets count by weight and may be empty."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import recipnet as rn
from models import twin_megnet
from models.baselines import predictions, seeded, twin_crystals, weights
from recipnet.errors import ArgumentError
from recipnet.models import build
from recipnet.models.set2set import Set2Set

#: An atom without neighbours.
LONELY = rn.Crystal(np.diag([9.0, 9.0, 9.0]), np.array([18], np.uint8), np.zeros((1, 3)))


def test_equals_its_twin():
    model = seeded("megnet", "paper", channels=8, blocks=2, cutoff=3.5, passes=2, targets=2)
    crystals = [*twin_crystals(), LONELY]
    expected = [twin_megnet.predict(weights(model), c, 2, 3.5, 2) for c in crystals]
    np.testing.assert_allclose(predictions(model, crystals), expected, rtol=1e-12, atol=1e-12)


def test_default_sizes():
    model = build("megnet", "paper")
    # with the 95 elements of the public code instead of 100: 167,761
    assert sum(p.numel() for p in model.parameters()) == 167_841
    assert model.atom_set.project.weight.shape == (16, 32)


def test_weights_of_a_set_are_copies():
    torch.manual_seed(0)
    reader = Set2Set(3, 4, 3).double()
    x = torch.randn(3, 3, dtype=torch.float64)
    copies = x[[0, 0, 1, 2, 2, 2]]
    one = reader(copies, torch.tensor([1] * 6), 3, torch.ones(6, dtype=torch.float64))
    other = reader(x, torch.tensor([1] * 3), 3, torch.tensor([2.0, 1.0, 3.0], dtype=torch.float64))
    torch.testing.assert_close(one, other)
    assert other[[0, 2], 4:].eq(0).all()


def test_scores_may_be_large():
    reader = Set2Set(2, 2, 2)
    with torch.no_grad():
        reader.project.weight.mul_(1e4)
    assert reader(torch.randn(5, 2), torch.zeros(5, dtype=torch.int64), 1, torch.ones(5)).isfinite().all()


def test_refusals():
    with pytest.raises(ArgumentError, match="channels"):
        build("megnet", "paper", channels=3)
    with pytest.raises(ArgumentError, match="passes"):
        build("megnet", "paper", passes=0)
