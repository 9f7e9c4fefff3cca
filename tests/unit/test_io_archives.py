"""Zip and tar archives: members as streams, in order, with bounds, and nothing written anywhere."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile

import pytest

import recipnet as rn
from recipnet.errors import LimitError, ReadError

CIF = (
    "data_x\n_cell_length_a 4\n_cell_length_b 4\n_cell_length_c 4\n_cell_angle_alpha 90\n_cell_angle_beta 90\n"
    "_cell_angle_gamma 90\nloop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\nloop_\n_atom_site_label\n_atom_site_fract_x\n"
    "_atom_site_fract_y\n_atom_site_fract_z\nFe1 0 0 0\n"
)
POSCAR = "iron\n1.0\n4 0 0\n0 4 0\n0 0 4\nFe\n1\nDirect\n0 0 0\n"
LONG = "x" * 150
MEMBERS = [
    ("b.cif", CIF.encode()),
    ("readme.txt", b"hello"),
    ("sub/a.cif", CIF.encode()),
    ("sub/packed.cif.gz", gzip.compress(CIF.encode())),
    ("sub/deep/POSCAR", POSCAR.encode()),
    ("broken.cif", b"data_x\nloop_\n_a\n_b\n1 2 3"),
    ("__MACOSX/sub/._a.cif", b"\0\5\26\7"),
    ("sub/._b.cif", b"\0\5\26\7"),
    ("../../outside.cif", CIF.encode()),
    (f"{LONG}/{LONG}.cif", CIF.encode()),
    ("other/b.cif", CIF.encode()),
    ("inner.zip", b"PK"),
]


def make(path, members=MEMBERS, **options):
    if str(path).endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.mkdir("sub")
            for name, data in members:
                archive.writestr(name, data)
    else:
        with tarfile.open(path, "w:gz" if str(path).lower().endswith("gz") else "w", **options) as archive:
            folder = tarfile.TarInfo("sub")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            link = tarfile.TarInfo("link.cif")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return path


NAMES = ["t.zip", "t.tar", "t.tar.gz", "t.TGZ"]


@pytest.mark.parametrize("name", NAMES)
def test_members(tmp_path, name):
    path = make(tmp_path / name)
    before = sorted(os.listdir(tmp_path))
    batch, report = rn.read_many(path, on_error="collect")
    assert batch.ids == ["b", "a", "packed", "deep", "outside", LONG]
    assert [source.path for source in batch.source][:2] == [f"{path}/b.cif", f"{path}/sub/a.cif"]
    assert all(crystal.formula == "Fe" for crystal in batch)
    assert [(record.id, record.code) for record in report.failures] == [("broken", "E-LOOP"), ("b", "E-ID")]
    assert report.failures[0].path == f"{path}/broken.cif"
    assert (report.ok, report.failed, report.skipped) == (6, 2, 4)
    assert sorted(os.listdir(tmp_path)) == before
    assert rn.read_many([path], on_error="collect")[0] == batch


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_styles_of_tar(tmp_path, style):
    names = ["a" * 60 + "/" + "b" * 70 + ".cif", "caf\u00e9.cif"] if style == tarfile.USTAR_FORMAT else [
        "a" * 200 + "/" + "b" * 170 + ".cif", "caf\u00e9.cif"
    ]  # fmt: skip
    path = make(tmp_path / "t.tar", [(name, CIF.encode()) for name in names], format=style)
    batch, _ = rn.read_many(path)
    assert batch.ids == [names[0].partition("/")[2].removesuffix(".cif"), "caf\u00e9"]


def test_one_member(tmp_path):
    path = make(tmp_path / "t.zip")
    assert rn.read(path, index=1).source.path == f"{path}/sub/a.cif"
    assert [warning.code for warning in rn.read(path).warnings] == ["W-SEVERAL"]


def test_a_chosen_format_is_that_of_the_members(tmp_path):
    path = make(tmp_path / "t.zip", [("one", POSCAR.encode()), ("two.txt", POSCAR.encode())])
    with pytest.raises(ReadError, match=r"holds no structure file .*\(2 other members\)"):
        rn.read_many(path)
    batch, _ = rn.read_many(path, format="poscar")
    assert batch.ids == ["one", "two"]


@pytest.mark.parametrize("name", NAMES)
def test_bombs(tmp_path, name):
    bomb = [("a.cif", CIF.encode()), ("bomb.cif", b" " * 3_000_000)]
    path = make(tmp_path / name, bomb)
    _, report = rn.read_many(path, on_error="collect", max_bytes=1_000_000)
    assert report.failures[0].code == "E-LIMIT"
    if name != "t.tar":
        _, report = rn.read_many(path, on_error="collect")
        assert report.failures[0].code == "E-LIMIT"
        with pytest.raises(LimitError, match="max_ratio"):
            rn.read_many(path)


@pytest.mark.parametrize("name", NAMES)
def test_damage(tmp_path, name):
    path = make(tmp_path / name, [(f"{n}.cif", CIF.encode()) for n in range(3)])
    data = path.read_bytes()
    # A tar file ends with a block of zeros; what follows is padding.
    last = 512 * 8 if name.endswith("tar") else len(data) - 1
    for end in sorted({0, 1, 100, last // 3, last // 2, last - 20, last - 1, last}):
        path.write_bytes(data[:end])
        _, report = rn.read_many(path, on_error="collect")
        assert report.failed >= 1, end
        assert report.failures[-1].code in ("E-ARCHIVE", "E-GZIP"), report.failures[-1]
    for at in range(0, len(data), 97):
        flipped = bytearray(data)
        flipped[at] ^= 0xFF
        path.write_bytes(flipped)
        _, report = rn.read_many(path, on_error="collect")
        assert report.ok + report.failed >= 1


def test_a_header_that_claims_too_much(tmp_path):
    path = tmp_path / "t.tar"
    make(path, [("a" * 200 + ".cif", CIF.encode())], format=tarfile.GNU_FORMAT)
    data = bytearray(path.read_bytes())
    start = data.index(b"././@LongLink")
    data[start + 124 : start + 136] = b"77777777777\0"
    data[start + 148 : start + 156] = b"        "
    data[start + 148 : start + 156] = b"%06o\0 " % sum(data[start : start + 512])
    path.write_bytes(data)
    with pytest.raises(ReadError, match="a header of 8589934591 bytes"):
        rn.read_many(path)


def test_encrypted_members(tmp_path):
    path = make(tmp_path / "t.zip", [("a.cif", CIF.encode()), ("b.cif", CIF.encode())])
    data = bytearray(path.read_bytes())
    data[data.index(b"a.cif") - 30 + 6] |= 1
    data[data.rindex(b"a.cif") - 46 + 8] |= 1
    path.write_bytes(data)
    batch, report = rn.read_many(path, on_error="collect")
    assert (batch.ids, report.failures[0].code) == (["b"], "E-ARCHIVE")
    assert "encrypted" in report.failures[0].message
