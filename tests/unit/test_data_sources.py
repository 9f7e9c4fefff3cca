"""Datasets from folders and Parquet: joining labels, everything that does not fit, splits, disorder, transforms."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import recipnet as rn
from recipnet.data import SPLITS, CrystalDataset, FeatureSpec, Loader, formula_split, load_dataset, split_hash
from recipnet.data.splits import reduced_formulas
from recipnet.errors import ArgumentError, DataError, ReadError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

CIF = """data_{name}
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {a}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_symmetry_equiv_pos_as_xyz
x,y,z
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
A1 {one} 0 0 0 {occupancy}
B1 {two} 0.5 0.5 0.5 1
"""
PAIRS = [("Na", "Cl"), ("K", "Cl"), ("Cs", "Cl"), ("Cs", "Br"), ("Li", "F"), ("Mg", "O")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cifs = tmp_path / "cifs"
    cifs.mkdir()
    for place, (one, two) in enumerate(PAIRS):
        text = CIF.format(name=f"x{place}", a=4 + 0.1 * place, one=one, two=two, occupancy=1)
        (cifs / f"x{place}.cif").write_text(text)
    return cifs


def labels(folder: Path, text: str) -> Path:
    path = folder.parent / "id_prop.csv"
    path.write_text(text)
    return path


ALL = "id,e\n" + "".join(f"x{place},{place}.5\n" for place in reversed(range(6)))


def test_folder_and_csv(folder: Path) -> None:
    data = load_dataset(folder, labels(folder, ALL), units=["eV"])
    assert data.ids == [f"x{place}" for place in range(6)]
    np.testing.assert_array_equal(data.targets, np.arange(6)[:, None] + 0.5)
    assert data.mask.all()
    assert (data.target_names, data.units, len(data)) == (("e",), ("eV",), 6)
    assert data[2].crystal.formula == "Cl Cs"
    assert (data[2].id, data[2].targets.tolist()) == ("x2", [2.5])
    assert data.report.kept == 6
    assert data.report.dropped == {}
    assert str(data.report) == "6 crystals"
    assert data.split.tolist() == formula_split(reduced_formulas(data.crystals))


def test_glob_and_list(folder: Path) -> None:
    path = labels(folder, ALL)
    assert load_dataset(str(folder / "*.cif"), path).ids == load_dataset(sorted(folder.iterdir()), path).ids


def test_ids_on_one_side_only(folder: Path) -> None:
    path = labels(folder, ALL + "".join(f"gone{place},1\n" for place in range(7)))
    with pytest.raises(
        DataError, match=r"7 ids of .*id_prop.csv without a structure: 'gone0', .* and 2 more"
    ) as caught:
        load_dataset(folder, path)
    assert caught.value.id == "gone0"
    assert 'on_error = "skip"' in str(caught.value)
    data = load_dataset(folder, path, on_error="collect")
    assert data.report.dropped == {"label without a readable structure": 7}
    assert [error.id for error in data.report.records] == [f"gone{place}" for place in range(7)]
    path = labels(folder, "id,e\nx0,1\nx3,2\n")
    with pytest.raises(DataError, match=r"4 ids without a line in .*id_prop.csv: 'x1', 'x2', 'x4', 'x5'"):
        load_dataset(folder, path)
    data = load_dataset(folder, path, on_error="skip")
    assert data.ids == ["x0", "x3"]
    assert data.report.dropped == {"structure without a label": 4}
    assert data.report.records == ()
    assert "4 left out: structure without a label" in str(data.report)


def test_ids_with_suffix_get_a_hint(folder: Path) -> None:
    with pytest.raises(DataError, match="without their suffix"):
        load_dataset(folder, labels(folder, ALL.replace(",", ".cif,").replace("id.cif", "id")))


def test_broken_file_among_good_ones(folder: Path) -> None:
    (folder / "x4.cif").write_text("data_x4\n_cell_length_a\n")
    path = labels(folder, ALL)
    with pytest.raises(ReadError, match=r"x4\.cif"):
        load_dataset(folder, path)
    data = load_dataset(folder, path, on_error="skip")
    assert data.ids == ["x0", "x1", "x2", "x3", "x5"]
    np.testing.assert_array_equal(data.targets[:, 0], [0.5, 1.5, 2.5, 3.5, 5.5])
    assert data.report.read.failed == 1
    assert "1 unreadable" in str(data.report)


@pytest.mark.parametrize("value", ["NaN", "high"])
def test_bad_label(folder: Path, value: str) -> None:
    path = labels(folder, ALL.replace("3.5", value))
    with pytest.raises(DataError, match=rf"id_prop.csv:4: column 'e' of 'x3': '{value}'") as caught:
        load_dataset(folder, path)
    assert (caught.value.row, caught.value.column, caught.value.id) == (4, "e", "x3")
    data = load_dataset(folder, path, on_error="collect")
    assert data.ids == ["x0", "x1", "x2", "x4", "x5"]
    assert data.report.dropped == {"label that is no number": 1}


def test_missing_labels(folder: Path) -> None:
    data = load_dataset(folder, labels(folder, ALL.replace("3.5", "").replace("1.5", "NULL")))
    assert data.ids == ["x0", "x2", "x4", "x5"]
    assert data.report.dropped == {"no label": 2}
    several = "id,e,g\nx0,1,\nx1,,2\nx2,,\nx3,3,4\nx4,5,6\nx5,7,\n"
    data = load_dataset(folder, labels(folder, several))
    assert data.ids == ["x0", "x1", "x3", "x4", "x5"]
    assert data.report.dropped == {"no label": 1}
    assert data.targets.tolist() == [[1, 0], [0, 2], [3, 4], [5, 6], [7, 0]]
    assert data.mask.tolist() == [[True, False], [False, True], [True, True], [True, True], [True, False]]
    data = load_dataset(folder, labels(folder, several), target_names=["g"])
    assert data.ids == ["x1", "x3", "x4"]


def test_log10(folder: Path) -> None:
    data = load_dataset(folder, labels(folder, ALL), units=["GPa"], transform="log10")
    np.testing.assert_array_equal(data.targets[:, 0], np.log10(np.arange(6) + 0.5))
    assert data.units == ("log10(GPa)",)
    for bad in ("0", "-2.5"):
        path = labels(folder, ALL.replace("2.5", bad))
        with pytest.raises(DataError, match=r"target 'e' of 'x2' is .*: log10 needs a value above 0") as caught:
            load_dataset(folder, path, transform="log10")
        assert caught.value.id == "x2"
        data = load_dataset(folder, path, transform="log10", on_error="skip")
        assert data.ids == ["x0", "x1", "x3", "x4", "x5"]
        assert data.report.dropped == {"label that has no logarithm": 1}


def test_disorder(folder: Path) -> None:
    text = CIF.format(name="x1", a=4, one="Na", two="Cl", occupancy=0.5)
    (folder / "x1.cif").write_text(text)
    path = labels(folder, ALL)
    with pytest.raises(DataError, match=r'1 id .*partly filled.*: .x1.; set data.disorder = "allow"'):
        load_dataset(folder, path)
    data = load_dataset(folder, path, disorder="allow")
    assert data.is_ordered().tolist() == [True, False, True, True, True, True]
    data = load_dataset(folder, path, on_error="skip")
    assert "x1" not in data.ids
    assert data.report.dropped == {"disordered": 1}


def test_is_ordered_agrees_with_the_crystals() -> None:
    eye, frac = np.eye(3) * 4, [[0, 0, 0], [0.5, 0.5, 0.5]]
    made = [
        rn.Crystal(eye, [11, 17], frac),
        rn.Crystal(eye, [11, 17], frac, occupancies=[1, 0.9]),
        rn.Crystal(eye, [11, 19], [[0, 0, 0], [0, 0, 0]], site=[4, 4], occupancies=[0.5, 0.5]),
        rn.Crystal(eye, [11, 19], [[0, 0, 0], [0, 0, 0]], site=[4, 4]),
        rn.Crystal(eye, [0, 17], frac),
        rn.Crystal(eye, [11, 17], frac, site=[7, 3]),
    ]
    data = CrystalDataset(rn.CrystalBatch.from_crystals(made))
    assert data.is_ordered().tolist() == [crystal.is_ordered for crystal in made]
    assert data.is_ordered().tolist() == [True, False, False, False, False, True]
    assert data.subset([5, 1]).is_ordered().tolist() == [True, False]


def test_split_by_column_and_file(folder: Path) -> None:
    roles = ["train", "valid", "test", "train", "validation", "Train"]
    rows = "id,e,split\n" + "".join(f"x{place},1,{role}\n" for place, role in enumerate(roles))
    data = load_dataset(folder, labels(folder, rows))
    assert data.split.tolist() == ["train", "val", "test", "train", "val", "train"]
    assert data.counts == {"train": 3, "val": 2, "test": 1}
    assert data.subset("val").ids == ["x1", "x4"]
    assert load_dataset(folder, labels(folder, rows), split="formula").split.tolist() != data.split.tolist()
    with pytest.raises(DataError, match=r"split 'dev' of 'x2' is none of train, val, test"):
        load_dataset(folder, labels(folder, rows.replace("test", "dev")))
    with pytest.raises(DataError, match="no column called split"):
        load_dataset(folder, labels(folder, ALL), split="column")
    path = folder.parent / "split.csv"
    path.write_text("".join(f"x{place},{role}\n" for place, role in enumerate(roles)))
    assert load_dataset(folder, labels(folder, ALL), split=path).split.tolist() == data.split.tolist()
    path.write_text("id,split\nx0,train\nx1,test\n")
    with pytest.raises(DataError, match=r"no split for 4 of 6 crystals: 'x2', 'x3', 'x4', 'x5'"):
        load_dataset(folder, labels(folder, ALL), split=str(path))
    path.write_text("x0,train\nx0,test\n")
    with pytest.raises(DataError, match=r"split.csv:2: id 'x0' occurs twice"):
        load_dataset(folder, labels(folder, ALL), split=path)
    with pytest.raises(DataError, match="no such file"):
        load_dataset(folder, labels(folder, ALL), split="formulas")


def test_formula_split_is_stable_and_8_1_1() -> None:
    formulas = [f"Fe{i}O{j}" for i in range(1, 60) for j in range(1, 60)]
    split = np.array(formula_split(formulas))
    shares = [(split == name).mean() for name in SPLITS]
    np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=0.02)
    assert formula_split(["ClNa"]) == formula_split(["O2Si", "ClNa"])[1:]
    digit = int(hashlib.sha256(b"recipnet-split-v1:ClNa").hexdigest(), 16) % 10
    assert formula_split(["ClNa"]) == [("train" if digit < 8 else "val" if digit == 8 else "test")]


def test_split_hash() -> None:
    one = split_hash(["b", "a"], ["val", "train"])
    assert one == split_hash(["a", "b"], np.array(["train", "val"]))
    assert one == hashlib.sha256(b"a:train\nb:val").hexdigest()
    assert one != split_hash(["a", "b"], ["val", "train"])


def table(count: int = 6, **columns: Any) -> Any:
    values = {
        "id": [f"p{place}" for place in range(count)],
        "natoms": pa.array([2] * count, pa.int32()),
        "lattice": pa.array(
            [(np.eye(3) * (4 + 0.1 * k)).ravel().tolist() for k in range(count)], pa.list_(pa.float64())
        ),
        "numbers": pa.array([[11 + k, 17] for k in range(count)], pa.list_(pa.uint8())),
        "frac": pa.array([[0, 0, 0, 0.5, 0.5, 0.5]] * count, pa.list_(pa.float32())),
        "e": pa.array(np.arange(count) * 0.5),
    }
    return pa.table({**values, **columns})


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    roles = ["train", "train", "train", "val", "test", "test"]
    pq.write_table(table(split=roles, g=pa.array([1, None, 3, 4, 5, 6], pa.int16())), path)
    data = load_dataset(path)
    assert (data.target_names, data.units, data.ids) == (("e",), ("",), [f"p{place}" for place in range(6)])
    assert data.split.tolist() == roles
    data = load_dataset(path, target_names=["g"], units=["K"])
    assert data.ids == ["p0", "p2", "p3", "p4", "p5"]
    assert data.targets[:, 0].tolist() == [1, 3, 4, 5, 6]
    assert data.split.tolist() == ["train", *roles[2:]]
    assert data.units == ("K",)
    data = load_dataset(path, target_names=["g", "e"])
    assert data.mask.tolist() == [[k != 1, True] for k in range(6)]
    csv = labels(tmp_path / "x", "p4,4\np1,3\n")
    data = load_dataset(path, csv, on_error="skip")
    assert data.ids == ["p1", "p4"]
    assert data.targets.tolist() == [[3], [4]]
    assert data.split.tolist() == ["train", "test"]


def test_parquet_skips_bad_rows_and_keeps_labels_aligned(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    numbers = [[11 + k, 17] for k in range(6)]
    numbers[2] = [11]
    pq.write_table(table(numbers=pa.array(numbers, pa.list_(pa.uint8()))), path)
    with pytest.raises((ReadError, ValueError), match="p2"):
        load_dataset(path)
    data = load_dataset(path, on_error="skip")
    assert data.ids == ["p0", "p1", "p3", "p4", "p5"]
    assert data.targets[:, 0].tolist() == [0, 0.5, 1.5, 2, 2.5]


def test_parquet_units_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    data = table()
    place = data.schema.get_field_index("e")
    schema = data.schema.set(place, data.schema.field("e").with_metadata({"unit": "eV/atom"}))
    pq.write_table(data.cast(schema), path)
    assert load_dataset(path).units == ("eV/atom",)
    assert load_dataset(path, units=["meV"]).units == ("meV",)


def test_parquet_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(table(f=pa.array(np.ones(6)), name=["a"] * 6), path)
    with pytest.raises(DataError, match=r"data.target_names: one of e, f"):
        load_dataset(path)
    with pytest.raises(DataError, match="no column 'gap'; columns of numbers are e, f"):
        load_dataset(path, target_names=["gap"])
    with pytest.raises(DataError, match="column 'name' holds string"):
        load_dataset(path, target_names=["name"])
    pq.write_table(table(e=pa.array([0.0, 1, float("nan"), 3, float("inf"), 5])), path)
    with pytest.raises(DataError, match=r"row 2 \(from 0\), column 'e' of 'p2': nan") as caught:
        load_dataset(path)
    assert (caught.value.row, caught.value.column) == (2, "e")
    assert load_dataset(path, on_error="skip").ids == ["p0", "p1", "p3", "p5"]
    path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match="not a Parquet file"):
        load_dataset(path)
    with pytest.raises(DataError, match="no such file"):
        load_dataset(tmp_path / "absent.parquet")


def test_other_bad_input(folder: Path, tmp_path: Path) -> None:
    path = labels(folder, ALL)
    with pytest.raises(DataError, match="come without labels"):
        load_dataset(folder)
    with pytest.raises(DataError, match="no such file or folder"):
        load_dataset(tmp_path / "absent")
    with pytest.raises(ReadError):
        load_dataset(tmp_path / "absent", path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty"):
        load_dataset(tmp_path / "empty", path)
    with pytest.raises(DataError, match="2 units for 1 targets"):
        load_dataset(folder, path, units=["eV", "K"])
    for name in ("transform", "disorder", "on_error"):
        with pytest.raises(ArgumentError, match=name):
            load_dataset(folder, path, **{name: "whatever"})
    with pytest.raises(DataError, match="no labelled crystal is left"):
        load_dataset(folder, labels(folder, "id,e\n" + "".join(f"x{place},\n" for place in range(6))))


def test_dataset_from_arrays() -> None:
    batch = rn.CrystalBatch.from_crystals([rn.Crystal(np.eye(3) * 4, [6], [[0, 0, 0]])] * 3, ids=["a", "b", "c"])
    data = CrystalDataset(batch, [1.0, np.nan, 2.0])
    assert data.target_names == ("target",)
    assert data.mask[:, 0].tolist() == [True, False, True]
    assert data.targets[:, 0].tolist() == [1, 0, 2]
    with pytest.raises(DataError, match="has no split"):
        data.subset("train")
    with pytest.raises(DataError, match="has no split"):
        _ = data.split_hash
    with pytest.raises(DataError, match="shape"):
        CrystalDataset(batch, [1.0, 2.0])
    with pytest.raises(DataError, match="of 'b' is infinite"):
        CrystalDataset(batch, [1.0, np.inf, 2.0])
    with pytest.raises(DataError, match="2 split labels for 3"):
        CrystalDataset(batch, split=["train", "val"])
    split = CrystalDataset(batch, [1, 2, 3], split=["train", "val", "train"])
    with pytest.raises(DataError, match="'dev': must be one of"):
        split.subset("dev")
    assert split.subset("train").split_hash == split_hash(["a", "c"], ["train", "train"])
    assert split.subset("train").subset([1]).ids == ["c"]
    assert repr(split) == "CrystalDataset(3 crystals; targets: target (no unit); 2 train, 1 val)"
    assert next(iter(Loader(CrystalDataset(batch), FeatureSpec(), 2))).targets is None
