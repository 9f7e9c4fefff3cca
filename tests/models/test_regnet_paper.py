"""ReGNet's paper mode: its counts, its slow twin, and the phase that is printed as a control that must fail."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from models import twin_regnet
from models.crystals import random_crystals
from recipnet.data import Indices, Nearest, TensorBatch, collate
from recipnet.models import build
from recipnet.models.atoms import cgcnn92
from recipnet.models.regnet_paper import AxisBlock

SMALL = {"channels": 8, "blocks": 2, "k": 6, "num_radial": 32, "num_reciprocal_radial": 8}


def small_model(**options: object) -> torch.nn.Module:
    """In eval mode and float64, with running statistics of the batch norms that are not their start."""
    torch.manual_seed(5)
    model = build("regnet", "paper", **{**SMALL, **options}).double().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
            with torch.no_grad():
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_()
    return model


@pytest.mark.parametrize(("blocks", "count"), [(3, 3_177_473), (4, 4_162_817)])
def test_parameter_counts(blocks, count):
    model = build("regnet", "paper", blocks=blocks)
    assert sum(p.numel() for p in model.parameters()) == count
    assert sum(p.numel() for p in model.local[0].parameters()) == 526_336
    without = build("regnet", "paper", blocks=blocks, reciprocal_blocks=0)
    assert sum(p.numel() for p in without.parameters()) == 221_441 - 65_792 + blocks * 526_336
    assert without.spec.reflections is None


def test_spec_is_that_of_the_published_graph():
    spec = build("regnet", "paper", channels=8).spec
    assert spec.edges == Nearest(16, shell_tol=0.0, edges="paper")
    assert spec.reflections == Indices(((1, 0, 0), (0, 1, 0), (0, 0, 1)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"filter": "length"},
        {"volume": True},
        {"source": "global"},
        {"reciprocal_blocks": 1, "blocks": 3},
        {"reciprocal_blocks": 0},
    ],
    ids=str,
)
def test_equals_its_twin(options):
    model = small_model(targets=2, **options)
    crystals = random_crystals(3, seed=2)
    with torch.no_grad():
        got = model(collate(crystals, model.spec, dtype=torch.float64)).numpy()
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    blocks = len(model.local)
    known = {key: value for key, value in options.items() if key in ("source", "volume")}
    for row, crystal in zip(got, crystals, strict=True):
        expected = twin_regnet.predict(
            state, crystal, cgcnn92(), k=6, blocks=blocks, reciprocal_blocks=len(model.reciprocal), **known
        )
        np.testing.assert_allclose(row, expected, rtol=1e-12, atol=1e-12)


class LiteralBlock(AxisBlock):
    """The phase as printed: reciprocal vectors in 1/angstrom times fractional coordinates, summed over the axes."""

    def convolve(self, x: torch.Tensor, batch: TensorBatch) -> torch.Tensor:
        rows = 2 * torch.pi * torch.linalg.inv(batch.lattice).transpose(1, 2)
        phase = torch.einsum("na,nax->nx", batch.frac, rows[batch.atom_crystal])
        wave = torch.exp(-1j * phase)[:, :, None] * x[:, None, :]
        sums = torch.zeros(batch.num_crystals, 3, x.shape[1], dtype=wave.dtype).index_add(0, batch.atom_crystal, wave)
        back = torch.exp(1j * phase)[:, :, None] * sums[batch.atom_crystal]
        return back.real.sum(1) * self.vector


def literal_model() -> torch.nn.Module:
    model = small_model()
    for block in model.reciprocal:
        block.__class__ = LiteralBlock
    return model


def wrapped(batch: TensorBatch) -> TensorBatch:
    """Some atoms in the next cell; the reader would put them back, so it is done to its result."""
    moved = batch.frac.clone()
    moved[::2, 0] += 1.0
    moved[1::3, 2] -= 2.0
    return dataclasses.replace(batch, frac=moved)


def test_printed_phase_is_no_phase():
    """Negative control: wrapping and rotation change the literal network, and leave the repaired one alone."""
    crystals = random_crystals(3)
    for model, changes in ((small_model(), False), (literal_model(), True)):
        batch = collate(crystals, model.spec, dtype=torch.float64)
        turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))[0]
        turned = dataclasses.replace(batch, lattice=batch.lattice @ turn)
        with torch.no_grad():
            before = model(batch)
            for other in (wrapped(batch), turned):
                error = (model(other) - before).abs().max() / before.abs().max()
                assert error > 1e-4 if changes else error < 1e-10


def test_a_supercell_switches_the_transform_off():
    """In a doubled cell the index (1, 0, 0) is no reflection of the crystal: its sum vanishes."""
    crystal = random_crystals(1)[0]
    from models.crystals import change_cell

    double = change_cell(crystal, np.diag([2, 2, 2]))
    block = small_model().reciprocal[0]
    spec = small_model().spec
    for cell, empty in ((crystal, False), (double, True)):
        batch = collate(cell, spec, dtype=torch.float64)
        with torch.no_grad():
            size = block.convolve(torch.ones(len(cell), 8, dtype=torch.float64), batch).abs().max().item()
        assert (size < 1e-10) == empty
