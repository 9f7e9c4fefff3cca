"""ReGNet-MT: size, its mixture as loops, what the router chooses, its penalty, and a run with the pictures of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from typer import testing

from few import few_crystals
from models import twin_regnet
from models.crystals import random_crystals
from recipnet.cli import main_command
from recipnet.data import collate
from recipnet.errors import ArgumentError
from recipnet.models import build, options
from recipnet.models.atoms import cgcnn92
from recipnet.models.experts import Experts, Routers, imbalance
from recipnet.training import load, load_config, train
from recipnet.training.experts import ExpertUse, expert_use

SMALL = {"channels": 8, "blocks": 2, "num_radial": 16, "experts": 5, "top_k": 2}


def small_model(mode: str = "exact", **more: object) -> torch.nn.Module:
    torch.manual_seed(1)
    model = build("regnet_mt", mode, targets=3, **{**SMALL, **more}).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_()
    return model


def test_published_size():
    """9.49 million with five tasks, of which the experts have 394,240 each."""
    model = build("regnet_mt", targets=5, atom_features="cgcnn92")
    assert sum(p.numel() for p in model.parameters()) == 9_491_973
    assert sum(p.numel() for p in model.experts.parameters()) == 15 * 394_240


def test_options_are_its_own_and_the_trunks():
    assert {"experts", "top_k", "balance", "d_min", "blocks"} <= set(options("regnet_mt"))
    assert "filter" in options("regnet_mt", "paper")
    with pytest.raises(ArgumentError, match="did you mean 'blocks'"):
        build("regnet_mt", block=3)
    for wrong in ({"top_k": 16}, {"top_k": 0}, {"experts": 0}, {"balance": -1.0}):
        with pytest.raises(ArgumentError):
            build("regnet_mt", channels=8, **wrong)


def mixture(state: dict[str, np.ndarray], x: np.ndarray, task: int, top_k: int, renormalise: bool) -> float:
    """Router, experts and head of one task for one crystal, as loops."""
    logits = x @ state["routers.weight"][task]
    gates = np.exp(logits - logits.max())
    gates /= gates.sum()
    kept = sorted(range(len(gates)), key=lambda n: -gates[n])[:top_k]
    total = sum(gates[n] for n in kept) if renormalise else 1.0
    y = np.zeros_like(x)
    for n in kept:
        hidden = twin_regnet.silu(x @ state["experts.first"][n] + state["experts.first_bias"][n])
        y += gates[n] / total * (hidden @ state["experts.second"][n] + state["experts.second_bias"][n])
    inner = twin_regnet.silu(twin_regnet.linear(state, f"heads.first.{task}", y))
    return float(twin_regnet.linear(state, f"heads.second.{task}", inner)[0])


@pytest.mark.parametrize("renormalise", [True, False])
def test_equals_its_twin(renormalise):
    """The whole network in paper mode; the trunk's twin stops before its read-out."""
    model = small_model("paper", renormalise=renormalise, k=6)
    crystals = random_crystals(3)
    with torch.no_grad():
        got = model(collate(crystals, model.spec, dtype=torch.float64)).numpy()
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    trunk = {name.removeprefix("trunk."): value for name, value in state.items() if name.startswith("trunk.")}
    for row, crystal in zip(got, crystals, strict=True):
        pooled = twin_regnet.pooled(trunk, crystal, cgcnn92(), k=6, blocks=2, reciprocal_blocks=2)
        expected = [mixture(state, pooled, task, 2, renormalise) for task in range(3)]
        np.testing.assert_allclose(row, expected, rtol=1e-12, atol=1e-12)


def test_both_published_orders_are_one_when_gates_add_up_to_one():
    """Softmax then the k largest, or the k largest then softmax."""
    torch.manual_seed(0)
    routers = Routers(6, 2, 7, 3, renormalise=True).eval()
    with torch.no_grad():
        routers.weight.normal_()
    x = torch.randn(5, 6)
    logits = torch.einsum("bc,tcn->btn", x, routers.weight)
    best = torch.topk(logits, 3).indices
    other = torch.full_like(logits, -torch.inf).scatter(-1, best, logits.gather(-1, best)).softmax(-1)
    torch.testing.assert_close(routers(x), other)
    assert ((routers(x) > 0).sum(-1) == 3).all()


def test_noise_is_there_in_training_alone():
    torch.manual_seed(0)
    routers = Routers(6, 1, 7, 3, renormalise=True)
    x = torch.randn(4, 6)
    assert not torch.equal(routers(x), routers(x))
    routers.eval()
    assert torch.equal(routers(x), routers(x))


def test_experts_are_side_by_side():
    torch.manual_seed(0)
    experts = Experts(4, 6, 3)
    x = torch.randn(2, 4)
    for n in range(3):
        hidden = torch.nn.functional.silu(x @ experts.first[n] + experts.first_bias[n])
        torch.testing.assert_close(experts(x)[:, n], hidden @ experts.second[n] + experts.second_bias[n])


def test_penalty_counts_labelled_pairs_alone():
    model = small_model(balance=0.5).train()
    targets = np.array([[1.0, np.nan, 2.0], [np.nan, np.nan, 1.0]])
    batch = collate(random_crystals(2), model.spec, targets, dtype=torch.float64)
    torch.manual_seed(3)
    outputs, penalty = model.forward_and_penalty(batch)
    torch.manual_seed(3)
    gates = model.routers(model.trunk.pooled(batch))
    load = (gates[0, 0] + gates[0, 2] + gates[1, 2]).detach().numpy()
    assert penalty.item() == pytest.approx(0.5 * load.var() / load.mean() ** 2, rel=1e-10)
    assert outputs.shape == (2, 3)
    assert imbalance(torch.full((2, 2, 4), 0.25)).item() == 0
    assert imbalance(torch.zeros(1, 1, 3)).item() == 0


def test_gradients_reach_routers_and_experts():
    model = small_model().train()
    outputs, penalty = model.forward_and_penalty(collate(random_crystals(6), model.spec, dtype=torch.float64))
    (outputs.square().sum() + penalty).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert model.routers.weight.grad.abs().sum() > 0
    assert model.routers.noise.grad.abs().sum() > 0


@pytest.fixture(scope="module")
def run(tmp_path_factory, one_thread):
    """Two targets with holes, 40 training crystals."""
    table = few_crystals(6, 40, 8, 8)
    gap = [None if i % 3 == 0 else value for i, value in enumerate(table["gap_pbe"].to_pylist())]
    place = table.schema.get_field_index("gap_pbe")
    table = table.set_column(place, table.schema.field("gap_pbe"), pa.array(gap, pa.float64()))
    out = tmp_path_factory.mktemp("mt")
    pq.write_table(table, out / "few.parquet")
    chosen = [f"model.options.{key}={value}" for key, value in SMALL.items()]
    overrides = [
        f"data.path={out / 'few.parquet'}", f"output.dir={out}", "data.target_names=['e_form', 'gap_pbe']", *chosen,
        "model.name=regnet_mt", "model.options.reciprocal_blocks=0", "training.epochs=2", "training.batch_size=16",
        "output.plots=false", "output.baseline=false",
    ]  # fmt: skip
    return train(load_config(overrides=overrides), quiet=True).folder


def test_a_run_and_the_use_of_its_experts(run, tmp_path):
    predictor = load(run)
    use = expert_use(predictor)
    assert use.picked.shape == use.gate.shape == (2, 5)
    assert use.crystals == 8
    np.testing.assert_allclose(use.picked.sum(1), 2.0)
    np.testing.assert_allclose(use.gate.sum(1), 1.0, rtol=1e-6)
    command = testing.CliRunner().invoke(
        main_command.app, ["experts", str(run), "--plot", str(tmp_path / "a.png"), "--output", str(tmp_path / "a.csv")]
    )
    assert command.exit_code == 0, command.output
    for words in ("8 crystals, 5 experts", "gap_pbe: expert", "cosine e_form, gap_pbe"):
        assert words in command.stdout
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 11
    given = expert_use(predictor, str(run.parent / "few.parquet"))
    assert given.crystals == 56


def test_similarity_is_the_cosine_of_mean_gates():
    gate = np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 2.0]])
    use = ExpertUse(("a", "b", "c"), 1, gate, gate)
    np.testing.assert_allclose(use.similarity, [[1, 0.6, 0], [0.6, 1, 0], [0, 0, 1]], atol=1e-15)
    load = gate.sum(0)
    assert use.imbalance == pytest.approx(load.var() / load.mean() ** 2)
