"""Every mode of every registered model trains, is saved, loaded and predicts from the command line."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer import testing

from few import few_crystals
from recipnet.cli import predict_command, train_command
from recipnet.models import modes, names

MODES = [(name, mode) for name in names() for mode in modes(name)]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def crystals(tmp_path_factory) -> Path:
    """12 training, 3 validation and 3 test crystals of at most 4 atoms."""
    table = few_crystals(4, 12, 3, 3)
    path = tmp_path_factory.mktemp("data") / "few.parquet"
    pq.write_table(table, path)
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
