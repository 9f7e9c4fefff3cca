"""Ewald message passing on SchNet: equal to its definition, and what its box of indices does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import recipnet as rn
from models import twin_ewald
from models.baselines import predictions, seeded, twin_crystals, weights
from models.crystals import change_cell
from recipnet.data import collate
from recipnet.errors import ArgumentError
from recipnet.models import build

OPTIONS = {"channels": 6, "blocks": 2, "cutoff": 4.0, "box": (2, 1, 1), "bottleneck": 3, "residuals": 2}


def strong(**options: object) -> torch.nn.Module:
    """With filters large enough that the far part is no rounding matter."""
    model = seeded("ewald", "paper", **options)
    with torch.no_grad():
        for block in model.ewald:
            block.up.weight.mul_(20.0)
    return model


def test_equals_its_twin():
    model = strong(**OPTIONS, targets=2)
    crystals = twin_crystals()
    expected = [twin_ewald.predict(weights(model), c, 2, 4.0, (2, 1, 1), 2) for c in crystals]
    np.testing.assert_allclose(predictions(model, crystals), expected, rtol=1e-12, atol=1e-12)


def test_default_sizes():
    model = build("ewald", "paper")
    assert (len(model.spec.reflections.hkl), model.spec.edges.cutoff) == (62, 8.0)
    assert model.down.weight.shape == (8, 62)
    assert sum(p.numel() for p in model.parameters()) == 364_209
    assert not any(tuple(-i for i in h) in model.spec.reflections.hkl for h in model.spec.reflections.hkl)


def test_sum_grows_with_the_number_of_atoms():
    """Nothing divides by it: in a doubled cell the sum is twice as large at the waves that both cells have."""
    model = strong(**{**OPTIONS, "box": (0, 0, 1)})
    silicon = rn.sample("silicon")
    double = change_cell(silicon, np.diag([2, 1, 1]))
    x = torch.randn(len(silicon), 6, dtype=torch.float64)
    one, two = (
        model.ewald[0].convolve(x.repeat(n, 1), model.down.weight.t(), collate(c, model.spec, dtype=torch.float64))
        for n, c in ((1, silicon), (2, double))
    )
    torch.testing.assert_close(two, 2.0 * one.repeat(2, 1))


@pytest.mark.parametrize(("option", "value"), [("box", (0, 0, 0)), ("box", (1, 1)), ("bottleneck", 0)])
def test_refusals(option, value):
    with pytest.raises(ArgumentError, match=option):
        build("ewald", "paper", **{option: value})
