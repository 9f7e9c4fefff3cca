"""Which files a folder, a glob or a list stands for, and in which order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recipnet.errors import ArgumentError, ReadError
from recipnet.io.sources import find, known_format


@pytest.fixture
def folder(tmp_path):
    for name in ("b.cif", "B.CIF", "a-b.cif", "a.cif.gz", "a_b.cif", "notes.txt", "id_prop.csv", "t.parquet", "x.gz"):
        (tmp_path / name).write_text("x")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.cif").write_text("x")
    (tmp_path / "sub" / "y.txt").write_text("x")
    (tmp_path / "dir.cif").mkdir()
    os.symlink("nowhere", tmp_path / "link.cif")
    return tmp_path


def names(found):
    return [os.path.basename(item.path) for item in found.items]


def test_folder(folder):
    found = find(folder)
    expected = ["B.CIF", "a-b.cif", "a.cif.gz", "a_b.cif", "b.cif", "dir.cif", "link.cif"]
    assert names(found) == expected
    assert [item.id for item in found.items] == ["B", "a-b", "a", "a_b", "b", "dir", "link"]
    assert {item.format for item in found.items} == {"cif"}
    assert found.skipped == 4
    assert names(find(str(folder) + "/")) == expected
    below = find(folder, recursive=True)
    assert names(below) == [*expected, "c.cif"]
    assert below.skipped == 5


def test_loops_of_folders_end(folder):
    os.symlink(folder, folder / "sub" / "up")
    assert len(find(folder, recursive=True).items) == 8


def test_names_of_any_bytes(tmp_path):
    name = b"caf\xe9.cif"
    with open(os.path.join(os.fsencode(tmp_path), name), "wb") as handle:
        handle.write(b"x")
    (item,) = find(tmp_path).items
    assert os.fsencode(item.path).endswith(name)


def test_glob(folder):
    found = find(str(folder / "a*"))
    assert names(found) == ["a-b.cif", "a.cif.gz", "a_b.cif"]
    assert names(find(str(folder / "**" / "c.cif"))) == ["c.cif"]
    assert find(str(folder / "[nx]*"), format="cif").skipped == 0
    with pytest.raises(ReadError, match="matches no structure file") as caught:
        find(str(folder / "*.pdb"))
    assert caught.value.code == "E-EMPTY"
    (folder / "we[i]rd.cif").write_text("x")
    assert names(find(str(folder / "we[i]rd.cif"))) == ["we[i]rd.cif"]


def test_lists_keep_their_order(folder):
    given = [folder / "b.cif", str(folder / "a.cif.gz"), folder / "notes.txt", folder / "missing.cif"]
    found = find(given)
    assert names(found) == [Path(path).name for path in given]
    assert [item.format for item in found.items] == ["cif", "cif", None, "cif"]
    assert find([]).items == find(iter([])).items == []


def test_nothing_there(folder):
    with pytest.raises(ReadError, match="no such file") as caught:
        find(folder / "none")
    assert caught.value.code == "E-MISSING"
    (folder / "empty").mkdir()
    (folder / "empty" / "notes.txt").write_text("x")
    with pytest.raises(
        ReadError, match=r"no structure file such as \*.cif, POSCAR or \*.extxyz \(1 other files\); recursive=True"
    ) as caught:
        find(folder / "empty")
    assert (caught.value.code, caught.value.path) == ("E-EMPTY", str(folder / "empty"))


@pytest.mark.parametrize("source", [3, None, b"data_x", [3], ["a.cif", None]])
def test_what_is_no_source(source):
    with pytest.raises(ArgumentError):
        find(source)


def test_formats():
    known = {
        "a.cif": "cif", "A.CIF": "cif", "a.mcif": "cif", "a.cif.gz": "cif", "a.b.jsonl": "jsonl", "a.jsonl.GZ": "jsonl",
        "a.parquet": "parquet", "a.parquet.gz": None, "a.gz": None, "cif": None, ".cif": None, "a.cif.bak": None,
    }  # fmt: skip
    assert {name: known_format(f"/x/{name}") for name in known} == known
    with pytest.raises(ArgumentError, match="format = 'pdb'"):
        find("x", format="pdb")
