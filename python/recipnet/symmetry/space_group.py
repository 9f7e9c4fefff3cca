"""Space groups by number, symbol, Hall symbol, Hall number or operations."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Sequence
from typing import Any

from recipnet import _core
from recipnet._arguments import choice
from recipnet._frozen import Frozen
from recipnet.errors import SymmetryError
from recipnet.symmetry.operations import Operations

__all__ = ["SpaceGroup"]


class SpaceGroup(Frozen):
    """A space group in one setting. Its operations are the truth, the symbols are their names.

    Two groups are equal when they hold the same set of operations.

    Parameters
    ----------
    name : int or str
        A number, 1 to 230, or a Hermann-Mauguin symbol: short, full or of older tables, spaces and underscores as you
        like (``"P 21/c"``, ``"P2_1/c"``, ``"P 1 21/c 1"``, ``"Fd3m"``), the setting behind a colon (``"F d -3 m:1"``,
        ``"R -3 m:R"``). A symbol that fits several settings is the standard one: origin choice 2, hexagonal axes,
        unique axis b.
    setting : "standard" or "spglib", default "standard"
        What a number stands for: moyo's ``Standard`` (as above), or the smallest Hall number, which spglib takes. They
        differ for the 24 groups with two origins.

    Attributes
    ----------
    number : int
        1 to 230.
    hall_number : int or None
        1 to 530; None where no table has the setting.
    hm_symbol : str
        Of the setting, so that ``SpaceGroup(group.hm_symbol) == group``; where no table has the setting, of the type.
    hall_symbol : str or None
        None where the setting is in no table and was not given by a Hall symbol.
    crystal_system : str
        ``"triclinic"`` to ``"cubic"``.
    point_group : str
        Geometric crystal class, such as ``"m-3m"``.
    operations : Operations
        All of them, centrings included.

    Raises
    ------
    SymmetryError
        No such number or symbol; symbols that are near are named.

    Examples
    --------
    >>> import recipnet as rn
    >>> group = rn.SpaceGroup("F d -3 m:1")
    >>> group
    SpaceGroup(number=227, hm_symbol='F d -3 m:1', hall_number=525, 192 operations)
    >>> group.point_group, group.crystal_system, rn.SpaceGroup(227).hall_number
    ('m-3m', 'cubic', 526)
    >>> rn.SpaceGroup(227, setting="spglib") == group
    True
    """

    __slots__ = ("crystal_system", "hall_number", "hall_symbol", "hm_symbol", "number", "operations", "point_group")

    number: int
    hall_number: int | None
    hm_symbol: str
    hall_symbol: str | None
    crystal_system: str
    point_group: str
    operations: Operations

    def __init__(self, name: int | str, *, setting: str = "standard") -> None:
        smallest = choice("setting", setting, ("standard", "spglib")) == "spglib"
        if isinstance(name, str):
            self._take(_of_symbol(name))
        else:
            self._take(_core.space_group_of_number(_whole("a space group is named by a number", name), smallest))

    @classmethod
    def from_hall(cls, symbol: str) -> SpaceGroup:
        """The group of a Hall symbol (International Tables B, A1.4.2.3), tabulated or not.

        Spaces may be underscores or left out; a change of basis may follow, as ``(0 0 1)`` in twelfths or as
        ``(x-1/4,y,z)``.

        Raises
        ------
        SymmetryError
            Text that is no Hall symbol.

        Examples
        --------
        >>> import recipnet as rn
        >>> rn.SpaceGroup.from_hall("-P 2ybc").hm_symbol
        'P 1 21/c 1'
        """
        if not isinstance(symbol, str):
            raise SymmetryError(f"a Hall symbol is a text, got {type(symbol).__name__}", value=str(symbol)[:200])
        return cls._made(_core.space_group_of_hall(symbol))

    @classmethod
    def from_hall_number(cls, hall_number: int) -> SpaceGroup:
        """One of the 530 settings of the tables.

        Raises
        ------
        SymmetryError
            A number outside 1 to 530.
        """
        return cls._made(_core.space_group_of_hall_number(_whole("a Hall number is a whole number", hall_number)))

    @classmethod
    def from_operations(cls, operations: Operations | Sequence[str]) -> SpaceGroup:
        """The group of a complete list of operations, in any cell and from any origin.

        The axes are taken as right-handed. Nothing is added to the list.

        Parameters
        ----------
        operations : Operations or sequence of str
            All operations, the identity and centrings included; texts are triplets as in `Operations.from_xyz`.

        Raises
        ------
        SymmetryError
            A list that is no group (the error names what is missing), or one that repeats an operation.

        Examples
        --------
        >>> import recipnet as rn
        >>> rn.SpaceGroup.from_operations(["x,y,z", "-x,-y,-z", "-x,y+1/2,-z", "x,-y+1/2,z"]).number
        11
        """
        listed = operations if isinstance(operations, Operations) else Operations.from_xyz(operations)
        return cls._made(_core.space_group_of_operations(listed.rotations, listed.translations, listed.denominator))

    @classmethod
    def _made(cls, found: _core.FoundGroup) -> SpaceGroup:
        group = object.__new__(cls)
        group._take(found)
        return group

    def _take(self, found: _core.FoundGroup) -> None:
        number, hall_number, hm_symbol, hall_symbol, crystal_system, point_group, arrays = found
        self._fill(
            number=number,
            hall_number=hall_number,
            hm_symbol=hm_symbol,
            hall_symbol=hall_symbol,
            crystal_system=crystal_system,
            point_group=point_group,
            operations=Operations(*arrays),
        )

    def _set(self) -> frozenset[str]:
        return frozenset(self.operations.to_xyz())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpaceGroup):
            return NotImplemented
        return self.number == other.number and self._set() == other._set()

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self._set())

    def __repr__(self) -> str:
        hall = "" if self.hall_number is None else f"hall_number={self.hall_number}, "
        return (
            f"SpaceGroup(number={self.number}, hm_symbol={self.hm_symbol!r}, {hall}{len(self.operations)} operations)"
        )


def _whole(what: str, value: Any) -> int:
    if not isinstance(value, bool):
        try:
            number = operator.index(value)
        except TypeError:
            pass
        else:
            if abs(number) < 2**63:
                return number
    raise SymmetryError(f"{what}, got {value!r:.200}", value=str(value)[:200])


def _of_symbol(symbol: str) -> _core.FoundGroup:
    try:
        return _core.space_group_of_symbol(symbol)
    except SymmetryError as error:
        near = difflib.get_close_matches(symbol[:50], _core.space_group_symbols(), n=4, cutoff=0.6)
        hint = f"; near it are {', '.join(near)}" if near else "; write one such as 'F d -3 m', or use from_hall"
        raise SymmetryError(error.message + hint, value=symbol[:200]) from None
