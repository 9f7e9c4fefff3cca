"""POSCAR and CONTCAR: every way of writing them is read alike, what is wrong is named with its place."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

import recipnet as rn
from recipnet.errors import ArgumentError, PoscarError

SALT = """rock salt
1.0
5.64 0.0 0.0
0.0 5.64 0.0
0.0 0.5 5.64
Na Cl
1 2
Direct
0.0 0.0 0.0
0.5 0.5 0.5
0.5 0.0 -0.25
"""


def parse(text, **options):
    return rn.parse(text, format="poscar", **options)


def codes(crystal):
    return [warning.code for warning in crystal.warnings]


def test_plain():
    crystal = parse(SALT)
    assert crystal.numbers.tolist() == [11, 17, 17]
    assert crystal.lattice.tolist() == [[5.64, 0, 0], [0, 5.64, 0], [0, 0.5, 5.64]]
    assert crystal.frac_coords.tolist() == [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0.75]]
    assert (crystal.source, crystal.warnings, crystal.symmetry) == ((None, "rock salt"), (), None)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.replace("\n", "\r"),
        lambda t: "\ufeff" + t,
        lambda t: t.replace("0.5 0.5 0.5", "5.0D-01 .5 +0.5e0 T F T Cl"),
        lambda t: t.replace("Direct", "Selective dynamics\ndirect"),
        lambda t: t.replace("Na Cl", "Na_pv Cl/1a2b3c  # species"),
        lambda t: t.replace("1 2\n", "1 2 ! counts\n").replace("1.0\n", "1.0 scale\n"),
        lambda t: t.replace("5.64", "2.82").replace("0.0 0.5 2.82", "0.0 0.25 2.82").replace("\n1.0\n", "\n2.0\n"),
        lambda t: t.replace("\n1.0\n", f"\n-{5.64**3}\n"),
        lambda t: t.replace("\n1.0\n", "\n1 1 1\n"),
        lambda t: t + "\n\n",
        lambda t: t.encode(),
    ],
)
def test_ways_of_writing(change):
    crystal, plain = parse(change(SALT), strict=True), parse(SALT)
    assert crystal.lattice == pytest.approx(plain.lattice, rel=1e-12)
    assert np.array_equal(crystal.frac_coords, plain.frac_coords)
    assert np.array_equal(crystal.numbers, plain.numbers)
    assert crystal.warnings == ()


def test_cartesian_coordinates_are_scaled_as_the_cell():
    cartesian = SALT.replace("Direct", "Kartesian").replace("\n1.0\n", "\n2.0 1.0 0.5\n")
    plain = parse(SALT)
    rows = plain.frac_coords @ plain.lattice
    head = cartesian.splitlines()[:8]
    crystal = parse("\n".join(head + [" ".join(map(repr, row.tolist())) for row in rows]))
    assert crystal.lattice == pytest.approx(plain.lattice * [2.0, 1.0, 0.5])
    assert crystal.frac_coords == pytest.approx(plain.frac_coords, abs=1e-14)


def test_vasp_4_takes_the_comment_or_refuses():
    old = SALT.replace("Na Cl\n", "").replace("rock salt", "Na Cl")
    crystal = parse(old)
    assert crystal.numbers.tolist() == [11, 17, 17]
    assert codes(crystal) == ["W-SPECIES"]
    with pytest.raises(PoscarError):
        parse(old, strict=True)
    with pytest.raises(PoscarError, match=r"line of species.*VASP 4.*add a line such as \"Na Cl\"") as caught:
        parse(SALT.replace("Na Cl\n", ""))
    assert (caught.value.code, caught.value.line, caught.value.value) == ("E-SPECIES", 6, "1 2")


def test_what_follows_is_told():
    crystal = parse(SALT + "\nCartesian\n0.0 0.0 0.1\n0 0 0\n0 0 0\n")
    assert [(w.code, w.line) for w in crystal.warnings] == [("W-LEFT-OUT", 13)]


def test_isotopes_and_unknown_species():
    crystal = parse(SALT.replace("Na Cl", "D T"))
    assert (crystal.numbers.tolist(), crystal.isotopes.tolist()) == ([1, 1, 1], [2, 3, 3])
    with pytest.raises(PoscarError, match="unknown_element"):
        parse(SALT.replace("Cl", "Qq"))
    crystal = parse(SALT.replace("Cl", "Qq"), unknown_element="X")
    assert (crystal.numbers.tolist(), codes(crystal)) == ([11, 0, 0], ["W-SPECIES"])
    assert codes(parse(SALT.replace("Cl", "CL"))) == ["W-SPECIES"]


BAD = [
    (lambda t: "", "E-SHORT", 1),
    (lambda t: t[:40], "E-SHORT", 4),
    (lambda t: "\n".join(t.splitlines()[:-1]), "E-SHORT", 10),
    (lambda t: t.replace("\n1.0\n", "\nfoo\n"), "E-SCALE", 2),
    (lambda t: t.replace("\n1.0\n", "\n0\n"), "E-SCALE", 2),
    (lambda t: t.replace("\n1.0\n", "\n1 2\n"), "E-SCALE", 2),
    (lambda t: t.replace("\n1.0\n", "\n1 -2 1\n"), "E-SCALE", 2),
    (lambda t: t.replace("0.0 0.5 5.64", "0.0 nan 5.64"), "E-NUMBER", 5),
    (lambda t: t.replace("0.0 0.5 5.64", "0.0 0.5"), "E-NUMBER", 5),
    (lambda t: t.replace("0.0 0.5 5.64", "0.0 5.64 0.0"), "E-CELL", 3),
    (lambda t: t.replace("1 2\n", "1\n"), "E-COUNT", 7),
    (lambda t: t.replace("1 2\n", "1 x\n"), "E-COUNT", 7),
    (lambda t: t.replace("1 2\n", "0 0\n"), "E-COUNT", 7),
    (lambda t: t.replace("1 2\n", "1 99999999999999999999\n"), "E-LIMIT", 7),
    (lambda t: t.replace("Direct\n", ""), "E-MODE", 8),
    (lambda t: t.replace("0.5 0.5 0.5", "0.5 0.5 1e9"), "E-NUMBER", 10),
    (lambda t: t.replace("0.5 0.5 0.5", "0.5 0,5 0.5"), "E-NUMBER", 10),
    (lambda t: t + "\0", "E-BINARY", None),
    (lambda t: gzip.compress(t.encode()), "E-BINARY", None),
]


@pytest.mark.parametrize(("change", "code", "line"), BAD)
def test_what_is_wrong(change, code, line):
    with pytest.raises(PoscarError) as caught:
        parse(change(SALT))
    assert (caught.value.code, caught.value.line) == (code, line)
    assert f"[{code}]" in str(caught.value)


def test_a_message_in_full(tmp_path):
    path = tmp_path / "POSCAR"
    path.write_text(SALT.replace("0.5 0.5 0.5", "0.5 0,5 0.5"))
    with pytest.raises(PoscarError) as caught:
        rn.read(path)
    assert str(caught.value) == f'{path}:10:5: [E-NUMBER] a position: this is no number; value "0,5"'
    error = caught.value
    assert (error.path, error.line, error.column, error.value) == (str(path), 10, 5, "0,5")


def test_repairs_can_be_refused():
    for change, code in [
        (lambda t: t.replace("Direct", "fractional"), "E-MODE"),
        (lambda t: t.replace("0.5 0.5 0.5", "0.5 0.5 0.5 Na"), "E-SPECIES"),
        (lambda t: t.encode().replace(b"rock", b"r\xf6ck"), "E-ENCODING"),
    ]:
        assert codes(parse(change(SALT))) == ["W" + code[1:]]
        with pytest.raises(PoscarError) as caught:
            parse(change(SALT), strict=True)
        assert caught.value.code == code


def test_every_cut_is_an_error_or_a_crystal():
    text = SALT.encode()
    for end in range(len(text)):
        batch, report = rn.parse_many([text[:end]], format="poscar", on_error="collect")
        assert len(batch) + report.failed == 1
        for crystal in batch:
            assert len(crystal) == 3


def test_options():
    with pytest.raises(ArgumentError, match="only CIFs have blocks"):
        parse(SALT, block="x")
    with pytest.raises(PoscarError, match="no structure 1"):
        parse(SALT, index=1)
    for option in ({"max_sites": 2}, {"max_bytes": 20}, {"min_length": 6.0}, {"max_length": 5.0}, {"min_spacing": 6.0}):
        with pytest.raises(PoscarError, match=next(iter(option))):
            parse(SALT, **option)


def test_names_of_files(tmp_path):
    for name in ("a/POSCAR", "b/CONTCAR.gz", "c/x.vasp", "c/y.POSCAR.gz", "c/POSCAR_3", "c/POSCAR.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(SALT.encode()) if name.endswith(".gz") else SALT.encode())
    batch, report = rn.read_many(tmp_path, recursive=True)
    assert batch.ids == ["a", "b", "POSCAR.txt", "POSCAR_3", "x", "y"]
    assert report.given == 6
    assert rn.read_many(str(tmp_path / "*" / "POSCAR"))[0].ids == ["a"]
    assert rn.read(tmp_path / "c" / "POSCAR_3").source.path.endswith("POSCAR_3")
    (tmp_path / "note").write_text(SALT)
    assert len(rn.read(tmp_path / "note", format="poscar")) == 3
