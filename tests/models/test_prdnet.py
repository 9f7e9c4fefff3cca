"""PRDNet: equal to its loop-level twins in every mode, its pieces by themselves, and its switches."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import recipnet as rn
from models import twin_prdnet as twin
from models.crystals import random_crystals
from recipnet.data import Ball, FeatureSpec, collate
from recipnet.errors import ArgumentError, DataError
from recipnet.models import build
from recipnet.models.angles import SphericalBasis, bessel_zeros, harmonics
from recipnet.models.segments import segment_outer
from recipnet.models.triples import closed_triples

EXACT = {
    "channels": 6, "layers": 2, "heads": 2, "cutoff": 3.6, "num_radial": 9, "num_angle_radial": 3, "angle_degree": 4,
    "d_min": 1.6,
    "form_factors": 4, "shells": 5, "d_pairs": 2.0,
}  # fmt: skip


pytestmark = pytest.mark.usefixtures("one_thread")


def made(mode: str = "exact", **options: object) -> torch.nn.Module:
    """In eval mode, nothing learned at zero, and batch statistics that do something."""
    torch.manual_seed(5)
    model = build("prdnet", mode, **options).double().eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0)
            elif name.endswith("running_mean") or (value.is_floating_point() and not value.any()):
                value.normal_(std=0.5)
    return model


def arrays(model: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in model.state_dict().items()}


def predict(model: torch.nn.Module, crystals: list[rn.Crystal]) -> np.ndarray:
    with torch.no_grad():
        return model(collate(crystals, model.spec, dtype=torch.float64)).numpy()


@pytest.mark.parametrize("factors", ["learned", "full"])
@pytest.mark.parametrize("level", ["powder", "set", "pairs"])
def test_exact_equals_its_twin(level, factors):
    options = {**EXACT, "level": level, "factors": factors}
    model = made(targets=2, **options)
    crystals = random_crystals(2, seed=3)
    got = predict(model, crystals)
    state = arrays(model)
    for crystal, values in zip(crystals, got, strict=True):
        h = twin.atom_states(state, crystal, options, paper=False)
        d = twin.diffraction_exact(state, crystal, h, options)
        np.testing.assert_allclose(values, twin.head(state, h.mean(0), d), rtol=1e-11, atol=1e-12)


def test_atoms_without_residuals_equal_their_twin():
    options = {**EXACT, "residual": False}
    model = made(**options)
    (crystal,) = random_crystals(1, seed=3)
    with torch.no_grad():
        got = model.atom_states(collate([crystal], model.spec, dtype=torch.float64)).numpy()
    expected = twin.atom_states(arrays(model), crystal, options, paper=False)
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("mode", "m", "n"), [("paper", 2, 30), ("paper", 1, 100), ("paper_fixed", 1, None)])
def test_paper_modes_equal_their_twins(mode, m, n):
    options = {"channels": 6, "layers": 2, "heads": 2, "k": 3, "num_radial": 9, "num_angle_radial": 3}
    model = made(mode, targets=2, **options, m=m, n=n)
    crystals = random_crystals(2, seed=4)
    got = predict(model, crystals)
    state = arrays(model)
    for crystal, values in zip(crystals, got, strict=True):
        h = twin.atom_states(state, crystal, options, paper=True)
        cell = rn.niggli(crystal) if mode == "paper_fixed" else crystal
        d = twin.diffraction_paper(state, cell, h, m, n)
        np.testing.assert_allclose(values, twin.head(state, h.mean(0), d), rtol=1e-12, atol=1e-12)


def test_parameter_counts_of_the_published_size():
    """23.2 M were counted from the public code, with 0.36 M of modules that it never uses."""
    counts = {}
    for mode in ("paper", "paper_fixed"):
        model = build("prdnet", mode)
        counts[mode] = sum(p.numel() for p in model.parameters())
        assert sum(p.numel() for p in model.graph.attention[0].parameters()) == 3_483_648
    assert counts == {"paper": 22_330_029, "paper_fixed": 22_410_394}


def test_list_of_the_paper_is_no_union_of_orbits():
    """Of its 300 triples none has its opposite, which every crystal makes as strong (Friedel)."""
    chosen = {
        tuple(t) for t in build("prdnet", "paper", channels=4, layers=1, heads=1).spec.reflections.triples().tolist()
    }
    assert len(chosen) == 300
    assert sum(tuple(-i for i in t) in chosen for t in chosen) == 0
    whole = build("prdnet", "paper_fixed", channels=4, layers=1, heads=1).spec.reflections.triples()
    assert len(whole) == 665


def test_bessel_functions_and_zeros_against_scipy():
    from scipy.special import spherical_jn

    zeros = bessel_zeros(40)
    for degree in range(3):
        np.testing.assert_allclose(zeros[degree], twin.zeros(degree, 40), rtol=1e-13)
    basis = SphericalBasis(5.0, 40)
    distance = torch.cat([torch.tensor([0.0, 1e-9, 1e-3]), torch.linspace(0.05, 9.0, 300)]).double()
    got = basis.radial(distance).numpy()
    for degree in range(3):
        norm = np.sqrt(spherical_jn(degree + 1, zeros[degree]) ** 2 / 2)
        expected = spherical_jn(degree, distance.numpy()[:, None] * zeros[degree] / 5.0) / norm
        expected *= math.sqrt((2 * degree + 1) / (4 * math.pi))
        np.testing.assert_allclose(got[:, degree], expected, rtol=0, atol=1e-12)
    single = basis.radial(distance.float()).double().numpy()
    np.testing.assert_allclose(single, got, rtol=0, atol=3e-4)  # arguments to 200, rounded to float32


def test_addition_theorem():
    from scipy.special import eval_legendre

    u, w = torch.nn.functional.normalize(torch.randn(2, 50, 3, dtype=torch.float64), dim=-1)
    for degree, (left, right) in enumerate(zip(harmonics(u, 8), harmonics(w, 8), strict=True)):
        assert left.shape == (50, 2 * degree + 1)
        expected = eval_legendre(degree, (u * w).sum(1).numpy())
        np.testing.assert_allclose((left * right).sum(1).numpy(), expected, rtol=0, atol=1e-13)


def test_sums_of_outer_products():
    index = torch.tensor([0, 0, 0, 2, 2, 4])
    left, right = torch.randn(6, 3).double(), torch.randn(6, 2).double()
    got = segment_outer(left, right, index, 6)
    for s in range(6):
        rows = index == s
        torch.testing.assert_close(got[s], torch.einsum("ha,hb->ab", left[rows], right[rows]))
    assert segment_outer(left[:0], right[:0], index[:0], 3).shape == (3, 3, 2)


def test_triples_close_and_are_all_there():
    batch = collate([*random_crystals(2), rn.sample("copper")], FeatureSpec(reflections=Ball(1.2)), dtype=torch.float64)
    triples = closed_triples(batch, 1.9)
    total = torch.zeros(len(triples.crystal), 3, dtype=torch.int64)
    for row, opposite in zip(triples.rows, triples.opposite, strict=True):
        assert torch.equal(batch.hkl_crystal[row], triples.crystal)
        assert (batch.inverse_d[row] <= 1 / 1.9).all()
        total += torch.where(opposite[:, None], -1, 1) * batch.hkl[row]
    assert (total == 0).all()
    for b in range(3):
        kept = batch.hkl[(batch.hkl_crystal == b) & (batch.inverse_d <= 1 / 1.9)]
        half = [tuple(row) for row in kept.tolist()]
        full = {*half, *(tuple(-np.array(row)) for row in half)}
        expected = sum(tuple(-np.add(one, two)) in full for one in half for two in full)
        assert int((triples.crystal == b).sum()) == expected
    none = closed_triples(batch, 50.0)
    assert none.crystal.numel() == 0


def test_tabulated_factors_are_those_of_the_crystals_structure_factors():
    crystals = [*random_crystals(2), rn.sample("halite")]
    model = made(**{**EXACT, "factors": "xray"})
    batch = collate(crystals, model.spec, dtype=torch.float64)
    with torch.no_grad():
        got = model.diffraction.structure_factors(torch.zeros(batch.num_atoms, 6, dtype=torch.float64), batch)[:, 0]
    refl = rn.reflections(crystals, d_min=EXACT["d_min"], order="scan")
    np.testing.assert_array_equal(batch.hkl.numpy(), refl.hkl)
    atoms = np.repeat([len(crystal) for crystal in crystals], np.diff(refl.offsets))
    np.testing.assert_allclose(got.numpy() * atoms, rn.structure_factors(crystals, refl), rtol=0, atol=5e-4)
    heavy = rn.Crystal(np.eye(3) * 5, np.array([99], np.uint8), np.zeros((1, 3)))
    with pytest.raises(DataError, match="up to 98"):
        predict(model, [heavy])


def test_intensities_do_not_see_the_hand_and_pairs_see_more_than_intensities():
    """Homometric crystals: other positions, the same |F|^2 at every reflection (Patterson, 1944, on a ring of 8)."""
    lattice = np.diag([3.0, 3.0, 16.0])
    same = [np.array(z) / 8.0 for z in ((0, 3, 4, 5), (0, 4, 5, 7))]
    pair = [rn.Crystal(lattice, np.full(4, 14, np.uint8), np.stack([0 * z, 0 * z, z], axis=1)) for z in same]
    refl = rn.reflections(pair, d_min=1.0)
    strength = np.abs(np.exp(2j * np.pi * np.multiply.outer(refl.hkl[: refl.offsets[1], 2], np.array(same))).sum(-1))
    np.testing.assert_allclose(strength[:, 0], strength[:, 1], atol=1e-9)

    # atoms that do not know their environment: no edge is shorter than the cut-off
    options = {**EXACT, "cutoff": 1.0, "d_min": 1.0, "form_factors": 8}
    powder = predict(made(level="powder", **options), pair)
    pairs = predict(made(level="pairs", **options), pair)
    assert abs(powder[0] - powder[1]) < 1e-11 * abs(powder[0])
    assert abs(pairs[0] - pairs[1]) > 1e-7 * abs(pairs[0])


@pytest.mark.parametrize(
    "switch",
    [{"diffraction": False}, {"heads": 1}, {"residual": False}, {"edge_features": False}, {"angles": False}],
    ids=lambda switch: next(iter(switch)),
)
def test_switches_change_the_model(switch):
    crystals = random_crystals(2)
    model = made(**{**EXACT, **switch})
    assert (model.spec.reflections is None) == ("diffraction" in switch)
    assert not np.allclose(predict(model, crystals), predict(made(**EXACT), crystals))
    batch = collate(crystals, model.spec, dtype=torch.float64)
    model.train()(batch).square().sum().backward()
    unused = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # without edge features the edge map of the attention has nothing to read
    assert all("edge_features" in switch and name.endswith(".edge.weight") for name in unused), unused


def test_without_edge_features_only_the_envelope_sees_distances():
    model = made(**{**EXACT, "edge_features": False, "diffraction": False, "neighbors": "nearest", "k": 6})
    crystal = rn.sample("halite")
    larger = rn.Crystal(crystal.lattice * 1.05, crystal.numbers, crystal.frac_coords)
    values = predict(model, [crystal, larger])
    assert abs(values[0] - values[1]) < 1e-12 * abs(values[0])


def test_mixed_sites_count_by_occupancy():
    """Half of one species and half of the same species on one site is that species."""
    lattice, frac = np.diag([4.0, 4.1, 4.2]), np.array([[0.1, 0.2, 0.3], [0.6, 0.7, 0.8]])
    whole = rn.Crystal(lattice, np.array([29, 8], np.uint8), frac)
    split = rn.Crystal(
        lattice,
        np.array([29, 29, 8], np.uint8),
        frac[[0, 0, 1]],
        occupancies=np.array([0.5, 0.5, 1.0]),
        site=np.array([0, 0, 1], np.int32),
    )
    values = predict(made(**{**EXACT, "cutoff": 5.0}), [whole, split])
    assert abs(values[0] - values[1]) < 1e-10 * abs(values[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": "lines"}, "one of powder, set, pairs"),
        ({"factors": "neutron"}, "one of learned, full, xray"),
        ({"level": "pairs", "d_pairs": 1.0}, "at least d_min"),
        ({"neighbors": "all"}, "one of radius, nearest"),
        ({"heads": 0}, "at least 1"),
        ({"shells": 1}, "at least 2"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ArgumentError, match=message):
        build("prdnet", **options)
