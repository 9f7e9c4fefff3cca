"""Every mode of every registered model trains, is saved, loaded and predicts from the command line."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from typer import testing

from recipnet.cli import predict_command, train_command
from recipnet.models import modes, names

MODES = [(name, mode) for name in names() for mode in modes(name)]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tiny matrices on busy cores: threads that wait for each other would take most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)  # the commands set it for the whole process


@pytest.fixture(scope="module")
def crystals(tmp_path_factory) -> Path:
    """12 training, 3 validation and 3 test crystals of at most 4 atoms."""
    table = pq.read_table(str(files("recipnet.data") / "embedded" / "mp2018_subset.parquet"))
    small = np.flatnonzero(table["natoms"].to_numpy() <= 4)
    split = np.array(table["split"].to_pylist())[small]
    rows = np.concatenate([small[split == part][:count] for part, count in (("train", 12), ("val", 3), ("test", 3))])
    path = tmp_path_factory.mktemp("data") / "few.parquet"
    pq.write_table(table.take(pa.array(rows)), path)
    return path


@pytest.mark.parametrize(("name", "mode"), MODES, ids=["-".join(pair) for pair in MODES])
def test_trains_and_predicts(name, mode, crystals, tmp_path):
    settings = {
        "data.path": f'"{crystals}"', "data.target_names": '["e_form"]', "model.name": name, "model.mode": mode,
        "model.options.channels": 8, "training.epochs": 1, "training.batch_size": 6,
        "output.plots": "false", "output.baseline": "false",
    }  # fmt: skip
    arguments = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    result = testing.CliRunner().invoke(train_command.app, [*arguments, "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    run = tmp_path / "latest"
    result = testing.CliRunner().invoke(
        predict_command.app, [str(run), str(crystals), "--output", str(tmp_path / "p.csv")]
    )
    assert result.exit_code == 0, result.output
    with open(run / "predictions_test.csv", newline="") as one, open(tmp_path / "p.csv", newline="") as other:
        wanted = {row["id"]: float(row["e_form_predicted"]) for row in csv.DictReader(one)}
        found = {row["id"]: float(row["e_form"]) for row in csv.DictReader(other)}
    assert len(wanted) == 3
    assert len(found) == 18
    # matrix products of batches of other sizes round differently
    assert all(found[key] == pytest.approx(value, rel=1e-5, abs=1e-5) for key, value in wanted.items())
