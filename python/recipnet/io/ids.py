"""Ids that were given before: exactly for what is kept in memory anyway, in little memory for what streams by."""

from __future__ import annotations

from array import array
from collections.abc import Sequence


class Ids:
    """Every id with where it came from."""

    def __init__(self) -> None:
        self._owners: dict[str, str | int] = {}

    def claim(self, id: str, where: str) -> str | None:
        """None for a new id, which is taken from now on; otherwise where it was before."""
        owner = self._owners.get(id)
        if owner is None:
            self._owners[id] = where
        return f"index {owner}" if isinstance(owner, int) else owner

    def claim_all(self, ids: Sequence[str], first: int) -> bool:
        """Take all of ``ids``, which stand at index ``first`` and on; False, and none taken, if one was used before."""
        new = dict(zip(ids, range(first, first + len(ids)), strict=True))
        if len(new) < len(ids) or not self._owners.keys().isdisjoint(new):
            return False
        self._owners.update(new)
        return True


class CompactIds:
    """Hashes of ids in a table of 8-byte cells, at most 3/4 full: no growth before a million ids, then by doubling.

    Two ids of one 64-bit hash would be taken for one: for a million ids the chance is below 1e-7.
    """

    def __init__(self, cells: int = 1_400_000) -> None:
        self._table = array("Q", bytes(8 * cells))
        self._used = 0

    def claim_all(self, ids: Sequence[str], first: int) -> bool:
        """None is taken: they are claimed one by one."""
        return False

    def claim(self, id: str, where: str) -> str | None:
        """As `Ids.claim`, but the answer does not say where."""
        # 0 marks an empty cell.
        value = hash(id) & 0xFFFFFFFFFFFFFFFF or 1
        if not _put(self._table, value):
            return "an earlier one"
        self._used += 1
        if 4 * self._used > 3 * len(self._table):
            larger = array("Q", bytes(16 * len(self._table)))
            for known in self._table:
                if known:
                    _put(larger, known)
            self._table = larger
        return None


def _put(table: array[int], value: int) -> bool:
    """Place a value by linear probing; False if it is there already."""
    size = len(table)
    cell = value % size
    while table[cell]:
        if table[cell] == value:
            return False
        cell = (cell + 1) % size
    table[cell] = value
    return True
