"""SchNet: equal to its definition, edge by edge, in both modes; sizes and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from models import twin_schnet
from models.baselines import predictions, seeded, twin_crystals, weights
from recipnet.errors import ArgumentError
from recipnet.models import build


@pytest.mark.parametrize("mode", ["exact", "paper"])
def test_equals_its_twin(mode):
    model = seeded("schnet", mode, channels=6, blocks=2, cutoff=4.0, targets=2)
    crystals = twin_crystals()
    expected = [twin_schnet.predict(weights(model), c, 2, 4.0, mode == "exact") for c in crystals]
    np.testing.assert_allclose(predictions(model, crystals), expected, rtol=1e-12, atol=1e-12)


def test_default_sizes():
    paper, exact = build("schnet", "paper"), build("schnet")
    assert (paper.spec.edges.cutoff, exact.spec.edges.cutoff) == (8.0, 5.0)
    assert [len(m.basis.centres) for m in (paper, exact)] == [81, 51]
    assert [sum(p.numel() for p in m.parameters()) for m in (paper, exact)] == [139_457, 127_937]


@pytest.mark.parametrize(("option", "value"), [("blocks", 0), ("channels", 1), ("spacing", 0.0), ("spacing", 9.0)])
def test_refusals(option, value):
    with pytest.raises(ArgumentError, match=option):
        build("schnet", **{option: value})
