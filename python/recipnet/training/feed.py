"""Training batches with a place to resume from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recipnet.data.batch import TensorBatch
from recipnet.data.loader import Loader


class Feed:
    """An iterable for Lightning that can start inside an epoch.

    The place is read when the first batch is asked for, since Lightning makes the iterator before it knows the epoch.

    Parameters
    ----------
    loader
        Gives the batches of any epoch from any place.
    """

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self.epoch = 0
        self.batch = 0

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[TensorBatch]:
        self.loader.set_epoch(self.epoch, self.batch)
        for batch in self.loader:
            self.batch += 1
            yield batch

    def start_epoch(self, epoch: int) -> None:
        """Begin an epoch at its first batch."""
        self.epoch, self.batch = epoch, 0

    def state_dict(self) -> dict[str, Any]:
        """Epoch, and batches of it that were given out."""
        return {"epoch": self.epoch, "batch": self.batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self.epoch, self.batch = state["epoch"], state["batch"]
