"""Every mode of every registered model: the invariances that the registry lists hold, and the others are seen to fail.

A new model adds its rows to ``ROWS``; a mode without a row fails the first test.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

import recipnet as rn
from models.crystals import CHANGES, cubic_crystal, random_crystals, tied_crystal
from recipnet.data import Ball, Radius, collate
from recipnet.models import INVARIANCES, build, invariances, modes, names

#: Changes of description that make up one word of the registry.
GROUPS = {
    "atom order": ("atom order",),
    "wrapping": ("wrapping",),
    "origin": ("origin",),
    "rotation": ("rotation",),
    "mirror": ("improper rotation",),
    "cell": ("a + b", "axis permutation", "axis inversion", "unimodular"),
    "supercell": ("supercell 2x1x1", "supercell 2x2x2", "supercell of index 3"),
}


@dataclass(frozen=True)
class Row:
    """One model, small, under test: options, and invariances that these options take from those of the registry."""

    name: str
    mode: str
    options: dict[str, Any] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    ties: bool = False  # also look at a crystal with a shell that a cut after twelve neighbours goes through

    def __str__(self) -> str:
        return "-".join([self.name, self.mode, *(f"{k}={v}" for k, v in self.options.items() if isinstance(v, str))])

    @property
    def keeps(self) -> tuple[str, ...]:
        return tuple(word for word in invariances(self.name, self.mode) if word not in self.lacks)

    def build(self, dtype: torch.dtype = torch.float64, **more: Any) -> torch.nn.Module:
        """In eval mode, with random numbers for everything learned that starts at zero."""
        torch.manual_seed(3)
        model = build(self.name, self.mode, **{**self.options, **more}).to(dtype).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if not parameter.any():
                    parameter.normal_(std=0.5)
        return model


REGNET = {"channels": 16, "blocks": 2, "num_radial": 64, "num_reciprocal_radial": 16, "d_min": 1.6}
PRDNET = {
    "channels": 16, "layers": 2, "heads": 2, "num_radial": 32, "num_angle_radial": 4, "form_factors": 8, "shells": 8,
    "d_min": 1.6,
}  # fmt: skip
PRDNET_PAPER = {"channels": 16, "layers": 2, "heads": 2, "num_radial": 32, "num_angle_radial": 6, "k": 8, "n": 40}
ROWS = [
    Row("composition", "exact", {"channels": 16}),
    Row("prdnet", "exact", PRDNET),
    Row("prdnet", "exact", {**PRDNET, "level": "set"}),
    Row("prdnet", "exact", {**PRDNET, "level": "pairs", "d_pairs": 2.0}),
    Row("prdnet", "exact", {**PRDNET, "factors": "xray"}),
    Row("prdnet", "exact", {**PRDNET, "factors": "full", "form_factors": 3}),
    Row("prdnet", "exact", {**PRDNET, "neighbors": "nearest", "k": 8}, lacks=("continuity",)),
    Row("prdnet", "paper", PRDNET_PAPER),
    Row("prdnet", "paper_fixed", {**PRDNET_PAPER, "m": 2, "n": 62}),
    Row("regnet", "exact", REGNET),
    Row("regnet", "exact", {**REGNET, "neighbors": "nearest", "k": 8}, lacks=("continuity",)),
    Row("cgcnn", "paper", {"channels": 16, "blocks": 2}, ties=True),
    Row("ewald", "paper", {"channels": 16, "blocks": 2, "cutoff": 5.0}),
    Row("matformer", "paper", {"channels": 8, "blocks": 2, "num_radial": 32}),
    Row("megnet", "paper", {"channels": 16, "blocks": 2}),
    Row("potnet", "paper", {"channels": 16, "blocks": 2, "num_radial": 64}),
    Row("schnet", "exact", {"channels": 16, "blocks": 2}),
    Row("schnet", "paper", {"channels": 16, "blocks": 2, "cutoff": 5.0}),
    Row("regnet_mt", "exact", {**REGNET, "experts": 6, "top_k": 3}),
    Row("regnet_mt", "paper", {"channels": 16, "blocks": 2, "k": 8, "num_radial": 64, "experts": 6, "top_k": 3}),
    Row("regnet", "paper", {"channels": 16, "blocks": 2, "k": 8, "num_radial": 64}),
]
rows = pytest.mark.parametrize("row", ROWS, ids=str)


pytestmark = pytest.mark.usefixtures("one_thread")


def predict(model: torch.nn.Module, crystals: list[rn.Crystal], dtype: torch.dtype = torch.float64) -> torch.Tensor:
    with torch.no_grad():
        return model(collate(crystals, model.spec, dtype=dtype))[:, 0]


def changed_by(row: Row, change: str, dtype: torch.dtype = torch.float64, *, all_crystals: bool) -> float:
    """Largest change of a prediction, relative to the larger of the predictions and their spread."""
    model = row.build(dtype)
    crystals = random_crystals() + ([tied_crystal()] if row.ties else []) + ([cubic_crystal()] if all_crystals else [])
    before = predict(model, crystals, dtype)
    rng = np.random.default_rng(7)
    after = predict(model, [CHANGES[change](c, rng) for c in crystals], dtype)
    scale = max(before.abs().max().item(), (before.max() - before.min()).item())
    assert (before.max() - before.min()).item() > 1e-3 * scale  # the crystals do differ
    return (before - after).abs().max().item() / scale


def test_every_mode_has_a_row():
    assert {(row.name, row.mode) for row in ROWS} == {(name, mode) for name in names() for mode in modes(name)}
    assert {change for group in GROUPS.values() for change in group} == set(CHANGES)
    assert (*GROUPS, "continuity") == INVARIANCES
    for row in ROWS:
        assert set(row.keeps) <= set(INVARIANCES)
        if row.mode == "exact":
            assert set(invariances(row.name)) == set(INVARIANCES)


@pytest.mark.parametrize("word", GROUPS)
@rows
def test_in_float64(row, word):
    if word in row.keeps:
        for change in GROUPS[word]:
            # a paper mode reduces the cell, and where that has ties rounding chooses: that is not for its list to say
            assert changed_by(row, change, all_crystals=row.mode == "exact") <= 1e-10, change
    else:
        assert max(changed_by(row, change, all_crystals=True) for change in GROUPS[word]) > 1e-6


@pytest.mark.parametrize("word", GROUPS)
@rows
def test_in_float32(row, word):
    if row.mode != "exact":
        pytest.skip("the float64 test says what a paper mode keeps")
    for change in GROUPS[word]:
        assert changed_by(row, change, torch.float32, all_crystals=True) <= 1e-5, change


@rows
def test_no_step_where_neighbours_or_reflections_enter(row):
    """Strain moves neighbours through the radius and reflections through the ball."""
    model = row.build()
    crystal = rn.sample("halite")
    a = crystal.lattice[0, 0]
    cuts = []
    if isinstance(model.spec.edges, Radius):
        cuts.append((a * math.sqrt(0.5), model.spec.edges.cutoff))
    if isinstance(model.spec.reflections, Ball):
        cuts.append((a / math.sqrt(12.0), model.spec.reflections.d_min))
    steps = [0.0]
    for length, cut in cuts:
        strains = cut / length - 1.0 + 1e-7 * np.arange(-3, 4)
        path = [rn.Crystal(crystal.lattice * (1 + s), crystal.numbers, crystal.frac_coords) for s in strains]
        batch = collate(path, model.spec, dtype=torch.float64)
        counts = [offsets.diff() for offsets in (batch.edge_offsets, batch.hkl_offsets) if offsets is not None]
        assert any(count.min() < count.max() for count in counts)  # something did cross
        steps.append(predict(model, path).diff().abs().max().item())
    if isinstance(model.spec.edges, Radius) or "continuity" in row.keeps:
        assert ("continuity" in row.keeps) == (max(steps) < 1e-6)
    else:  # the k-th neighbour changes elsewhere
        assert max(steps) < 1e-6


@pytest.mark.parametrize("sample", ["copper", "iron", "rutile", "wurtzite", "quartz"])
@pytest.mark.parametrize("row", [row for row in ROWS if row.mode == "exact"], ids=str)
def test_equivalent_atoms_have_equal_features(row, sample):
    model = row.build()
    if not hasattr(model, "atom_states"):
        pytest.skip("a model without features of single atoms")
    crystal = rn.sample(sample)
    with torch.no_grad():
        states = model.atom_states(collate([crystal], model.spec, dtype=torch.float64))
    for number in set(crystal.numbers.tolist()):  # in these crystals one element is one orbit
        same = states[torch.from_numpy(crystal.numbers == number)]
        torch.testing.assert_close(same, same[:1].expand_as(same), rtol=1e-9, atol=1e-9)


@rows
def test_a_batch_of_many_is_one_by_one(row):
    model = row.build()
    crystals = random_crystals(5)
    together = predict(model, crystals)
    alone = torch.cat([predict(model, [crystal]) for crystal in crystals])
    torch.testing.assert_close(together, alone, rtol=1e-10, atol=1e-10)


@rows
def test_saved_and_loaded_it_predicts_the_same_bits(row):
    model = row.build(torch.float32)
    other = build(row.name, row.mode, **row.options).eval()
    other.load_state_dict(load(save(copy.deepcopy(model.state_dict()))))
    crystals = random_crystals()
    assert torch.equal(predict(model, crystals, torch.float32), predict(other, crystals, torch.float32))


@rows
def test_gradients_are_finite_where_there_is_little_to_see(row):
    """One atom in a cell, an atom without neighbours, and their like beside an ordinary crystal."""
    one = rn.Crystal(np.eye(3) * 3.35, np.array([84], np.uint8), np.zeros((1, 3)))
    lonely = rn.Crystal(np.eye(3) * 9.0, np.array([18], np.uint8), np.full((1, 3), 0.5))
    model = row.build(torch.float32, targets=2)
    for crystals, training in (([one, lonely, *random_crystals(2)], True), ([lonely], False), ([one], False)):
        model.train(training).zero_grad()
        out = model(collate(crystals, model.spec))
        assert out.shape == (len(crystals), 2)
        assert out.isfinite().all()
        out.square().sum().backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is None or parameter.grad.isfinite().all(), name
