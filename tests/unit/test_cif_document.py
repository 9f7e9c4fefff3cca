"""The raw document of a CIF: blocks, tags, loops, values with their places."""

from __future__ import annotations

import copy
import pickle

import pytest

import recipnet as rn
from recipnet.cif import Value
from recipnet.errors import ArgumentError, CifError

TEXT = """data_One
_cell_length_a  5.64(1)
_title
;first
second
;
loop_
 _id
 _name
 1 'a b'
 2 ?
loop_
_other
.
data_two
_cell_length_a 3
"""


def test_blocks_tags_and_loops() -> None:
    document = rn.cif.parse(TEXT)
    assert (len(document), document.version, document.warnings) == (2, "1.1", ())
    assert [block.name for block in document] == ["One", "two"]
    block = document["one"]
    assert list(block) == ["_cell_length_a", "_title", "_id", "_name", "_other"]
    assert "_ID" in block
    assert "_missing" not in block
    assert [[column.tag for column in loop] for loop in block.loops] == [["_id", "_name"], ["_other"]]
    assert block["_cell_length_a"].loop is None
    assert document["two"]["_cell_length_a"].value == "3"
    assert repr(document) == "Document(2 blocks: One, two)"
    assert repr(block) == "Block('One', 5 tags, 2 loops)"
    assert repr(block["_name"]) == "Column(_name, 2 values, line 9)"


def test_values_and_their_places() -> None:
    block = rn.cif.parse(TEXT.encode())[0]
    assert block["_cell_length_a"][0] == Value("5.64(1)", "bare", 2, 17)
    assert block["_title"][0] == Value("first\nsecond", "text", 4, 1)
    assert list(block["_name"]) == [Value("a b", "quoted", 10, 4), Value("?", "bare", 11, 4)]
    assert block["_name"][-1].is_unknown
    assert block["_other"][0].is_inapplicable
    assert block["_name"].texts == ["a b", "?"]
    assert block["_id"][:] == [Value("1", "bare", 10, 2), Value("2", "bare", 11, 2)]


def test_letters_beyond_ascii() -> None:
    block = rn.cif.parse("data_x _a 'é ü' _b ∂ _c 3")[0]
    assert [block[tag].value for tag in block] == ["é ü", "∂", "3"]
    assert block["_c"][0].column == 25


def test_cif_2() -> None:
    document = rn.cif.parse("#\\#CIF_2.0\ndata_x\n_a [1 [2 3]]\n_b {'k':1}\n_c '''it's'''\n")
    assert document.version == "2.0"
    assert [document[0][tag][0] for tag in ("_a", "_b", "_c")] == [
        Value("[1 [2 3]]", "nested", 3, 4),
        Value("{'k':1}", "nested", 4, 4),
        Value("it's", "quoted", 5, 4),
    ]


def test_refusals_and_repairs() -> None:
    with pytest.raises(CifError, match=r":2:4: \[E-UNCLOSED\]") as caught:
        rn.cif.parse("data_x\n_a 'open\n", strict=True)
    assert caught.value.line == 2
    [warning] = rn.cif.parse("data_x\n_a 'open\n").warnings
    assert (warning.code, warning.line) == ("W-UNCLOSED", 2)
    with pytest.raises(CifError, match="max_bytes"):
        rn.cif.parse("data_x _a b", max_bytes=5)
    with pytest.raises(ArgumentError):
        rn.cif.parse(3)  # type: ignore[arg-type]
    document = rn.cif.parse(TEXT)
    with pytest.raises(KeyError, match="the first are One, two"):
        document["three"]
    with pytest.raises(KeyError, match="_missing"):
        document[0]["_missing"]
    with pytest.raises(ArgumentError, match="2 values"):
        print(document[0]["_id"].value)
    assert len(rn.cif.parse("")) == 0


def test_lazy_columns_of_a_batch_behave_like_lists() -> None:
    text = "data_q _cell_length_a 4 _cell_length_b 4 _cell_length_c 4 _cell_angle_alpha 90 _cell_angle_beta 90 "
    text += "_cell_angle_gamma 90 _space_group_name_H-M_alt 'P 1' loop_ _atom_site_label _atom_site_fract_x "
    text += "_atom_site_fract_y _atom_site_fract_z _atom_site_disorder_group Fé1 0 0 0 . O1 .5 .5 .5 -1 "
    batch, report = rn.parse_many([text, text.replace("é", "")], ids=["a", "b"])
    assert (report.ok, report.failed) == (2, 0)
    assert batch.labels == ["Fé1", "O1", "F1", "O1"]
    assert [source.block for source in batch.source] == ["q", "q"]
    for other in (copy.deepcopy(batch), pickle.loads(pickle.dumps(batch)), rn.CrystalBatch.concat([batch])):
        assert other == batch
    assert batch[0].properties["site_properties"] == {"disorder_assembly": ["", ""], "disorder_group": ["", "-1"]}
    assert batch[1:].labels == list(batch.labels[2:])


def test_ids_are_claimed_at_once_and_one_by_one() -> None:
    good = "data_q _cell_length_a 4"
    for texts in ([good] * 3, [good, None, good]):
        _, report = rn.parse_many(texts, ids=["a", "b", "a"], on_error="collect")
        assert report.failures[-1].code == "E-ID"
        assert "taken by index 0" in report.failures[-1].message
    _, report = rn.parse_many(["data_\ud800 x", "data_\udce9 x"], on_error="collect")
    assert (report.ok, report.failed) == (0, 2)
