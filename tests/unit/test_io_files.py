"""Files that are no files, archives that are bombs, and files that are there whole or not at all."""

from __future__ import annotations

import gzip
import os
import socket
import stat

import pytest

from recipnet.errors import LimitError, ReadError
from recipnet.io import files
from recipnet.io.atomic import atomic_write

TEXT = b"data_x\n" * 1000


def code(call, *arguments):
    with pytest.raises(ReadError) as caught:
        call(*arguments)
    assert str(arguments[0]) in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("call", [files.regular_size, files.gunzip, files.open_regular])
def test_what_is_no_file(call, tmp_path):
    folder, pipe, link, loop = (str(tmp_path / name) for name in ("folder.cif", "pipe.cif", "link.cif", "loop.cif"))
    os.mkdir(folder)
    os.mkfifo(pipe)
    os.symlink("nowhere", link)
    os.symlink("loop.cif", loop)
    assert code(call, folder) == "E-FILE"
    assert code(call, pipe) == "E-FILE"  # and nobody waits for a writer
    assert code(call, link) == "E-MISSING"
    assert code(call, loop) == "E-IO"
    assert code(call, str(tmp_path / "none.cif")) == "E-MISSING"
    assert code(call, str(tmp_path / ("x" * 300))) == "E-IO"
    assert code(call, "nul\0byte.cif") == "E-IO"
    if stat.S_ISCHR(os.stat("/dev/null").st_mode):
        assert code(call, "/dev/null") == "E-FILE"


def test_sockets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.cif")
        assert code(files.regular_size, "s.cif") == "E-FILE"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path):
    path = tmp_path / "a.cif"
    path.write_bytes(TEXT)
    path.chmod(0)
    assert code(files.open_regular, str(path)) == "E-ACCESS"


def test_size_limit(tmp_path):
    path = tmp_path / "a.cif"
    path.write_bytes(TEXT)
    assert files.regular_size(str(path)) == len(TEXT)
    with pytest.raises(LimitError, match="raise max_bytes") as caught:
        files.regular_size(str(path), max_bytes=100)
    assert (caught.value.name, caught.value.limit, caught.value.needed) == ("max_bytes", 100, len(TEXT))


def test_gunzip(tmp_path):
    path = tmp_path / "a.cif.gz"
    packed = gzip.compress(TEXT)
    for data, expected in [
        (packed, TEXT),
        (packed + packed, 2 * TEXT),
        (packed + b"\0" * 700, TEXT),
        (gzip.compress(b""), b""),
        (gzip.compress(os.urandom(1_000_000)), None),
    ]:
        path.write_bytes(data)
        result = files.gunzip(str(path))
        assert result == (gzip.decompress(data) if expected is None else expected)


def test_damaged_gzip(tmp_path):
    path = tmp_path / "a.cif.gz"
    packed = gzip.compress(os.urandom(3000))
    for data in (b"", b"data_x", packed[:-1], packed[:50], packed[:5], packed + b"junk", packed[:-6] + b"xxxxxx"):
        path.write_bytes(data)
        assert code(files.gunzip, str(path)) == "E-GZIP"


def test_bombs(tmp_path):
    path = tmp_path / "bomb.cif.gz"
    path.write_bytes(gzip.compress(b"\0" * 20_000_000))
    with pytest.raises(LimitError, match="max_ratio"):
        files.gunzip(str(path))
    with pytest.raises(LimitError, match="max_bytes"):
        files.gunzip(str(path), max_bytes=500_000, max_ratio=10**6)
    assert len(files.gunzip(str(path), max_ratio=10**6)) == 20_000_000
    with pytest.raises(LimitError, match="a line has more"):
        list(files.lines(str(path), max_bytes=500_000, max_ratio=10**6))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_lines(tmp_path, suffix):
    path = tmp_path / f"a.jsonl{suffix}"
    long = os.urandom(400_000).hex().encode()
    for data, expected in [
        (b"", []),
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\n\nb\n", [b"a", b"", b"b"]),
        (long + b"\n" + long + b"\nend", [long, long, b"end"]),
    ]:
        path.write_bytes(gzip.compress(data) if suffix else data)
        assert list(files.lines(str(path))) == expected


def test_atomic_write(tmp_path):
    path = tmp_path / "out.csv"
    with atomic_write(path) as handle:
        handle.write("é")
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "é"
    with pytest.raises(TypeError), atomic_write(path, "wb") as handle:
        handle.write("text where bytes belong")
    assert path.read_text(encoding="utf-8") == "é"
    assert os.listdir(tmp_path) == ["out.csv"]
    with pytest.raises(FileExistsError), atomic_write(path, "x"):
        pass
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "none" / "a.csv"):
        pass
    with atomic_write(tmp_path / ("n" * 255)) as handle:
        handle.write("long names fit")
