"""Models by name, their refusals, and the control without structure."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import recipnet as rn
from models.crystals import CHANGES, random_crystals
from recipnet.data import FeatureSpec, collate
from recipnet.errors import ArgumentError, DataError
from recipnet.models import build, modes, names, paper
from recipnet.models.atoms import cgcnn92


def test_every_name_builds_and_predicts():
    crystals = random_crystals(3)
    for name in names():
        assert paper(name)
        for mode in modes(name):
            model = build(name, mode, targets=2, channels=8)
            assert model(collate(crystals, model.spec)).shape == (3, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "regnett"}, "did you mean 'regnet'"),
        ({"name": "regnet", "mode": "papr"}, "no mode 'papr'"),
        ({"name": "regnet", "chanels": 3}, "did you mean 'channels'"),
        ({"name": "regnet", "neighbors": "all"}, "one of radius, nearest"),
        ({"name": "regnet", "reciprocal_blocks": 9}, "from 0 to blocks"),
        ({"name": "regnet", "channels": 0}, "at least 1"),
        ({"name": "regnet", "atom_features": "one-hot"}, "cgcnn92"),
        ({"name": "composition", "layers": 0}, "at least 1"),
    ],
)
def test_refusals_name_the_way_out(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        build(**arguments)


def test_species_without_features_are_refused():
    crystal = rn.Crystal(np.eye(3) * 4, np.array([0], np.uint8), np.zeros((1, 3)))
    for name in names():
        model = build(name, modes(name)[0], channels=8)
        with pytest.raises(DataError, match="atomic number 0"):
            model(collate([crystal], model.spec))


def test_a_batch_of_another_spec_is_refused():
    with pytest.raises(DataError, match="edge_index"):
        build("regnet", channels=8)(collate(random_crystals(1), FeatureSpec()))


def test_element_table_is_the_published_one():
    table = cgcnn92()
    assert table.shape == (101, 92)
    assert np.isnan(table[0]).all()
    widths = [19, 7, 10, 10, 12, 10, 10, 4, 10]
    sums = np.add.reduceat(table[1:], np.concatenate([[0], np.cumsum(widths)[:-1]]), axis=1)
    assert sums.max() == 1  # one bit of each group, or none where the datum is missing
    assert (sums[:, [0, 1, 3, 4, 5, 7]] == 1).all()
    same = {}
    for z in range(1, 101):
        same.setdefault(table[z].tobytes(), []).append(z)
    shared = [zs for zs in same.values() if len(zs) > 1]
    assert shared == [[57, 58], [62, 64], [67, 68], [90, 93], [95, 96], [97, 98, 99, 100]]


def test_composition_sees_the_composition_alone():
    model = build("composition", channels=16).double().eval()
    crystals = random_crystals(3)
    rng = np.random.default_rng(0)
    with torch.no_grad():
        before = model(collate(crystals, model.spec, dtype=torch.float64))
        for change in CHANGES.values():
            after = model(collate([change(c, rng) for c in crystals], model.spec, dtype=torch.float64))
            torch.testing.assert_close(before, after, rtol=1e-12, atol=1e-12)
