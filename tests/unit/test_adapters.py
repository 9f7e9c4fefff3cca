"""pymatgen, ASE and jarvis: there and back again."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import recipnet as rn
from recipnet.errors import CrystalError, LossWarning, MissingExtraError

NAMES = ["quartz", "rutile", "perovskite", "graphite"]
CELL = np.array([[4.0, 0, 0], [0.5, 4.2, 0], [-0.3, 0.2, 5.0]])


def mixed():
    return rn.Crystal(
        CELL,
        [38, 56, 8, 0],
        [[0, 0, 0], [0, 0, 0], [0.5, 0.4, -0.3], [0.25, 0.25, 0.25]],
        occupancies=[0.25, 0.75, 0.5, 1.0],
        charges=[2, 2, -2, 0],
        labels=["M1", "M1", "O1", "Q1"],
        site=[0, 0, 1, 2],
        properties={"gap": 1.5, "site_properties": {"magmom": [1.0, 0.0, 0.0]}},
    )


def same_atoms(a, b):
    assert np.array_equal(a.lattice, b.lattice)
    assert np.array_equal(a.numbers, b.numbers)
    assert np.allclose(a.frac_coords, b.frac_coords, atol=1e-14, rtol=0)
    assert np.array_equal(a.occupancies, b.occupancies)


@pytest.mark.parametrize("name", NAMES)
def test_pymatgen(name):
    pytest.importorskip("pymatgen.core")
    crystal = rn.sample(name)
    structure = crystal.to_pymatgen()
    assert structure.volume == pytest.approx(crystal.volume, rel=1e-12)
    assert structure.density == pytest.approx(crystal.density, rel=1e-4)
    assert structure.cart_coords == pytest.approx(crystal.cart_coords, abs=1e-12)
    assert structure.composition.alphabetical_formula == " ".join(
        part if part[-1].isdigit() else part + "1" for part in crystal.formula.split()
    )
    back = rn.Crystal.from_pymatgen(structure)
    same_atoms(back, crystal)
    assert back.labels == crystal.labels


def test_pymatgen_mixed_sites():
    pytest.importorskip("pymatgen.core")
    crystal = mixed()
    structure = crystal.to_pymatgen()
    assert len(structure) == 3
    assert not structure.is_ordered
    assert rn.Crystal.from_pymatgen(structure) == crystal


def test_pymatgen_isotopes_and_unknown_charges():
    pytest.importorskip("pymatgen.core")
    crystal = rn.Crystal(CELL, [1, 1, 8], np.eye(3) / 3, isotopes=[2, 0, 0], charges=[1, np.nan, -2])
    back = rn.Crystal.from_pymatgen(crystal.to_pymatgen())
    assert back.isotopes.tolist() == [2, 0, 0]
    assert np.array_equal(back.charges, crystal.charges, equal_nan=True)


def test_pymatgen_refusals():
    core = pytest.importorskip("pymatgen.core")
    with pytest.raises(CrystalError, match="pymatgen Structure"):
        rn.Crystal.from_pymatgen(core.Molecule(["H"], [[0, 0, 0]]))
    slab = core.Structure(core.Lattice(CELL, pbc=(True, True, False)), ["H"], [[0, 0, 0]])
    with pytest.raises(CrystalError, match="three directions"):
        rn.Crystal.from_pymatgen(slab)
    crowded = rn.Crystal(CELL, [1, 2], np.zeros((2, 3)), site=[0, 0])
    with pytest.raises(CrystalError, match="pymatgen does not take"):
        crowded.to_pymatgen()


@pytest.mark.parametrize("name", NAMES)
def test_ase(name):
    pytest.importorskip("ase")
    crystal = rn.sample(name)
    atoms = crystal.to_ase()
    assert atoms.get_volume() == pytest.approx(crystal.volume, rel=1e-12)
    assert atoms.positions == pytest.approx(crystal.cart_coords, abs=1e-12)
    same_atoms(rn.Crystal.from_ase(atoms), crystal)


def test_ase_mixed_sites():
    ase = pytest.importorskip("ase")
    crystal = mixed()
    atoms = crystal.to_ase()
    assert atoms.get_chemical_symbols() == ["Ba", "O", "X"]
    back = rn.Crystal.from_ase(atoms)
    same_atoms(back, crystal)
    assert back.site.tolist() == [0, 0, 1, 2]
    assert back.charges.tolist() == [2, 2, -2, 0]
    with pytest.raises(CrystalError, match="pbc = True"):
        rn.Crystal.from_ase(ase.Atoms("H", cell=CELL))
    with pytest.raises(CrystalError, match="length"):
        rn.Crystal.from_ase(ase.Atoms("H", pbc=True))


def test_ase_reads_its_own_disorder(tmp_path):
    io = pytest.importorskip("ase.io")
    path = tmp_path / "mixed.cif"
    path.write_text(
        "data_x\n_cell_length_a 4\n_cell_length_b 4\n_cell_length_c 4\n_cell_angle_alpha 90\n_cell_angle_beta 90\n"
        "_cell_angle_gamma 90\n_symmetry_Int_Tables_number 1\nloop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\nloop_\n"
        "_atom_site_label\n"
        "_atom_site_type_symbol\n_atom_site_occupancy\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
        "Sr1 Sr 0.3 0 0 0\nBa1 Ba 0.7 0 0 0\nO1 O 1 0.5 0.5 0.5\n"
    )
    other = rn.Crystal.from_ase(io.read(path))
    ours = rn.read(path)
    assert other.formula == ours.formula == "Ba0.7 O Sr0.3"
    assert not ours.is_ordered
    assert not other.is_ordered


def test_jarvis():
    pytest.importorskip("jarvis.core.atoms")
    crystal = rn.sample("quartz")
    atoms = crystal.to_jarvis()
    assert atoms.volume == pytest.approx(crystal.volume, rel=1e-12)
    assert atoms.density == pytest.approx(crystal.density, rel=1e-3)
    same_atoms(rn.Crystal.from_jarvis(atoms), crystal)
    with pytest.raises(CrystalError, match="ordered"):
        mixed().to_jarvis()


def carrying(**columns):
    fields = {"u_iso": [0.01, 0.02, np.nan], "u_aniso": np.arange(18.0).reshape(3, 6), "charges": [1, -1, 0]}
    return rn.Crystal(
        CELL,
        [1, 8, 13],
        np.eye(3) / 3,
        labels=["D1", "O1", "Al1"],
        properties={"gap": 1.5, "site_properties": {"magmom": [1.0, 0.0, 2.0]}},
        **{"isotopes": [2, 0, 0], **fields, **columns},
    )


@pytest.mark.parametrize("library", ["pymatgen", "ase"])
def test_everything_that_a_site_carries_comes_back(library):
    pytest.importorskip({"pymatgen": "pymatgen.core"}.get(library, library))
    crystal = carrying()
    there = getattr(crystal, f"to_{library}")()
    back = getattr(rn.Crystal, f"from_{library}")(there)
    same_atoms(back, crystal)
    for name in ("charges", "isotopes", "u_iso", "u_aniso", "labels", "properties", "site"):
        assert rn._frozen.same(getattr(back, name), getattr(crystal, name)), name


def test_losses_are_told():
    pytest.importorskip("pymatgen.core")
    pytest.importorskip("ase")
    pytest.importorskip("jarvis.core.atoms")
    with pytest.warns(LossWarning, match="pymatgen has no place for isotopes other than D and T"):
        carrying(isotopes=[2, 18, 0]).to_pymatgen()
    assert rn.Crystal.from_ase(carrying(isotopes=[2, 18, 0]).to_ase()).isotopes.tolist() == [2, 18, 0]
    with pytest.warns(LossWarning, match="jarvis has no place for charges, u_iso, u_aniso, isotopes, properties"):
        carrying().to_jarvis()
    shared = rn.Crystal(CELL, [26, 12], np.zeros((2, 3)), occupancies=[0.5, 0.5], site=[0, 0], charges=[3, 2])
    with pytest.warns(LossWarning, match="charges of the lesser species"):
        shared.to_ase()
    shared = rn.Crystal(CELL, [26, 12], np.zeros((2, 3)), occupancies=[0.5, 0.5], site=[0, 0], u_iso=[0.1, 0.2])
    with pytest.warns(LossWarning, match="u_iso of further species of mixed sites"):
        shared.to_pymatgen()
    crystal = rn.Crystal(CELL, [1], [[0, 0, 0]], properties={"site_properties": {"m": [1.0, 2.0]}})
    for call in (crystal.to_pymatgen, crystal.to_ase):
        with pytest.raises(CrystalError, match=r"site_properties\['m'\] has 2 values for 1 sites"):
            call()


def test_jarvis_props():
    pytest.importorskip("jarvis.core.atoms")
    crystal = rn.Crystal(CELL, [1, 8], np.eye(3)[:2] / 3, properties={"site_properties": {"props": ["a", "b"]}})
    assert rn.Crystal.from_jarvis(crystal.to_jarvis()) == crystal


def test_missing_libraries_are_named(monkeypatch):
    for module, call in [("pymatgen.core", "to_pymatgen"), ("ase", "to_ase"), ("jarvis.core.atoms", "to_jarvis")]:
        extra = module.partition(".")[0]
        for name in [name for name in sys.modules if name.partition(".")[0] == extra]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, extra, None)
        with pytest.raises(MissingExtraError, match=rf'{call} needs {extra}: pip install "recipnet\[{extra}\]"'):
            getattr(rn.sample("iron"), call)()
