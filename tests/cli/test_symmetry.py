"""``recipnet symmetry``: what it prints, what it writes, and how it refuses."""

from __future__ import annotations

import json
import shutil
from importlib import resources

import pytest

import recipnet as rn

typer_testing = pytest.importorskip("typer.testing")
from recipnet.cli import main_command  # noqa: E402


def run(*arguments):
    return typer_testing.CliRunner().invoke(main_command.app, ["symmetry", *map(str, arguments)])


@pytest.fixture
def quartz(tmp_path):
    path = tmp_path / "quartz.cif"
    shutil.copy(str(resources.files("recipnet.samples").joinpath("quartz.cif")), path)
    return path


def test_prints_the_table(quartz, tmp_path):
    result = run(quartz, "--operations", "--output", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    for text in ("154  P 32 2 1", '443  P 32 2"', "32 (trigonal)", "hP9", "3a", "6c", "as found", "-y,x-y,z+2/3"):
        assert text in result.stdout, text
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["number"] == 154
    assert found["agrees"] is True
    assert sorted((orbit["wyckoff"], orbit["symbol"], orbit["rows"]) for orbit in found["orbits"]) == [
        ("3a", "Si", 3),
        ("6c", "O", 6),
    ]
    standard = found["standard"]
    again = rn.Crystal(
        standard["lattice"],
        [{"Si": 14, "O": 8}[symbol] for symbol in standard["symbols"]],
        standard["frac_coords"],
        symmetry=rn.Operations.from_xyz(found["operations"]),
    )
    assert rn.find_symmetry(again).number == 154
    assert "-y,x-y,z+2/3" not in run(quartz).stdout


def test_says_where_file_and_structure_disagree(tmp_path):
    crystal = rn.sample("silicon")
    lower = rn.Crystal(crystal.lattice, crystal.numbers, crystal.frac_coords, symmetry=rn.SpaceGroup("P 1"))
    rn.write(lower, tmp_path / "p1.cif")
    result = run(tmp_path / "p1.cif")
    assert result.exit_code == 0, result.output
    assert "227  F d -3 m:2" in result.stdout
    assert "NOT what was found" in result.stdout
    rn.write(crystal, tmp_path / "POSCAR")
    assert "declares no symmetry" in run(tmp_path / "POSCAR").stdout


def test_refusals(quartz, tmp_path):
    for arguments, message in (
        ((quartz, "--symprec", "-1"), "symprec"),
        ((quartz, "--symprec", "5"), "too large for its cell"),
        ((tmp_path / "nothing.cif",), "nothing.cif"),
        ((quartz, "--output", tmp_path / "no" / "folder.json"), "folder.json"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert message in result.stderr
        assert "Traceback" not in result.stderr
    (tmp_path / "bad.cif").write_text("data_x\n_cell_length_a 1\x1b[31m\n")
    result = run(tmp_path / "bad.cif")
    assert result.exit_code == 2
    assert "\x1b" not in result.output
