"""Reading from files, folders, lists and texts: what is good is read, what is not is named, nothing waits."""

from __future__ import annotations

import gzip
import os
import pickle

import numpy as np
import pytest

import recipnet as rn
from recipnet.errors import ArgumentError, CifError, LimitError, ReadError, RecipnetError

IRON = """data_{name}
_cell_length_a {a}
_cell_length_b 2.8665
_cell_length_c 2.8665
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_space_group_symop_operation_xyz
x,y,z
x+1/2,y+1/2,z+1/2
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Fe1 0 0 0
"""


def iron(name="iron", a="2.8665"):
    return IRON.format(name=name, a=a)


@pytest.fixture
def folder(tmp_path):
    """Good files, broken ones and things that are no files."""
    for name in ("a", "b", "z"):
        (tmp_path / f"{name}.cif").write_text(iron(name))
    (tmp_path / "c.cif.gz").write_bytes(gzip.compress(iron("c").encode()))
    (tmp_path / "empty.cif").write_bytes(b"")
    (tmp_path / "flat.cif").write_text(iron("flat", a="0.0"))
    (tmp_path / "loop.cif").write_text("data_loop\nloop_\n_a\n_b\n1 2 3\n")
    (tmp_path / "cut.cif.gz").write_bytes(gzip.compress(iron().encode())[:-9])
    (tmp_path / "binary.cif").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "loop2.cif.gz").write_bytes(gzip.compress(b"data_loop\nloop_\n_a\n_b\n1 2 3\n"))
    (tmp_path / "folder.cif").mkdir()
    os.mkfifo(tmp_path / "pipe.cif")
    os.symlink("nowhere", tmp_path / "link.cif")
    (tmp_path / "id_prop.csv").write_text("a,1\n")
    return tmp_path


BROKEN = {
    "binary": None,
    "cut": "E-GZIP",
    "empty": None,
    "flat": "E-CELL",
    "folder": "E-FILE",
    "link": "E-MISSING",
    "loop": "E-LOOP",
    "loop2": "E-LOOP",
    "pipe": "E-FILE",
}


def test_broken_files_among_good_ones(folder):
    batch, report = rn.read_many(folder, on_error="collect")
    assert batch.ids == ["a", "b", "c", "z"]
    assert (report.ok, report.failed, report.skipped, report.given) == (4, len(BROKEN), 1, 14)
    assert [record.id for record in report.failures] == sorted(BROKEN)
    order = sorted(entry for entry in os.listdir(folder) if entry != "id_prop.csv")
    assert [order[i] for i in batch.source_index] == ["a.cif", "b.cif", "c.cif.gz", "z.cif"]
    for record in report.failures:
        assert os.path.basename(record.path) == order[record.index]
        assert record.path in record.message
        assert record.code.startswith("E-")
        assert record.code == (BROKEN[record.id] or record.code)
    lines = {record.id: record.line for record in report.failures}
    assert lines["loop"] == lines["loop2"] == 2
    for crystal, name in zip(batch, batch.ids, strict=True):
        assert crystal.formula == "Fe2"
        assert crystal.source.block == name
        assert os.path.basename(crystal.source.path).startswith(name)


def test_policies(folder):
    full, _ = rn.read_many(folder, on_error="collect")
    batch, report = rn.read_many(folder, on_error="skip")
    assert batch == full
    assert (report.ok, report.failed, report.failures) == (4, len(BROKEN), ())
    with pytest.raises(ReadError, match=r"binary\.cif"):
        rn.read_many(folder)
    with pytest.raises(ArgumentError, match="on_error = 'ignore'"):
        rn.read_many(folder, on_error="ignore")


@pytest.mark.parametrize("threads", [1, 2, 7, 64])
def test_same_for_any_number_of_threads(folder, threads):
    assert rn.read_many(folder, on_error="collect", threads=threads) == rn.read_many(folder, on_error="collect")


def test_pieces_do_not_show(folder, monkeypatch):
    whole = rn.read_many(folder, on_error="collect")
    monkeypatch.setattr("recipnet.io.reader._PIECE_COUNT", 2)
    assert rn.read_many(folder, on_error="collect") == whole
    monkeypatch.setattr("recipnet.io.reader._PIECE_BYTES", 1)
    assert rn.read_many(folder, on_error="collect") == whole


def test_one_file(folder):
    crystal = rn.read(folder / "a.cif")
    assert crystal == rn.read_many(folder / "a.cif")[0][0]
    assert crystal.source == (str(folder / "a.cif"), "a")
    packed = rn.read(str(folder / "c.cif.gz"))
    assert np.array_equal(packed.frac_coords, crystal.frac_coords)
    assert pickle.loads(pickle.dumps(crystal)) == crystal
    (folder / "POSCAR_text").write_text(iron())
    assert rn.read(folder / "POSCAR_text", format="cif").formula == "Fe2"
    for name, code in [(f"{name}.cif", code) for name, code in BROKEN.items() if code and name not in ("cut", "loop2")]:
        with pytest.raises(ReadError) as caught:
            rn.read(folder / name)
        assert caught.value.code == code
        assert str(folder / name) in str(caught.value)
        assert caught.value.path == str(folder / name)


def test_wrong_calls(folder):
    with pytest.raises(ReadError, match="suffix is none of") as caught:
        rn.read(folder / "id_prop.csv")
    assert caught.value.code == "E-FORMAT"
    for path in (folder / "none.cif", folder / "none.csv", folder / "none"):
        with pytest.raises(ReadError, match="no such file"):
            rn.read(path)
        with pytest.raises(ReadError, match="no such file"):
            rn.read_many(path, on_error="collect")
    for call in (
        lambda: rn.read(b"data_x"),
        lambda: rn.parse(3),
        lambda: rn.parse_many(iron()),
        lambda: rn.parse_many(3),
    ):
        with pytest.raises(ArgumentError):
            call()
    with pytest.raises(ArgumentError, match="did you mean max_sites"):
        rn.read(folder / "a.cif", max_site=3)
    for option in (
        {"max_sites": 0},
        {"max_bytes": 1.5},
        {"merge_tol": -1.0},
        {"min_length": float("nan")},
        {"index": -1},
    ):
        with pytest.raises(ArgumentError, match=next(iter(option))):
            rn.read(folder / "a.cif", **option)
    with pytest.raises(ArgumentError, match="unknown_element"):
        rn.read(folder / "a.cif", unknown_element="skip")
    with pytest.raises(ArgumentError, match="format"):
        rn.parse(iron(), format="parquet")


def test_limits(folder):
    with pytest.raises(RecipnetError, match="max_sites"):
        rn.read(folder / "a.cif", max_sites=1)
    for name in ("a.cif", "c.cif.gz"):
        with pytest.raises(RecipnetError, match="max_bytes"):
            rn.read(folder / name, max_bytes=10)
    (folder / "bomb.cif.gz").write_bytes(gzip.compress(b" " * 3_000_000))
    with pytest.raises(LimitError, match="max_ratio"):
        rn.read(folder / "bomb.cif.gz")
    _, report = rn.read_many([folder / "bomb.cif.gz"], on_error="collect")
    assert report.failures[0].code == "E-LIMIT"


def test_several_structures(tmp_path):
    path = tmp_path / "two.cif"
    path.write_text(iron("one") + iron("two", a="3.5"))
    first = rn.read(path)
    assert first.source.block == "one"
    assert [warning.code for warning in first.warnings] == ["W-SEVERAL"]
    assert rn.read(path, index=1).lattice[0, 0] == 3.5
    assert rn.read(path, block="two").source.block == "two"
    assert rn.parse(path.read_text(), index=1).lattice[0, 0] == 3.5
    with pytest.raises(CifError):
        rn.read(path, index=2)
    with pytest.raises(CifError):
        rn.read(path, block="three")
    batch, report = rn.read_many([path])
    assert batch[0].lattice[0, 0] == 2.8665
    (record,) = report.warnings
    assert (record.id, record.path, record.index, record.code) == ("two", str(path), 0, "W-SEVERAL")


def test_strict_refuses_repairs():
    twice = iron() + "_cell_length_a 9\n"
    assert [warning.code for warning in rn.parse(twice).warnings] == ["W-DUPLICATE"]
    with pytest.raises(CifError) as caught:
        rn.parse(twice, strict=True)
    assert caught.value.code == "E-DUPLICATE"
    batch, report = rn.parse_many([twice, iron()], strict=True, on_error="collect")
    assert batch.ids == ["1"]
    assert report.failures[0].code == "E-DUPLICATE"


def test_repeated_ids(tmp_path):
    (tmp_path / "a.cif").write_text(iron())
    (tmp_path / "a.cif.gz").write_bytes(gzip.compress(iron().encode()))
    with pytest.raises(ReadError, match=r"the id 'a' is taken by .*a\.cif;"):
        rn.read_many(tmp_path)
    batch, report = rn.read_many(tmp_path, on_error="collect")
    assert batch.ids == ["a"]
    assert [(record.code, record.index, record.value) for record in report.failures] == [("E-ID", 1, "a")]
    _, report = rn.parse_many([iron(), iron(), iron()], ids=["x", "y", "x"], on_error="collect")
    assert [(record.code, record.index) for record in report.failures] == [("E-ID", 2)]


def test_lists(folder):
    given = [folder / "z.cif", folder / "id_prop.csv", folder / "missing.cif", folder / "c.cif.gz", folder / "a.cif"]
    batch, report = rn.read_many(given, on_error="collect")
    assert batch.ids == ["z", "c", "a"]
    assert batch.source_index.tolist() == [0, 3, 4]
    assert [(record.index, record.code) for record in report.failures] == [(1, "E-FORMAT"), (2, "E-MISSING")]
    batch, report = rn.read_many([])
    assert (len(batch), report.given) == (0, 0)
    batch, report = rn.read_many(str(folder / "[ab].cif"))
    assert batch.ids == ["a", "b"]


def test_texts():
    texts = [iron(), iron().encode(), "", "\ufeff" + iron(), None, iron().replace("\n", "\r\n"), "data_x"]
    batch, report = rn.parse_many(texts, on_error="collect")
    assert batch.ids == ["0", "1", "3", "5"]
    assert all(crystal.formula == "Fe2" and crystal.source.path is None for crystal in batch)
    assert [(record.index, record.path) for record in report.failures] == [(2, None), (4, None), (6, None)]
    assert report.failures[1].code == "E-TEXT"
    assert rn.parse(iron()).source == (None, "iron")
    assert rn.parse_many([]) == (rn.CrystalBatch.from_crystals([]), rn.parse_many([])[1])
    with pytest.raises(CifError):
        rn.parse_many(texts)
    with pytest.raises(ArgumentError, match="1 names for 2"):
        rn.parse_many([iron(), iron()], ids=["a"])


def test_symmetry_arrives():
    crystal = rn.parse(iron())
    assert crystal.symmetry.operations.to_xyz() == ["x,y,z", "x+1/2,y+1/2,z+1/2"]
    assert crystal.symmetry.number is None
    operations = rn.Operations.from_xyz(["x, y, z", "1/2+X,.5+y, z + 0.5"])
    assert operations == crystal.symmetry.operations
    batch, _ = rn.parse_many([iron()] * 3)
    assert batch.symmetry[0] == batch.symmetry[2] == crystal.symmetry


def test_progress(folder, capsys, monkeypatch):
    rn.read_many(folder, on_error="skip", progress=True)
    assert "reading" in capsys.readouterr().err
    for name in ("rich", "rich.console", "rich.progress"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    rn.read_many(folder, on_error="skip", progress=True)
    assert "reading: 13 of 13" in capsys.readouterr().err


def test_interrupts_pass_through(folder, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("recipnet.io.reader.decode_cifs", interrupt)
    with pytest.raises(KeyboardInterrupt):
        rn.read_many(folder, on_error="skip")
