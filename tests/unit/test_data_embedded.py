"""The set inside the package: its rule, its size, its labels."""

from __future__ import annotations

import hashlib
import importlib.util
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipnet.data import embedded

pq = pytest.importorskip("pyarrow.parquet")

FILE = files("recipnet.data") / "embedded" / "mp2018_subset.parquet"
IDS_SHA256 = "bc8cc89123b8812709a803356fa7b7a6ad621892beddadfc74adad7e42a591e8"
SIZES = {"train": 10000, "val": 500, "test": 1000}


def script() -> Any:
    path = Path(__file__).parents[2] / "scripts" / "build_embedded_data.py"
    spec = importlib.util.spec_from_file_location("build_embedded_data", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_file() -> None:
    path = Path(str(FILE))
    assert path.stat().st_size <= 3_000_000
    assert {"SOURCE.md", "LICENSE.md"} <= {entry.name for entry in path.parent.iterdir()}
    table = pq.read_table(path)
    assert table.column_names == ["id", "split", "natoms", "lattice", "numbers", "frac", "e_form", "gap_pbe"]
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"
    assert not any("pandas" in key.decode() for key in table.schema.metadata)
    ids = table["id"].to_pylist()
    assert len(set(ids)) == len(ids) == 11500
    assert hashlib.sha256("\n".join(ids).encode()).hexdigest() == IDS_SHA256
    assert max(table["natoms"].to_pylist()) <= 40
    digests = {name: hashlib.sha256(f"recipnet-v1:{name}".encode()).hexdigest() for name in ids}
    split = table["split"].to_pylist()
    for role, size in SIZES.items():
        found = [digests[name] for name, given in zip(ids, split, strict=True) if given == role]
        assert len(found) == size
        assert found == sorted(found)


def test_the_rule_gives_the_file(shared_dir: Path) -> None:
    module = script()
    made = module.with_metadata(module.select(pq.read_table(shared_dir / "data" / "mp2018.parquet"), SIZES))
    assert made.equals(pq.read_table(str(FILE)), check_metadata=True)


def test_the_dataset() -> None:
    data = embedded()
    assert (data.target_names, data.units) == (("e_form", "gap_pbe"), ("eV/atom", "eV"))
    assert data.counts == SIZES
    assert data.mask.all()
    assert data.is_ordered().all()
    test = data.subset("test").targets[:, 0]
    assert np.abs(test - test.mean()).mean() == pytest.approx(0.96, abs=0.01)
    assert data.split_hash == SPLIT_HASH
    assert embedded(["e_form"]).units == ("eV/atom",)


SPLIT_HASH = "9a7bd3c07bc1571b3f529e509e2a31fdd75ea0d25873f31dc1d9e5124098543f"
