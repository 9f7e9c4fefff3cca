"""The basis against the reference digests of all 530 settings, and against gemmi's answers for every index."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import recipnet as rn

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "symmetry_basis_r3.csv"


def reference():
    with FIXTURE.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_all_settings_have_the_counts_and_digests_of_the_reference():
    rows = reference()
    assert len(rows) == 530
    for row in rows:
        group = rn.SpaceGroup.from_hall_number(int(row["hall_number"]))
        basis = rn.fourier_basis(group, radius=3)
        for key, value in row.items():
            if key in basis.counts:
                assert basis.counts[key] == int(value), (row["hall_number"], key)
        assert basis.digest() == row["sha256"], row["hall_number"]


def test_the_fixture_is_the_reference(shared_dir):
    oracle = json.loads((shared_dir / "oracles" / "symmetry_basis_r3.json").read_text(encoding="utf-8"))
    for row in reference():
        entry = oracle["hall"][row["hall_number"]]
        assert row["hall_symbol"] == entry["hall_symbol"]
        for key, value in entry["qball_R3"].items():
            assert row[key] == str(value)
    for name, entry in oracle["named"].items():
        group = rn.SpaceGroup.from_hall_number(entry["hall"])
        cell = rn.Crystal(lattice_of(*entry["cell"]), [1], [[0, 0, 0]]).lattice
        counts = rn.fourier_basis(group, d_min=1 / entry["gmax"], lattice=cell).counts
        assert {key: counts[key] for key in entry["gball"]} == entry["gball"], name
    for example in oracle["examples"]:
        basis = rn.fourier_basis(rn.SpaceGroup.from_hall_number(example["hall"]), radius=5)
        rows = np.flatnonzero((basis.representative == example["rep"]).all(axis=1))
        assert len(rows) == (not example["absent"])
        for k in rows:
            entries = slice(basis.row_offsets[k], basis.row_offsets[k + 1])
            assert basis.hkl[basis.column[entries]].tolist() == example["members"]
            assert basis.phase[entries].tolist() == example["phase24"]
            assert basis.centric[k] == example["centric"]
            assert len(basis.operations) // basis.size[k] == example["eps"]
            if example["centric"]:
                assert basis.alpha[k] == example["alpha48"]


def lattice_of(a, b, c, alpha, beta, gamma):
    cos = np.cos(np.radians([alpha, beta, gamma]))
    metric = np.array(
        [[a * a, a * b * cos[2], a * c * cos[1]], [a * b * cos[2], b * b, b * c * cos[0]], [0.0, 0.0, c * c]]
    )
    metric[2, :2] = metric[:2, 2]
    return np.linalg.cholesky(metric)


def test_absence_epsilon_and_centric_equal_gemmi_for_every_setting_it_knows():
    gemmi = pytest.importorskip("gemmi")
    compared = 0
    for group in gemmi.spacegroup_table():
        theirs = group.operations()
        operations = [op.triplet() for op in theirs]
        basis = rn.fourier_basis(operations, radius=3)
        order = len(operations)
        # Every index of the ball: those of the rotations alone, which make none absent.
        rotations = sorted({strip(text) for text in operations})
        full = rn.fourier_basis(rotations, radius=3)
        owner = {}
        for k in range(basis.num_functions):
            for entry in range(basis.row_offsets[k], basis.row_offsets[k + 1]):
                owner[tuple(basis.hkl[basis.column[entry]].tolist())] = k
        for hkl in full.hkl.tolist():
            k = owner.get(tuple(hkl))
            assert theirs.is_systematically_absent(hkl) == (k is None), (group.xhm(), hkl)
            compared += 1
            if k is None:
                continue
            assert theirs.epsilon_factor(hkl) == order // basis.size[k], (group.xhm(), hkl)
            assert theirs.is_reflection_centric(hkl) == basis.centric[k], (group.xhm(), hkl)
    assert compared > 60_000


def strip(text):
    """A triplet without its translation."""
    operations = rn.Operations.from_xyz([text])
    return rn.Operations(operations.rotations, operations.translations * 0).to_xyz()[0]


def test_digest_is_the_text_of_the_orbits():
    basis = rn.fourier_basis(14, radius=1)
    lines = []
    for k in range(basis.num_functions):
        entries = range(basis.row_offsets[k], basis.row_offsets[k + 1])
        parts = [(*basis.hkl[basis.column[e]].tolist(), int(basis.phase[e])) for e in entries]
        lines.append(";".join(f"{h},{i},{m}:{p}" for h, i, m, p in parts) + "\n")
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == basis.digest()
