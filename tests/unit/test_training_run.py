"""Whole runs on a few real crystals: what a run folder holds, resuming bit for bit, reloading bit for bit."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import tomllib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import recipnet as rn
from few import few_crystals
from recipnet.data import load_dataset
from recipnet.errors import ConfigError, DataError, ReadError, TrainingError
from recipnet.training import Config, load, load_config, resume, runner, train
from recipnet.training.checkpoints import last_checkpoint, list_checkpoints
from recipnet.training.display import Silent
from recipnet.training.interrupt import Interrupted
from recipnet.training.module import FitModule
from recipnet.training.statefile import load_state

SMALL = [
    "model.options.channels=16",
    "model.options.blocks=2",
    "model.options.num_radial=16",
    "model.options.num_reciprocal_radial=8",
    "model.options.d_min=2.5",
    "model.options.neighbors=nearest",
    "model.options.k=8",
    "training.batch_size=16",
]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def crystals(tmp_path_factory) -> Path:
    """64 training, 16 validation and 16 test crystals of the embedded set, as a Parquet file of a user."""
    table = few_crystals(8, 64, 16, 16)
    path = tmp_path_factory.mktemp("data") / "few.parquet"
    pq.write_table(table, path)
    return path


def configure(crystals: Path, out: Path, *more: str) -> Config:
    names = [] if any(item.startswith("data.target_names") for item in more) else ["data.target_names=['e_form']"]
    options = [] if any(item.startswith("model.name") for item in more) else SMALL
    base = [f"data.path={crystals}", f"output.dir={out}", "output.plots=false", "training.epochs=4"]
    return load_config(overrides=[*base, *options, *names, *more])


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def without_times(path: Path) -> list[dict[str, str]]:
    return [{k: v for k, v in row.items() if k not in ("time_s", "crystals_per_s")} for row in rows_of(path)]


def assert_same_tree(a, b, where="state") -> None:
    """Equal to the last bit, leaving out wall times."""
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype, where
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert set(a) == set(b), where
        for key in set(a) - {"time_s", "crystals_per_s", "elapsed"}:
            assert_same_tree(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same_tree(x, y, f"{where}[{i}]")
    else:
        assert a == b, where


@pytest.fixture(scope="module")
def finished(crystals, tmp_path_factory) -> runner.RunResult:
    """An undisturbed run of four epochs, with pictures."""
    out = tmp_path_factory.mktemp("runs")
    return train(configure(crystals, out, "output.plots=true"), quiet=True)


def test_a_run_folder_holds_what_it_should(finished, crystals):
    folder = finished.folder
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "baseline_metrics.json", "checkpoints", "config.toml", "learning_curve.png", "metrics.csv", "model.json",
        "model.safetensors", "parity.png", "predictions_test.csv", "test_metrics.json",
    }  # fmt: skip
    assert (folder.parent / "latest").resolve() == folder.resolve()
    config = tomllib.loads((folder / "config.toml").read_text())
    assert config["data"]["target_names"] == ["e_form"]
    assert config["model"]["options"]["source"] == "local"  # defaults of the model are on record too
    rows = rows_of(folder / "metrics.csv")
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    assert [int(row["step"]) for row in rows] == [4, 8, 12, 16]
    assert rows[0]["unit_e_form"] == config["data"]["units"][0]
    metadata = json.loads((folder / "model.json").read_text())
    data = load_dataset(crystals, target_names=["e_form"])
    train_values = data.subset("train").targets
    assert metadata["standard"]["mean"] == [train_values.mean()]
    assert metadata["standard"]["std"] == [train_values.std()]
    assert metadata["split_hash"] == data.split_hash
    assert metadata["spec"]["edges"]["k"] == 8
    assert metadata["crystals"] == {"train": 64, "val": 16, "test": 16}


def test_metrics_are_those_of_the_predictions(finished):
    rows = rows_of(finished.folder / "predictions_test.csv")
    assert list(rows[0]) == ["id", "e_form", "e_form_predicted"]
    true, predicted = (np.array([float(row[key]) for row in rows]) for key in ("e_form", "e_form_predicted"))
    saved = json.loads((finished.folder / "test_metrics.json").read_text())["e_form"]
    assert saved == finished.metrics["e_form"]
    assert saved["mae"] == np.abs(true - predicted).mean()
    assert saved["mad"] == np.abs(true - true.mean()).mean()
    assert saved["ratio"] == saved["mad"] / saved["mae"]


def test_the_best_epoch_is_kept(finished):
    errors = [float(row["val_mae_e_form"]) for row in rows_of(finished.folder / "metrics.csv")]
    assert finished.epoch == 1 + int(np.argmin(errors))


def test_a_reloaded_run_predicts_the_same_bits(finished, crystals):
    data = load_dataset(crystals, target_names=["e_form"])
    predictor = load(finished.folder.parent / "latest")
    test = data.subset("test")
    prediction = predictor.predict([test[i].crystal for i in range(len(test))])
    rows = rows_of(finished.folder / "predictions_test.csv")
    assert prediction.values[:, 0].tolist() == [float(row["e_form_predicted"]) for row in rows]
    assert (prediction.targets, prediction.units) == (("e_form",), tuple(predictor.metadata["units"]))
    assert rn.load(finished.folder).predict(test[0].crystal).values.shape == (1, 1)
    assert prediction.errors == [None] * 16
    batch, _ = rn.read_many(crystals)
    assert predictor.predict(batch[:3]).ids == batch[:3].ids
    assert predictor.predict(batch[:0]).values.shape == (0, 1)


def test_loading_leaves_the_random_generator_alone(finished):
    state = torch.get_rng_state()
    load(finished.folder)
    assert torch.equal(torch.get_rng_state(), state)


class StopAt(Silent):
    """Sends a signal after so many batches, or fails after so many epochs."""

    def __init__(self, batches: int = 0, signum: int = signal.SIGINT, fail_epochs: int = 0) -> None:
        self.batches, self.signum, self.fail_epochs = batches, signum, fail_epochs

    def step(self, crystals: int) -> None:
        self.batches -= 1
        if self.batches == 0:
            os.kill(os.getpid(), self.signum)

    def epoch(self, line: str) -> None:
        self.fail_epochs -= 1
        if self.fail_epochs == 0:
            raise RuntimeError("power cut")


def stopped_run(monkeypatch, config: Config, display: StopAt, error: type[Exception]) -> Path:
    monkeypatch.setattr(runner, "choose_display", lambda: display)
    with pytest.raises(error) as caught:
        train(config)
    monkeypatch.setattr(runner, "choose_display", Silent)
    if error is Interrupted:
        assert caught.value.signum == display.signum
    return (Path(config.output.dir) / "latest").resolve()


def assert_same_run(a: Path, b: Path) -> None:
    assert (a / "model.safetensors").read_bytes() == (b / "model.safetensors").read_bytes()
    assert (a / "predictions_test.csv").read_bytes() == (b / "predictions_test.csv").read_bytes()
    assert without_times(a / "metrics.csv") == without_times(b / "metrics.csv")
    assert list(rows_of(a / "metrics.csv")[0]) == list(rows_of(b / "metrics.csv")[0])  # columns in the same order
    first, second = last_checkpoint(a / "checkpoints"), last_checkpoint(b / "checkpoints")
    assert first.name == second.name
    assert_same_tree(load_state(first), load_state(second))


@pytest.mark.parametrize("batches", [1, 3, 4, 6, 8, 15, 16])
def test_resume_after_ctrl_c_at_any_batch(finished, crystals, tmp_path, monkeypatch, batches):
    folder = stopped_run(monkeypatch, configure(crystals, tmp_path), StopAt(batches=batches), Interrupted)
    assert last_checkpoint(folder / "checkpoints").name == f"step-{batches:08d}"
    with pytest.raises(DataError, match="recipnet-train --resume"):
        load(folder)
    torch.rand(7)  # a resumed run does not care about the state of this process
    resumed = resume(tmp_path / "latest", quiet=True)
    assert resumed.metrics == finished.metrics
    assert_same_run(folder, finished.folder)


@pytest.mark.parametrize("batches", [6, 8])
def test_resume_with_dropout_draws_the_same_numbers(crystals, tmp_path, monkeypatch, batches):
    more = ["model.name=composition", "model.options.dropout=0.3", "training.batch_size=16"]
    straight = train(configure(crystals, tmp_path / "a", *more), quiet=True)
    config = configure(crystals, tmp_path / "b", *more)
    folder = stopped_run(monkeypatch, config, StopAt(batches=batches), Interrupted)
    torch.rand(7)
    resume(folder, quiet=True)
    assert_same_run(folder, straight.folder)


def test_resume_after_a_power_cut(finished, crystals, tmp_path, monkeypatch):
    for epoch in (1, 3):
        out = tmp_path / str(epoch)
        folder = stopped_run(monkeypatch, configure(crystals, out), StopAt(fail_epochs=epoch), RuntimeError)
        assert [path.name for path in list_checkpoints(folder / "checkpoints")] == [
            f"step-{4 * e:08d}" for e in range(max(1, epoch - 2), epoch)
        ]
        resume(folder, quiet=True)
        assert_same_run(folder, finished.folder)


def test_stopped_twice(finished, crystals, tmp_path, monkeypatch):
    folder = stopped_run(monkeypatch, configure(crystals, tmp_path), StopAt(batches=5), Interrupted)
    monkeypatch.setattr(runner, "choose_display", lambda: StopAt(batches=2, signum=signal.SIGTERM))
    with pytest.raises(Interrupted) as caught:
        resume(folder)
    assert caught.value.signum == signal.SIGTERM
    assert last_checkpoint(folder / "checkpoints").name == "step-00000007"
    resume(folder, quiet=True)
    assert_same_run(folder, finished.folder)


def test_a_damaged_checkpoint_is_refused_and_the_one_before_serves(finished, crystals, tmp_path, monkeypatch):
    folder = stopped_run(monkeypatch, configure(crystals, tmp_path), StopAt(batches=9), Interrupted)
    newest = last_checkpoint(folder / "checkpoints")
    path = newest / "tensors.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ReadError, match="delete this folder"):
        resume(folder, quiet=True)
    __import__("shutil").rmtree(newest)
    resume(folder, quiet=True)
    assert_same_run(folder, finished.folder)


def test_resuming_a_finished_run_changes_nothing(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*")}
    again = resume(finished.folder, quiet=True)
    assert again.metrics == finished.metrics
    assert {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*")} == before


def test_resume_refuses_other_data(crystals, tmp_path, monkeypatch):
    own = tmp_path / "own.parquet"
    table = pq.read_table(crystals)
    pq.write_table(table, own)
    folder = stopped_run(monkeypatch, configure(own, tmp_path / "runs"), StopAt(batches=2), Interrupted)
    pq.write_table(table.slice(1), own)
    with pytest.raises(DataError, match="have changed"):
        resume(folder, quiet=True)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(finished, crystals, tmp_path):
    same = train(configure(crystals, tmp_path), quiet=True)
    assert_same_run(same.folder, finished.folder)
    other = train(configure(crystals, tmp_path, "training.seed=1", "training.epochs=1"), quiet=True)
    first = without_times(finished.folder / "metrics.csv")[0]
    assert without_times(other.folder / "metrics.csv")[0]["train_loss"] != first["train_loss"]


def test_workers_do_not_change_the_result(finished, crystals, tmp_path):
    serial = train(configure(crystals, tmp_path, "training.workers=0"), quiet=True)
    assert_same_run(serial.folder, finished.folder)


@pytest.mark.parametrize(
    "more",
    [
        ["training.precision=64"],
        ["training.optimizer=adam", "training.schedule=cosine", "training.loss=mse", "training.clip=0"],
        ["training.ema=0", "training.loss=huber", "training.schedule=constant", "training.keep=last"],
        ["model.name=composition", "data.target_names=['e_form', 'gap_pbe']"],
        ["model.name=composition", "training.precision=bf16-mixed"],
    ],
)
def test_every_choice_trains_and_reloads(crystals, tmp_path, more):
    config = configure(crystals, tmp_path, *more, "training.epochs=2", "training.checkpoint_every=2")
    result = train(config, quiet=True)
    assert all(math.isfinite(values["mae"]) for values in result.metrics.values())
    if config.training.keep == "last":
        assert result.epoch == 2
    data = load_dataset(crystals, target_names=config.data.target_names).subset("test")
    prediction = load(result.folder).predict([data[i].crystal for i in range(len(data))])
    rows = rows_of(result.folder / "predictions_test.csv")
    for column, name in enumerate(config.data.target_names):
        assert prediction.values[:, column].tolist() == [float(row[f"{name}_predicted"]) for row in rows]


def test_missing_labels_of_several_targets_are_masked(crystals, tmp_path):
    table = pq.read_table(crystals)
    gaps = table["gap_pbe"].to_pylist()
    column = pa.array([None if i % 3 == 0 else gap for i, gap in enumerate(gaps)], pa.float64())
    pq.write_table(table.set_column(table.schema.get_field_index("gap_pbe"), "gap_pbe", column), tmp_path / "m.parquet")
    config = configure(
        tmp_path / "m.parquet", tmp_path, "model.name=composition", "data.target_names=['e_form', 'gap_pbe']",
        "training.epochs=1",
    )  # fmt: skip
    result = train(config, quiet=True)
    assert result.metrics["gap_pbe"]["count"] < result.metrics["e_form"]["count"] == 16
    empty = [row["gap_pbe"] for row in rows_of(result.folder / "predictions_test.csv")]
    assert empty.count("") == 16 - result.metrics["gap_pbe"]["count"]


def test_what_is_left_out_is_listed(tmp_path):
    folder = tmp_path / "cifs"
    folder.mkdir()
    cif = (
        "data_x\n_cell_length_a {a}\n_cell_length_b 4\n_cell_length_c 4\n_cell_angle_alpha 90\n_cell_angle_beta 90\n"
        "_cell_angle_gamma 90\nloop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\nloop_\n_atom_site_label\n"
        "_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\nNa 0 0 0\nCl .5 .5 .5\n"
    )
    for i in range(12):
        (folder / f"c{i:02}.cif").write_text(cif.format(a=3.5 + i / 10))
    (folder / "broken.cif").write_text("data_x\n_cell_length_a oops\n")
    labels = "id,gap\nbroken,1\nc00,nan\nabsent,2\n" + "".join(f"c{i:02},{i}\n" for i in range(1, 12))
    (tmp_path / "id_prop.csv").write_text(labels)
    split = "id,split\n" + "".join(f"c{i:02},train\n" for i in range(1, 12))
    (tmp_path / "split.csv").write_text(split)
    more = [f"data.targets={tmp_path / 'id_prop.csv'}", f"data.split={tmp_path / 'split.csv'}", "data.target_names=[]"]
    config = configure(folder, tmp_path / "runs", "model.name=composition", "training.epochs=1", *more)
    with pytest.raises((DataError, ReadError)):
        train(config, quiet=True)
    config.data.on_error = "collect"
    result = train(config, quiet=True)
    assert result.metrics == {}  # no test crystals, and no validation either
    assert result.epoch == 1
    left_out = rows_of(result.folder / "left_out.csv")
    assert {"broken", "c00", "absent"} <= {row["id"] for row in left_out}
    assert all(row["message"] for row in left_out)
    assert load(result.folder).predict(rn.read(folder / "c03.cif")).values.shape == (1, 1)


def test_log_targets_are_named_so(crystals, tmp_path):
    table = pq.read_table(crystals)
    positive = pa.array([abs(value) + 1 for value in table["e_form"].to_pylist()])
    pq.write_table(table.append_column("k", positive), tmp_path / "k.parquet")
    config = configure(
        tmp_path / "k.parquet", tmp_path, "model.name=composition", "data.target_names=['k']",
        "data.transform=log10", "data.units=['GPa']", "training.epochs=2",
    )  # fmt: skip
    result = train(config, quiet=True)
    assert result.metrics["k"]["unit"] == "log10(GPa)"
    assert load(result.folder).units == ("log10(GPa)",)
    written = tomllib.loads((result.folder / "config.toml").read_text())
    assert written["data"]["units"] == ["GPa"]


def test_early_stopping_and_going_on_after_it(crystals, tmp_path):
    config = configure(
        crystals, tmp_path, "model.name=composition", "training.epochs=50", "training.early_stopping=2",
        "training.lr=0.5", "training.ema=0", "training.schedule=constant",
    )  # fmt: skip
    result = train(config, quiet=True)
    epochs = [int(row["epoch"]) for row in rows_of(result.folder / "metrics.csv")]
    assert epochs[-1] == result.epoch + 2 < 50
    (result.folder / "test_metrics.json").unlink()  # as if killed while testing
    again = resume(result.folder, quiet=True)
    assert again.metrics == result.metrics
    assert [int(row["epoch"]) for row in rows_of(result.folder / "metrics.csv")] == epochs


def test_a_loss_that_is_not_finite_stops_with_ids_and_keeps_the_last_good_state(crystals, tmp_path, monkeypatch):
    seen: list[list[str]] = []
    step = FitModule.training_step

    def poisoned(self, batch, batch_idx):
        loss = step(self, batch, batch_idx)
        seen.append(batch.ids)
        return loss * math.nan if len(seen) == 7 else loss

    monkeypatch.setattr(FitModule, "training_step", poisoned)
    with pytest.raises(TrainingError, match="not finite at step 6") as caught:
        train(configure(crystals, tmp_path), quiet=True)
    assert caught.value.ids == seen[6]
    folder = (tmp_path / "latest").resolve()
    good = last_checkpoint(folder / "checkpoints")
    assert good.name == "step-00000004"
    assert all(value.isfinite().all() for value in load_state(good)["state_dict"].values())


def test_user_errors_leave_no_folder(crystals, tmp_path):
    out = tmp_path / "runs"
    for override, error, words in [
        ("model.name=regnett", ConfigError, "model.name"),
        ("model.options.chanels=3", ConfigError, "channels"),
        ("model.mode=none", ConfigError, "model.mode"),
        ("data.path=nowhere.parquet", (DataError, ReadError), "nowhere"),
        ("data.target_names=['nothing']", DataError, "nothing"),
        ("training.devices=cuda:77", ConfigError, "training.devices"),
    ]:
        with pytest.raises(error, match=words):
            train(configure(crystals, out, override), quiet=True)
    assert not out.exists()


def test_changed_model_files_are_refused(finished, tmp_path):
    __import__("shutil").copytree(finished.folder, tmp_path / "run")
    run = tmp_path / "run"
    for name in ("model.json", "model.safetensors"):
        good = (run / name).read_bytes()
        for bad in (good[:-2], good.replace(b"1", b"2", 1), b"", b"\x80\x04."):
            (run / name).write_bytes(bad)
            with pytest.raises(ReadError, match="train again"):
                load(run)
        (run / name).write_bytes(good)
    metadata = json.loads((run / "model.json").read_text())
    for change in (
        {"model": {"name": "regnet", "mode": "exact", "options": {"channels": 10**7}}},  # no memory is taken for it
        {"model": {"name": "os.system", "mode": "exact", "options": {}}},
        {"standard": None},
        {"spec": {}},
        {"targets": ["a", "b"]},
    ):
        table = {key: value for key, value in (metadata | change).items() if key != "sha256"}
        from recipnet.training.artifact import _digest

        (run / "model.json").write_text(json.dumps(table | {"sha256": _digest(table)}))
        with pytest.raises(ReadError):
            load(run)


def test_crystals_that_cannot_be_predicted_do_not_stop_the_rest(finished, crystals):
    predictor = load(finished.folder)
    batch, _ = rn.read_many(crystals)
    unknown = rn.Crystal(np.eye(3) * 4, [0], [[0, 0, 0]])
    partial = rn.Crystal(np.eye(3) * 4, [26], [[0, 0, 0]], occupancies=[0.5])
    heavy = rn.Crystal(np.eye(3) * 4, [118], [[0, 0, 0]])
    given = [batch[0], unknown, batch[1], partial, heavy, batch[2]]
    for bad in (unknown, partial):
        with pytest.raises(DataError, match=r"data\.disorder"):
            predictor.predict(bad)
    found = predictor.predict(given, on_error="collect")
    bad_rows = [row for row, error in enumerate(found.errors) if error is not None]
    assert {1, 3} <= set(bad_rows) <= {1, 3, 4}
    assert np.isnan(found.values[bad_rows]).all()
    good = predictor.predict([batch[0], batch[1], batch[2]]).values
    np.testing.assert_allclose(found.values[[0, 2, 5]], good, rtol=0, atol=1e-5)
