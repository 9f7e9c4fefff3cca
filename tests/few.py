"""A few of the embedded crystals, as a table that a user could have."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def few_crystals(most_atoms: int, train: int, val: int, test: int) -> pa.Table:
    """The first crystals of each split with at most so many atoms."""
    table = pq.read_table(str(files("recipnet.data") / "embedded" / "mp2018_subset.parquet"))
    small = np.flatnonzero(table["natoms"].to_numpy() <= most_atoms)
    split = np.array(table["split"].to_pylist())[small]
    parts = (("train", train), ("val", val), ("test", test))
    return table.take(pa.array(np.concatenate([small[split == part][:count] for part, count in parts])))
