"""collate and TensorBatch: shapes, dtypes, shared memory, and the same numbers as crystal by crystal."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import recipnet as rn
from recipnet import _core
from recipnet.data import Ball, FeatureSpec, IndexBox, Indices, Nearest, Radius, TensorBatch, collate
from recipnet.errors import ArgumentError, DataError, LimitError

SPEC = FeatureSpec(edges=Radius(4.0), reflections=Ball(1.5))
SPECS = [SPEC, FeatureSpec(edges=Nearest(6)), FeatureSpec(reflections=Ball(1.2)), FeatureSpec()]
DTYPES = [torch.float32, torch.float64]
RAGGED = {"atom_offsets": "atoms", "edge_offsets": "edges", "hkl_offsets": "reflections"}


@pytest.fixture(scope="module")
def crystals() -> rn.CrystalBatch:
    rng = np.random.default_rng(7)
    made = []
    for count in (1, 5, 2, 9):
        lattice = np.diag(rng.uniform(3.5, 6.0, 3)) + rng.normal(scale=0.6, size=(3, 3))
        made.append(rn.Crystal(lattice, rng.integers(1, 90, count), rng.uniform(-1.0, 2.0, (count, 3))))
    return rn.CrystalBatch.from_crystals(made, ids=["a", "b", "c", "d"])


def tensors(batch: TensorBatch) -> dict[str, torch.Tensor]:
    return {name: value for name, value in vars(batch).items() if isinstance(value, torch.Tensor)}


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_and_shape_of_every_field(crystals: rn.CrystalBatch, dtype: torch.dtype) -> None:
    targets = np.array([[1.0, np.nan], [2.0, 3.0], [np.nan, np.nan], [4.0, 5.0]])
    batch = collate(crystals, SPEC, targets, dtype)
    n, e, h = len(crystals.numbers), batch.edge_distance.shape[0], batch.hkl.shape[0]
    assert e > 20
    assert h > 20
    assert {name: (tuple(value.shape), value.dtype) for name, value in tensors(batch).items()} == {
        "numbers": ((n,), torch.int64),
        "frac": ((n, 3), dtype),
        "lattice": ((4, 3, 3), dtype),
        "atom_offsets": ((5,), torch.int64),
        "occupancies": ((n,), dtype),
        "edge_index": ((2, e), torch.int64),
        "edge_vector": ((e, 3), dtype),
        "edge_distance": ((e,), dtype),
        "edge_offsets": ((5,), torch.int64),
        "hkl": ((h, 3), torch.int32),
        "hkl_offsets": ((5,), torch.int64),
        "inverse_d": ((h,), dtype),
        "targets": ((4, 2), dtype),
        "mask": ((4, 2), torch.bool),
    }
    assert all(value.is_contiguous() for value in tensors(batch).values())
    assert batch.ids == ["a", "b", "c", "d"]
    assert (batch.num_crystals, len(batch), batch.num_atoms) == (4, 4, n)
    assert batch.targets.tolist() == [[1, 0], [2, 3], [0, 0], [4, 5]]
    assert batch.mask.tolist() == [[True, False], [True, True], [False, False], [True, True]]
    assert ((batch.frac >= 0) & (batch.frac < 1)).all()


def test_fields_that_were_not_asked_for_are_absent(crystals: rn.CrystalBatch) -> None:
    batch = collate(crystals, FeatureSpec())
    assert batch.edge_index is batch.edge_vector is batch.edge_distance is batch.edge_offsets is None
    assert batch.hkl is batch.hkl_offsets is batch.inverse_d is None
    assert batch.targets is batch.mask is None
    with pytest.raises(AttributeError, match="no reflections"):
        _ = batch.hkl_crystal
    with pytest.raises(AttributeError, match="no edges"):
        _ = batch.edge_crystal


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_are_the_arrays_of_the_core(
    crystals: rn.CrystalBatch, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    calls = []
    real = _core.featurize

    def spy(*args: Any) -> dict[str, Any]:
        calls.append(1)
        seen.update(real(*args))
        return dict(seen)

    monkeypatch.setattr(_core, "featurize", spy)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batch = collate(crystals, SPEC, dtype=dtype)
    assert len(calls) == 1
    arrays = {name: array for name, array in seen.items() if array is not None}
    assert len(arrays) == 11
    for name, array in arrays.items():
        assert getattr(batch, name).data_ptr() == array.ctypes.data, name
        assert array.flags.writeable
        assert array.flags.c_contiguous


def test_nothing_of_the_crystals_is_shared(crystals: rn.CrystalBatch) -> None:
    before = copy.deepcopy(crystals)
    batch = collate(crystals, SPEC, dtype=torch.float64)
    for value in tensors(batch).values():
        value.zero_()
    assert crystals == before


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bytes_as_crystal_by_crystal(crystals: rn.CrystalBatch, spec: FeatureSpec, dtype: torch.dtype) -> None:
    whole = collate(crystals, spec, dtype=dtype)
    for b, crystal in enumerate(crystals):
        one = collate(crystal, spec, dtype=dtype)
        atoms = slice(*whole.atom_offsets[b : b + 2].tolist())
        for name in ("numbers", "frac", "occupancies"):
            assert torch.equal(getattr(whole, name)[atoms], getattr(one, name)), name
        assert torch.equal(whole.lattice[b : b + 1], one.lattice)
        if spec.edges is not None:
            edges = slice(*whole.edge_offsets[b : b + 2].tolist())
            assert torch.equal(whole.edge_index[:, edges] - atoms.start, one.edge_index)
            assert torch.equal(whole.edge_vector[edges], one.edge_vector)
            assert torch.equal(whole.edge_distance[edges], one.edge_distance)
        if spec.reflections is not None:
            rows = slice(*whole.hkl_offsets[b : b + 2].tolist())
            assert torch.equal(whole.hkl[rows], one.hkl)
            assert torch.equal(whole.inverse_d[rows], one.inverse_d)


@pytest.mark.parametrize("spec", SPECS)
def test_order_of_the_batch_and_threads_do_not_matter(crystals: rn.CrystalBatch, spec: FeatureSpec) -> None:
    order = [2, 0, 3, 1]
    one = collate(crystals, spec)
    for threads in (1, 2, None):
        again = collate(crystals, spec, threads=threads)
        for name, value in tensors(one).items():
            assert torch.equal(value, getattr(again, name)), name
    other = collate(crystals[order], spec)
    assert other.ids == ["c", "a", "d", "b"]
    for offsets, values in (("edge_offsets", "edge_distance"), ("hkl_offsets", "inverse_d"), ("atom_offsets", "frac")):
        if getattr(one, offsets) is None:
            continue
        parts = getattr(one, values).tensor_split(getattr(one, offsets)[1:-1])
        shuffled = getattr(other, values).tensor_split(getattr(other, offsets)[1:-1])
        assert all(torch.equal(parts[a], b) for a, b in zip(order, shuffled, strict=True))


def test_vectors_and_distances_belong_to_their_atoms(crystals: rn.CrystalBatch) -> None:
    batch = collate(crystals, SPEC, dtype=torch.float64)
    receiver, sender = batch.edge_index
    crystal = batch.atom_crystal[receiver]
    assert torch.equal(crystal, batch.atom_crystal[sender])
    assert torch.equal(crystal, batch.edge_crystal)
    lattice = batch.lattice[crystal]
    straight = torch.einsum("ei,eij->ej", batch.frac[sender] - batch.frac[receiver], lattice)
    shift = torch.linalg.solve(lattice.mT, batch.edge_vector - straight)
    torch.testing.assert_close(shift, shift.round(), atol=1e-9, rtol=0)
    torch.testing.assert_close(batch.edge_vector.norm(dim=1), batch.edge_distance)
    reciprocal = torch.linalg.inv(batch.lattice).mT[batch.hkl_crystal]
    cartesian = torch.einsum("hi,hij->hj", batch.hkl.double(), reciprocal)
    torch.testing.assert_close(cartesian.norm(dim=1), batch.inverse_d)


def test_derived(crystals: rn.CrystalBatch) -> None:
    batch = collate(crystals, SPEC, dtype=torch.float64)
    assert batch.atom_crystal.tolist() == [0] + [1] * 5 + [2] * 2 + [3] * 9
    assert batch.atom_crystal is batch.atom_crystal
    assert torch.equal(batch.hkl_crystal.bincount(), batch.hkl_offsets.diff())
    np.testing.assert_allclose(batch.volume, [crystal.volume for crystal in crystals])
    assert batch.dtype == torch.float64
    assert batch.device == torch.device("cpu")
    assert repr(batch).startswith("TensorBatch(4 crystals, 17 atoms, ")


def test_to_and_pickle(crystals: rn.CrystalBatch) -> None:
    batch = collate(crystals, SPEC, np.zeros(4))
    _ = batch.atom_crystal
    moved = batch.to("meta", non_blocking=True)
    assert {value.device.type for value in tensors(moved).values()} == {"meta"}
    assert moved.atom_crystal.device.type == "meta"
    again = pickle.loads(pickle.dumps(batch))
    assert all(torch.equal(value, getattr(again, name)) for name, value in tensors(batch).items())
    assert again.ids == batch.ids


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_pin_memory(crystals: rn.CrystalBatch) -> None:
    pinned = collate(crystals, SPEC, np.zeros(4)).pin_memory()
    assert all(value.is_pinned() for value in tensors(pinned).values())
    assert pinned.to("cuda", non_blocking=True).volume.device.type == "cuda"


def test_mixed_sites_are_not_their_own_neighbours() -> None:
    mixed = rn.Crystal(np.eye(3) * 4, [28, 29], np.zeros((2, 3)), occupancies=[0.25, 0.75], site=[0, 0])
    batch = collate(mixed, FeatureSpec(edges=Radius(4.5)))
    assert batch.edge_distance.min() == 4.0
    assert batch.occupancies.tolist() == [0.25, 0.75]


def test_no_crystal_and_no_edge() -> None:
    batch = collate([], SPEC)
    assert (batch.num_crystals, batch.num_atoms, batch.edge_index.shape) == (0, 0, (2, 0))
    lonely = collate(rn.Crystal(np.eye(3) * 10, [2], [[0, 0, 0]]), FeatureSpec(edges=Radius(1.0)))
    assert lonely.edge_index.shape == (2, 0)
    assert lonely.edge_vector.shape == (0, 3)
    assert lonely.edge_offsets.tolist() == [0, 0]


def test_bad_arguments(crystals: rn.CrystalBatch) -> None:
    with pytest.raises(ArgumentError, match="dtype"):
        collate(crystals, SPEC, dtype=torch.float16)
    with pytest.raises(DataError, match=r"shape \(3,\), 4 crystals need"):
        collate(crystals, SPEC, np.zeros(3))
    with pytest.raises(DataError, match="shape"):
        collate(crystals, SPEC, np.zeros((4, 1, 1)))
    with pytest.raises(ArgumentError, match="expected a CrystalBatch"):
        collate("quartz.cif", SPEC)


def test_limits_name_the_crystals(crystals: rn.CrystalBatch) -> None:
    with pytest.raises(LimitError) as caught:
        collate(crystals, FeatureSpec(edges=Radius(500.0)))
    assert caught.value.name == "max_edges"
    assert "'" in str(caught.value) or "in the batch of a, b, c, d" in str(caught.value)
    with pytest.raises(LimitError) as caught:
        collate(crystals, FeatureSpec(reflections=Ball(0.005)))
    assert caught.value.name == "max_reflections"


@pytest.mark.parametrize("dtype", DTYPES)
def test_indices_are_the_same_for_every_crystal(crystals: rn.CrystalBatch, dtype: torch.dtype) -> None:
    wanted = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 2, 3))
    batch = collate(crystals, FeatureSpec(reflections=Indices(wanted)), dtype=dtype)
    assert batch.hkl.dtype == torch.int32
    assert batch.inverse_d.dtype == dtype
    assert batch.hkl_offsets.tolist() == [0, 4, 8, 12, 16]
    for b, crystal in enumerate(crystals):
        rows = slice(4 * b, 4 * b + 4)
        assert batch.hkl[rows].tolist() == [list(row) for row in wanted]
        # without 2 pi: a_i . a*_j = delta_ij
        a, b_, c = crystal.lattice
        stars = np.array([np.cross(b_, c), np.cross(c, a), np.cross(a, b_)]) / np.dot(a, np.cross(b_, c))
        expected = [np.linalg.norm(h * stars[0] + k * stars[1] + l * stars[2]) for h, k, l in wanted]  # noqa: E741
        rtol = 1e-6 if dtype == torch.float32 else 1e-13
        np.testing.assert_allclose(batch.inverse_d[rows].numpy(), expected, rtol=rtol)
    with pytest.raises(LimitError) as caught:
        collate(crystals, FeatureSpec(reflections=Indices(wanted)), max_reflections=15)
    assert (caught.value.limit, caught.value.needed) == (15, 16)


def test_box_of_the_reduced_cell_is_the_same_waves_in_any_cell(crystals: rn.CrystalBatch) -> None:
    """The indices change with the cell, the waves do not, up to the sign that a reduced cell leaves open."""
    spec = FeatureSpec(reflections=IndexBox(2, half=True, reduced=True))
    step = np.array([[1, 2, 0], [0, -1, 0], [3, 0, 1]])
    for crystal in crystals:
        other = rn.Crystal(step @ crystal.lattice, crystal.numbers, crystal.frac_coords @ np.linalg.inv(step))
        waves = []
        for c in (crystal, other):
            batch = collate(c, spec, dtype=torch.float64)
            q = batch.hkl.double() @ torch.from_numpy(np.linalg.inv(c.lattice).T)
            torch.testing.assert_close(q.norm(dim=1), batch.inverse_d)
            waves.append(q)
        sign = torch.sign((waves[0] * waves[1]).sum(1, keepdim=True))
        torch.testing.assert_close(waves[0], sign * waves[1])
        reduced = rn.niggli(crystal)
        expected = np.linalg.norm(IndexBox(2, half=True).triples() @ np.linalg.inv(reduced.lattice).T, axis=1)
        np.testing.assert_allclose(waves[0].norm(dim=1), expected)


@pytest.mark.parametrize("edges", [Radius(3.5), Nearest(4, shell_tol=0.0, edges="paper")])
def test_angles_between_edges_of_one_centre(crystals: rn.CrystalBatch, edges: Any) -> None:
    batch = collate(crystals, FeatureSpec(edges=edges, angles=True), dtype=torch.float64)
    centre, _ = batch.edge_index
    first, second = batch.triplet_index
    expected = [(e, f) for e in range(len(centre)) for f in range(len(centre)) if e != f and centre[e] == centre[f]]
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == expected
    unit = batch.edge_vector / batch.edge_distance[:, None]
    torch.testing.assert_close(torch.cos(batch.triplet_angle), (unit[first] * unit[second]).sum(1), rtol=0, atol=1e-12)
    with pytest.raises(LimitError):
        collate(crystals, FeatureSpec(edges=edges, angles=True), max_triplets=len(expected) - 1)
    single = collate(crystals, FeatureSpec(edges=edges, angles=True))
    assert (single.triplet_index.dtype, single.triplet_angle.dtype) == (torch.int64, torch.float32)
