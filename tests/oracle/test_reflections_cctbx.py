"""Reflections of all 530 settings against what cctbx listed (tests/fixtures/reflections_cctbx.csv)."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np

import recipnet as rn
from hard_cells import from_parameters

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "reflections_cctbx.csv"
D_MIN = 1.2345


def test_all_settings_have_the_reflections_that_cctbx_lists():
    with FIXTURE.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 530
    for row in rows:
        operations = rn.SpaceGroup.from_hall_number(int(row["hall_number"])).operations
        c = rn.Crystal(from_parameters(*map(float, row["cell"].split())), [1], [[0, 0, 0]])
        every = rn.reflections(c, D_MIN, unique="none", operations=operations, absences="drop")
        assert len(every) == int(row["present"]), row["hall_symbol"]
        text = "\n".join(" ".join(map(str, h)) for h in sorted(every.hkl.tolist()))
        assert hashlib.sha256(text.encode()).hexdigest() == row["sha256"], row["hall_symbol"]
        unique = rn.reflections(c, D_MIN, unique="laue", operations=operations, absences="drop")
        assert len(unique) == int(row["unique"]), row["hall_symbol"]
        assert np.sum(unique.multiplicity) == len(every), row["hall_symbol"]
