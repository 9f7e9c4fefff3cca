"""Write the labelled set that ships inside the package from the full MP2018 table.

The rule is fixed, so that anybody with the full table gets the same rows: structures of the 2018-2021
Materials Project only (``structure_source != "mp_2025"``), at most 40 atoms in the cell, the published split,
rows sorted by the hexadecimal SHA-256 of ``"recipnet-v1:" + id``, and of each split the first few.

    python scripts/build_embedded_data.py ../shared/data/mp2018.parquet
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SALT = "recipnet-v1:"
MAX_ATOMS = 40
COLUMNS = ("id", "split", "natoms", "lattice", "numbers", "frac", "e_form", "gap_pbe")
UNITS = {"e_form": "eV/atom", "gap_pbe": "eV"}
SIZES = {"train": 10000, "val": 500, "test": 1000}
OUTPUT = Path(__file__).resolve().parent.parent / "python/recipnet/data/embedded/mp2018_subset.parquet"


def select(table: pa.Table, sizes: dict[str, int]) -> pa.Table:
    """Rows of the embedded set: train, val, test, each in the order of its hash."""
    keep = pc.and_(pc.not_equal(table["structure_source"], "mp_2025"), pc.less_equal(table["natoms"], MAX_ATOMS))
    table = table.filter(keep).select(COLUMNS)
    digests = [hashlib.sha256((SALT + name).encode()).hexdigest() for name in table["id"].to_pylist()]
    order = np.argsort(np.array(digests), kind="stable")
    split = np.array(table["split"].to_pylist())[order]
    rows = []
    for name, size in sizes.items():
        found = order[split == name]
        if len(found) < size:
            raise SystemExit(f"split {name!r} has {len(found)} rows, {size} are wanted")
        rows.append(found[:size])
    return table.take(np.concatenate(rows)).combine_chunks()


def with_metadata(table: pa.Table) -> pa.Table:
    """Units go with their columns; the source goes with the table."""
    fields = []
    for field in table.schema:
        unit = UNITS.get(field.name)
        fields.append(field.with_metadata({"unit": unit}) if unit else field.with_metadata(None))
    notes = {
        "source": "Materials Project 2018.6.1 (MEGNet set), CC-BY-4.0; Jain et al. 2013; Chen et al. 2019",
        "rule": f"structure_source != mp_2025; natoms <= {MAX_ATOMS}; sorted by sha256({SALT!r} + id)",
        "units": json.dumps(UNITS, sort_keys=True),
    }
    return table.cast(pa.schema(fields, metadata=notes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="mp2018.parquet")
    parser.add_argument("--train", type=int, default=SIZES["train"], help="training rows (default %(default)s)")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    table = with_metadata(select(pq.read_table(options.source), {**SIZES, "train": options.train}))
    pq.write_table(table, options.output, compression="zstd", compression_level=19, use_dictionary=["split"])
    size = options.output.stat().st_size
    digest = hashlib.sha256("\n".join(table["id"].to_pylist()).encode()).hexdigest()
    print(f"{options.output}: {len(table)} rows, {size / 1e6:.2f} MB, ids sha256 {digest}")
    if size > 3_000_000:
        raise SystemExit("the file is larger than the 3 MB that the package allows")


if __name__ == "__main__":
    main()
