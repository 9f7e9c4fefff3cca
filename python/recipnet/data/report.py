"""What was left out of a dataset, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recipnet.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from recipnet.io.report import ReadReport

POLICIES = ("raise", "skip", "collect")


@dataclass
class Refusals:
    """Applies ``on_error`` to what does not fit: raise at the first, or count (``skip``), or count and keep it.

    Attributes
    ----------
    counts
        How many were left out for each reason.
    records
        The errors themselves, with ``on_error = "collect"``.
    """

    policy: str
    counts: Counter[str] = field(default_factory=Counter)
    records: list[DataError] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            message = f"on_error = {self.policy!r}: must be one of {', '.join(POLICIES)}"
            raise ArgumentError(message, name="on_error", value=self.policy)

    @property
    def total(self) -> int:
        """Everything left out."""
        return self.counts.total()

    def refuse(self, reason: str, error: DataError) -> None:
        """One thing that does not fit."""
        if self.policy == "raise":
            raise error
        self.counts[reason] += 1
        if self.policy == "collect":
            self.records.append(error)

    def refuse_ids(self, reason: str, ids: Sequence[str], problem: str, way_out: str) -> None:
        """Several ids with one problem: named together when raised, one record each when collected."""
        if not ids:
            return
        if self.policy == "raise":
            count = "1 id" if len(ids) == 1 else f"{len(ids)} ids"
            message = f"{count} {problem}: {some(ids)}; {way_out}"
            raise DataError(message, id=ids[0], value=list(ids[:100]))
        self.counts[reason] += len(ids)
        if self.policy == "collect":
            self.records.extend(DataError(f"{name!r} {problem}", id=name) for name in ids)


@dataclass(frozen=True)
class DataReport:
    """How a dataset came about.

    Attributes
    ----------
    kept : int
        Crystals in the dataset.
    dropped : dict
        Number of labels or structures left out, by reason.
    records : tuple of DataError
        One for each of them, where ``on_error = "collect"``.
    read : ReadReport or None
        What the reader of the structures said.
    """

    kept: int
    dropped: dict[str, int]
    records: tuple[DataError, ...] = ()
    read: ReadReport | None = None

    def __str__(self) -> str:
        parts = [f"{self.kept} crystals"]
        if self.read is not None and self.read.failed:
            parts.append(f"{self.read.failed} unreadable")
        parts += [f"{count} left out: {reason}" for reason, count in sorted(self.dropped.items())]
        return "; ".join(parts)


def some(ids: Sequence[str], limit: int = 5) -> str:
    """The first few ids and how many more there are."""
    more = f" and {len(ids) - limit} more" if len(ids) > limit else ""
    return ", ".join(repr(name) for name in ids[:limit]) + more
