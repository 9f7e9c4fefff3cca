"""``recipnet convert``: formats, reports and exit codes."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from typer import testing

import recipnet as rn
from recipnet.cli import main_command
from recipnet.errors import ReadError
from recipnet.io.convert import convert


def call(*arguments: object):
    return testing.CliRunner().invoke(main_command.app, ["convert", *map(str, arguments)])


@pytest.fixture
def cifs(tmp_path) -> Path:
    folder = tmp_path / "cifs"
    folder.mkdir()
    for name in ("iron", "quartz", "rutile"):
        shutil.copy(str(files("recipnet.samples") / f"{name}.cif"), folder)
    (folder / "broken.cif").write_text("data_x\n_cell_length_a 3\n")
    (folder / "notes.txt").write_text("x")
    return folder


def test_one_file_there_and_back(cifs, tmp_path):
    quartz = rn.read(cifs / "quartz.cif")
    for name, expected in (("q.extxyz", 0), ("POSCAR", 0), ("q.parquet", 0), ("q2.cif.gz", 0)):
        done = call(cifs / "quartz.cif", tmp_path / name)
        assert done.exit_code == expected, done.output
        assert f"wrote 1 of 1 to {tmp_path / name}" in done.output
        back = rn.read(tmp_path / name)
        assert back.numbers.tolist() == quartz.numbers.tolist()
    assert rn.read(tmp_path / "q2.cif.gz").symmetry == quartz.symmetry
    assert call(cifs / "quartz.cif", tmp_path / "p1.cif", "--p1").exit_code == 0
    assert len(rn.read(tmp_path / "p1.cif").symmetry.operations) == 1
    assert call(tmp_path / "POSCAR", tmp_path / "x", "--from", "poscar", "--to", "cif", "--precision", 5).exit_code == 0
    assert "0.66667" in (tmp_path / "x").read_text()


def test_a_folder_with_failures(cifs, tmp_path):
    out = tmp_path / "all.parquet"
    done = call(cifs, out)
    assert done.exit_code == 0
    assert "wrote 3 of 5" in done.output
    assert "1 failed, 1 skipped" in done.output
    assert "broken" in done.output
    assert rn.read_many(out)[0].ids == ["iron", "quartz", "rutile"]
    assert call(cifs, out, "--strict").exit_code == 2
    report = convert(cifs, tmp_path / "all.cif")
    assert (report.ok, report.failed, report.skipped) == (3, 1, 1)
    assert rn.read(tmp_path / "all.cif", block="rutile").reduced_formula == "O2Ti"
    with pytest.raises(ReadError):
        convert(cifs, tmp_path / "all.cif", on_error="raise")


def test_users_errors(cifs, tmp_path):
    out = tmp_path / "out.cif"
    for arguments, part in [
        ((cifs / "none.cif", out), "no such file"),
        ((cifs / "broken.cif", out), "E-"),
        ((cifs / "iron.cif", tmp_path / "out.pdb"), "crystals are written as"),
        ((cifs, tmp_path / "POSCAR"), "holds one crystal"),
        ((f"{cifs}/broken*.cif", out), "nothing could be read"),
        ((cifs / "iron.cif", out, "--precision", 99), "1 to 17"),
    ]:
        done = call(*arguments)
        assert done.exit_code == 2, done.output
        assert part in done.output
        assert "Traceback" not in done.output
    assert not out.exists()
    out.write_text("mine")
    assert call(cifs / "iron.cif", out, "--keep").exit_code == 2
    assert out.read_text() == "mine"


def test_losses_are_printed(tmp_path):
    crystal = rn.Crystal([[4, 0, 0], [0, 4, 0], [0, 0, 4]], [26], [[0, 0, 0]], charges=[2])
    rn.write(crystal, tmp_path / "a.cif")
    done = call(tmp_path / "a.cif", tmp_path / "POSCAR")
    assert done.exit_code == 0
    assert "warning: " in done.output
    assert "no place for charges" in done.output
