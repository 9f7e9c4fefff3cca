"""Crystals to Parquet, in the layout that `recipnet.io.parquet` reads."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import IO, Any

import numpy as np

from recipnet._optional import require
from recipnet.batch import CrystalBatch
from recipnet.io.parquet import EXTRAS


def write_table(batches: Iterable[CrystalBatch], handle: IO[bytes], *, symmetry: bool) -> None:
    """One row per crystal: ``id``, ``natoms``, ``lattice``, ``numbers``, ``frac``, and what only some have as lists
    that are NULL elsewhere: ``occupancy``, ``site``, ``charges``, ``isotopes``, ``u_iso``, ``u_aniso``, ``labels`` and
    ``symmetry`` (operations as triplets, Hall and Hermann-Mauguin symbol, number).
    """
    pa = require("pyarrow", "writing Parquet")
    parquet = require("pyarrow.parquet", "writing Parquet")
    kinds = {"site": pa.int32(), "isotopes": pa.uint16()}
    declared = pa.struct(
        [
            ("operations", pa.list_(pa.string())),
            ("hall_symbol", pa.string()),
            ("hm_symbol", pa.string()),
            ("number", pa.int16()),
        ]
    )
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("natoms", pa.int32()),
            ("lattice", pa.list_(pa.float64())),
            ("numbers", pa.list_(pa.uint8())),
            ("frac", pa.list_(pa.float64())),
            *((name, pa.list_(kinds.get(name, pa.float64()))) for name in EXTRAS),
            ("labels", pa.list_(pa.string())),
            ("symmetry", declared),
        ]
    )
    known: dict[int, tuple[Any, list[str]]] = {}

    def row(one: Any) -> dict[str, Any] | None:
        if one is None or not symmetry:
            return None
        operations = one.operations
        texts = None
        if operations is not None:
            # Batches share equal operations; the object is kept, so that its id stays its own.
            if id(operations) not in known:
                known[id(operations)] = (operations, operations.to_xyz())
            texts = known[id(operations)][1]
        return {
            "operations": texts,
            "hall_symbol": one.hall_symbol,
            "hm_symbol": one.hm_symbol,
            "number": one.number,
        }

    with parquet.ParquetWriter(handle, schema, compression="zstd") as writer:
        for batch in batches:
            known.clear()
            offsets = batch.offsets
            columns = {
                "id": pa.array(batch.ids, type=pa.string()),
                "natoms": pa.array(np.diff(offsets), type=pa.int32()),
                "lattice": _lists(pa, batch.lattices.ravel(), 9 * np.arange(len(batch) + 1)),
                "numbers": _lists(pa, batch.numbers, offsets),
                "frac": _lists(pa, batch.frac_coords.ravel(), 3 * offsets),
                **{name: _extra(pa, batch, name, kinds.get(name, pa.float64())) for name in EXTRAS},
                "labels": _labels(pa, batch),
                "symmetry": pa.array([row(one) for one in batch.symmetry], type=declared),
            }
            writer.write_table(pa.table(columns, schema=schema))


def _lists(pa: Any, values: Any, offsets: Any, absent: Any = None) -> Any:
    mask = None if absent is None or not absent.any() else pa.array(absent)
    return pa.ListArray.from_arrays(pa.array(offsets, type=pa.int32()), pa.array(values), mask=mask)


def _extra(pa: Any, batch: CrystalBatch, name: str, kind: Any) -> Any:
    """A column of lists, NULL for crystals in which every row has the default."""
    width, field, default = EXTRAS[name]
    column = getattr(batch, field)
    if column is None:
        return pa.nulls(len(batch), pa.list_(kind))
    if name == "site":
        usual = column == np.arange(len(column)) - np.repeat(batch.offsets[:-1], np.diff(batch.offsets))
    else:
        usual = np.isnan(column) if np.isnan(default) else column == default
    unusual = ~(usual.all(axis=1) if width > 1 else usual)
    # Crystals with an unusual row, empty ones left out.
    ends = np.concatenate([[0], np.cumsum(unusual)])
    absent = ends[batch.offsets[1:]] == ends[batch.offsets[:-1]]
    rows = np.repeat(~absent, np.diff(batch.offsets))
    counts = np.where(absent, 0, width * np.diff(batch.offsets))
    return _lists(pa, column[rows].ravel(), np.concatenate([[0], np.cumsum(counts)]), absent)


def _labels(pa: Any, batch: CrystalBatch) -> Any:
    if batch.labels is None:
        return pa.nulls(len(batch), pa.list_(pa.string()))
    bounds = batch.offsets.tolist()
    own = [batch.labels[start:end] for start, end in pairwise(bounds)]
    return pa.array([one if any(one) else None for one in own], type=pa.list_(pa.string()))
