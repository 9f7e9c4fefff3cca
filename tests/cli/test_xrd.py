"""``recipnet xrd``: the table, the CSV, the picture, and how it refuses."""

from __future__ import annotations

import csv
import shutil
from importlib import resources

import pytest

import recipnet as rn

typer_testing = pytest.importorskip("typer.testing")
from recipnet.cli import main_command  # noqa: E402


def run(*arguments):
    return typer_testing.CliRunner().invoke(main_command.app, ["xrd", *map(str, arguments)])


@pytest.fixture
def quartz(tmp_path):
    path = tmp_path / "quartz.cif"
    shutil.copy(str(resources.files("recipnet.samples").joinpath("quartz.cif")), path)
    return path


def test_table_csv_and_plot(quartz, tmp_path):
    result = run(quartz, "--plot", tmp_path / "quartz.png", "--output", tmp_path / "lines.csv")
    assert result.exit_code == 0, result.output
    strongest = next(line for line in result.stdout.splitlines() if line.endswith("100.00"))
    assert strongest.split()[0].startswith("26.6")
    assert "weaker lines are not shown" in result.stdout
    assert (tmp_path / "quartz.png").read_bytes()[:4] == b"\x89PNG"
    pattern = rn.powder_pattern(rn.read(quartz))
    with (tmp_path / "lines.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [float(row["intensity"]) for row in rows] == pattern.intensity.tolist()
    assert [[int(row[i]) for i in "hkl"] for row in rows] == pattern.hkl.tolist()


def test_options(quartz):
    short = run(quartz, "--wavelength", "0.71073", "--two-theta", "5", "30", "--radiation", "neutron")
    assert short.exit_code == 0, short.output
    assert (
        short.stdout == run(quartz, "--wavelength", "MoKa", "--two-theta", "5", "30", "--radiation", "neutron").stdout
    )
    angles = [float(line.split()[0]) for line in short.stdout.splitlines()[1:-1]]
    assert 5.0 <= min(angles) < max(angles) <= 30.0


@pytest.mark.parametrize("arguments", [["--wavelength", "CuKb"], ["--two-theta", "50", "20"], ["--radiation", "light"]])
def test_user_errors_exit_with_2(quartz, arguments):
    result = run(quartz, *arguments)
    assert result.exit_code == 2
    assert "error:" in result.stderr
    assert "Traceback" not in result.stderr
