"""What a model needs computed from its crystals, as one small frozen value.

Examples
--------
>>> from recipnet.data import Ball, FeatureSpec, Nearest
>>> spec = FeatureSpec(edges=Nearest(12), reflections=Ball(2.0))
>>> FeatureSpec.from_dict(spec.to_dict()) == spec
True
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from recipnet.errors import ArgumentError

EDGE_MODES = ("directed", "union", "mutual", "paper", "paper_canonical")
LATTICE_EDGES = ("voronoi", "given6")


def _positive(name: str, value: Any) -> float:
    """``value`` as a float, refused unless it is a finite number above zero."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value <= 0:
        raise ArgumentError(f"{name} = {value!r}: must be a finite number of angstrom above 0", name=name, value=value)
    return float(value)


@dataclass(frozen=True)
class Radius:
    """Every periodic neighbour within ``cutoff`` (angstrom, inclusive)."""

    cutoff: float
    kind: ClassVar[str] = "radius"

    def __post_init__(self) -> None:
        object.__setattr__(self, "cutoff", _positive("cutoff", self.cutoff))

    def core(self) -> tuple[Any, ...]:
        """The argument that the core takes."""
        return (self.kind, self.cutoff)


@dataclass(frozen=True)
class Nearest:
    """Per atom the ``k`` nearest neighbours and everything within ``shell_tol`` (angstrom) of the k-th.

    All ties of the last shell are kept, so the graph depends neither on atom order nor on the choice of cell. With
    ``edges="directed"`` atom i receives from its own neighbours; the other values join the lists of both atoms as in
    :func:`recipnet.nearest_neighbors`.
    """

    k: int
    shell_tol: float = 1e-3
    edges: str = "directed"
    kind: ClassVar[str] = "nearest"

    def __post_init__(self) -> None:
        k = self.k
        if isinstance(k, bool) or not isinstance(k, Integral) or k < 1:
            raise ArgumentError(f"k = {k!r}: must be a whole number of neighbours, at least 1", name="k", value=k)
        object.__setattr__(self, "k", int(k))
        tol = self.shell_tol
        if isinstance(tol, bool) or not isinstance(tol, Real) or not math.isfinite(tol) or tol < 0:
            message = f"shell_tol = {tol!r}: must be a finite number of angstrom, at least 0"
            raise ArgumentError(message, name="shell_tol", value=tol)
        object.__setattr__(self, "shell_tol", float(tol))
        if self.edges not in EDGE_MODES:
            message = f"edges = {self.edges!r}: must be one of {', '.join(EDGE_MODES)}"
            raise ArgumentError(message, name="edges", value=self.edges)

    def core(self) -> tuple[Any, ...]:
        """The argument that the core takes."""
        return (self.kind, self.k, self.shell_tol, self.edges)


@dataclass(frozen=True)
class FirstNearest:
    """Per atom exactly ``k`` neighbours, the first of those within ``radius`` (angstrom) by distance: CGCNN's graph.

    Ties are cut where the k-th place falls (in order of atom, then cell), so what an atom sees depends on the order of
    atoms. What is missing to ``k`` within the radius is filled with edges to the first atom of the crystal, at distance
    ``radius + 1`` and with a vector of zeros.
    """

    k: int
    radius: float = 8.0
    kind: ClassVar[str] = "first_nearest"

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", Nearest(self.k).k)
        object.__setattr__(self, "radius", _positive("radius", self.radius))

    def core(self) -> tuple[Any, ...]:
        """The argument that the core takes: a list that begins with these neighbours."""
        return Nearest(self.k, shell_tol=1e-8).core()  # above rounding, so that ties are sorted before they are cut


@dataclass(frozen=True)
class Ball:
    """Every reflection with ``d >= d_min`` (angstrom), one of each Friedel pair."""

    d_min: float
    kind: ClassVar[str] = "ball"

    def __post_init__(self) -> None:
        object.__setattr__(self, "d_min", _positive("d_min", self.d_min))


@dataclass(frozen=True)
class Indices:
    """The same index triples for every crystal, in the order given; what they stand for depends on the given cell.

    For the published models that take a few plane waves by their indices.
    """

    hkl: tuple[tuple[int, int, int], ...]
    kind: ClassVar[str] = "indices"

    def __post_init__(self) -> None:
        message = f"hkl = {self.hkl!r}: must be triples of whole numbers from -32768 to 32767, none of them 0 0 0"
        try:
            rows = tuple(tuple(int(i) for i in row if isinstance(i, Integral)) for row in self.hkl)
            good = all(len(row) == len(given) == 3 for row, given in zip(rows, self.hkl, strict=True))
        except TypeError:
            rows, good = (), False
        if not rows or not good or not all(any(row) and all(abs(i) < 2**15 for i in row) for row in rows):
            raise ArgumentError(message, name="hkl", value=self.hkl)
        object.__setattr__(self, "hkl", rows)

    def triples(self) -> npt.NDArray[np.int32]:
        """The indices, (K, 3)."""
        return np.array(self.hkl, dtype=np.int32)


@dataclass(frozen=True)
class IndexBox:
    """Every index triple with ``|h|, |k|, |l| <= m`` but 0 0 0: a cube of indices, whatever the cell.

    For the published models that take such a cube; it stands for other plane waves in another cell of the same crystal.

    Parameters
    ----------
    m : int
        Largest index.
    n : int, optional
        Of more than ``n`` triples take every ``floor(count / n)``-th, the first ``n`` of these.
    half : bool
        One of each pair of opposite triples, that whose first non-zero index is positive.
    reduced : bool
        The indices refer to the Niggli-reduced cell; ``hkl`` of the batch are those of the given cell all the same.

    Notes
    -----
    Order: rising ``h^2 + k^2 + l^2``, then lexicographic. The published lists depend on hash order.
    """

    m: int
    n: int | None = None
    half: bool = False
    reduced: bool = False
    kind: ClassVar[str] = "index_box"

    def __post_init__(self) -> None:
        for name, value, least, most in (("m", self.m, 1, 64), ("n", self.n, 1, 2**31)):
            if name == "n" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, Integral) or not least <= value <= most:
                message = f"{name} = {value!r}: must be a whole number from {least} to {most}"
                raise ArgumentError(message, name=name, value=value)
            object.__setattr__(self, name, int(value))
        for name in ("half", "reduced"):
            if not isinstance(getattr(self, name), bool):
                message = f"{name} = {getattr(self, name)!r}: must be true or false"
                raise ArgumentError(message, name=name, value=getattr(self, name))

    def triples(self) -> npt.NDArray[np.int32]:
        """The indices in their order, (K, 3).

        >>> IndexBox(1, half=True).triples()[:4].tolist()
        [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, -1]]
        """
        side = np.arange(-self.m, self.m + 1, dtype=np.int32)
        cube = np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1).reshape(-1, 3)  # lexicographic
        middle = len(cube) // 2
        cube = cube[middle + 1 :] if self.half else np.delete(cube, middle, axis=0)
        cube = cube[np.argsort(np.square(cube).sum(1), kind="stable")]
        if self.n is not None and len(cube) > self.n:
            cube = cube[:: len(cube) // self.n][: self.n]
        return cube


_EDGES: dict[str, type[Radius] | type[Nearest] | type[FirstNearest]] = {
    Radius.kind: Radius,
    Nearest.kind: Nearest,
    FirstNearest.kind: FirstNearest,
}
_REFLECTIONS: dict[str, type[Ball] | type[Indices] | type[IndexBox]] = {
    Ball.kind: Ball,
    Indices.kind: Indices,
    IndexBox.kind: IndexBox,
}


@dataclass(frozen=True)
class FeatureSpec:
    """Features that a model asks for.

    Parameters
    ----------
    edges
        ``Radius(cutoff)``, ``Nearest(k)`` or ``FirstNearest(k)``; None: no edges.
    lattice_edges
        Edges from every atom to images of itself, whatever their length: ``"voronoi"``, along the vectors that the
        facets of the lattice's Wigner-Seitz cell belong to, whatever the basis (:func:`recipnet.voronoi_vectors`);
        ``"given6"``, plus and minus b, c, a, b + c, a + c, a + b of the given cell as far as they are no edges already,
        for published models; None: none.
    reflections
        ``Ball(d_min)``, ``Indices(((1, 0, 0), ...))`` or ``IndexBox(m)``; None: no reflections.
    angles
        All ordered pairs of different edges with one centre, and the angles between them; needs ``edges``.
    """

    edges: Radius | Nearest | FirstNearest | None = None
    lattice_edges: str | None = None
    reflections: Ball | Indices | IndexBox | None = None
    angles: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (("edges", self.edges, _EDGES), ("reflections", self.reflections, _REFLECTIONS)):
            if value is not None and not isinstance(value, tuple(known.values())):
                ways = ", ".join(cls.__name__ for cls in known.values())
                message = f"{name} = {value!r}: must be one of {ways}, or None"
                raise ArgumentError(message, name=name, value=value)
        if self.lattice_edges is not None and self.lattice_edges not in LATTICE_EDGES:
            message = f"lattice_edges = {self.lattice_edges!r}: must be one of {', '.join(LATTICE_EDGES)}, or None"
            raise ArgumentError(message, name="lattice_edges", value=self.lattice_edges)
        if not isinstance(self.angles, bool) or (self.angles and self.edges is None):
            message = f"angles = {self.angles!r}: must be true or false, and true needs edges"
            raise ArgumentError(message, name="angles", value=self.angles)

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionary for JSON and TOML; features that are not asked for are left out."""
        parts = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {
            name: part if isinstance(part, (str, bool)) else {"kind": part.kind, **_plain(asdict(part))}
            for name, part in parts
            if part is not None and part is not False
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FeatureSpec:
        """The value that :meth:`to_dict` wrote.

        Raises
        ------
        ArgumentError
            For an unknown feature, kind or parameter: the file was written by another version, or edited.
        """
        unknown = sorted(set(data) - {field.name for field in fields(cls)})
        if unknown:
            message = f"{unknown[0]}: no such feature in this version of recipnet"
            raise ArgumentError(message, name=unknown[0], value=data[unknown[0]])
        return cls(
            edges=_part(data, "edges", _EDGES),
            lattice_edges=data.get("lattice_edges"),
            reflections=_part(data, "reflections", _REFLECTIONS),
            angles=data.get("angles", False),
        )


def _plain(value: Any) -> Any:
    """What a file gives back: tuples as lists, and nothing that is None, which TOML cannot say."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _part(data: Mapping[str, Any], name: str, known: Mapping[str, type[Any]]) -> Any:
    entry = data.get(name)
    if entry is None:
        return None
    kind = entry.get("kind") if isinstance(entry, Mapping) else None
    if not isinstance(kind, str) or kind not in known:
        message = f"{name} = {entry!r}: 'kind' must be one of {', '.join(known)}"
        raise ArgumentError(message, name=name, value=entry)
    try:
        return known[kind](**{key: value for key, value in entry.items() if key != "kind"})
    except TypeError as error:
        raise ArgumentError(f"{name} = {entry!r}: {error}", name=name, value=entry) from None
