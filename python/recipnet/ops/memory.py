"""Memory of large results, kept when they are gone and written again.

Memory fresh from the system is cleared page by page as it is first written, which takes longer than the sums.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np

#: Bytes from which on memory is kept, at most held while unused, and to which sizes are rounded up.
SMALLEST = 1 << 20
MOST = 256 << 20
STEP = 1 << 21

Block = np.ndarray[Any, np.dtype[np.uint8]]


class Blocks:
    """Free blocks of memory, at most ``most`` bytes of them; the oldest goes when none fits what is wanted."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.held = 0
        self._free: list[Block] = []
        self._loans: dict[int, weakref.ref[Any]] = {}
        # a loan may end inside of any call, where memory is collected
        self._lock = threading.RLock()

    def empty(self, count: int, dtype: Any) -> Any:
        """An uninitialised array of ``count`` numbers; its memory comes back when the array is gone."""
        size = count * np.dtype(dtype).itemsize
        if size < SMALLEST:
            return np.empty(count, dtype=dtype)
        block = self._take(size)
        values = block[:size].view(dtype)
        self._loans[id(block)] = weakref.ref(values, lambda _: self._give(block))
        return values

    def clear(self) -> None:
        """Hand all free blocks back to the system."""
        with self._lock:
            self._free.clear()
            self.held = 0

    def _take(self, size: int) -> Block:
        with self._lock:
            fits = [place for place, block in enumerate(self._free) if size <= block.nbytes <= 2 * size + STEP]
            place = min(fits, key=lambda place: self._free[place].nbytes, default=0)
            if self._free:
                block = self._free.pop(place)
                self.held -= block.nbytes
                if fits:
                    return block
        # NumPy asks for large pages where an array is large
        return np.empty(-(-size // STEP) * STEP, dtype=np.uint8)

    def _give(self, block: Block) -> None:
        with self._lock:
            del self._loans[id(block)]
            if self.held + block.nbytes <= self.most:
                self._free.append(block)
                self.held += block.nbytes


blocks = Blocks()


def empty_cache() -> None:
    """Hand memory that CPU operators keep for their next results, at most 256 MiB, back to the system.

    Results that are in use are not touched.

    Examples
    --------
    >>> from recipnet.ops import empty_cache
    >>> empty_cache()
    """
    blocks.clear()
