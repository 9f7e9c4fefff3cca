"""Edges of published graphs: exactly k neighbours, and images of an atom along vectors of the given cell."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import recipnet as rn
from recipnet.data import FeatureSpec, FirstNearest, Nearest, Radius, TensorBatch, collate
from recipnet.data.lattice_edges import FIRST_RADIUS, IMAGES
from recipnet.errors import ArgumentError

CRYSTALS = [rn.sample(name) for name in ("halite", "copper", "quartz", "silicon")]
#: One atom in a cell, whose near neighbours are images of itself.
CRYSTALS.append(rn.Crystal(1.8 * (1.0 - np.eye(3)), np.array([29], np.uint8), np.zeros((1, 3))))
#: An atom in so large a cell that the search for neighbours must pass 8 angstrom.
SPARSE = rn.Crystal(np.diag([9.0, 9.5, 10.0]), np.array([18], np.uint8), np.zeros((1, 3)))


def by_crystal(batch: TensorBatch, b: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rows = slice(*batch.edge_offsets[b : b + 2].tolist())
    start = batch.atom_offsets[b]
    return batch.edge_index[:, rows] - start, batch.edge_vector[rows], batch.edge_distance[rows]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_first_nearest_are_k_of_each_atom(dtype):
    batch = collate([*CRYSTALS, SPARSE], FeatureSpec(edges=FirstNearest(5)), dtype=dtype)
    assert torch.equal(batch.edge_index[0], torch.arange(batch.num_atoms).repeat_interleave(5))
    assert torch.equal(batch.edge_offsets, batch.atom_offsets * 5)
    assert batch.edge_vector.dtype == batch.edge_distance.dtype == dtype
    for b, crystal in enumerate(CRYSTALS):
        whole = rn.nearest_neighbors(crystal, 5)
        index, vector, distance = by_crystal(batch, b)
        torch.testing.assert_close(vector.norm(dim=1), distance)
        for i in range(len(crystal)):
            mine = distance[index[0] == i].double().numpy()
            rows = slice(whole.atom_offsets[i], whole.atom_offsets[i] + 5)
            np.testing.assert_allclose(mine, whole.distance[rows], rtol=1e-6)


def test_what_is_missing_within_the_radius_is_made_up():
    batch = collate([rn.sample("silicon"), SPARSE], FeatureSpec(edges=FirstNearest(4, radius=9.2)), dtype=torch.float64)
    index, vector, distance = by_crystal(batch, 1)
    np.testing.assert_allclose(distance, [9.0, 9.0, 10.2, 10.2])
    assert index.tolist() == [[0] * 4] * 2
    assert vector[2:].eq(0).all()
    two = rn.Crystal(np.diag([3.0, 30.0, 30.0]), np.array([1, 2], np.uint8), np.array([[0, 0, 0], [0, 0.5, 0.5]]))
    index, _, distance = by_crystal(collate(two, FeatureSpec(edges=FirstNearest(6))), 0)
    assert index[1].tolist() == [0] * 6 + [1, 1, 1, 1, 0, 0]  # the second atom's gaps point at the first
    assert distance.tolist() == [3, 3, 6, 6, 9, 9] * 2


def test_no_crystals():
    spec = FeatureSpec(edges=FirstNearest(3), lattice_edges="given6")
    batch = collate([], spec)
    assert batch.edge_index.shape == batch.lattice_edge_index.shape == (2, 0)
    assert batch.lattice_edge_vector.shape == (0, 3)


@pytest.mark.parametrize("edges", ["directed", "paper", "paper_canonical"])
def test_given_edges_are_the_images_that_are_not_neighbours_already(edges):
    spec = FeatureSpec(edges=Nearest(12, shell_tol=0.0, edges=edges), lattice_edges="given6")
    batch = collate(CRYSTALS, spec, dtype=torch.float64)
    centre, neighbour = batch.edge_index
    for i in range(batch.num_atoms):
        lattice = CRYSTALS[int(batch.atom_crystal[i])].lattice
        near = batch.edge_vector[(centre == i) & (neighbour == i)].numpy()
        expected = [v for v in IMAGES @ lattice if not any(np.abs(v - u).max() < 1e-9 for u in near)]
        mine = batch.lattice_edge_vector[batch.lattice_edge_index[0] == i]
        np.testing.assert_allclose(mine, np.array(expected).reshape(-1, 3), atol=1e-12)
    assert torch.equal(*batch.lattice_edge_index)
    assert 0 < batch.lattice_edge_index.shape[1] < 12 * batch.num_atoms


def test_given_edges_without_a_graph_and_in_single_precision():
    batch = collate(CRYSTALS, FeatureSpec(lattice_edges="given6"))
    assert batch.lattice_edge_index[0].bincount().eq(12).all()
    assert batch.lattice_edge_vector.dtype == torch.float32
    with_radius = collate(CRYSTALS, FeatureSpec(edges=Radius(2.0), lattice_edges="given6"))
    assert torch.equal(batch.lattice_edge_vector, with_radius.lattice_edge_vector)


@pytest.mark.parametrize("edges", ["directed", "paper", "paper_canonical"])
def test_a_search_beyond_eight_angstrom_forgets_the_given_edges(edges):
    """As published. One atom of a crystal is enough; long edges that another atom's list brings are not."""
    spec = FeatureSpec(edges=Nearest(12, shell_tol=0.0, edges=edges), lattice_edges="given6")
    layers = rn.Crystal(np.diag([2.5, 2.5, 19.0]), np.array([6, 18], np.uint8), np.array([[0, 0, 0], [0, 0, 0.44]]))
    # a dense layer and one atom in a wide one: the atom's far neighbours are in the layer's union list
    wide = np.array([[x / 3, y / 3, 0.0] for x in range(3) for y in range(3)] + [[0.1, 0.2, 0.5]])
    vacuum = rn.Crystal(np.diag([8.4, 8.4, 18.0]), np.array([6] * 9 + [18], np.uint8), wide)
    batch = collate([rn.sample("halite"), SPARSE, layers, vacuum], spec, dtype=torch.float64)
    counts = batch.atom_crystal[batch.lattice_edge_index[0]].bincount(minlength=4)
    searched = [
        (np.diff(rn.neighbors(c, FIRST_RADIUS).atom_offsets) < 12).any()
        for c in (rn.sample("halite"), SPARSE, layers, vacuum)
    ]
    assert searched == [False, True, False, True]
    assert [count == 0 for count in counts.tolist()] == searched


def test_voronoi_edges_are_those_of_the_lattice_at_every_atom():
    crystals = [rn.sample("quartz"), rn.sample("halite"), SPARSE, CRYSTALS[-1]]
    for dtype in (torch.float64, torch.float32):
        batch = collate(crystals, FeatureSpec(lattice_edges="voronoi"), dtype=dtype)
        assert torch.equal(*batch.lattice_edge_index)
        assert batch.lattice_edge_vector.dtype == dtype
        for i in range(batch.num_atoms):
            vectors = rn.voronoi_vectors(crystals[int(batch.atom_crystal[i])]).vector
            mine = batch.lattice_edge_vector[batch.lattice_edge_index[0] == i]
            np.testing.assert_allclose(mine, vectors, rtol=1e-6, atol=1e-6)
    assert batch.lattice_edge_index[0].bincount(minlength=batch.num_atoms).tolist() == [8] * 9 + [6] * 8 + [6, 12]
    assert collate([], FeatureSpec(lattice_edges="voronoi")).lattice_edge_vector.shape == (0, 3)


def test_voronoi_edges_do_not_know_the_basis():
    """As given edges do, in the control."""
    crystal = rn.Crystal(np.array([[4.0, 0, 0], [1.1, 3.7, 0], [0.4, 1.2, 4.4]]), [6, 8], [[0, 0, 0], [0.3, 0.2, 0.6]])
    step = np.array([[1, 2, 0], [0, -1, 0], [3, 0, 1]])
    other = rn.Crystal(step @ crystal.lattice, crystal.numbers, crystal.frac_coords @ np.linalg.inv(step))
    for name, equal in (("voronoi", True), ("given6", False)):
        sets = [
            np.sort(
                collate(c, FeatureSpec(lattice_edges=name), dtype=torch.float64).lattice_edge_vector.numpy(), axis=0
            )
            for c in (crystal, other)
        ]
        assert (sets[0].shape == sets[1].shape and np.allclose(*sets, atol=1e-9)) == equal


def test_spec_in_files_and_refusals():
    spec = FeatureSpec(edges=FirstNearest(12, radius=8), lattice_edges="given6")
    assert FeatureSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert spec.to_dict()["lattice_edges"] == "given6"
    voronoi = FeatureSpec(lattice_edges="voronoi")
    assert FeatureSpec.from_dict(voronoi.to_dict()) == voronoi
    for make, name in (
        (lambda: FirstNearest(0), "k"),
        (lambda: FirstNearest(2, radius=0.0), "radius"),
        (lambda: FeatureSpec(lattice_edges="six"), "lattice_edges"),
        (lambda: FeatureSpec.from_dict({"lattice_edges": {"kind": "given6"}}), "lattice_edges"),
    ):
        with pytest.raises(ArgumentError) as caught:
            make()
        assert caught.value.name == name
