"""Many crystals as flat arrays: what every other part of recipnet works on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recipnet import _checks
from recipnet._frozen import Frozen
from recipnet._lazy import chained
from recipnet.crystal import Crystal, ReadWarning, Source, fill_defaults
from recipnet.errors import ArgumentError, CrystalError
from recipnet.symmetry import DeclaredSymmetry

__all__ = ["CrystalBatch", "as_batch"]

# Per-row columns that every batch has, and those that may be None; then what each crystal carries once.
_ROWS = ("numbers", "frac_coords", "occupancies", "isotopes", "site")
_OPTIONAL = ("charges", "u_iso", "u_aniso")
_CARRIED = ("symmetry", "warnings", "source", "properties")


class CrystalBatch(Frozen):
    """B crystals, N atom rows in all, as ragged arrays: rows of crystal b are ``offsets[b]:offsets[b + 1]``.

    Build one with `from_crystals`, `from_arrays`, `concat` or `recipnet.read_many`. ``batch[i]`` is a `Crystal`;
    a slice, a list of places or a mask gives a batch. Whatever is taken out is a copy.

    Attributes
    ----------
    lattices : ndarray, shape (B, 3, 3), float64
        Rows a, b, c in angstrom.
    numbers : ndarray, shape (N,), uint8
        Atomic numbers, 0 for an unknown element.
    frac_coords : ndarray, shape (N, 3), float64
        Fractional coordinates.
    occupancies : ndarray, shape (N,), float64
    isotopes : ndarray, shape (N,), uint16
        Mass numbers, 0 for the natural mixture.
    site : ndarray, shape (N,), int32
        Site numbers inside each crystal; rows of a mixed site share one.
    offsets : ndarray, shape (B + 1,), int64
    charges, u_iso : ndarray, shape (N,), float64, or None
        NaN where unknown; None if no crystal has any. ``u_aniso`` likewise with shape (N, 6).
    labels : sequence of str, length N, or None
        Empty where a crystal has none.
    ids : list of str, length B
    source_index : ndarray, shape (B,), int64
        Place in what was given to the reader; selections keep it.
    symmetry, warnings, source, properties : list, length B
        What each crystal carries, as in `Crystal`.

    Examples
    --------
    >>> import recipnet as rn
    >>> batch = rn.CrystalBatch.from_crystals([rn.sample("silicon"), rn.sample("quartz")], ids=["si", "qz"])
    >>> len(batch), batch.offsets.tolist(), batch[1].reduced_formula, batch[1:].ids
    (2, [0, 8, 17], 'O2Si', ['qz'])
    """

    __slots__ = (
        "charges",
        "frac_coords",
        "ids",
        "isotopes",
        "labels",
        "lattices",
        "numbers",
        "occupancies",
        "offsets",
        "properties",
        "site",
        "source",
        "source_index",
        "symmetry",
        "u_aniso",
        "u_iso",
        "warnings",
    )

    lattices: NDArray[np.float64]
    numbers: NDArray[np.uint8]
    frac_coords: NDArray[np.float64]
    occupancies: NDArray[np.float64]
    isotopes: NDArray[np.uint16]
    site: NDArray[np.int32]
    offsets: NDArray[np.int64]
    charges: NDArray[np.float64] | None
    u_iso: NDArray[np.float64] | None
    u_aniso: NDArray[np.float64] | None
    labels: Sequence[str] | None
    ids: list[str]
    source_index: NDArray[np.int64]
    symmetry: Sequence[DeclaredSymmetry | None]
    warnings: list[tuple[ReadWarning, ...]]
    source: Sequence[Source | None]
    properties: Sequence[dict[str, Any]]

    def __init__(self) -> None:
        raise TypeError("build a CrystalBatch with from_crystals, from_arrays, concat or recipnet.read_many")

    @classmethod
    def _make(cls, **fields: Any) -> CrystalBatch:
        """A batch from arrays that were checked already and that nothing else holds."""
        batch = object.__new__(cls)
        count = len(fields["lattices"])
        fields.setdefault("labels", None)
        if "ids" not in fields:
            fields["ids"] = [str(i) for i in range(count)]
        fields.setdefault("source_index", np.arange(count, dtype=np.int64))
        fields.setdefault("symmetry", [None] * count)
        fields.setdefault("warnings", [()] * count)
        fields.setdefault("source", [None] * count)
        if "properties" not in fields:
            fields["properties"] = [{} for _ in range(count)]
        rows = {name: fields.pop(name, None) for name in (*_ROWS, *_OPTIONAL)}
        batch._fill(**fields, **fill_defaults(rows, fields["offsets"]))
        return batch

    @classmethod
    def from_crystals(cls, crystals: Iterable[Crystal], *, ids: Iterable[str] | None = None) -> CrystalBatch:
        """A batch of copies of the given crystals.

        Parameters
        ----------
        crystals : iterable of Crystal
            None at all makes an empty batch.
        ids : iterable of str, optional
            Names; ``"0"``, ``"1"``, ... if left out.

        Raises
        ------
        ArgumentError
            Something in ``crystals`` that is no `Crystal`, or another number of ids.
        """
        given = list(crystals)
        for place, crystal in enumerate(given):
            if not isinstance(crystal, Crystal):
                raise ArgumentError(
                    f"crystals[{place}]: expected a Crystal, got {type(crystal).__name__}",
                    name="crystals",
                    value=type(crystal).__name__,
                )
        counts = np.array([len(c) for c in given], dtype=np.int64)
        fields: dict[str, Any] = {
            "lattices": np.array([c.lattice for c in given], dtype=np.float64).reshape(-1, 3, 3),
            "offsets": _offsets(counts),
            "symmetry": [c.symmetry for c in given],
            "warnings": [c.warnings for c in given],
            "source": [c.source for c in given],
            "properties": [dict(c.properties) for c in given],
        }
        for name in _ROWS:
            fields[name] = _join([getattr(c, name) for c in given], name)
        for name in _OPTIONAL:
            fields[name] = _join_optional([getattr(c, name) for c in given], counts, name)
        if any(c.labels is not None for c in given):
            fields["labels"] = [label for c in given for label in (c.labels or ("",) * len(c))]
        if ids is not None:
            fields["ids"] = _names(ids, len(given))
        return cls._make(**fields)

    @classmethod
    def from_arrays(
        cls,
        lattices: Any,
        numbers: Any,
        frac_coords: Any,
        offsets: Any,
        ids: Iterable[str] | None = None,
        *,
        occupancies: Any = None,
        charges: Any = None,
        labels: Sequence[str] | None = None,
        isotopes: Any = None,
        site: Any = None,
        u_iso: Any = None,
        u_aniso: Any = None,
    ) -> CrystalBatch:
        """A batch of copies of flat arrays, all crystals checked in one vectorised pass.

        Parameters
        ----------
        lattices : array_like, shape (B, 3, 3)
            Rows a, b, c in angstrom.
        numbers : array_like of int, shape (N,)
        frac_coords : array_like, shape (N, 3)
        offsets : array_like of int, shape (B + 1,)
            Starts at 0, ends at N, never falls.
        ids : iterable of str, optional
            Names; ``"0"``, ``"1"``, ... if left out.
        occupancies, charges, labels, isotopes, site, u_iso, u_aniso : optional
            Per row, as in `Crystal`.

        Raises
        ------
        CrystalError
            The first crystal that is none, with its place, field, row and value.

        Examples
        --------
        >>> import numpy as np
        >>> import recipnet as rn
        >>> batch = rn.CrystalBatch.from_arrays(
        ...     np.eye(3)[None] * [[[3.0]], [[4.0]]], [26, 29, 29], np.zeros((3, 3)), [0, 1, 3], site=[0, 0, 0])
        >>> len(batch), [len(crystal) for crystal in batch]
        (2, [1, 2])
        """
        cells = _checks.real_array("lattices", lattices, (-1, 3, 3), "rows a, b, c in angstrom")
        columns = _checks.atom_columns(
            numbers=numbers,
            frac_coords=frac_coords,
            occupancies=occupancies,
            charges=charges,
            isotopes=isotopes,
            site=site,
            u_iso=u_iso,
            u_aniso=u_aniso,
        )
        count = len(columns["numbers"])
        bounds = _checks.int_array("offsets", offsets, (-1,), np.int64, "first row of each crystal, then N")
        _checks.check_offsets(bounds, count)
        if len(bounds) != len(cells) + 1:
            raise CrystalError(
                f"offsets: {len(bounds)} values, but {len(cells)} lattices need {len(cells) + 1}",
                field="offsets",
                value=str(len(bounds)),
            )
        _checks.raise_first(_checks.find_faults(cells, bounds, columns))
        names = _checks.label_tuple(labels, count)
        fields: dict[str, Any] = dict(columns, lattices=cells, offsets=bounds)
        fields["labels"] = None if names is None else list(names)
        if ids is not None:
            fields["ids"] = _names(ids, len(cells))
        return cls._make(**fields)

    @classmethod
    def concat(cls, batches: Iterable[CrystalBatch]) -> CrystalBatch:
        """One batch of copies of all crystals, in order; ids and ``source_index`` stay as they are."""
        given = list(batches)
        for place, batch in enumerate(given):
            if not isinstance(batch, CrystalBatch):
                raise ArgumentError(
                    f"batches[{place}]: expected a CrystalBatch, got {type(batch).__name__}",
                    name="batches",
                    value=type(batch).__name__,
                )
        if not given:
            return cls.from_crystals([])
        counts = np.array([len(b.numbers) for b in given], dtype=np.int64)
        fields: dict[str, Any] = {
            "lattices": np.concatenate([b.lattices for b in given]),
            "offsets": _offsets(np.concatenate([np.diff(b.offsets) for b in given])),
            "ids": [name for b in given for name in b.ids],
            "source_index": np.concatenate([b.source_index for b in given]),
        }
        for name in _ROWS:
            fields[name] = _join([getattr(b, name) for b in given], name)
        for name in _OPTIONAL:
            fields[name] = _join_optional([getattr(b, name) for b in given], counts, name)
        for name in _CARRIED:
            fields[name] = chained([getattr(b, name) for b in given])
        fields["properties"] = [dict(item) for item in fields["properties"]]
        if any(b.labels is not None for b in given):
            empty = [b.labels if b.labels is not None else [""] * len(b.numbers) for b in given]
            fields["labels"] = chained(empty)
        return cls._make(**fields)

    def __len__(self) -> int:
        return len(self.lattices)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Crystal]:
        for place in range(len(self)):
            yield self._crystal(place)

    def __getitem__(self, key: Any) -> Any:
        """A `Crystal` for a whole number, a batch for a slice, a sequence of places or a mask of length B."""
        if isinstance(key, (int, np.integer)) and not isinstance(key, (bool, np.bool_)):
            place = int(key)
            if not -len(self) <= place < len(self):
                raise IndexError(f"crystal {place} of a batch of {len(self)}")
            return self._crystal(place % len(self))
        if isinstance(key, slice):
            return self._select(np.arange(len(self), dtype=np.int64)[key])
        places = np.asarray(key)
        if places.ndim == 1 and places.dtype == np.bool_ and len(places) == len(self):
            return self._select(np.flatnonzero(places))
        if places.ndim == 1 and (places.dtype.kind in "iu" or len(places) == 0):
            places = places.astype(np.int64)
            if ((places < -len(self)) | (places >= len(self))).any():
                raise IndexError(f"a place outside a batch of {len(self)}")
            return self._select(places)
        raise IndexError("a batch is indexed by a whole number, a slice, a sequence of places or a mask of its length")

    def _crystal(self, place: int) -> Crystal:
        rows = slice(int(self.offsets[place]), int(self.offsets[place + 1]))
        fields: dict[str, Any] = {name: getattr(self, name)[rows].copy() for name in _ROWS}
        for name in _OPTIONAL:
            column = getattr(self, name)
            part = None if column is None else column[rows].copy()
            fields[name] = None if part is None or np.isnan(part).all() else part
        labels = None if self.labels is None else tuple(self.labels[rows])
        return Crystal._make(
            lattice=self.lattices[place].copy(),
            labels=labels if labels and any(labels) else None,
            symmetry=self.symmetry[place],
            warnings=self.warnings[place],
            source=self.source[place],
            properties=dict(self.properties[place]),
            **fields,
        )

    def _select(self, places: NDArray[np.int64]) -> CrystalBatch:
        counts = np.diff(self.offsets)[places]
        offsets = _offsets(counts)
        rows = np.repeat(self.offsets[:-1][places] - offsets[:-1], counts) + np.arange(offsets[-1])
        fields: dict[str, Any] = {name: getattr(self, name)[rows] for name in _ROWS}
        for name in _OPTIONAL:
            column = getattr(self, name)
            fields[name] = None if column is None else column[rows]
        order = places.tolist()
        for name in _CARRIED:
            column = getattr(self, name)
            fields[name] = [column[i] for i in order]
        fields["properties"] = [dict(item) for item in fields["properties"]]
        labels = None if self.labels is None else [self.labels[i] for i in rows.tolist()]
        return CrystalBatch._make(
            lattices=self.lattices[places],
            offsets=offsets,
            ids=[self.ids[i] for i in order],
            source_index=self.source_index[places],
            labels=labels if labels and any(labels) else None,
            **fields,
        )

    def __repr__(self) -> str:
        return f"CrystalBatch({len(self)} crystals, {len(self.numbers)} rows)"


def as_batch(crystals: CrystalBatch | Crystal | Iterable[Crystal]) -> CrystalBatch:
    """The batch itself, a batch of one for a `Crystal`, or a batch of the crystals of an iterable.

    Raises
    ------
    ArgumentError
        Anything else.
    """
    if isinstance(crystals, CrystalBatch):
        return crystals
    if isinstance(crystals, Crystal):
        return CrystalBatch.from_crystals([crystals])
    if isinstance(crystals, Iterable) and not isinstance(crystals, (str, bytes, dict)):
        return CrystalBatch.from_crystals(crystals)
    raise ArgumentError(
        f"expected a CrystalBatch, a Crystal or a list of Crystals, got {type(crystals).__name__}",
        name="batch",
        value=type(crystals).__name__,
    )


def borrow(crystals: CrystalBatch | Crystal | Iterable[Crystal]) -> CrystalBatch:
    """What `as_batch` makes, to be read at once: of a single crystal the arrays are its own.

    To copy it takes longer than many a computation.

    Raises
    ------
    ArgumentError
        As `as_batch`.
    """
    if not isinstance(crystals, Crystal):
        return as_batch(crystals)
    batch = object.__new__(CrystalBatch)
    for put, get in _SHARED:
        put(batch, get(crystals))
    batch._fill(
        lattices=crystals.lattice.reshape(1, 3, 3),
        offsets=np.array((0, len(crystals.numbers)), dtype=np.int64),
        ids=["0"],
        source_index=np.zeros(1, dtype=np.int64),
        symmetry=(crystals.symmetry,),
        warnings=[crystals.warnings],
        source=(crystals.source,),
        properties=(crystals.properties,),
    )
    return batch


# Slots that a batch of one has in common with its crystal: how to write there, how to read here.
_SHARED = [
    (getattr(CrystalBatch, name).__set__, getattr(Crystal, name).__get__) for name in (*_ROWS, *_OPTIONAL, "labels")
]

#: What every batch function takes.
Crystals: TypeAlias = CrystalBatch | Crystal | Iterable[Crystal]


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _join(parts: list[NDArray[Any]], field: str) -> NDArray[Any]:
    dtype, tail, _ = _checks.COLUMNS[field]
    return np.concatenate(parts) if parts else np.zeros((0, *tail), dtype=dtype)


def _join_optional(parts: list[NDArray[Any] | None], counts: NDArray[np.int64], field: str) -> NDArray[Any] | None:
    if all(part is None for part in parts):
        return None
    tail = _checks.COLUMNS[field][1]
    filled = [np.full((n, *tail), np.nan) if p is None else p for p, n in zip(parts, counts.tolist(), strict=True)]
    return np.concatenate(filled)


def _names(ids: Iterable[str], count: int) -> list[str]:
    names = [ids] if isinstance(ids, str) else list(ids)
    if len(names) != count:
        raise ArgumentError(f"ids: {len(names)} names for {count} crystals", name="ids", value=len(names))
    for place, name in enumerate(names):
        if not isinstance(name, str):
            raise ArgumentError(f"ids[{place}] = {name!r}: expected a string", name="ids", value=repr(name))
    return names
