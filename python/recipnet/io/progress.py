"""A bar for long reads, or plain lines where rich is not installed."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

_LINE_EVERY = 2.0


@contextlib.contextmanager
def progress_bar(shown: bool, title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A function that is told how many more are done; it draws on standard error if ``shown``."""
    if not shown:
        yield lambda _: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ModuleNotFoundError:
        yield _lines(title, total)
        return
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total)
        yield lambda count: bar.advance(task, count)


def _lines(title: str, total: int | None) -> Callable[[int], None]:
    done, last = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        if time.monotonic() - last >= _LINE_EVERY or done == total:
            last = time.monotonic()
            print(f"{title}: {done}" + (f" of {total}" if total else ""), file=sys.stderr, flush=True)

    return advance
