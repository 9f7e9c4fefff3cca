"""One structure written in different ways is one crystal: other rows, images, translations, loops and columns."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

import recipnet as rn

#: Of each kind of change.
CASES = 10_000
SAMPLES = os.path.join(os.path.dirname(rn.__file__), "samples")
CELLS = {
    "triclinic": (7.1, 8.3, 9.2, 83, 97, 104),
    "monoclinic": (7.1, 8.3, 9.2, 90, 97, 90),
    "orthorhombic": (7.1, 8.3, 9.2, 90, 90, 90),
    "tetragonal": (7.1, 7.1, 9.2, 90, 90, 90),
    "hexagonal": (7.1, 7.1, 9.2, 90, 90, 120),
    "rhombohedral": (7.1, 7.1, 7.1, 81, 81, 81),
    "cubic": (8.1, 8.1, 8.1, 90, 90, 90),
}
PLACES = [0.0, 0.0, 0.25, 0.5, 0.75, 1 / 3, 2 / 3, 0.125, 0.3333, 0.6667]


def settings() -> list[tuple[list[str], np.ndarray, np.ndarray, tuple[float, ...]]]:
    """Operations as texts, rotations, translations and a cell, of every twelfth setting of at most 48 operations."""
    found = []
    for number in range(1, 531, 12):
        group = rn.SpaceGroup.from_hall_number(number)
        operations = group.operations
        if len(operations) > 48:
            continue
        for cell in CELLS.values():
            lattice = rn.parse(text_of(cell, ["x,y,z"], [("Fe", np.zeros(3))])).lattice
            metric = lattice @ lattice.T
            if all(np.allclose(w.T @ metric @ w, metric) for w in operations.rotations):
                shifts = operations.translations / operations.denominator
                found.append((operations.to_xyz(), operations.rotations, shifts, cell))
                break
    return found


def text_of(cell: tuple[float, ...], operations: list[str], atoms: list[tuple[str, np.ndarray]]) -> str:
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lines = ["data_x", *(f"_cell_{name} {value}" for name, value in zip(names, cell, strict=True))]
    lines += ["loop_", "_space_group_symop_operation_xyz", *operations]
    lines += ["loop_", "_atom_site_type_symbol", *(f"_atom_site_fract_{axis}" for axis in "xyz")]
    lines += [f"{element} {x!r} {y!r} {z!r}" for element, (x, y, z) in ((e, v.tolist()) for e, v in atoms)]
    return "\n".join(lines) + "\n"


def canonical(batch: rn.CrystalBatch, place: int) -> np.ndarray:
    """Rows (number, x, y, z), in an order of their own; coordinates wrapped so that rounding moves none around."""
    rows = slice(int(batch.offsets[place]), int(batch.offsets[place + 1]))
    frac = batch.frac_coords[rows]
    frac = np.round(frac - np.floor(frac + 1e-7), 7) + 0.0
    table = np.column_stack([batch.numbers[rows], frac])
    return table[np.lexsort(table.T[::-1])]


def changed(kind: str, generator: random.Random, atoms: list, rotations: np.ndarray, shifts: np.ndarray) -> list:
    if kind == "rows":
        return generator.sample(atoms, len(atoms))
    if kind == "translations":
        return [(e, x + np.array([generator.randint(-3, 3) for _ in range(3)])) for e, x in atoms]
    moved = []
    for element, x in atoms:
        which = generator.randrange(len(rotations))
        moved.append((element, rotations[which] @ x + shifts[which]))
    return moved


@pytest.mark.parametrize("kind", ["rows", "translations", "images"])
def test_another_choice_of_the_asymmetric_unit_is_the_same_crystal(kind: str) -> None:
    generator = random.Random(kind)
    groups = settings()
    assert len(groups) > 30
    texts: list[str] = []
    for _ in range(CASES):
        operations, rotations, shifts, cell = generator.choice(groups)
        atoms = []
        for element in generator.choices(["Fe", "O", "Ca", "H"], k=generator.randint(1, 3)):
            whole = generator.random() < 0.5
            place = [generator.choice(PLACES) if whole else round(generator.random(), 5) for _ in range(3)]
            atoms.append((element, np.array(place)))
        texts.append(text_of(cell, operations, atoms))
        texts.append(text_of(cell, operations, changed(kind, generator, atoms, rotations, shifts)))
    batch, report = rn.parse_many(texts)
    assert report.ok == 2 * CASES
    differ = [n for n in range(0, 2 * CASES, 2) if not same(canonical(batch, n), canonical(batch, n + 1))]
    assert [texts[n] + texts[n + 1] for n in differ[:1]] == []


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max() < 3e-7)


def quoted(value: rn.cif.Value) -> str:
    """A value as it may stand in a CIF 1.1 again."""
    if value.form == "bare":
        return value.text
    if value.form == "text" or "\n" in value.text:
        return f"\n;{value.text}\n;"
    for mark in "'\"":
        if mark not in value.text:
            return f"{mark}{value.text}{mark}"
    return f"\n;{value.text}\n;"


def shuffled(document: rn.cif.Document, generator: random.Random) -> str:
    """The same document with its loops, single values and columns in another order."""
    lines = []
    for block in document:
        parts = []
        columns = [block[tag] for tag in block]
        parts += [f"{column.tag} {quoted(column[0])}" for column in columns if column.loop is None]
        for loop in block.loops:
            order = generator.sample(loop, len(loop))
            rows = ["\n".join(quoted(value) for value in row) for row in zip(*order, strict=True)]
            parts.append("\n".join(["loop_", *(column.tag for column in order), *rows]))
        generator.shuffle(parts)
        lines += [f"data_{block.name}", *parts]
    return "\n".join(lines) + "\n"


def compare(text: bytes, generator: random.Random) -> int:
    """1 for a text that was read the same after shuffling; 0 for one that has no crystal or repeats its tags."""
    try:
        expected = rn.parse(text)
        document = rn.cif.parse(text)
    except rn.errors.RecipnetError:
        return 0
    if document.version != "1.1" or any(warning.code == "W-DUPLICATE" for warning in document.warnings):
        return 0
    found = rn.parse(shuffled(document, generator), block=expected.source.block)
    assert found.numbers.tolist() == expected.numbers.tolist()
    for name in ("lattice", "frac_coords", "occupancies"):
        assert getattr(found, name).tobytes() == getattr(expected, name).tobytes(), name
    codes = [sorted(w.code for w in one.warnings if w.code not in BY_TEXT) for one in (found, expected)]
    assert codes[0] == codes[1]
    return 1


#: What is said about the spelling, which writing it anew mends, and about the choice of a block by name.
BY_TEXT = {"W-ENCODING", "W-CONTROL", "W-SYNTAX", "W-UNCLOSED", "W-LOOP", "W-NO-VALUE", "W-SEVERAL"}


def test_the_order_of_loops_and_columns_does_not_matter() -> None:
    generator = random.Random(3)
    for name in sorted(os.listdir(SAMPLES)):
        if name.endswith(".cif"):
            assert sum(compare(Path(SAMPLES, name).read_bytes(), generator) for _ in range(5)) == 5


def test_the_order_of_loops_and_columns_does_not_matter_in_hard_files(shared_dir: Path) -> None:
    generator = random.Random(4)
    folder = shared_dir / "cif-corpus"
    count = 0
    for path in sorted(folder.glob("*.*cif")):
        if path.stat().st_size < 60_000:
            try:
                count += compare(path.read_bytes(), generator)
            except AssertionError as error:
                raise AssertionError(path.name) from error
    assert count > 150
