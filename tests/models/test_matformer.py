"""Matformer: equal to its definition, of the published size, and what its lattice edges do."""

from __future__ import annotations

import numpy as np
import pytest

import recipnet as rn
from models import twin_matformer
from models.baselines import predictions, seeded, twin_crystals, weights
from models.crystals import change_cell
from recipnet.errors import ArgumentError
from recipnet.models import build

#: Fewer than six neighbours within 8 angstrom: the published graph has no lattice edges here.
SPARSE = rn.Crystal(np.diag([7.0, 9.0, 10.0]), np.array([18], np.uint8), np.zeros((1, 3)))


@pytest.mark.parametrize("lattice_edges", [True, False])
def test_equals_its_twin(lattice_edges):
    options = {"blocks": 2, "heads": 2, "k": 6, "num_radial": 20, "lattice_edges": lattice_edges}
    model = seeded("matformer", "paper", channels=4, targets=2, **options)
    crystals = [*twin_crystals(), SPARSE]
    expected = [twin_matformer.predict(weights(model), c, **options) for c in crystals]
    np.testing.assert_allclose(predictions(model, crystals), expected, rtol=1e-12, atol=1e-12)


def test_published_size():
    """97,792 of the published parameters sit in modules that never run."""
    model = build("matformer", "paper")
    assert sum(p.numel() for p in model.parameters()) + 97_792 == 2_880_641
    assert sum(p.numel() for p in model.layers[0].parameters()) == 544_256


def test_what_sees_the_cell_are_the_lattice_edges():
    """b + c is one of them, b - c is not; without them any cell of the crystal will do, but not a supercell."""
    crystal = twin_crystals()[0]
    turned = change_cell(crystal, np.array([[1, 0, 0], [0, 1, 0], [0, 0, -1]]))
    for lattice_edges in (True, False):
        model = seeded("matformer", "paper", channels=4, blocks=2, num_radial=20, lattice_edges=lattice_edges)
        a, b = predictions(model, [crystal, turned])
        assert (np.abs(a - b).max() <= 1e-10 * np.abs(a).max()) != lattice_edges


def test_images_of_an_atom_are_listed_twice():
    """Negative control of supercells: simple cubic polonium, six neighbours."""
    polonium = rn.Crystal(np.eye(3) * 3.34, np.array([84], np.uint8), np.zeros((1, 3)))
    model = seeded("matformer", "paper", channels=4, blocks=2, k=6, num_radial=20, lattice_edges=False)
    a, b = predictions(model, [polonium, change_cell(polonium, np.diag([2, 1, 1]))])
    assert np.abs(a - b).max() > 1e-4 * np.abs(a).max()


def test_refusals():
    with pytest.raises(ArgumentError, match="heads"):
        build("matformer", "paper", heads=0)
