"""Reports count, print and write."""

from __future__ import annotations

import csv
import json
import os

import pyarrow.parquet as pq
import pytest

from recipnet.errors import ArgumentError, CifError, CrystalError, LimitError
from recipnet.io.report import ReadRecord, ReadReport, failure_record


def report():
    error = CifError("a.cif:3:1: [E-LOOP] 2 values", code="E-LOOP", path="a.cif", line=3, column=1, tag="_x", value="2")
    failures = [
        failure_record(error, id="a", path="a.cif", index=1),
        failure_record(LimitError("b.cif: \x1b[31mtoo large", name="max_sites"), id="b", path="b.cif", index=2),
        failure_record(CrystalError("c: bad", field="lattice", value=[1]), id="c", path=None, index=4),
    ]
    warnings = [ReadRecord("d", "bad\udcff.cif", 5, "W-CLOSE", 'says "no", twice\nover', 7)]
    return ReadReport(ok=3, failed=3, skipped=1, failures=failures, warnings=warnings)


def test_records():
    loop, limit, crystal = report().failures
    assert loop == ("a", "a.cif", 1, "E-LOOP", "a.cif:3:1: [E-LOOP] 2 values", 3, 1, None, "_x", "2")
    assert (limit.code, limit.path, limit.line) == ("E-LIMIT", "b.cif", None)
    assert (crystal.code, crystal.value) == ("E-CRYSTAL", "[1]")


def test_summary():
    text = str(report())
    assert text.splitlines()[0] == "read 3 of 7: 3 failed, 1 skipped"
    assert "failures by code: E-CRYSTAL 1, E-LIMIT 1, E-LOOP 1" in text
    assert "warnings by code: W-CLOSE 1" in text
    assert "\x1b" not in text
    many = ReadReport(failed=9, failures=[ReadRecord(str(i), None, i, "E-X", "x" * 1000) for i in range(9)])
    assert "and 4 more" in str(many)
    assert max(map(len, str(many).splitlines())) < 420
    assert repr(report()) == "ReadReport(ok=3, failed=3, skipped=1, warnings=1)"
    assert ReadReport() == ReadReport(failures=[])


def rows(path):
    if path.suffix == ".csv":
        with open(path, newline="", encoding="utf-8") as handle:
            return [{k: v or None for k, v in row.items()} for row in csv.DictReader(handle)]
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    return pq.read_table(path).to_pylist()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".CSV"])
def test_written_tables(tmp_path, suffix):
    path = tmp_path / f"report{suffix}"
    path.write_text("old")
    report().write(path)
    if suffix == ".CSV":
        path = path.rename(tmp_path / "report.csv")
    found = rows(path)
    assert [row["kind"] for row in found] == ["failure"] * 3 + ["warning"]
    assert list(found[0]) == ["kind", *ReadRecord._fields]
    for row, record in zip(found, [*report().failures, *report().warnings], strict=True):
        for name, value in record._asdict().items():
            got = row[name]
            if name == "path" and value and "\udcff" in value:
                assert got in ("bad\\udcff.cif", value)
            else:
                assert got == (value if value is None or suffix in (".jsonl", ".parquet") else str(value))
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_empty_reports(tmp_path, suffix):
    path = tmp_path / f"report{suffix}"
    ReadReport().write(path)
    assert rows(path) == []


def test_unknown_suffix(tmp_path):
    with pytest.raises(ArgumentError, match=r"\.csv, \.jsonl or \.parquet"):
        report().write(tmp_path / "report.txt")
