"""Structures in Parquet and JSONL tables."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import recipnet as rn
from recipnet.errors import ArgumentError, CrystalError, ReadError


def rows():
    """Four rows in the column layout of the reference data."""
    lattice = (np.eye(3) * 4).ravel().tolist()
    return [
        {"id": f"m-{n}", "natoms": n, "lattice": lattice, "numbers": [11] * n, "frac": [0.25] * 3 * n, "e": 0.5}
        for n in (1, 2, 3, 4)
    ]


SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("natoms", pa.int32()),
        ("lattice", pa.list_(pa.float64())),
        ("numbers", pa.list_(pa.uint8())),
        ("frac", pa.list_(pa.float32())),
        ("e", pa.float64()),
    ]
)


def write(path, table, schema=SCHEMA, **options):
    pq.write_table(pa.Table.from_pylist(table, schema=schema), path, **options)
    return path


def test_parquet(tmp_path):
    path = write(tmp_path / "t.parquet", rows(), row_group_size=3)
    batch, report = rn.read_many(path)
    assert batch.ids == ["m-1", "m-2", "m-3", "m-4"]
    assert batch.offsets.tolist() == [0, 1, 3, 6, 10]
    assert batch.source_index.tolist() == [0, 1, 2, 3]
    assert batch.frac_coords.dtype == np.float64
    assert (report.ok, report.failed, report.skipped) == (4, 0, 0)
    assert batch[1] == rn.Crystal(np.eye(3) * 4, [11, 11], np.full((2, 3), 0.25))
    for x in batch.__getstate__().values():
        if isinstance(x, np.ndarray):
            assert x.flags.writeable
            assert x.flags.c_contiguous


def test_parquet_needs_no_pandas(tmp_path):
    path = write(tmp_path / "t.parquet", rows())
    script = f"import sys, recipnet as rn; rn.read_many({str(path)!r}); print('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize(
    "schema",
    [
        SCHEMA.set(2, pa.field("lattice", pa.list_(pa.float64(), 9))),
        SCHEMA.set(3, pa.field("numbers", pa.large_list(pa.int64()))),
        SCHEMA.set(4, pa.field("frac", pa.list_(pa.float64()))),
        SCHEMA.set(0, pa.field("id", pa.large_string())),
    ],
)
def test_other_types_of_the_same_columns(tmp_path, schema):
    batch, _ = rn.read_many(write(tmp_path / "t.parquet", rows(), schema))
    assert batch == rn.read_many(write(tmp_path / "u.parquet", rows()))[0]


BAD = [
    ("lattice", None, "E-TABLE", "no value"),
    ("id", None, "E-TABLE", "no value"),
    ("lattice", [1.0] * 8, "E-TABLE", "expected 9 values"),
    ("lattice", [0.0] * 9, "E-CRYSTAL", "length of a is 0"),
    ("lattice", [*[4.0] * 8, None], "E-CRYSTAL", "not finite"),
    ("numbers", [11, 200], "E-CRYSTAL", "numbers[1] = 200"),
    ("numbers", [11, None], "E-CRYSTAL", "numbers[1]"),
    ("numbers", [11], "E-TABLE", "3 values for each"),
    ("frac", [0.5] * 5, "E-TABLE", "3 values for each"),
    ("frac", [0.5] * 5 + [float("nan")], "E-CRYSTAL", "frac_coords[1]"),
    ("natoms", 3, "E-TABLE", "length of numbers"),
    ("id", "m-4", "E-ID", "taken"),
]


@pytest.mark.parametrize(("column", "value", "code", "part"), BAD)
def test_one_bad_row(tmp_path, column, value, code, part):
    table = rows()
    table[1][column] = value
    path = write(tmp_path / "t.parquet", table)
    batch, report = rn.read_many(path, on_error="collect")
    bad = 3 if code == "E-ID" else 1
    assert batch.source_index.tolist() == [i for i in range(4) if i != bad]
    assert [len(crystal) for crystal in batch] == [i + 1 for i in range(4) if i != bad]
    (record,) = report.failures
    assert (record.index, record.code) == (bad, code)
    assert part in record.message
    assert str(path) in record.message
    assert f"row {bad}" in record.message
    with pytest.raises((ReadError, CrystalError)):
        rn.read_many(path)


def test_all_rows_bad(tmp_path):
    table = rows()
    for place, (column, value) in enumerate([("lattice", [0.0] * 9), ("frac", []), ("numbers", None), ("id", None)]):
        table[place][column] = value
    batch, report = rn.read_many(write(tmp_path / "t.parquet", table), on_error="collect")
    assert (len(batch), report.failed) == (0, 4)
    assert [record.index for record in report.failures] == [0, 1, 2, 3]


def test_tables_without_structures(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"id": ["a"], "e": [1.0]}), path)
    with pytest.raises(ReadError, match=r"no column lattice, numbers, frac; .* this one has id, e") as caught:
        rn.read_many(path)
    assert (caught.value.code, caught.value.tag) == ("E-TABLE", "lattice")
    path.write_bytes(b"PAR1 nonsense")
    with pytest.raises(ReadError, match="no readable Parquet"):
        rn.read_many(path)
    write(path, rows(), SCHEMA.set(3, pa.field("numbers", pa.list_(pa.float64()))))
    with pytest.raises(ReadError, match="lists of double"):
        rn.read_many(path)
    pq.write_table(pa.table({"id": ["a"], "lattice": [1.0], "numbers": [[1]], "frac": [[0.0] * 3]}), path)
    with pytest.raises(ReadError, match="a list of numbers is needed"):
        rn.read_many(path)


def test_empty_table(tmp_path):
    batch, report = rn.read_many(write(tmp_path / "t.parquet", []))
    assert (len(batch), report.given) == (0, 0)


def test_one_row(tmp_path):
    path = write(tmp_path / "t.parquet", rows())
    assert len(rn.read(path, index=2)) == 3
    assert rn.read(path, index=2).warnings == ()
    assert [warning.code for warning in rn.read(path).warnings] == ["W-SEVERAL"]
    with pytest.raises(ReadError, match="no structure 9, only 4"):
        rn.read(path, index=9)
    with pytest.raises(ArgumentError, match="tables have rows"):
        rn.read(path, block="x")


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_jsonl(tmp_path, suffix):
    cif = (
        "data_x\n_cell_length_a 4\n_cell_length_b 4\n_cell_length_c 4\n_cell_angle_alpha 90\n_cell_angle_beta 90\n"
        "_cell_angle_gamma 90\nloop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\nloop_\n_atom_site_label\n_atom_site_fract_x\n"
        "_atom_site_fract_y\n_atom_site_fract_z\nFe1 0 0 0\n"
    )
    lines = [
        json.dumps({"id": "a", "cif": cif}),
        "",
        json.dumps({"id": 7, "cif": cif, "source": "x"}),
        "{not json",
        json.dumps({"id": "b"}),
        json.dumps([1]),
        json.dumps({"id": None, "cif": cif}),
        json.dumps({"id": "c", "cif": 3}),
        json.dumps({"id": "a", "cif": cif}),
        json.dumps({"id": "d", "cif": "data_x\nloop_\n_a\n_b\n1 2 3"}),
        json.dumps({"id": "e", "cif": cif}),
    ]
    data = ("\n".join(lines) + "\n").encode()
    path = tmp_path / f"t{suffix}"
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    batch, report = rn.read_many(path, on_error="collect")
    assert batch.ids == ["a", "7", "e"]
    assert batch.source_index.tolist() == [0, 1, 9]
    codes = [(record.index, record.code) for record in report.failures]
    assert codes == [
        (2, "E-JSON"), (3, "E-JSON"), (4, "E-JSON"), (5, "E-JSON"), (6, "E-TEXT"), (7, "E-ID"), (8, "E-LOOP"),
    ]  # fmt: skip
    assert report.failures[0].line == 4
    assert all(str(path) in record.message for record in report.failures)
    assert batch.source[0].path == f"{path}:1"
    assert rn.read(path, index=1).formula == "Fe"


def test_tables_beside_files(tmp_path):
    table = write(tmp_path / "t.parquet", rows())
    cif = tmp_path / "q.cif"
    shutil.copy(os.path.join(os.path.dirname(rn.__file__), "samples", "quartz.cif"), cif)
    batch, report = rn.read_many([cif, table, tmp_path / "none.jsonl", tmp_path / "none.parquet"], on_error="collect")
    assert batch.ids == ["q", "m-1", "m-2", "m-3", "m-4"]
    assert batch.source_index.tolist() == [0, 1, 2, 3, 4]
    assert [(record.index, record.code) for record in report.failures] == [(5, "E-MISSING"), (6, "E-MISSING")]


def test_reference_tables(shared_dir):
    path = shared_dir / "data" / "matbench_phonons.parquet"
    batch, report = rn.read_many(path)
    table = pq.read_table(path)
    assert report.ok == len(table) == 1265
    assert batch.ids == table["id"].to_pylist()
    assert np.array_equal(np.diff(batch.offsets), table["natoms"].to_numpy())
    frac = table["frac"].combine_chunks().flatten().to_numpy().reshape(-1, 3)
    assert np.array_equal(batch.frac_coords, frac.astype(float))
