"""ReGNet: parameter counts, its slow twins, and the identities behind its reciprocal block."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import recipnet as rn
from models.crystals import random_crystals
from recipnet.data import collate
from recipnet.models import build
from recipnet.models.gated import GatedLayer
from recipnet.models.regnet import VOLUME_SCALE, ReciprocalBlock
from recipnet.ops import recip_convolve, recip_forward

SMALL = {"channels": 16, "blocks": 2, "num_radial": 64, "num_reciprocal_radial": 16, "d_min": 1.6}


def small_model(dtype: torch.dtype = torch.float64, **options: object) -> torch.nn.Module:
    """A model in eval mode whose learned terms that start at zero are not zero."""
    torch.manual_seed(3)
    model = build("regnet", **{**SMALL, **options}).to(dtype).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("zero", "learned")):
                parameter.normal_()
    return model


def predict(model: torch.nn.Module, crystals: list[rn.Crystal], dtype: torch.dtype = torch.float64) -> torch.Tensor:
    with torch.no_grad():
        return model(collate(crystals, model.spec, dtype=dtype))[:, 0]


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"blocks": 3, "atom_features": "cgcnn92"}, 3_275_777),
        ({"blocks": 3, "atom_features": "cgcnn92+z"}, 3_301_377),
        ({"blocks": 4, "atom_features": "cgcnn92"}, 4_293_889),
    ],
)
def test_parameter_counts_at_width_256(options, count):
    model = build("regnet", channels=256, **options)
    assert sum(p.numel() for p in model.parameters()) == count
    local = sum(p.numel() for p in model.local[0].parameters())
    assert local == 526_336


def test_local_layer_equals_its_twin():
    """The split first map is the concatenation of the paper, edge by edge."""
    torch.manual_seed(0)
    layer = GatedLayer(6).double()
    h, v = torch.randn(4, 6, dtype=torch.float64), torch.randn(9, 6, dtype=torch.float64)
    centre, neighbour = torch.randint(0, 4, (2, 9))
    weight = torch.rand(9, 1, dtype=torch.float64)
    expected = torch.zeros(4, 6, dtype=torch.float64)
    for e in range(9):
        z = torch.cat([h[centre[e]], h[neighbour[e]], v[e]])
        gate = layer.gate_norm(layer.gate_out(torch.nn.functional.silu(layer.gate_in(z))))
        value = layer.value_out(torch.nn.functional.silu(layer.value_in(z)))
        expected[centre[e]] += weight[e] * torch.sigmoid(gate) * value
    expected = torch.relu(h + layer.norm(expected))
    torch.testing.assert_close(layer(h, v, centre, neighbour, weight), expected, rtol=1e-12, atol=1e-12)


def test_local_layer_feels_how_many_neighbours_there_are():
    """Every edge twice adds twice as much; a normalisation of the sum would hide it."""
    torch.manual_seed(0)
    layer = GatedLayer(6).double()
    h, v = 9.0 + torch.rand(4, 6, dtype=torch.float64), torch.randn(9, 6, dtype=torch.float64)  # far above the kink
    centre, neighbour = torch.randint(0, 4, (2, 9))
    weight = torch.rand(9, 1, dtype=torch.float64)
    once = layer(h, v, centre, neighbour, weight) - h
    twice = layer(h, v.repeat(2, 1), centre.repeat(2), neighbour.repeat(2), weight.repeat(2, 1)) - h
    torch.testing.assert_close(twice, 2 * once, rtol=1e-12, atol=1e-12)


def block_and_batch(crystals: list[rn.Crystal], d_min: float = 1.5) -> tuple[ReciprocalBlock, object]:
    torch.manual_seed(1)
    block = ReciprocalBlock(5, d_min, 12).double()
    with torch.no_grad():
        block.zero.normal_()
    model = build("regnet", channels=5, blocks=1, d_min=d_min)
    batch = collate(crystals, model.spec, dtype=torch.float64)
    return block, batch


def test_convolution_equals_the_full_sphere_sum():
    """The half sphere with a factor 2 is the sum over all G of the definition, atom by atom."""
    crystals = random_crystals(3)
    block, batch = block_and_batch(crystals)
    x = torch.randn(len(batch.numbers), 5, dtype=torch.float64)
    got = block.convolve(x, batch)
    full = rn.reflections(crystals, d_min=1.5, unique="none")
    for b, crystal in enumerate(crystals):
        rows = slice(int(batch.atom_offsets[b]), int(batch.atom_offsets[b + 1]))
        hkl = torch.from_numpy(full.hkl[full.offsets[b] : full.offsets[b + 1]]).double()
        q = torch.from_numpy(2 * np.pi / full.d_spacing[full.offsets[b] : full.offsets[b + 1]])
        phase = torch.exp(2j * torch.pi * (hkl @ torch.from_numpy(crystal.frac_coords).T))
        u = q / block.q_max
        w = (1 - 6 * u**5 + 15 * u**4 - 10 * u**3)[:, None] * block.filter(block.radial(q))
        s = phase @ x[rows].to(torch.complex128)
        expected = (phase.conj().T @ (w * s)).real + block.zero * x[rows].sum(0)
        torch.testing.assert_close(got[rows], expected * VOLUME_SCALE / crystal.volume, rtol=1e-11, atol=1e-11)


def test_poisson_identity():
    """With a Gaussian filter the reciprocal sum is the sum over all images in real space."""
    sigma = 1.1  # angstrom; W(r) = exp(-r^2 / 2 sigma^2), w(q) = (2 pi sigma^2)^(3/2) exp(-sigma^2 q^2 / 2)
    crystal = random_crystals(1, seed=4)[0]
    refl = rn.reflections(crystal, d_min=2 * np.pi / 9.0)
    frac, hkl = torch.from_numpy(crystal.frac_coords), torch.from_numpy(refl.hkl)
    atoms, hkls = torch.tensor([0, len(crystal)]), torch.from_numpy(refl.offsets)
    q = torch.from_numpy(2 * np.pi / refl.d_spacing)
    w = (2 * math.pi * sigma**2) ** 1.5 * torch.exp(-((sigma * q) ** 2) / 2)
    h = torch.randn(len(crystal), 3, dtype=torch.float64)
    total = h.sum(0) * (2 * math.pi * sigma**2) ** 1.5
    reciprocal = (2 * recip_convolve(h, w[:, None].expand(-1, 3), frac, hkl, atoms, hkls) + total) / crystal.volume
    shifts = np.mgrid[-6:7, -6:7, -6:7].reshape(3, -1).T
    delta = (crystal.frac_coords[None, :, None] - crystal.frac_coords[:, None, None] + shifts) @ crystal.lattice
    kernel = np.exp(-np.square(delta).sum(-1) / (2 * sigma**2)).sum(-1)
    torch.testing.assert_close(reciprocal, torch.from_numpy(kernel) @ h, rtol=1e-11, atol=1e-11)


def test_systematic_absences():
    diamond = rn.sample("diamond")
    refl = rn.reflections(diamond, d_min=0.6)
    ones = torch.ones(len(diamond), 1, dtype=torch.float64)
    sums = recip_forward(
        ones,
        torch.from_numpy(diamond.frac_coords),
        torch.from_numpy(refl.hkl),
        torch.tensor([0, len(diamond)]),
        torch.from_numpy(refl.offsets),
    ).abs()[:, 0]
    hkl = refl.hkl
    mixed = (hkl % 2 != hkl[:, :1] % 2).any(1)
    absent = mixed | ((hkl[:, 0] % 2 == 0) & (hkl.sum(1) % 4 == 2))
    assert absent.any()
    assert sums[absent].max() < 1e-12
    assert sums[~absent].min() > 1.0


def test_published_phase_is_no_phase():
    """Negative control: k.f with k in 1/angstrom, as printed in the paper, changes when an atom is wrapped."""
    crystal = random_crystals(1)[0]
    reciprocal = 2 * np.pi * np.linalg.inv(crystal.lattice).T
    wrapped = crystal.frac_coords + np.array([[1, 0, 0]] + [[0, 0, 0]] * (len(crystal) - 1))

    def literal(frac: np.ndarray) -> np.ndarray:
        phase = np.exp(1j * frac @ reciprocal)
        return (phase * phase.conj().sum(0)).real

    assert np.abs(literal(crystal.frac_coords) - literal(wrapped)).max() > 0.1


def test_reciprocal_blocks_can_be_fewer_or_none():
    none = build("regnet", channels=8, reciprocal_blocks=0)
    assert none.spec.reflections is None
    one = build("regnet", channels=8, reciprocal_blocks=1)
    assert len(one.reciprocal) == 1
    crystals = random_crystals(2)
    for model in (none, one):
        assert model(collate(crystals, model.spec)).shape == (2, 1)


def test_gradients_reach_every_parameter():
    model = small_model(targets=2)
    batch = collate(random_crystals(3), model.spec, dtype=torch.float64)
    model(batch).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


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
    values = predict(small_model(), [whole, split])
    assert abs(values[0] - values[1]) < 1e-10 * abs(values[0])
