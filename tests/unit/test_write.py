"""`write`: what each format holds, what is refused or told, and files that are there whole or not at all."""

from __future__ import annotations

import errno
import os

import numpy as np
import pyarrow.parquet as pq
import pytest

import recipnet as rn
from recipnet.errors import ArgumentError, LossWarning, WriteError

CELL = np.array([[4.0, 0, 0], [0.5, 4.2, 0], [-0.3, 0.2, 5.0]])


def plain(**columns):
    return rn.Crystal(CELL, [38, 8], [[0, 0, 0], [0.5, 0.4, 0.3]], **columns)


def full():
    return rn.Crystal(
        CELL,
        [38, 56, 8, 1],
        [[0, 0, 0], [0, 0, 0], [0.5, 0.4, 0.7], [0.25, 0.25, 0.25]],
        occupancies=[0.25, 0.75, 0.5, 1.0],
        charges=[2, 2.5, -2, np.nan],
        isotopes=[0, 0, 0, 2],
        labels=["Sr 1", "Ba'1", "O1", "D1"],
        site=[0, 0, 1, 2],
        u_iso=[0.01, 0.02, np.nan, 0.03],
        u_aniso=[[np.nan] * 6, [0.01, 0.02, 0.03, 0.001, 0.002, 0.003], [np.nan] * 6, [np.nan] * 6],
    )


def test_cif_of_everything(tmp_path):
    crystal = full()
    rn.write(crystal, tmp_path / "a.cif")
    back = rn.read(tmp_path / "a.cif")
    assert back.labels == crystal.labels
    assert back.occupancies.tolist() == [0.25, 0.75, 0.5, 1.0]
    assert np.array_equal(back.charges, crystal.charges, equal_nan=True)
    assert back.isotopes.tolist() == [0, 0, 0, 2]
    assert back.site.tolist() == [0, 0, 1, 2]
    assert np.array_equal(back.u_iso, crystal.u_iso, equal_nan=True)
    assert np.array_equal(back.u_aniso, crystal.u_aniso, equal_nan=True)
    assert back.symmetry.hall_symbol == "P 1"
    assert back.warnings == ()


def test_symmetry_that_does_not_hold_is_told_and_left(tmp_path):
    quartz = rn.sample("quartz")
    fields = quartz.__getstate__()
    moved = quartz.frac_coords.copy()
    moved[4] += 1e-4
    broken = rn.Crystal._make(**{**fields, "frac_coords": moved})
    with pytest.warns(LossWarning, match=r"written in P 1: crystal 'quartz', row 3 has no image by -y,x-y,z\+2/3"):
        rn.write(broken, tmp_path / "a.cif")
    back = rn.read(tmp_path / "a.cif")
    assert len(back.symmetry.operations) == 1
    assert back.frac_coords == pytest.approx(moved, abs=1e-14)
    rn.write(broken, tmp_path / "b.cif", symmetry=False)


@pytest.mark.parametrize("column", ["charges", "occupancies", "isotopes", "u_iso", "labels"])
def test_rows_that_differ_are_no_images_of_each_other(tmp_path, column):
    fields = rn.sample("quartz").__getstate__()
    values = {
        "charges": np.array([4.0] * 3 + [-2.0] * 5 + [-1.0]),
        "occupancies": np.array([1.0] * 8 + [0.5]),
        "isotopes": np.array([0] * 9, dtype=np.uint16),
        "u_iso": np.array([0.01] * 8 + [0.02]),
        "labels": ("Si",) * 3 + ("O",) * 5 + ("P",),
    }[column]
    if column == "isotopes":
        fields["numbers"] = np.array([14] * 3 + [1] * 6, dtype=np.uint8)
        values[8] = 2
    crystal = rn.Crystal._make(**{**fields, column: values})
    with pytest.warns(LossWarning, match="written in P 1"):
        rn.write(crystal, tmp_path / "a.cif")
    back = getattr(rn.read(tmp_path / "a.cif"), column)
    if column == "labels":
        assert back[8] == "P"
    else:
        assert np.array_equal(back, values)


def test_labels_are_unique_in_a_cif(tmp_path):
    quartz = rn.sample("quartz")
    rn.write(quartz, tmp_path / "a.cif", symmetry=False)
    labels = rn.read(tmp_path / "a.cif").labels
    assert labels[:3] == ("Si1", "Si1_2", "Si1_3")
    assert len(set(labels)) == 9
    rn.write(plain(), tmp_path / "a.cif")
    assert rn.read(tmp_path / "a.cif").labels == ("Sr1", "O1")


def test_many(tmp_path):
    names = ["quartz", "iron", "rutile"]
    batch = rn.CrystalBatch.from_crystals([rn.sample(name) for name in names], ids=["q z", "Fe", "q_z"])
    rn.write(batch, tmp_path / "a.cif.gz")
    for index, name in enumerate(names):
        back = rn.read(tmp_path / "a.cif.gz", index=index)
        assert back.source.block == ["q_z", "Fe", "q_z_2"][index]
        assert back.formula == rn.sample(name).formula
    rn.write(iter(batch), tmp_path / "a.extxyz")
    assert rn.read(tmp_path / "a.extxyz", index=2).properties == {"id": "rutile"}
    rn.write(list(batch), tmp_path / "a.parquet")
    back, _ = rn.read_many(tmp_path / "a.parquet")
    assert back.ids == names
    assert [one.formula for one in back] == [one.formula for one in batch]
    assert back.symmetry == batch.symmetry
    many = [rn.sample("iron")] * 2500
    rn.write(many, tmp_path / "b.extxyz")
    assert (tmp_path / "b.extxyz").read_text().count("Lattice") == 2500


def test_equal_crystals_give_equal_files(tmp_path):
    for name in ("a.cif.gz", "a.extxyz", "a.parquet", "POSCAR.gz"):
        path = tmp_path / name
        rn.write(rn.sample("iron"), path)
        first = path.read_bytes()
        rn.write(rn.sample("iron"), path)
        assert path.read_bytes() == first
        if name.endswith(".gz"):
            # No time in the header.
            assert first[4:8] == bytes(4)
    # What a crystal becomes does not depend on its company.
    iron = rn.CrystalBatch.from_crystals([rn.sample("iron")], ids=["x"])
    both = rn.CrystalBatch.concat([iron, rn.CrystalBatch.from_crystals([full()], ids=["y"])])
    for suffix in ("cif", "extxyz"):
        rn.write(iron, tmp_path / f"one.{suffix}")
        rn.write(both[:1], tmp_path / f"two.{suffix}")
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


def test_parquet_has_the_layout_of_the_reference_data(tmp_path):
    rn.write([plain(), full()], tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.schema.names[:5] == ["id", "natoms", "lattice", "numbers", "frac"]
    assert str(table.schema.field("frac").type) in ("list<element: double>", "list<item: double>")
    first, second = table.to_pylist()
    assert (first["natoms"], first["numbers"], first["lattice"]) == (2, [38, 8], CELL.ravel().tolist())
    assert all(first[name] is None for name in table.schema.names[5:])
    assert second["site"] == [0, 0, 1, 2]
    back, _ = rn.read_many(tmp_path / "a.parquet")
    assert back[0] == plain()
    assert back[1] == full()


def test_optional_columns_of_somebody_else_are_left_alone(tmp_path):
    rn.write([plain()], tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet").drop(["site", "charges", "symmetry", "labels", "occupancy"])
    for name, value in (("site", "CERN"), ("charges", 1.5), ("symmetry", "cubic"), ("labels", "x")):
        table = table.append_column(name, [[value]])
    table = table.append_column("occupancy", [[[1.0]]])
    pq.write_table(table, tmp_path / "b.parquet")
    _, report = rn.read_many(tmp_path / "b.parquet", on_error="collect")
    assert (report.failures[0].tag, report.failures[0].code) == ("occupancy", "E-TABLE")
    pq.write_table(table.drop(["occupancy"]), tmp_path / "b.parquet")
    assert rn.read(tmp_path / "b.parquet") == plain()


def test_columns_of_texts(tmp_path):
    import pyarrow as pa

    rn.write(rn.sample("iron"), tmp_path / "a.cif")
    rn.write(rn.sample("iron"), tmp_path / "POSCAR")
    cif, poscar = (tmp_path / "a.cif").read_text(), (tmp_path / "POSCAR").read_text()
    table = {"id": ["a", "b", None, "d", "a"], "cif": [cif, None, cif, cif, cif], "poscar": [poscar] * 5}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    batch, report = rn.read_many(tmp_path / "t.parquet", on_error="collect")
    assert batch.ids == ["a", "d"]
    assert [(record.index, record.code) for record in report.failures] == [(1, "E-TEXT"), (2, "E-TABLE"), (4, "E-ID")]
    batch, _ = rn.read_many(tmp_path / "t.parquet", format="poscar", on_error="skip")
    assert batch.ids == ["a", "b", "d"]
    assert batch.source[0].path == f"{tmp_path / 't.parquet'}, row 0"


REFUSED = [
    ("poscar", {"occupancies": [1, 0.5]}, "occupancies", 1, "occupancy 0.5; write CIF"),
    ("poscar", {"site": [0, 0]}, "site", 1, "several atoms"),
    ("poscar", {"isotopes": [0, 18]}, "isotopes", 1, "isotopes = 18; write extxyz"),
    ("cif", {"isotopes": [0, 18]}, "isotopes", 1, "mass number 18 of element 8; write extxyz"),
    ("cif", {"charges": [0, -21]}, "charges", 1, "beyond 20"),
    ("extxyz", {"labels": ["a b", "c"]}, "labels", 0, "has blanks"),
    ("extxyz", {"properties": {"Lattice": "x"}}, "properties", None, "its own use"),
    ("extxyz", {"properties": {"site_properties": {"pos": [1.0, 2.0]}}}, "properties", None, "rename it"),
]


@pytest.mark.parametrize(("format", "columns", "field", "row", "part"), REFUSED)
def test_what_a_format_cannot_hold_is_refused(tmp_path, format, columns, field, row, part):
    path = tmp_path / "out"
    path.write_text("before")
    with pytest.raises(WriteError) as caught:
        rn.write(plain(**columns), path, format=format)
    error = caught.value
    assert (error.format, error.field, error.row, error.path, error.crystal) == (format, field, row, str(path), 0)
    assert str(error).startswith(f"{path}: crystal 0 (id 'O")
    assert part in str(error)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["out"]


def test_other_refusals(tmp_path):
    crystal = plain()
    unknown = rn.Crystal(CELL, [0], [[0, 0, 0]])
    with pytest.raises(WriteError, match="numbers = 0"):
        rn.write(unknown, tmp_path / "POSCAR")
    rn.write(unknown, tmp_path / "a.cif")
    assert rn.read(tmp_path / "a.cif", unknown_element="X").numbers.tolist() == [0]
    with pytest.raises(WriteError, match="holds one crystal"):
        rn.write([crystal] * 2, tmp_path / "POSCAR")
    for name in ("a.cif", "POSCAR"):
        with pytest.raises(WriteError, match="no crystals"):
            rn.write([], tmp_path / name)
        with pytest.raises(WriteError, match="one atom or more"):
            rn.write(rn.Crystal(CELL, [], []), tmp_path / name)
    rn.write([], tmp_path / "empty.parquet")
    assert len(rn.read_many(tmp_path / "empty.parquet")[0]) == 0
    for path in ("a.pdb", "a.jsonl", "a.zip", "a.parquet.gz", "a"):
        with pytest.raises(ArgumentError, match="crystals are written as"):
            rn.write(crystal, tmp_path / path)
    for precision in (0, 18, 1.5, True):
        with pytest.raises(ArgumentError, match="precision"):
            rn.write(crystal, tmp_path / "a.cif", precision=precision)
    for wrong in ("text", 3, {}, [3]):
        with pytest.raises(ArgumentError):
            rn.write(wrong, tmp_path / "b.cif")
    rn.write(crystal, tmp_path / "c.cif", overwrite=False)
    with pytest.raises(WriteError, match="overwrite=True replaces it"):
        rn.write(crystal, tmp_path / "c.cif", overwrite=False)
    with pytest.raises(WriteError, match="cannot be written: No such file"):
        rn.write(crystal, tmp_path / "none" / "a.cif")


def test_losses_are_told(tmp_path):
    crystal = plain(charges=[2, -2], u_iso=[0.1, 0.2], properties={"gap": 1.0})
    with pytest.warns(LossWarning, match="poscar has no place for charges, u_iso, properties; left out"):
        rn.write(crystal, tmp_path / "POSCAR")
    with pytest.warns(LossWarning, match="cif has no place for properties"):
        rn.write(crystal, tmp_path / "a.cif")
    with pytest.warns(LossWarning, match="property 'list', site property 'names'"):
        rn.write(
            plain(properties={"list": [1], "site_properties": {"names": ["a", "b"], "m": [1.0, 2.0]}}),
            tmp_path / "a.extxyz",
        )
    assert rn.read(tmp_path / "a.extxyz").properties == {"id": "OSr", "site_properties": {"m": [1.0, 2.0]}}


def test_properties_come_back_from_extxyz(tmp_path):
    properties = {
        "energy": -1.5,
        "n": 3,
        "name": 'a "b" = c',
        "text7": "7",
        "flag": False,
        "two words": "x",
        "lines": "a\nb",
    }
    properties["site_properties"] = {"forces": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]], "tag": [1.0, 2.0]}
    rn.write(plain(properties=properties), tmp_path / "a.xyz")
    assert rn.read(tmp_path / "a.xyz").properties == {"id": "OSr", **properties}


@pytest.mark.parametrize("name", ["a.cif", "a.cif.gz", "a.parquet"])
def test_a_full_disk_leaves_what_was_there(tmp_path, name, monkeypatch):
    path = tmp_path / name
    rn.write(rn.sample("iron"), path)
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(WriteError, match="No space left on device; what was there before is untouched") as caught:
        rn.write(rn.sample("quartz"), path)
    assert caught.value.path == str(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [name]


def test_ctrl_c_while_writing_leaves_nothing(tmp_path):
    def crystals():
        for _ in range(3000):
            yield rn.sample("iron")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rn.write(crystals(), tmp_path / "a.extxyz")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["a.parquet", "a.extxyz", "a.cif"])
def test_occupancies_above_one_are_kept_and_doubted(name, tmp_path):
    fields = {**plain().__getstate__(), "occupancies": np.array([1.5, 1.0])}
    rn.write(rn.Crystal._make(**fields), tmp_path / name)
    back = rn.read(tmp_path / name)
    assert back.occupancies.tolist() == [1.5, 1.0]
    assert "W-OCCUPANCY" in [warning.code for warning in back.warnings]
    with pytest.raises(rn.errors.RecipnetError):
        rn.read(tmp_path / name, strict=True)


def test_precision(tmp_path):
    third = rn.Crystal(CELL, [1], [[1 / 3, 2 / 3, 0.1 + 0.2]])
    for precision, expected in ((17, 0.0), (15, 1e-15), (4, 1e-4)):
        rn.write(third, tmp_path / "POSCAR", precision=precision)
        error = np.abs(rn.read(tmp_path / "POSCAR").frac_coords - third.frac_coords).max()
        assert error <= expected
