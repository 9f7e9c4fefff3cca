"""training.compile: the compiled training step gives the loss and the gradients of the plain one."""

from __future__ import annotations

import functools
import shutil

import numpy as np
import pytest
import torch

from models.crystals import random_crystals
from recipnet.data import collate
from recipnet.models import build
from recipnet.training.config import load_config
from recipnet.training.module import FitModule
from recipnet.training.standard import Standard

# dynamo looks at gradients of what it hands over where it cannot trace; it means nothing for the result
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")

SMALL = {
    "regnet": {"channels": 8, "blocks": 1, "num_radial": 16, "num_reciprocal_radial": 8, "d_min": 2.0},
    "regnet_mt": {"channels": 8, "blocks": 1, "num_radial": 16, "reciprocal_blocks": 0, "experts": 4, "top_k": 4},
}


@pytest.fixture(autouse=True)
def fresh():
    """One thread, and no compiled code left behind."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.compiler.reset()


def losses_and_gradients(name: str, compiled: bool) -> list[tuple[float, list[torch.Tensor]]]:
    """Of one step for each of two batches of different sizes."""
    torch.manual_seed(0)
    model = build(name, targets=2, **SMALL[name]).train()
    config = load_config(overrides=[f"training.compile={str(compiled).lower()}"]).training
    module = FitModule(model, config, Standard(np.zeros(2), np.ones(2)), 10)
    found = []
    for count in (2, 4):
        targets = np.arange(2.0 * count).reshape(count, 2)
        targets[0, 1] = np.nan
        batch = collate(random_crystals(count, seed=count), model.spec, targets)
        model.zero_grad()
        torch.manual_seed(count)  # of the routers' noise
        loss = module.training_step(batch, 0)
        loss.backward()
        found.append((loss.item(), [p.grad.clone() for p in model.parameters() if p.grad is not None]))
    return found


def compare(name: str) -> None:
    for (plain, before), (fused, after) in zip(
        losses_and_gradients(name, False), losses_and_gradients(name, True), strict=True
    ):
        assert fused == pytest.approx(plain, rel=1e-5)
        scale = max(gradient.abs().max().item() for gradient in before)
        assert len(before) == len(after)
        for a, b in zip(before, after, strict=True):
            assert (a - b).abs().max().item() <= 1e-5 * scale


@pytest.mark.parametrize("name", SMALL)
def test_traced_step_is_the_plain_one(name, monkeypatch):
    """What torch.compile does to the Python code, without the minutes of the C++ compiler."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    compare(name)


@pytest.mark.slow
def test_compiled_step_is_the_plain_one():
    if not any(shutil.which(compiler) for compiler in ("c++", "g++", "clang++", "cl")):
        pytest.skip("torch.compile needs a C++ compiler on a CPU")
    compare("regnet")
