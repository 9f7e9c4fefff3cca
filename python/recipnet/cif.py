"""The document of a CIF, for those who want its raw values: blocks, tags, loops, each value with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from recipnet import _core
from recipnet._lazy import LazyList, split_texts
from recipnet.crystal import ReadWarning
from recipnet.errors import ArgumentError

__all__ = ["Block", "Column", "Document", "Value", "parse"]

_FORMS = ("bare", "quoted", "text", "nested")


class Value(NamedTuple):
    """A value as it stands in the text.

    ``form`` is ``"bare"``, ``"quoted"`` (the text is what stands in the quotes), ``"text"`` (a field between
    semicolons) or ``"nested"`` (a list or table of CIF 2, brackets included). Line and column count from 1.
    """

    text: str
    form: str
    line: int
    column: int

    @property
    def is_unknown(self) -> bool:
        """Whether it is a ``?`` without quotes."""
        return self.form == "bare" and self.text == "?"

    @property
    def is_inapplicable(self) -> bool:
        """Whether it is a ``.`` without quotes."""
        return self.form == "bare" and self.text == "."


class _Store(NamedTuple):
    """What a document holds, flat; columns and values are cut out of it when someone looks."""

    columns: list[tuple[str, int, int, int, int]]
    starts: list[int]
    texts: LazyList[str]
    forms: bytes
    lines: Any
    places: Any


class Column(Sequence[Value]):
    """The values of one tag: one, or as many as its loop has rows. ``column[i]`` is a `Value`."""

    __slots__ = ("_index", "_store")

    def __init__(self, store: _Store, index: int) -> None:
        self._store, self._index = store, index

    @property
    def tag(self) -> str:
        """The tag as written."""
        return self._store.columns[self._index][0]

    @property
    def line(self) -> int:
        """Line of the tag, counted from 1."""
        return self._store.columns[self._index][1]

    @property
    def loop(self) -> int | None:
        """Which of its block's loops it belongs to, counted from 0; None for a single value."""
        loop = self._store.columns[self._index][4]
        return None if loop < 0 else loop

    @property
    def texts(self) -> list[str]:
        """The texts of all values."""
        start = self._store.starts[self._index]
        return list(self._store.texts[start : start + len(self)])

    @property
    def value(self) -> str:
        """The text of the only value.

        Raises
        ------
        ArgumentError
            There is more than one.
        """
        if len(self) != 1:
            raise ArgumentError(f"{self.tag} has {len(self)} values; choose one by its place", name="value")
        return self.texts[0]

    def __len__(self) -> int:
        return self._store.columns[self._index][3]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return [self[place] for place in range(*key.indices(len(self)))]
        place = range(len(self))[key] + self._store.starts[self._index]
        store = self._store
        form = _FORMS[store.forms[place]]
        return Value(store.texts[place], form, int(store.lines[place]), int(store.places[place]))

    def __repr__(self) -> str:
        return f"Column({self.tag}, {len(self)} value{'' if len(self) == 1 else 's'}, line {self.line})"


class Block(Mapping[str, Column]):
    """One data block: a mapping from tags, in any case, to columns, in the order of the file."""

    __slots__ = ("_columns", "_places", "name")

    name: str

    def __init__(self, name: str, columns: list[Column]) -> None:
        self.name = name
        self._columns = columns
        self._places = {column.tag.lower(): place for place, column in enumerate(columns)}

    @property
    def loops(self) -> list[list[Column]]:
        """The loops, each as its columns."""
        found: dict[int, list[Column]] = {}
        for column in self._columns:
            if column.loop is not None:
                found.setdefault(column.loop, []).append(column)
        return list(found.values())

    def __getitem__(self, tag: str) -> Column:
        try:
            return self._columns[self._places[tag.lower()]]
        except (KeyError, AttributeError):
            raise KeyError(f"data_{self.name} has no tag {tag!r}") from None

    def __iter__(self) -> Iterator[str]:
        return (column.tag for column in self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return f"Block({self.name!r}, {len(self)} tags, {len(self.loops)} loops)"


class Document(Sequence[Block]):
    """The blocks of a text, in order; ``document["name"]`` finds one by its name in any case.

    Attributes
    ----------
    warnings : tuple of (code, message, line, column, tag, value)
        What was repaired in reading it.
    version : str
        ``"1.1"``, or ``"2.0"`` for a text that says so in its first line.
    """

    __slots__ = ("_blocks", "version", "warnings")

    warnings: tuple[ReadWarning, ...]
    version: str

    def __init__(self, blocks: list[Block], warnings: tuple[ReadWarning, ...], version: str) -> None:
        self._blocks, self.warnings, self.version = blocks, warnings, version

    def __len__(self) -> int:
        return len(self._blocks)

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return self._blocks[key]
        for block in self._blocks:
            if block.name.lower() == key.lower():
                return block
        names = ", ".join(block.name for block in self._blocks[:10])
        raise KeyError(f"no block {key!r}; the first are {names or 'none'}")

    def __repr__(self) -> str:
        names = ", ".join(block.name for block in self._blocks[:5])
        return f"Document({len(self)} block{'' if len(self) == 1 else 's'}: {names}{', ...' if len(self) > 5 else ''})"


def parse(text: str | bytes, *, strict: bool = False, max_bytes: int = 1 << 28) -> Document:
    """The document of a CIF: raw values, nothing interpreted.

    Parameters
    ----------
    text : str or bytes
        A whole CIF 1.1, or a CIF 2 that says so in its first line. Save frames are left out.
    strict : bool
        Refuse what would be repaired with a warning.
    max_bytes : int
        Longest text.

    Returns
    -------
    Document

    Raises
    ------
    CifError
        The text is no CIF; the error has code, line and column.

    Examples
    --------
    >>> import recipnet as rn
    >>> document = rn.cif.parse("data_salt _cell_length_a 5.64(1) loop_ _atom_site_label _x Na 0 Cl '1/2'")
    >>> document
    Document(1 block: salt)
    >>> block = document["salt"]
    >>> block["_cell_length_a"].value, block["_X"].texts, block["_x"][1]
    ('5.64(1)', ['0', '1/2'], Value(text='1/2', form='quoted', line=1, column=68))
    """
    if not isinstance(text, (str, bytes)):
        raise ArgumentError(
            f"text: expected str or bytes, got {type(text).__name__}", name="text", value=type(text).__name__
        )
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogatepass")
    found = _core.read_cif_document(text, strict=bool(strict), max_bytes=max_bytes)
    data, ends = found["values"]
    columns = found["columns"]
    starts, total = [], 0
    for _, _, _, rows, _ in columns:
        starts.append(total)
        total += rows
    texts = LazyList(total, lambda: split_texts(data, ends))
    store = _Store(columns, starts, texts, found["forms"], found["lines"], found["places"])
    blocks, first = [], 0
    for name, count in found["blocks"]:
        blocks.append(Block(name, [Column(store, first + place) for place in range(count)]))
        first += count
    warnings = tuple(map(ReadWarning._make, found["warnings"]))
    return Document(blocks, warnings, "2.0" if found["cif2"] else "1.1")
