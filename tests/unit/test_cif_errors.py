"""One example of every refusal and repair of the CIF reader, with its whole message."""

from __future__ import annotations

import numpy as np
import pytest

from recipnet import _core
from recipnet.errors import CifError, SymmetryError

CELL = """data_x
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
"""
GROUP = "_space_group_name_H-M_alt 'P 1'\n"
HEADER = """loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
"""
GOOD = CELL + GROUP + HEADER + "Fe1 0 0 0\n"
WITH_OPERATIONS = CELL + "loop_\n_space_group_symop_operation_xyz\n{}\n" + HEADER + "Fe1 0.1 0.2 0.3\n"


def read(text: str | bytes, **options: object) -> dict:
    data = text.encode() if isinstance(text, str) else text
    return _core.read_cifs([data], False, **options)


def refusal(text: str | bytes, **options: object) -> CifError:
    [(place, error)] = read(text, **options)["failures"]
    assert place == 0
    assert isinstance(error, CifError)
    return error


def warnings_of(found: dict) -> list[tuple]:
    """The warnings of the only crystal."""
    assert len(found["lattices"]) == 1
    return found["warnings"][0][1] if found["warnings"] else []


REFUSED = {
    "gzip": (
        b"\x1f\x8b\x08\x00",
        "[E-BINARY] the data are gzip-compressed; decompress them first",
    ),
    "nul": (
        b"data_x\n\0",
        ":2:1: [E-BINARY] a NUL byte: this is no text",
    ),
    "open list": (
        "#\\#CIF_2.0\ndata_x\n_a [1 2\n",
        ':3:4: [E-UNCLOSED] a list or table is not closed by its bracket; value "[1 2\\n"',
    ),
    "deep list": (
        "#\\#CIF_2.0\ndata_x\n_a " + "[" * 65 + "]" * 65,
        f':3:4: [E-LIMIT] lists and tables are nested deeper than 64; value "{"[" * 64}"',
    ),
    "open triple quote": (
        "#\\#CIF_2.0\ndata_x\n_a '''b''\n",
        ":3:4: [E-UNCLOSED] a triple quote is not closed by another one; value \"'''b''\\n\"",
    ),
    "no block": (
        "# nothing\n",
        "[E-NO-BLOCK] the text has no data block; is it a CIF?",
    ),
    "no header": (
        "_cell_length_a 4\n",
        ':1:1: [E-NO-BLOCK] text before the first data block; value "_cell_length_a"; a CIF starts with data_NAME',
    ),
    "open text field": (
        "data_x\n_a\n;text\n",
        ':3:1: [E-UNCLOSED] a text field is not closed by a semicolon in column 1; value ";text\\n"',
    ),
    "loop count": (
        GOOD + "Fe2 0 0\n",
        ":9:1: [E-LOOP] a loop of 4 tags has 7 values: 1 row(s) and 3 value(s) left over; tag "
        "_atom_site_label; a value is missing, or one with spaces lacks its quotes",
    ),
    "loop without tags": (
        "data_x\nloop_\n1 2\n",
        ":2:1: [E-LOOP] a loop without tags",
    ),
    "no cell": (
        "data_x\n" + HEADER + "Fe1 0 0 0\n",
        "[E-NO-CELL] the cell is not complete; block data_x; tag _cell_length_a",
    ),
    "incomplete cell": (
        GOOD.replace("_cell_length_c 4\n", ""),
        "[E-NO-CELL] the cell is not complete; block data_x; tag _cell_length_c",
    ),
    "cell not given": (
        GOOD.replace("_cell_length_c 4", "_cell_length_c ?"),
        ':4:16: [E-NO-CELL] the cell is not given; block data_x; tag _cell_length_c; value "?"',
    ),
    "cell no number": (
        GOOD.replace("_cell_length_c 4", "_cell_length_c 4,0"),
        ':4:16: [E-NUMBER] a cell parameter is no number; block data_x; tag _cell_length_c; value "4,0"',
    ),
    "cell too long": (
        GOOD.replace("_cell_length_c 4", "_cell_length_c 4e9"),
        ":2:16: [E-CELL] no crystal has this cell: the length c = 4000000000 is outside [0.1, 10000] "
        'angstrom; block data_x; tag _cell_length_a; value "4 4 4000000000 90 90 90"; the limits are '
        "the options min_length, max_length and min_spacing",
    ),
    "cell without volume": (
        GOOD.replace("gamma 90", "gamma 180"),
        ":2:16: [E-CELL] no crystal has this cell: cell parameters: gamma = 180 degrees is not between "
        '0 and 180; block data_x; tag _cell_length_a; value "4 4 4 90 90 180"; the limits are the '
        "options min_length, max_length and min_spacing",
    ),
    "no atoms": (
        CELL + GROUP,
        "[E-NO-ATOMS] there are no atom sites with coordinates; block data_x; tag _atom_site_fract_x",
    ),
    "no coordinates": (
        GOOD.replace("Fe1 0 0 0", "Fe1 ? ? ?"),
        ":11:1: [E-NO-ATOMS] no atom has numeric coordinates; block data_x; tag _atom_site_fract_x",
    ),
    "cartesian": (
        GOOD.replace("fract", "Cartn"),
        ":11:1: [E-CARTESIAN] the atoms have Cartesian coordinates only; block data_x; tag "
        "_atom_site_Cartn_x; fractional coordinates (_atom_site_fract_x, …) are needed",
    ),
    "coordinate": (
        GOOD + "Fe2 0.5 0.5 o.5\n",
        ':15:13: [E-NUMBER] this is no number; block data_x; tag _atom_site_fract_z; value "o.5"',
    ),
    "element": (
        GOOD + "Qq1 0.5 0.5 0.5\n",
        ':15:1: [E-ELEMENT] this names no element; block data_x; tag _atom_site_label; value "Qq1"; the '
        'option unknown_element="X" keeps such atoms as X, number 0',
    ),
    "occupancy": (
        GOOD.replace("_z\n", "_z\n_atom_site_occupancy\n").replace("Fe1 0 0 0", "Fe1 0 0 0 -1"),
        ':15:11: [E-OCCUPANCY] an occupancy is negative; block data_x; tag _atom_site_occupancy; value "-1"',
    ),
    "operation": (
        WITH_OPERATIONS.format("x,y,z\n-x,y+0.33,z"),
        ":11:1: [E-OPERATION] not a symmetry operation: part 2: 0.33 is no multiple of 1/24 within "
        '0.001; write it as a fraction; write three sums such as "x+1/2,-y,z"; block data_x; tag '
        '_space_group_symop_operation_xyz; value "-x,y+0.33,z"',
    ),
    "unknown group": (
        GOOD.replace("P 1", "Q 1"),
        ":8:27: [E-SYMMETRY] a space group is declared, but its name is not known; block data_x; tag "
        '_space_group_name_H-M_alt; value "Q 1"; list the operations as _space_group_symop_operation_xyz',
    ),
    "group against cell": (
        GOOD.replace("P 1", "P 6"),
        ":8:27: [E-SYMMETRY] the Hermann-Mauguin symbol P 6 contradicts the lengths and angles of the "
        'cell; block data_x; tag _space_group_name_H-M_alt; value "P 6"; list the operations as '
        "_space_group_symop_operation_xyz",
    ),
    "magnetic": (
        GOOD + "_space_group_magn.number_BNS 1.3\n",
        ":15:1: [E-SYMMETRY] the symmetry is that of a magnetic or modulated structure, and no "
        "operations are listed; block data_x; tag _space_group_magn.number_BNS; add them as "
        "_space_group_symop_operation_xyz",
    ),
}
OCCUPIED = GOOD.replace("_z\n", "_z\n_atom_site_occupancy\n")
REPAIRED = {
    "latin-1": (
        GOOD.encode().replace(b"Fe1", b"Fe\xe9"),
        ":14:3: [E-ENCODING] the text is not UTF-8 and was read as Latin-1",
    ),
    "control character": (
        GOOD + "\x1a",
        ":15:1: [E-CONTROL] a control character (^Z), read as white space",
    ),
    "open quote": (
        GOOD + "_a 'b\n",
        ':15:4: [E-UNCLOSED] a quote does not close on its line; the rest of the line was taken; value "\'b"',
    ),
    "extra value": (
        GOOD.replace("_cell_length_a 4", "_cell_length_a 4 5"),
        ':2:18: [E-SYNTAX] a value that belongs to no tag was ignored; value "5"',
    ),
    "no value": (
        GOOD + "_a\n",
        ":15:1: [E-NO-VALUE] a tag has no value; tag _a",
    ),
    "duplicate": (
        GOOD + "_cell_length_a 5\n",
        ':15:1: [E-DUPLICATE] a tag is repeated with another value; the first was taken; tag _cell_length_a; value "5"',
    ),
    "empty loop": (
        GOOD + "loop_\n_a\n",
        ":15:1: [E-LOOP] a loop without values; tag _a",
    ),
    "no symmetry": (
        GOOD.replace(GROUP, ""),
        "[E-SYMMETRY] no symmetry is declared; P 1 was taken; block data_x; list the operations, or declare P 1",
    ),
    "identity": (
        WITH_OPERATIONS.format("-x,-y,-z"),
        ":9:1: [E-OPERATIONS] the identity is not listed and was added; block data_x; tag "
        "_space_group_symop_operation_xyz",
    ),
    "twice": (
        WITH_OPERATIONS.format("x,y,z\n-x,-y,-z\n-x,-y,-z"),
        ":9:1: [E-OPERATIONS] 1 operation(s) are listed twice; block data_x; tag _space_group_symop_operation_xyz",
    ),
    "no group": (
        WITH_OPERATIONS.format("x,y,z\n-x,y+1/4,z"),
        ":9:1: [E-OPERATIONS] the 2 listed operations are no group; they were used as they stand; block "
        "data_x; tag _space_group_symop_operation_xyz",
    ),
    "ambiguous": (
        GOOD.replace("P 1", "F d -3 m"),
        ":8:27: [E-SYMMETRY] the Hermann-Mauguin symbol F d -3 m leaves the origin or the axes open; "
        'the default setting was taken; block data_x; tag _space_group_name_H-M_alt; value "F d -3 m"',
    ),
    "fraction": (
        GOOD + "Fe2 1/2 0.5 0.5\n",
        ':15:5: [E-NUMBER] a fraction was read as a number; block data_x; tag _atom_site_fract_x; value "1/2"',
    ),
    "prefix": (
        OCCUPIED.replace("_label", "_type_symbol").replace("Fe1 0 0 0", "Fe_a 0 0 0 1"),
        ":15:1: [E-ELEMENT] only the start of this symbol is an element; block data_x; tag "
        '_atom_site_type_symbol; value "Fe_a"',
    ),
    "case": (
        GOOD.replace("Fe1", "CA1"),
        ":14:1: [E-ELEMENT] this could name two elements; the longer name was taken; block data_x; tag "
        '_atom_site_label; value "CA1"',
    ),
    "water": (
        GOOD.replace("Fe1", "Wat"),
        ":14:1: [E-ELEMENT] this is water, of which the oxygen was taken; block data_x; tag "
        '_atom_site_label; value "Wat"',
    ),
    "unknown occupancy": (
        OCCUPIED.replace("Fe1 0 0 0", "Fe1 0 0 0 ?"),
        ":15:11: [E-OCCUPANCY] an occupancy that is not given was taken as 1; block data_x; tag "
        '_atom_site_occupancy; value "?"',
    ),
    "high occupancy": (
        OCCUPIED.replace("Fe1 0 0 0", "Fe1 0 0 0 1.5"),
        ':15:11: [E-OCCUPANCY] an occupancy above 1 was kept; block data_x; tag _atom_site_occupancy; value "1.5"',
    ),
    "close": (
        GOOD + "Fe2 0.01 0 0\n",
        ":15:5: [E-CLOSE] Fe1 and Fe2 are both full and 0.040 angstrom apart; block data_x; tag "
        '_atom_site_fract_x; value "Fe2"',
    ),
}
NOTED = {
    "several": (
        GOOD + GOOD.replace("data_x", "data_y"),
        (
            "W-SEVERAL",
            "the text has 2 structures; the first was taken; choose with index or block",
            None,
            None,
            None,
            None,
        ),
    ),
    "dummy": (
        GOOD.replace("_z\n", "_z\n_atom_site_calc_flag\n").replace("Fe1 0 0 0", "Fe1 0 0 0 d\nFe2 0 0 0 dum"),
        ("W-NOT-PLACED", "1 dummy row(s) are not in the crystal", 11, 1, "_atom_site_fract_x", None),
    ),
    "slightly high": (
        OCCUPIED.replace("Fe1 0 0 0", "Fe1 0 0 0 1.01"),
        ("W-OCCUPANCY", "an occupancy above 1 was taken as 1", 15, 11, "_atom_site_occupancy", "1.01"),
    ),
    "names disagree": (
        "data_x\n_space_group_IT_number 3\n" + WITH_OPERATIONS.format("x,y,z\n-x,-y,-z")[7:],
        (
            "W-SYMMETRY",
            "the number 3 stands for other operations than the listed ones, which were used",
            2,
            24,
            "_space_group_IT_number",
            "3",
        ),
    ),
    "split": (
        WITH_OPERATIONS.format("x,y,z\n-x,-y,-z").replace("0.1 0.2 0.3", "0.02 0 0"),
        (
            "W-CLOSE",
            "images of Fe1 are 0.160 angstrom apart: merged below 0.03, doubted below 0.5",
            17,
            5,
            "_atom_site_fract_x",
            "Fe1",
        ),
    ),
    "formula": (
        GOOD + "_chemical_formula_sum 'Fe O'\n",
        ("W-FORMULA", "the contents are not in the ratios of the formula", 15, 23, "_chemical_formula_sum", "Fe O"),
    ),
    "density": (
        GOOD + "_exptl_crystal_density_diffrn 3.5\n",
        (
            "W-DENSITY",
            "the contents have 1.449 g/cm^3, the file declares 3.5",
            15,
            31,
            "_exptl_crystal_density_diffrn",
            "3.5",
        ),
    ),
    "volume": (
        GOOD + "_cell_volume 66\n",
        ("W-VOLUME", "the cell has 64.000 angstrom^3, the file declares 66", 15, 14, "_cell_volume", "66"),
    ),
    "same twice": (
        GOOD + "_cell_length_a 4\n",
        ("W-DUPLICATE", "a tag is repeated with the same value", 15, 1, "_cell_length_a", "4"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_say_where_what_and_the_way_out(name: str) -> None:
    text, message = REFUSED[name]
    for strict in (False, True):
        error = refusal(text, strict=strict)
        assert str(error) == message
        assert f"[{error.code}]" in message
        if error.line is not None:
            assert message.startswith(f":{error.line}:{error.column}: ")


@pytest.mark.parametrize("name", REPAIRED)
def test_repairs_are_warnings_and_errors_in_strict_mode(name: str) -> None:
    text, message = REPAIRED[name]
    assert str(refusal(text, strict=True)) == message
    found = read(text)
    assert found["failures"] == []
    warnings = warnings_of(found)
    error = refusal(text, strict=True)
    places = [(code.replace("W-", "E-"), line, column, tag) for code, _, line, column, tag, _ in warnings]
    assert (error.code, error.line, error.column, error.tag) in places


@pytest.mark.parametrize("name", NOTED)
def test_doubts_are_warnings_in_any_mode(name: str) -> None:
    text, warning = NOTED[name]
    for strict in (False, True):
        found = read(text, strict=strict)
        assert found["failures"] == []
        assert warnings_of(found) == [warning]


def test_a_good_file_has_no_warning() -> None:
    assert warnings_of(read(GOOD, strict=True)) == []


def test_an_index_or_block_that_is_not_there() -> None:
    assert refusal(GOOD, index=1).code == "E-NO-BLOCK"
    assert "the first are x" in str(refusal(GOOD, block="y"))
    assert read(GOOD, block="X")["blocks"][0] == b"x"


def test_many_warnings_are_counted() -> None:
    rows = "".join(f"Fe{n} {n / 100} 0 0 1.5\n" for n in range(2, 90, 2))
    warnings = warnings_of(read(OCCUPIED.replace("_cell_length_a 4", "_cell_length_a 400").replace("Fe1 0 0 0", rows)))
    occupancy = [warning for warning in warnings if warning[0] == "W-OCCUPANCY"]
    assert len(occupancy) == 21
    assert occupancy[-1][1] == "24 more warning(s) of this kind"


def test_control_characters_do_not_reach_the_terminal() -> None:
    error = refusal(GOOD.replace("0 0 0", "0 0 '\x1b[31m0'"))
    assert "\x1b" not in str(error)
    assert error.value == r"\u{1b}[31m0"


def test_control_characters_are_white_space_and_reported() -> None:
    text = GOOD.replace("0 0 0", "0\x01 0\x1f0")
    crystal = read(text)
    assert crystal["numbers"].tolist() == read(GOOD)["numbers"].tolist()
    assert [warning[0] for warning in warnings_of(crystal)] == ["W-CONTROL"]
    assert refusal(text, strict=True).code == "E-CONTROL"


def test_paths_stand_in_front(tmp_path) -> None:
    path = tmp_path / "broken.cif"
    path.write_text("data_x\nloop_\n_a _b 1\n")
    missing = tmp_path / "missing.cif"
    found = _core.read_cifs([str(path), str(missing), str(tmp_path)], True)
    broken, absent, folder = (error for _, error in found["failures"])
    assert str(broken).startswith(f"{path}:2:1: [E-LOOP]")
    assert (broken.path, broken.line, broken.column, broken.tag) == (str(path), 2, 1, "_a")
    assert (absent.code, folder.code) == ("E-IO", "E-IO")
    assert str(missing) in str(absent)


def test_operations_there_and_back() -> None:
    texts = ["x,y,z", "-y,x-y,z+1/3", "-x+1/2,-y,z+1/5"]
    rotations, translations, denominator = _core.parse_operations(texts)
    assert (rotations.dtype, rotations.shape, translations.dtype) == (np.int8, (3, 3, 3), np.int16)
    assert denominator == 120
    assert _core.operations_to_xyz(rotations, translations, denominator) == texts
    with pytest.raises(SymmetryError, match="determinant") as caught:
        _core.parse_operations(["x,y,z", "x,x,z"])
    assert caught.value.value == "x,x,z"
    with pytest.raises(SymmetryError):
        _core.operations_to_xyz(rotations, translations[:2], denominator)
