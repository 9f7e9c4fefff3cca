"""Ctrl-C and the terminate signal during a fit: finish the step, save, stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


class Interrupted(Exception):
    """A fit was asked to stop and has saved its state.

    Attributes
    ----------
    signum
        The signal that asked.
    folder
        The run to go on with.
    """

    def __init__(self, signum: int, folder: Path) -> None:
        super().__init__(f"stopped by signal {signum}; the state is in {folder}")
        self.signum = signum
        self.folder = folder


class Flag:
    """Remembers the first signal; the second one acts as if nobody had listened."""

    def __init__(self) -> None:
        self.signum = 0

    def __bool__(self) -> bool:
        return self.signum != 0


@contextmanager
def listening() -> Iterator[Flag]:
    """Collect SIGINT and SIGTERM in a flag (in the main thread; elsewhere nothing changes)."""
    flag = Flag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def remember(signum: int, frame: FrameType | None) -> None:
        if flag:
            raise KeyboardInterrupt
        flag.signum = signum

    for number in before:
        signal.signal(number, remember)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
