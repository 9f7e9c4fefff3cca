"""Labels from CSV: every way in which a file of labels can be wrong is named with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recipnet.data import read_targets
from recipnet.data.report import Refusals
from recipnet.errors import ArgumentError, DataError


def write(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(text.encode())
    return path


def test_header(tmp_path: Path) -> None:
    table = read_targets(write(tmp_path, "id,e_form,gap\na,-1.5,0\nb,,2.25\nc,NULL,null\n"))
    assert table.ids == ["a", "b", "c"]
    assert table.names == ("e_form", "gap")
    np.testing.assert_array_equal(table.values, [[-1.5, 0.0], [np.nan, 2.25], [np.nan, np.nan]])
    assert table.values.dtype == np.float64
    assert table.splits is None


def test_two_columns_without_header(tmp_path: Path) -> None:
    path = write(tmp_path, "a,1e-3\nb,\n")
    assert read_targets(path).names == ("target",)
    table = read_targets(path, ["k_vrh"])
    assert (table.ids, table.names) == (["a", "b"], ("k_vrh",))
    np.testing.assert_array_equal(table.values, [[1e-3], [np.nan]])


def test_spaces_blank_lines_bom_quotes_and_crlf(tmp_path: Path) -> None:
    table = read_targets(write(tmp_path, '\ufeffID, e \r\n\r\n"a,b", 1\r\n c , -2 \r\n'))
    assert table.ids == ["a,b", "c"]
    assert table.names == ("e",)
    np.testing.assert_array_equal(table.values[:, 0], [1, -2])


def test_chosen_columns_and_split(tmp_path: Path) -> None:
    table = read_targets(write(tmp_path, "id,a,split,b\nx,1,train,2\ny,3,test,4\n"), ["b", "a"])
    assert table.names == ("b", "a")
    np.testing.assert_array_equal(table.values, [[2, 1], [4, 3]])
    assert table.splits == ["train", "test"]


def test_values_keep_every_bit(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=50) * 10.0 ** np.arange(-25, 25)
    table = read_targets(write(tmp_path, "id,t\n" + "".join(f"i{k},{float(v)!r}\n" for k, v in enumerate(values))))
    np.testing.assert_array_equal(table.values[:, 0], values)


@pytest.mark.parametrize(
    ("text", "row", "column", "words"),
    [
        ("id,e\na,1\nb,NaN\n", 3, "e", "'NaN' is not a finite number"),
        ("id,e\na,-inf\n", 2, "e", "is not a finite number"),
        ("id,e\na,1\n\nb,n/a\n", 4, "e", "'n/a' is not a number"),
        ("id,e\na,1_000\n", 2, "e", "is not a number"),
        ("id,e,f\na,1,x\n", 2, "f", "'x' is not a number"),
        ("id,e\na,1\na,2\n", 3, "id", "occurs twice, first in line 2"),
        ("id,e\n,1\n", 2, "id", "no id"),
        ("id,e\na,1,2\n", 2, None, "3 columns where 2 belong"),
        ("id,e\na\n", 2, None, "1 columns where 2 belong"),
        ("a,1\nb,x\n", 2, "target", "'x' is not a number"),
        ("name,e_form\na,1\n", 1, "target", "first column must be called id"),
        ("name,e,f\na,1,2\n", 1, "name", "need a header whose first column is called id"),
        ("a;1\nb;2\n", 1, None, "separated by commas"),
        ("id,e,e\na,1,2\n", None, "e", "two columns are called 'e'"),
        ("id,split\na,train\n", None, None, "no target column"),
        ("", None, None, "holds no labels"),
        ("\n\n", None, None, "holds no labels"),
        ("id,e\n", None, None, "a header and no labels"),
        ('id,e\n"a,1\n', 2, None, "not a CSV line"),
    ],
)
def test_refused(tmp_path: Path, text: str, row: int | None, column: str | None, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_targets(path)
    error = caught.value
    assert words in str(error)
    assert str(path) in str(error)
    assert (error.path, error.row, error.column) == (str(path), row, column)


def test_missing_column_file_and_bytes(tmp_path: Path) -> None:
    path = write(tmp_path, "id,e\na,1\n")
    with pytest.raises(DataError, match="no column 'gap'; the file has e"):
        read_targets(path, ["gap"])
    with pytest.raises(DataError, match="no such file"):
        read_targets(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_targets(tmp_path)
    path.write_bytes(b"id,e\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="not UTF-8"):
        read_targets(path)
    with pytest.raises(DataError, match="2 are asked for: a, b"):
        read_targets(write(tmp_path, "a,1\n"), ["a", "b"])


@pytest.mark.parametrize("policy", ["skip", "collect"])
def test_bad_labels_can_be_left_out(tmp_path: Path, policy: str) -> None:
    refusals = Refusals(policy)
    table = read_targets(write(tmp_path, "id,e\na,NaN\nb,2\nc,x\n"), (), refusals)
    assert table.refused.tolist() == [True, False, True]
    assert np.isnan(table.values[[0, 2]]).all()
    assert refusals.total == 2
    assert [error.id for error in refusals.records] == (["a", "c"] if policy == "collect" else [])


def test_unknown_policy() -> None:
    with pytest.raises(ArgumentError, match="on_error = 'ignore'"):
        Refusals("ignore")
