"""The three commands: what they print and write, exit codes, Ctrl-C, and what they say without their packages."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer import testing

import recipnet as rn
from few import few_crystals
from recipnet.cli import entry, main_command, predict_command, train_command
from recipnet.training import runner

SMALL = [
    "--set", "model.options.channels=16", "--set", "model.options.blocks=2", "--set", "model.options.num_radial=16",
    "--set", "model.options.d_min=2.5", "--set", "training.epochs=2", "--set", "training.batch_size=32",
]  # fmt: skip


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def crystals(tmp_path_factory) -> Path:
    """160 training, 20 validation and 20 test crystals of the embedded set, as a Parquet file of a user."""
    table = few_crystals(10, 160, 20, 20)
    path = tmp_path_factory.mktemp("data") / "few.parquet"
    pq.write_table(table, path)
    return path


def call(command, *arguments: object):
    return testing.CliRunner().invoke(command.app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def run(crystals, tmp_path_factory) -> Path:
    """A run of the command line: 200 crystals, two epochs, width 16."""
    out = tmp_path_factory.mktemp("runs")
    config = out / "my.toml"
    config.write_text(f'[data]\npath = "{crystals}"\ntarget_names = ["e_form"]\n')
    result = call(train_command, config, *SMALL, "--output", out)
    assert result.exit_code == 0, result.output
    for words in ("test e_form: MAE", "MAD", "MAD/MAE", "time", "files in", "epoch 1/2", "crystals/s", "160 train"):
        assert words in result.stdout, words
    assert result.stdout.count("epoch ") >= 2
    return out / "latest"


@pytest.fixture
def cifs(tmp_path) -> Path:
    """Three readable CIF files among what a folder may hold."""
    folder = tmp_path / "cifs"
    folder.mkdir()
    for name in ("quartz", "b"):
        rn.write(rn.sample("quartz"), folder / f"{name}.cif") if hasattr(rn, "write") else write_cubic(folder, name)
    write_cubic(folder, "c")
    (folder / "a_broken.cif").write_text("data_x\n_cell_length_a oops\n")
    (folder / "partial.cif").write_text((folder / "c.cif").read_text().replace("0 0 0 1", "0 0 0 0.5"))
    (folder / "notes.txt").write_text("not a structure")
    return folder


def write_cubic(folder: Path, name: str) -> None:
    (folder / f"{name}.cif").write_text(
        f"data_{name}\n_cell_length_a 4\n_cell_length_b 4\n_cell_length_c 4\n_cell_angle_alpha 90\n"
        "_cell_angle_beta 90\n_cell_angle_gamma 90\nloop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\nloop_\n"
        "_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n_atom_site_occupancy\n"
        "Na 0 0 0 1\nCl .5 .5 .5 1\n"
    )


def table_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_predict_has_a_row_for_everything(run, cifs, tmp_path):
    output = tmp_path / "predictions.csv"
    result = call(predict_command, run, cifs, "--output", output)
    assert result.exit_code == 0, result.output
    rows = table_of(output)
    assert list(rows[0]) == ["id", "e_form", "e_form_unit", "status", "message"]
    assert [row["id"] for row in rows] == ["a_broken", "b", "c", "partial", "quartz"]
    assert [row["status"] for row in rows] == ["failed", "ok", "ok", "failed", "ok"]
    for row in rows:
        assert (row["e_form"] != "") == (row["status"] == "ok")
        assert (row["message"] == "") == (row["status"] == "ok")
    assert "disorder" in rows[3]["message"]
    assert "predicted 3 of 5" in result.stderr
    assert "a_broken" in result.stderr
    parquet = tmp_path / "predictions.parquet"
    assert call(predict_command, run, cifs, "--output", parquet).exit_code == 0
    table = pq.read_table(parquet)
    assert table.column_names == list(rows[0])
    assert [v if v is None else repr(v) for v in table["e_form"].to_pylist()] == [r["e_form"] or None for r in rows]
    printed = call(predict_command, run, cifs)
    assert list(csv.DictReader(io.StringIO(printed.stdout))) == rows


def test_predict_strict(run, cifs, tmp_path):
    result = call(predict_command, run, cifs, "--output", tmp_path / "p.csv", "--strict")
    assert result.exit_code == 2
    assert len(table_of(tmp_path / "p.csv")) == 5


def test_predict_gives_the_numbers_of_the_run(run, crystals, tmp_path):
    test = tmp_path / "test.parquet"
    table = pq.read_table(crystals)
    pq.write_table(table.filter(pa.compute.equal(table["split"], "test")), test)
    assert call(predict_command, run, test, "--output", tmp_path / "p.csv").exit_code == 0
    wanted = {row["id"]: row["e_form_predicted"] for row in table_of(run / "predictions_test.csv")}
    assert {row["id"]: row["e_form"] for row in table_of(tmp_path / "p.csv")} == wanted


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        (train_command, ["none.toml"], "--print-config"),
        (train_command, ["--set", "training.epoch=1"], "did you mean training.epochs"),
        (train_command, ["--set", "nonsense"], "section.key=value"),
        (train_command, ["--set", "model.name=regnett"], "did you mean 'regnet'"),
        (train_command, ["--set", "data.path=nowhere/", "--set", "data.targets=no.csv"], "no.csv"),
        (train_command, ["--resume", "runs/none"], "no such run"),
        (train_command, ["--resume", "x", "--set", "training.epochs=1"], "--resume"),
        (train_command, ["--nothing"], "--nothing"),
        (predict_command, ["runs/none", "x"], "no such run"),
        (predict_command, ["runs/none"], "SOURCE"),
        (predict_command, ["RUN", "nowhere/"], "nowhere"),
        (predict_command, ["RUN", "EMPTY"], "EMPTY"),
        (predict_command, ["RUN", "EMPTY", "--output", "p.txt"], ".csv or .parquet"),
        (predict_command, ["RUN", "EMPTY", "--output", "no/such/p.csv"], "no folder"),
        (main_command, ["nothing"], "nothing"),
    ],
)
def test_user_errors_exit_with_2_and_one_message(run, tmp_path, monkeypatch, command, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    result = call(command, *[str(run) if argument == "RUN" else argument for argument in arguments])
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "runs").exists()


def test_debug_shows_the_traceback():
    result = call(train_command, "--set", "training.epoch=1", "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ZeroDivisionError("x"), 1, "bug of recipnet"),
        (KeyboardInterrupt(), 130, "stopped"),
        (OSError(28, "No space left on device", "runs"), 2, "No space left"),
        (MemoryError(), 2, "training.batch_size"),
        (runner.Interrupted(signal.SIGINT, Path("r")), 130, "--resume r"),
        (runner.Interrupted(signal.SIGTERM, Path("r")), 143, "--resume r"),
    ],
)
def test_exit_codes(monkeypatch, error, code, words):
    def fail(config):
        raise error

    monkeypatch.setattr(runner, "train", fail)
    result = call(train_command)
    assert result.exit_code == code
    assert words in result.stderr


def test_messages_cannot_steer_the_terminal():
    result = call(train_command, "--set", "training.\x1b[31mx=1")
    assert result.exit_code == 2
    assert "\x1b" not in result.stderr


def test_print_config_reads_back(tmp_path):
    printed = call(train_command, "--print-config", "--set", "training.epochs=3", "--output", tmp_path)
    assert printed.exit_code == 0
    assert tomllib.loads(printed.stdout)["training"]["epochs"] == 3
    path = tmp_path / "again.toml"
    path.write_text(printed.stdout)
    assert call(train_command, path, "--print-config").stdout == printed.stdout


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        (train_command, ["--help"], ["recipnet-train --resume runs/latest", "--set", "--print-config"]),
        (predict_command, ["--help"], ["recipnet-predict runs/latest my_cifs/", "--strict"]),
        (main_command, ["info", "--help"], ["recipnet info"]),
        (main_command, ["models", "--help"], ["recipnet models"]),
        (main_command, ["--help"], ["info", "models"]),
        (main_command, ["info"], ["recipnet ", "numpy ", "torch ", "threads", "CUDA of torch", "NVRTC ", "CuPy "]),
        (main_command, ["models"], ["regnet", "composition", "exact", "parameters"]),
    ],
)
def test_help_and_small_commands(command, arguments, words):
    result = call(command, *arguments)
    assert result.exit_code == 0, result.output
    for word in words:
        assert word in result.stdout


def test_resume_of_a_finished_run_prints_its_result(run):
    result = call(train_command, "--resume", run)
    assert result.exit_code == 0
    assert "test e_form: MAE" in result.stdout


PROGRAM = "from recipnet.cli import train; train()"


def test_ctrl_c_saves_and_the_run_goes_on(crystals, tmp_path):
    arguments = ["--set", f"data.path={crystals}", "--set", "data.target_names=['e_form']", "--output", str(tmp_path)]
    arguments += [*SMALL, "--set", "training.epochs=1000", "--set", "training.batch_size=8"]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    checkpoints = tmp_path / "latest" / "checkpoints"
    try:
        deadline = time.monotonic() + 120
        while not list(checkpoints.glob("step-*")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130, (out, err)
    assert "recipnet-train --resume" in err
    assert "Traceback" not in err
    from recipnet.training.checkpoints import last_checkpoint
    from recipnet.training.statefile import load_state

    assert load_state(last_checkpoint(checkpoints))["callbacks"]


def test_environment_is_set_before_torch(tmp_path):
    code = (
        "import sys; sys.argv = ['recipnet', 'info']\n"
        "from recipnet.cli import recipnet, entry\n"
        "assert 'torch' not in sys.modules and 'typer' not in sys.modules\n"
        "try:\n    recipnet()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "import os; print(os.environ['OMP_WAIT_POLICY'], os.environ['GOMP_SPINCOUNT'])"
    )
    clean = {name: value for name, value in os.environ.items() if name not in entry.ENVIRONMENT}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "passive 10000"


@pytest.mark.parametrize("missing", ["typer", "torch"])
def test_without_its_packages_a_command_names_the_extra(tmp_path, missing):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nclass Block:\n    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {missing!r}:\n"
        f"            raise ModuleNotFoundError('No module named {missing}', name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=False, cwd=tmp_path
    )
    assert result.returncode == 2, result.stderr
    assert 'pip install "recipnet[train]"' in result.stderr
