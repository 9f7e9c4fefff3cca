"""The search against moyopy and spglib on the same crystals."""

from __future__ import annotations

import logging
from importlib import resources

import numpy as np
import pytest

import recipnet as rn

moyopy = pytest.importorskip("moyopy")
SYMPREC = 0.01


@pytest.fixture(scope="module")
def batch() -> rn.CrystalBatch:
    pytest.importorskip("pyarrow")
    source = resources.files("recipnet.data").joinpath("embedded/mp2018_subset.parquet")
    whole = rn.read_many(str(source))[0]
    return whole[np.arange(0, len(whole), len(whole) // 300)]


def test_moyopy(batch, monkeypatch):
    monkeypatch.setattr(logging.root.manager, "disable", logging.WARNING)  # it reports omitted operations
    for crystal, ours in zip(batch, rn.find_symmetry(batch, SYMPREC), strict=True):
        cell = moyopy.Cell(crystal.lattice.tolist(), crystal.frac_coords.tolist(), crystal.numbers.tolist())
        theirs = moyopy.MoyoDataset(cell, symprec=SYMPREC)
        assert (ours.number, ours.hall_number) == (theirs.number, theirs.hall_number)
        assert ours.pearson_symbol == theirs.pearson_symbol
        assert ours.wyckoffs == theirs.wyckoffs
        assert ours.site_symmetry == theirs.site_symmetry_symbols
        assert ours.equivalent_atoms.tolist() == theirs.orbits
        assert len(ours.operations) == len(theirs.operations.rotations)
        assert len(ours.standard) == len(theirs.std_cell.numbers)
        np.testing.assert_allclose(ours.standard.lattice, theirs.std_cell.basis, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
def test_spglib(batch):
    spglib = pytest.importorskip("spglib")
    results = rn.find_symmetry(batch, SYMPREC, setting="spglib")
    differ = []
    for place, (crystal, ours) in enumerate(zip(batch, results, strict=True)):
        theirs = spglib.get_symmetry_dataset((crystal.lattice, crystal.frac_coords, crystal.numbers), symprec=SYMPREC)
        if theirs is None or theirs.number != ours.number:
            differ.append(place)
            continue
        assert ours.hall_number == theirs.hall_number
        assert len(ours.standard) == len(theirs.std_types)
        assert len(np.unique(ours.equivalent_atoms)) == len(np.unique(theirs.crystallographic_orbits))
        assert ours.pearson_symbol[0] in "aomthc"
    # Structures at the edge of the tolerance, where two algorithms may decide differently.
    assert len(differ) <= len(batch) // 100
