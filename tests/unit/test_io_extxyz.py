"""Extended XYZ: cells, columns, frames, and what is no crystal."""

from __future__ import annotations

import numpy as np
import pytest

import recipnet as rn
from recipnet.errors import ExtxyzError

HEAD = 'Lattice="4 0 0 0 4 0 0 0.5 5" Properties=species:S:1:pos:R:3 pbc="T T T"'
TEXT = f"2\n{HEAD}\nSr 0 0 0\nO 2.0 2.25 2.5\n"


def parse(text, **options):
    return rn.parse(text, format="extxyz", **options)


def codes(crystal):
    return [warning.code for warning in crystal.warnings]


def test_plain():
    crystal = parse(TEXT)
    assert crystal.numbers.tolist() == [38, 8]
    assert crystal.lattice.tolist() == [[4, 0, 0], [0, 4, 0], [0, 0.5, 5]]
    assert crystal.frac_coords == pytest.approx(np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), abs=1e-15)
    assert (crystal.warnings, crystal.properties, crystal.labels) == ((), {}, None)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.replace('"4 0 0 0 4 0 0 0.5 5"', "'4 0 0 0 4 0 0 0.5 5'"),
        lambda t: t.replace('"4 0 0 0 4 0 0 0.5 5"', "{4 0 0 0 4 0 0 0.5 5}"),
        lambda t: t.replace('"4 0 0 0 4 0 0 0.5 5"', "[[4, 0, 0], [0, 4, 0], [0, 0.5, 5]]"),
        lambda t: t.replace(' pbc="T T T"', ""),
        lambda t: t.replace('pbc="T T T"', "pbc=[True, True, True]"),
        lambda t: t.replace("Properties=species:S:1:pos:R:3 ", ""),
        lambda t: t.replace("Lattice", "lattice").replace("Properties", "properties"),
        lambda t: t.replace("species:S:1", "Z:I:1").replace("Sr", "38").replace("\nO ", "\n8 "),
        lambda t: t.replace("pos:R:3", "pos:R:3:numbers:I:1").replace("0 0 0\n", "0 0 0 38\n")[:-1] + " 8\n",
        lambda t: t.rstrip(),
        lambda t: "\n" + t + "\n\n",
    ],
)
def test_ways_of_writing(change):
    assert parse(change(TEXT), strict=True) == parse(TEXT)


def test_columns():
    text = (
        '3\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:occupancy:R:1:site:I:1:initial_charges:R:1:'
        'isotopes:I:1:labels:S:1:u_iso:R:1:u_aniso:R:6:forces:R:3:tag:I:1:note:S:1 energy=-1.5 name="x 1" n=3 ok=T '
        "flag\nH 0 0 0 0.5 0 1 2 A1 0.01 1 2 3 4 5 6 1 2 3 7 foo\n"
        "D 0 0 0 0.5 0 nan 0 . nan nan nan nan nan nan nan 4 5 6 8 bar\nO 1 1 1 1 1 -2 0 B 0.02 1 1 1 0 0 0 7 8 9 9 x\n"
    )
    crystal = parse(text)
    assert crystal.occupancies.tolist() == [0.5, 0.5, 1]
    assert crystal.site.tolist() == [0, 0, 1]
    assert np.array_equal(crystal.charges, [1, np.nan, -2], equal_nan=True)
    assert crystal.isotopes.tolist() == [2, 2, 0]
    assert crystal.labels == ("A1", "", "B")
    assert np.array_equal(crystal.u_iso, [0.01, np.nan, 0.02], equal_nan=True)
    assert crystal.u_aniso[0].tolist() == [1, 2, 3, 4, 5, 6]
    assert crystal.properties == {
        "energy": -1.5,
        "name": "x 1",
        "n": 3,
        "ok": True,
        "flag": True,
        "site_properties": {"forces": [[1, 2, 3], [4, 5, 6], [7, 8, 9]], "tag": [7, 8, 9]},
    }
    assert codes(crystal) == ["W-LEFT-OUT"]
    assert "note" in crystal.warnings[0].message


def test_frames():
    three = TEXT + TEXT.replace("Sr", "Ba") + TEXT.replace("Sr", "Ca")
    first = parse(three)
    assert (first.numbers[0], codes(first)) == (38, ["W-SEVERAL"])
    assert (parse(three, index=2).numbers[0], parse(three, index=2).warnings) == (20, ())
    with pytest.raises(ExtxyzError, match="index 3 is asked for, but the text has 3 frame") as caught:
        parse(three, index=3)
    assert caught.value.code == "E-NO-BLOCK"
    assert codes(parse(TEXT + "trailing words\n")) == ["W-COUNT"]
    with pytest.raises(ExtxyzError):
        parse(TEXT + "trailing words\n", strict=True)


BAD = [
    (lambda t: "", "E-SHORT", None),
    (lambda t: "x" + t, "E-COUNT", 1),
    (lambda t: "2\n", "E-SHORT", 1),
    (lambda t: t.replace("2\n", "3\n", 1), "E-SHORT", 4),
    (lambda t: t.replace("2\n", "99999999\n", 1), "E-LIMIT", 1),
    (lambda t: t.replace('T T T"', "T T T"), "E-COMMENT", 2),
    (lambda t: t.replace(HEAD, "a water molecule"), "E-CELL", 2),
    (lambda t: t.replace('"4 0 0 0 4 0 0 0.5 5"', '"4 0 0 0 4 0 0 0.5"'), "E-CELL", 2),
    (lambda t: t.replace('"4 0 0 0 4 0 0 0.5 5"', '"4 0 0 4 0 0 0 0.5 5"'), "E-CELL", 2),
    (lambda t: t.replace("T T T", "T T F"), "E-CELL", 2),
    (lambda t: t.replace("pos:R:3", "pos:R:2"), "E-COLUMNS", 2),
    (lambda t: t.replace("pos:R:3", "pos:R:x"), "E-COLUMNS", 2),
    (lambda t: t.replace("pos:R:3", "pos:R:3:pos:R:3"), "E-COLUMNS", 2),
    (lambda t: t.replace("species:S:1", "name:S:1"), "E-COLUMNS", 2),
    (lambda t: t.replace("Sr 0 0 0", "Sr 0 0"), "E-COLUMNS", 3),
    (lambda t: t.replace("Sr 0 0 0", "Sr 0 0 0 1"), "E-COLUMNS", 3),
    (lambda t: t.replace("Sr 0 0 0", "Sr 0 nan 0"), "E-NUMBER", 3),
    (lambda t: t.replace("Sr 0 0 0", "Sr 0 1e30 0"), "E-NUMBER", 3),
    (lambda t: t.replace("Sr", "Qq"), "E-SPECIES", 3),
    (lambda t: t.replace("species:S:1", "Z:I:1").replace("Sr", "119").replace("\nO ", "\n8 "), "E-NUMBER", 3),
    (lambda t: t.replace("\0", "") + "\0", "E-BINARY", None),
]


@pytest.mark.parametrize(("change", "code", "line"), BAD)
def test_what_is_wrong(change, code, line):
    with pytest.raises(ExtxyzError) as caught:
        parse(change(TEXT))
    assert (caught.value.code, caught.value.line) == (code, line)


def test_a_message_in_full(tmp_path):
    path = tmp_path / "water.xyz"
    path.write_text("1\nwater\nO 0 0 0\n")
    with pytest.raises(ExtxyzError) as caught:
        rn.read(path)
    assert str(caught.value) == (
        f'{path}:2: [E-CELL] the comment has no Lattice: this is a molecule, not a crystal; value "water"; '
        'a crystal needs Lattice="ax ay az bx by bz cx cy cz" in the second line'
    )


def test_unknown_elements():
    crystal = parse(TEXT.replace("Sr", "Qq"), unknown_element="X")
    assert (crystal.numbers[0], codes(crystal)) == (0, ["W-SPECIES"])
    assert codes(parse(TEXT.replace("Sr", "SR"))) == ["W-SPECIES"]


def test_every_cut_is_an_error_or_a_crystal():
    text = TEXT.encode()
    for end in range(len(text)):
        batch, report = rn.parse_many([text[:end]], format="extxyz", on_error="collect")
        assert len(batch) + report.failed == 1
