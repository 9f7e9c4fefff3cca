"""Written and read again, a crystal is the same: R6 of the reader's specification."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recipnet as rn
from recipnet.errors import RecipnetError

GROUPS = {
    "P1": ["x,y,z"],
    "P-1": ["x,y,z", "-x,-y,-z"],
    "P21/c": ["x,y,z", "-x,y+1/2,-z+1/2", "-x,-y,-z", "x,-y+1/2,z+1/2"],
    "C2": ["x,y,z", "-x,y,-z", "x+1/2,y+1/2,z", "-x+1/2,y+1/2,-z"],
    # Not the identity first: some programs list operations so.
    "P-1 turned": ["-x,-y,-z", "x,y,z"],
    "P31": ["x,y,z", "-y,x-y,z+1/3", "-x+y,-x,z+2/3"],
    "R-3": ["x,y,z", "-y,x-y,z", "-x+y,-x,z", "-x,-y,-z", "y,-x+y,-z", "x-y,x,-z"],
}


def apart(a, b):
    difference = a - b
    return np.abs(difference - np.round(difference)).max(initial=0.0)


def first_of_site(site):
    _, first, of = np.unique(site, return_index=True, return_inverse=True)
    return first[of]


def assert_same(back, crystal, tolerance=1e-12):
    """The same rows in the same order, whatever the axes of the Cartesian frame."""
    assert np.array_equal(back.numbers, crystal.numbers)
    assert apart(back.frac_coords, crystal.frac_coords) < tolerance
    metric = crystal.lattice @ crystal.lattice.T
    assert np.abs(back.lattice @ back.lattice.T - metric).max() < tolerance * np.abs(metric).max()
    assert np.array_equal(back.isotopes, crystal.isotopes)
    for name in ("occupancies", "charges", "u_iso", "u_aniso"):
        one, other = getattr(back, name), getattr(crystal, name)
        assert (one is None) == (other is None), name
        if one is not None:
            assert np.allclose(one, other, rtol=1e-13, atol=1e-15, equal_nan=True), name
    # The same rows share a site, whatever its number.
    assert np.array_equal(first_of_site(back.site), first_of_site(crystal.site))


@st.composite
def crystals(draw, columns=True):
    """Crystals with the symmetry of a group, some sites special, some mixed, with everything that rows can carry."""
    name = draw(st.sampled_from(sorted(GROUPS)))
    operations = rn.Operations.from_xyz(GROUPS[name])
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    a, b, c = random.uniform(5, 9, 3)
    hexagonal = name in ("P31", "R-3")
    cell = {
        "P1": (a, b, c, *random.uniform(75, 105, 3)),
        "P21/c": (a, b, c, 90, random.uniform(75, 105), 90),
        "C2": (a, b, c, 90, random.uniform(75, 105), 90),
    }.get(name, (a, a, c, 90, 90, 120) if hexagonal else (a, b, c, *random.uniform(75, 105, 3)))
    text = ["data_x"] + [f"_cell_{tag} {value!r}" for tag, value in zip(
        ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"), map(float, cell), strict=True
    )]  # fmt: skip
    text += ["loop_", "_space_group_symop_operation_xyz", *operations.to_xyz(), "loop_"]
    text += [f"_atom_site_{tag}" for tag in ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")]
    if columns:
        text.append("_atom_site_U_iso_or_equiv")
    special = [(0.0, 0.0, 0.0), (0.5, 0.0, 0.5)] if name.startswith("P-1") else [(0.0, 0.0, 0.3)] if hexagonal else []
    count = draw(st.integers(1, 6))
    for row in range(count):
        x = special[row] if row < len(special) and draw(st.booleans()) else random.uniform(0, 1, 3).round(6)
        kinds = [("Fe3+", 0.25), ("Mg2+", 0.75)] if draw(st.booleans()) else [(draw(st.sampled_from(["O", "D"])), 1.0)]
        for place, (kind, occupancy) in enumerate(kinds):
            label = f"{kind.rstrip('0123456789+')}{row}{'ab'[place]}"
            values = [label, kind, *(repr(float(value)) for value in x), repr(occupancy)]
            text.append(" ".join(values + ([f"{0.01 * (row + 1):.3f}"] if columns else [])))
    if columns:
        text += [
            "loop_",
            "_atom_site_aniso_label",
            *(f"_atom_site_aniso_U_{p}" for p in ("11", "22", "33", "23", "13", "12")),
        ]
        text += [f"{line.split()[0]} 0.01 0.012 0.013 0.001 -0.002 0.006" for line in text if line.startswith("Fe")]
        if not any(line.startswith("Fe") for line in text):
            text = text[: text.index("_atom_site_aniso_label") - 1]
    crystal = rn.parse("\n".join(text) + "\n")
    if draw(st.booleans()):
        # Another orientation of the same cell.
        q, _ = np.linalg.qr(random.normal(size=(3, 3)))
        fields = {**crystal.__getstate__(), "lattice": crystal.lattice @ (q * np.sign(np.linalg.det(q)))}
        crystal = rn.Crystal._make(**fields)
    return crystal


@given(crystals(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_cif(tmp_path_factory, crystal, symmetry):
    path = tmp_path_factory.mktemp("w") / "a.cif"
    with warnings.catch_warnings():
        # Random positions may come too close to be told apart: then the file is in P 1, which is said.
        warnings.simplefilter("ignore", rn.errors.LossWarning)
        rn.write(crystal, path, symmetry=symmetry)
    back = rn.read(path)
    assert_same(back, crystal)
    if symmetry and back.symmetry.operations != rn.Operations.from_xyz(["x,y,z"]):
        assert back.symmetry == crystal.symmetry
        assert back.labels == crystal.labels


@given(crystals())
@settings(max_examples=40, deadline=None)
def test_extxyz_and_parquet(tmp_path_factory, crystal):
    folder = tmp_path_factory.mktemp("w")
    rn.write(crystal, folder / "a.parquet")
    back = rn.read(folder / "a.parquet")
    for name, value in crystal.__getstate__().items():
        if name not in ("source", "warnings"):
            assert getattr(back, name) is value or rn._frozen.same(getattr(back, name), value), name
    rn.write(crystal, folder / "a.extxyz.gz", precision=17)
    back = rn.read(folder / "a.extxyz.gz")
    assert_same(back, crystal)
    assert np.array_equal(back.lattice, crystal.lattice)
    assert back.labels == crystal.labels


@given(crystals(columns=False))
@settings(max_examples=40, deadline=None)
def test_poscar(tmp_path_factory, crystal):
    path = tmp_path_factory.mktemp("w") / "POSCAR"
    if not crystal.is_ordered:
        with pytest.raises(rn.errors.WriteError):
            rn.write(crystal, path)
        assert not path.exists()
        return
    rn.write(crystal, path, precision=17)
    back = rn.read(path)
    assert_same(back, crystal, 1e-15)
    assert np.array_equal(back.lattice, crystal.lattice)


def test_a_left_handed_cell_is_the_same_crystal(tmp_path):
    text = (
        "data_x\n_cell_length_a 5\n_cell_length_b 5\n_cell_length_c 7\n_cell_angle_alpha 90\n_cell_angle_beta 90\n"
        "_cell_angle_gamma 120\n_symmetry_space_group_name_H-M 'P 31'\nloop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n"
        "-y,x-y,z+1/3\n-x+y,-x,z+2/3\nloop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n"
        "_atom_site_fract_z\nSe1 0.21 0.05 0.1\nO1 0.4 0.33 0.02\nO2 0.7 0.1 0.2\n"
    )
    right = rn.parse(text)
    mirror = rn.Crystal._make(**{**right.__getstate__(), "lattice": right.lattice * [1.0, 1.0, -1.0]})
    for symmetry in (True, False):
        rn.write(mirror, tmp_path / "a.cif", symmetry=symmetry)
        back = rn.read(tmp_path / "a.cif", strict=symmetry)
        assert np.linalg.det(back.lattice) > 0
        assert abs(chirality(mirror)) > 1e-6
        assert chirality(back) == pytest.approx(chirality(mirror), rel=1e-9)
        assert chirality(right) == pytest.approx(-chirality(mirror), rel=1e-9)
        assert len(back.symmetry.operations) == (3 if symmetry else 1)


def chirality(crystal):
    """The volume that three moments of the neighbours of atom 0 span: changes sign in a mirror."""
    edges = rn.neighbors(crystal, 5.5)
    vectors = edges.vector[edges.index[0] == 0]
    weights = 1.0 / np.linalg.norm(vectors, axis=1) ** 3
    unit = vectors * weights[:, None]
    moments = [np.einsum("i,ij->j", np.linalg.norm(vectors, axis=1) ** k, unit) for k in (0, 1, 2)]
    return float(np.linalg.det(np.array(moments)))


def test_every_readable_file_of_the_corpus(shared_dir, tmp_path):
    count = 0
    for path in sorted(Path(shared_dir / "cif-corpus").glob("*.cif")):
        try:
            crystal = rn.read(path)
        except RecipnetError:
            continue
        count += 1
        for symmetry in (True, False):
            rn.write(crystal, tmp_path / "a.cif", symmetry=symmetry)
            back = rn.read(tmp_path / "a.cif")
            assert_same(back, crystal)
            assert back.properties == crystal.properties
            if symmetry:
                assert back.symmetry == crystal.symmetry or crystal.symmetry is None
            assert {warning.code for warning in back.warnings} <= {warning.code for warning in crystal.warnings}
        if count % 10 == 0:
            rn.write(crystal, tmp_path / "a.parquet")
            assert rn.read(tmp_path / "a.parquet").symmetry == crystal.symmetry
    assert count > 150
