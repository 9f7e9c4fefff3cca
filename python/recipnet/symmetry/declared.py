"""What a source declared about the symmetry of a crystal."""

from __future__ import annotations

from typing import Any

from recipnet._frozen import Frozen
from recipnet.errors import CrystalError, SymmetryError
from recipnet.symmetry.operations import Operations
from recipnet.symmetry.space_group import SpaceGroup

__all__ = ["DeclaredSymmetry", "declared"]


class DeclaredSymmetry(Frozen):
    """What a source says about its symmetry, each item None where it says nothing.

    Parameters
    ----------
    operations : Operations, optional
        Listed operations.
    hall_symbol, hm_symbol : str, optional
        Symbols as written.
    number : int, optional
        Number of the space-group type, 1 to 230.

    Examples
    --------
    >>> from recipnet.symmetry import DeclaredSymmetry
    >>> DeclaredSymmetry(hm_symbol="P 32 2 1", number=154)
    DeclaredSymmetry(hm_symbol='P 32 2 1', number=154)
    """

    __slots__ = ("hall_symbol", "hm_symbol", "number", "operations")

    operations: Operations | None
    hall_symbol: str | None
    hm_symbol: str | None
    number: int | None

    def __init__(
        self,
        operations: Operations | None = None,
        hall_symbol: str | None = None,
        hm_symbol: str | None = None,
        number: int | None = None,
    ) -> None:
        if operations is not None and not isinstance(operations, Operations):
            raise SymmetryError(f"operations: expected Operations or None, got {type(operations).__name__}")
        self._fill(operations=operations, hall_symbol=hall_symbol, hm_symbol=hm_symbol, number=number)

    def __repr__(self) -> str:
        parts = [f"operations={self.operations!r}"] if self.operations is not None else []
        for name in ("hall_symbol", "hm_symbol", "number"):
            value = getattr(self, name)
            if value is not None:
                parts.append(f"{name}={value!r}")
        return f"DeclaredSymmetry({', '.join(parts)})"


def declared(symmetry: Any) -> DeclaredSymmetry | None:
    """What a user gives as ``symmetry=``, as a `DeclaredSymmetry`.

    Parameters
    ----------
    symmetry : SpaceGroup, Operations, DeclaredSymmetry, str or None
        A text is a Hermann-Mauguin symbol, see `SpaceGroup`.

    Raises
    ------
    SymmetryError
        A symbol that no table knows.
    CrystalError
        Something else altogether.
    """
    if symmetry is None or isinstance(symmetry, DeclaredSymmetry):
        return symmetry
    if isinstance(symmetry, Operations):
        return DeclaredSymmetry(operations=symmetry)
    group = SpaceGroup(symmetry) if isinstance(symmetry, str) else symmetry
    if not isinstance(group, SpaceGroup):
        raise CrystalError(
            "symmetry: expected a SpaceGroup, Operations, a Hermann-Mauguin symbol or None, "
            f"got {type(symmetry).__name__}",
            field="symmetry",
            value=str(symmetry)[:200],
        )
    return DeclaredSymmetry(group.operations, group.hall_symbol, group.hm_symbol, group.number)
