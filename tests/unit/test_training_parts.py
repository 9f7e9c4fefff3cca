"""Small parts of the trainer: schedule, averages, standardisation, losses, metrics, displays, folders, pictures."""

from __future__ import annotations

import io
import math
import os
import signal

import numpy as np
import pytest
import torch

from recipnet.errors import ConfigError, DataError, TrainingError
from recipnet.plot import Parity, learning_curve, parity
from recipnet.training.config import load_config
from recipnet.training.display import Bar, Lines
from recipnet.training.ema import WeightAverage
from recipnet.training.interrupt import listening
from recipnet.training.losses import masked_loss
from recipnet.training.module import FitModule
from recipnet.training.process import denormals_are_flushed, deterministic_algorithms, flushed_denormals
from recipnet.training.runfolder import find_run, new_run_folder, point_latest, write_text
from recipnet.training.runner import choose_device
from recipnet.training.schedule import lr_factor
from recipnet.training.standard import Standard
from recipnet.training.tasks import Regression, all_metrics


@pytest.mark.parametrize("total", [10, 37, 1000])
def test_onecycle_is_torchs(total):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    peer = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2.0, total_steps=total, cycle_momentum=False)
    for step in range(total):
        assert math.isclose(
            2.0 * lr_factor("onecycle", step, total), peer.get_last_lr()[0], rel_tol=1e-9, abs_tol=1e-12
        )
        optimizer.step()
        if step + 1 < total:
            peer.step()


@pytest.mark.parametrize("total", [1, 2, 3])
@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.3, 0.99])
def test_schedules_of_very_short_runs_are_finite(schedule, total, warmup):
    for step in range(total + 1):
        assert 0 <= lr_factor(schedule, step, total, warmup) <= 1


def test_average_follows_and_swaps_exactly():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    average = WeightAverage(model, 0.9)
    twin = {name: value.clone().double() for name, value in model.state_dict().items() if value.is_floating_point()}
    for step in range(20):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        average.update()
        decay = min(0.9, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            if name in twin:
                twin[name] += (1 - decay) * (value.double() - twin[name])
    live = {name: value.clone() for name, value in model.state_dict().items()}
    average.swap()
    for name, value in twin.items():
        assert torch.allclose(model.state_dict()[name].double(), value, atol=1e-6)
    copy = WeightAverage(model, 0.9)
    average.swap()
    copy.load_state_dict(average.state_dict())
    assert all(torch.equal(value, live[name]) for name, value in model.state_dict().items())
    assert copy.steps == 20


def test_no_average_changes_nothing():
    model = torch.nn.Linear(2, 2)
    before = model.weight.detach().clone()
    average = WeightAverage(model, 0.0)
    average.update()
    average.swap()
    assert torch.equal(model.weight, before)


def test_standardisation_uses_labels_alone():
    targets = np.array([[1.0, 5.0], [3.0, 1e9], [5.0, 5.0]])
    mask = np.array([[True, True], [True, False], [True, True]])
    standard = Standard.fit(targets, mask, ["a", "b"])
    assert standard.mean.tolist() == [3.0, 5.0]
    assert standard.std.tolist() == [pytest.approx(math.sqrt(8 / 3)), 1.0]
    again = Standard.from_dict(standard.to_dict())
    outputs = torch.tensor([[0.5, 0.5]])
    assert np.array_equal(again.inverse(outputs), standard.inverse(outputs))
    with pytest.raises(DataError, match="'b' has no label"):
        Standard.fit(targets, np.array([[True, False]] * 3), ["a", "b"])


@pytest.mark.parametrize("name", ["l1", "huber", "mse"])
def test_masked_losses(name):
    outputs = torch.tensor([[0.5, 100.0], [-3.0, 1.0]], requires_grad=True)
    mask = torch.tensor([[True, False], [True, True]])
    x = np.array([0.5, 3.0, 1.0])
    each = {"l1": x, "mse": x**2, "huber": np.where(x < 1, x**2 / 2, x - 0.5)}[name]
    wanted = (each[:2].mean() + each[2]) / 2  # targets count alike, whatever the number of their labels
    loss = masked_loss(name, outputs, torch.zeros(2, 2), mask)
    assert loss.item() == pytest.approx(wanted)
    loss.backward()
    assert outputs.grad[0, 1] == 0
    assert masked_loss(name, outputs, torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.bool)).item() == 0


def test_metrics_have_units_and_ignore_missing_labels():
    values, predicted = np.array([[0.0, 9.0], [2.0, 1.0]]), np.array([[1.0, 0.0], [2.0, 1.5]])
    mask = np.array([[True, False], [True, True]])
    found = all_metrics(Regression(), values, predicted, mask, ["a", "b"], ["eV", "log10(GPa)"])
    assert found["a"] == {"mae": 0.5, "rmse": math.sqrt(0.5), "mad": 1.0, "ratio": 2.0, "count": 2, "unit": "eV"}
    assert found["b"]["mae"] == 0.5
    assert found["b"]["unit"] == "log10(GPa)"
    empty = all_metrics(Regression(), values, predicted, np.zeros((2, 2), bool), ["a", "b"], ["", ""])
    assert math.isnan(empty["a"]["mae"])


def test_a_gradient_that_is_not_finite_names_the_crystals():
    module = FitModule(torch.nn.Linear(1, 1), load_config().training, Standard(np.zeros(1), np.ones(1)), 10)
    module._unchecked = [(torch.tensor(1.0), ["good"], 1), (torch.tensor(math.nan), ["mp-1", "mp-2"], 2)]
    with pytest.raises(TrainingError, match="mp-1, mp-2") as caught:
        module.check_finite()
    assert caught.value.ids == ["mp-1", "mp-2"]
    assert caught.value.step == 2


def test_process_settings_are_put_back():
    before = denormals_are_flushed(), torch.are_deterministic_algorithms_enabled()
    with flushed_denormals(), deterministic_algorithms(True):
        assert denormals_are_flushed()
        assert torch.are_deterministic_algorithms_enabled()
    assert (denormals_are_flushed(), torch.are_deterministic_algorithms_enabled()) == before


def test_devices():
    assert choose_device("cpu") == torch.device("cpu")
    for bad in ("gpux", "meta", "cuda:99"):
        with pytest.raises(ConfigError, match=r"training\.devices"):
            choose_device(bad)


def test_run_folders_and_their_pointer(tmp_path):
    first = new_run_folder(tmp_path / "runs", "m")
    second = new_run_folder(tmp_path / "runs", "m")
    assert first != second
    write_text(second / "config.toml", "")
    assert find_run(tmp_path / "runs" / "latest") == second.resolve()
    with pytest.raises(DataError, match="not a run folder"):
        find_run(first)
    with pytest.raises(DataError, match="no such run"):
        find_run(tmp_path / "nothing")
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ConfigError, match="--output"):
        new_run_folder(blocked, "m")


def test_pointer_where_links_cannot_be_made(tmp_path, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise OSError(1, "not permitted")

    monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
    (tmp_path / "run").mkdir()
    write_text(tmp_path / "run" / "config.toml", "")
    point_latest(tmp_path, "run")
    assert (tmp_path / "latest").is_file()
    assert find_run(tmp_path / "latest") == (tmp_path / "run").resolve()


def test_first_signal_is_remembered_second_raises():
    before = signal.getsignal(signal.SIGINT)
    with listening() as flag:
        assert not flag
        os.kill(os.getpid(), signal.SIGINT)
        assert flag.signum == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_displays():
    out = io.StringIO()
    Lines(out).epoch("epoch 1/2")
    assert out.getvalue() == "epoch 1/2\n"
    bar = Bar()
    bar._progress.console.file = out
    bar.start(epochs=2, crystals=10, done=0)
    for _ in range(4):
        bar.step(5)
    bar.epoch("epoch 2/2 [eV/atom]")
    bar.stop()
    assert "epoch 2/2 [eV/atom]" in out.getvalue()


def png_size(path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_pictures_for_any_number_of_points(tmp_path, count):
    rng = np.random.default_rng(0)
    x = rng.normal(size=count)
    parity([Parity("e", "eV", x, x + 0.1, 0.1), Parity("g", "", x, x * np.nan, math.nan)], tmp_path / "p.png")
    width, height = png_size(tmp_path / "p.png")
    assert width > height > 300
    rows = [{"epoch": i + 1, "train_loss": 1 / (i + 1), "val_mae_e": 0.5} for i in range(count)]
    learning_curve(rows, tmp_path / "c.png", ["e", "g"], ["eV", ""])
    assert png_size(tmp_path / "c.png")[1] > 300
