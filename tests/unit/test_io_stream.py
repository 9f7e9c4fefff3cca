"""`stream`: the same as `read_many`, in pieces, in bounded memory, and stopped by Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import pytest

import recipnet as rn
from recipnet.errors import ArgumentError, ReadError, RecipnetError
from recipnet.io.ids import CompactIds, Ids

CIF = (
    "data_x\n_cell_length_a {a}\n_cell_length_b 4\n_cell_length_c 4\n_cell_angle_alpha 90\n_cell_angle_beta 90\n"
    "_cell_angle_gamma 90\nloop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\nloop_\n_atom_site_label\n_atom_site_fract_x\n"
    "_atom_site_fract_y\n_atom_site_fract_z\nFe1 0 0 0\n"
)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """3000 texts, 1 % broken, some ids repeated."""
    path = tmp_path_factory.mktemp("stream") / "t.jsonl"
    with open(path, "w") as handle:
        for n in range(3000):
            text = CIF.format(a=4 + n / 1000) if n % 100 != 7 else "data_x\n_cell_length_a"
            handle.write(json.dumps({"id": f"m-{n if n != 2999 else 5}", "cif": text}) + "\n")
    return path


def joined(parts):
    batches, reports = zip(*parts, strict=True)
    batch = rn.CrystalBatch.concat(batches)
    sums = [sum(getattr(report, name) for report in reports) for name in ("ok", "failed", "skipped")]
    return batch, sums, [record for report in reports for record in report.failures]


@pytest.mark.parametrize("size", [1, 7, 1024, 2500, 10**6])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_for_any_size_and_threads(table, size, threads):
    if size == 1 and threads == 2:
        pytest.skip("3000 batches once are enough")
    whole, report = rn.read_many(table, on_error="collect")
    parts = list(rn.stream(table, batch_size=size, on_error="collect", threads=threads))
    batch, sums, failures = joined(parts)
    assert batch == whole
    assert sums == [report.ok, report.failed, report.skipped] == [2969, 31, 0]
    key = [(record.id, record.index, record.code) for record in report.failures]
    assert [(record.id, record.index, record.code) for record in failures] == key
    given = [one.given for _, one in parts]
    assert all(count == size for count in given[:-1])
    assert sum(given) == 3000


def test_skipped_is_counted_once(tmp_path):
    for n in range(5):
        (tmp_path / f"{n}.cif").write_text(CIF.format(a=4))
    (tmp_path / "notes.txt").write_text("x")
    assert joined(rn.stream(tmp_path, batch_size=2))[1] == [5, 0, 1]
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(5):
            archive.writestr(f"{n}.cif", CIF.format(a=4))
            archive.writestr(f"{n}.txt", "x")
    assert joined(rn.stream(path, batch_size=2))[1] == [5, 0, 5]


def test_iterators_are_read_as_they_go(tmp_path):
    (tmp_path / "a.cif").write_text(CIF.format(a=4))
    taken = []

    def paths():
        for n in range(5000):
            taken.append(n)
            yield tmp_path / ("a.cif" if n == 0 else f"missing{n}.cif")

    parts = rn.stream(paths(), batch_size=10, on_error="skip")
    batch, report = next(parts)
    assert (batch.ids, report.ok, report.failed) == (["a"], 1, 9)
    assert len(taken) < 3000
    with pytest.raises(ArgumentError, match=r"source\[1\]"):
        list(rn.stream(iter([tmp_path / "a.cif", 3])))


def test_refusals(table, tmp_path):
    for size in (0, -1, 1.5, True):
        with pytest.raises(ArgumentError, match="batch_size"):
            next(rn.stream(table, batch_size=size))
    with pytest.raises(ReadError, match="no such file"):
        rn.stream(tmp_path / "none.jsonl")
    with pytest.raises(RecipnetError):
        list(rn.stream(table))
    assert list(rn.stream([])) == []


def test_ids():
    for ids in (Ids(), CompactIds(cells=4)):
        names = [f"id-{n}" for n in range(1000)]
        assert [ids.claim(name, "here") for name in names] == [None] * 1000
        assert all(ids.claim(name, "there") is not None for name in names)
    assert (Ids().claim("a", "x"), Ids().claim("a", "x")) == (None, None)
    same = Ids()
    assert [same.claim("a", "x"), same.claim("a", "x")] == [None, "x"]


READS = [
    "for _ in itertools.count(): rn.parse_many([text] * 20000)",
    "for _ in rn.stream(source, on_error='skip'): pass",
    "rn.read_many(source, on_error='skip')",
]


@pytest.mark.parametrize("read", READS)
def test_ctrl_c_stops_within_a_second(read, tmp_path):
    path = tmp_path / "big.jsonl"
    with open(path, "w") as handle:
        for n in range(150_000):
            handle.write(json.dumps({"id": str(n), "cif": CIF.format(a=4)}) + "\n")
    script = (
        "import itertools, signal, sys, recipnet as rn\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"text, source = {CIF.format(a=4)!r}, {str(path)!r}\n"
        f"print('ready', flush=True)\nwhile True:\n    {read}\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        start = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=30)
        elapsed = time.monotonic() - start
    finally:
        process.kill()
    assert "KeyboardInterrupt" in error
    # One second is the promise; the rest is for machines that do other things at the same time.
    assert elapsed < 3.0
