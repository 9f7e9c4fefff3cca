"""PotNet without infinite sums: equal to its definition, and of the published size."""

from __future__ import annotations

import numpy as np
import pytest

from models import twin_potnet
from models.baselines import predictions, seeded, twin_crystals, weights
from recipnet.errors import ArgumentError
from recipnet.models import build


def test_equals_its_twin():
    model = seeded("potnet", "paper", channels=6, blocks=2, k=5, num_radial=64, targets=2)
    crystals = twin_crystals()
    expected = [twin_potnet.predict(weights(model), c, 2, 5, 64) for c in crystals]
    np.testing.assert_allclose(predictions(model, crystals), expected, rtol=1e-12, atol=1e-12)


def test_published_size():
    model = build("potnet", "paper")
    assert sum(p.numel() for p in model.parameters()) == 1_734_657
    assert sum(p.numel() for p in model.layers[0].parameters()) == 526_336
    # the infinite sums would add a linear map of 64 values and a batch normalisation
    assert 1_734_657 + 64 * 256 + 256 + 2 * 256 == 1_751_809


def test_refusals():
    with pytest.raises(ArgumentError, match="blocks"):
        build("potnet", "paper", blocks=0)
    with pytest.raises(ArgumentError, match="no mode 'exact': paper"):
        build("potnet", "exact")
