"""What `write` writes, read by gemmi, pymatgen and ASE; what they write, read by us."""

from __future__ import annotations

import numpy as np
import pytest

import recipnet as rn

NAMES = ["quartz", "rutile", "perovskite", "graphite", "fluorite", "wurtzite"]


def apart(a, b):
    difference = a - b
    return np.abs(difference - np.round(difference)).max()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("symmetry", [True, False])
def test_cif_by_gemmi(name, symmetry, tmp_path):
    gemmi = pytest.importorskip("gemmi")
    crystal = rn.sample(name)
    path = tmp_path / "a.cif"
    rn.write(crystal, path, symmetry=symmetry)
    small = gemmi.read_small_structure(str(path))
    assert small.cell.volume == pytest.approx(crystal.volume, rel=1e-9)
    sites = small.get_all_unit_cell_sites()
    assert len(sites) == len(crystal)
    found = np.array([[site.fract.x, site.fract.y, site.fract.z] for site in sites])
    numbers = np.array([site.element.atomic_number for site in sites])
    for number, x in zip(crystal.numbers, crystal.frac_coords, strict=True):
        difference = found[numbers == number] - x
        assert np.abs(difference - np.round(difference)).max(axis=1).min() < 1e-6
    block = gemmi.cif.read(str(path)).sole_block()
    assert len(list(block.find_loop("_space_group_symop_operation_xyz"))) == (
        len(crystal.symmetry.operations) if symmetry else 1
    )


@pytest.mark.parametrize("name", NAMES)
def test_cif_by_pymatgen(name, tmp_path):
    pytest.importorskip("pymatgen.core")
    from pymatgen.io.cif import CifParser

    crystal = rn.sample(name)
    rn.write(crystal, tmp_path / "a.cif")
    (structure,) = CifParser(tmp_path / "a.cif").parse_structures(primitive=False, on_error="ignore")
    assert len(structure) == len(crystal)
    assert structure.volume == pytest.approx(crystal.volume, rel=1e-9)
    assert structure.composition.reduced_formula == crystal.to_pymatgen().composition.reduced_formula


@pytest.mark.parametrize("name", NAMES)
def test_poscar_both_ways(name, tmp_path):
    pytest.importorskip("pymatgen.core")
    from pymatgen.io.vasp import Poscar

    crystal = rn.sample(name)
    rn.write(crystal, tmp_path / "POSCAR")
    structure = Poscar.from_file(tmp_path / "POSCAR").structure
    assert np.array_equal([site.specie.Z for site in structure], crystal.numbers)
    assert apart(structure.frac_coords, crystal.frac_coords) < 1e-12
    for direct in (True, False):
        text = Poscar(crystal.to_pymatgen()).get_str(direct=direct, significant_figures=14)
        back = rn.parse(text, format="poscar", strict=True)
        assert np.array_equal(np.sort(back.numbers), np.sort(crystal.numbers))
        order = np.argsort(crystal.numbers, kind="stable"), np.argsort(back.numbers, kind="stable")
        assert apart(crystal.frac_coords[order[0]], back.frac_coords[order[1]]) < 1e-11
        assert back.lattice == pytest.approx(crystal.lattice, abs=1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_extxyz_both_ways(name, tmp_path):
    io = pytest.importorskip("ase.io")
    crystal = rn.sample(name)
    rn.write(crystal, tmp_path / "a.extxyz")
    atoms = io.read(tmp_path / "a.extxyz")
    assert np.array_equal(atoms.numbers, crystal.numbers)
    assert apart(atoms.get_scaled_positions(), crystal.frac_coords) < 1e-12
    assert atoms.pbc.all()
    assert atoms.arrays["labels"].tolist() == list(crystal.labels)
    atoms = crystal.to_ase()
    atoms.info = {"energy_of": "nothing", "number": 3, "vector": np.array([1.0, 2.0])}
    atoms.set_array("forces_of", np.arange(3.0 * len(atoms)).reshape(-1, 3))
    io.write(tmp_path / "b.extxyz", [atoms, atoms])
    back = rn.read(tmp_path / "b.extxyz", index=1)
    assert np.array_equal(back.numbers, crystal.numbers)
    assert apart(back.frac_coords, crystal.frac_coords) < 1e-7
    assert (back.properties["energy_of"], back.properties["number"]) == ("nothing", 3)
    assert np.array_equal(back.properties["site_properties"]["forces_of"], atoms.arrays["forces_of"])


def test_vasp_files_of_ase(tmp_path):
    io = pytest.importorskip("ase.io")
    crystal = rn.sample("perovskite")
    for options in ({"direct": True}, {"direct": False}, {"direct": True, "sort": True}):
        io.write(tmp_path / "a.vasp", crystal.to_ase(), format="vasp", **options)
        ours, theirs = rn.read(tmp_path / "a.vasp"), io.read(tmp_path / "a.vasp")
        assert np.array_equal(ours.numbers, theirs.numbers)
        assert apart(ours.frac_coords, theirs.get_scaled_positions()) < 1e-12
