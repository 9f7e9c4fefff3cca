"""What a run says while it goes: a progress bar on a terminal, one line per epoch elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol, TextIO

_REFRESH_S = 0.5


class Display(Protocol):
    """Receives progress; every call is cheap."""

    def start(self, epochs: int, crystals: int, done: int) -> None:
        """A fit of ``epochs`` over ``crystals`` begins, ``done`` crystals of it are behind."""

    def step(self, crystals: int) -> None:
        """A batch is through."""

    def epoch(self, line: str) -> None:
        """An epoch is through."""

    def stop(self) -> None:
        """The fit is over, well or not."""


class Silent:
    """Says nothing."""

    def start(self, epochs: int, crystals: int, done: int) -> None:
        """Nothing."""

    def step(self, crystals: int) -> None:
        """Nothing."""

    def epoch(self, line: str) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


class Lines(Silent):
    """One line per epoch."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out

    def epoch(self, line: str) -> None:
        """Print the line."""
        print(line, file=self.out or sys.stdout, flush=True)


class Bar(Silent):
    """A rich progress bar with crystals/s and time to go, and the epochs' lines above it."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %  {task.fields[speed]:.0f} crystals/s"),
            TimeElapsedColumn(),
            TextColumn("to go"),
            TimeRemainingColumn(),
            auto_refresh=False,
            transient=True,
        )
        self._seen = self._crystals = 0
        self._epochs = 1
        self._shown = self._began = 0.0
        self._before = 0

    def start(self, epochs: int, crystals: int, done: int) -> None:
        """Show the bar."""
        self._epochs, self._crystals = epochs, crystals
        self._seen = self._before = done
        self._began = time.monotonic()
        self._task = self._progress.add_task("fit", total=epochs * crystals, completed=done, epoch="", speed=0.0)
        self._progress.start()
        self._refresh()

    def step(self, crystals: int) -> None:
        """Move the bar, twice a second at most."""
        self._seen += crystals
        if time.monotonic() - self._shown > _REFRESH_S:
            self._refresh()

    def _refresh(self) -> None:
        self._shown = time.monotonic()
        speed = (self._seen - self._before) / max(1e-9, self._shown - self._began)
        epoch = f"{min(self._epochs, self._seen // max(1, self._crystals) + 1)}/{self._epochs}"
        self._progress.update(self._task, completed=self._seen, epoch=epoch, speed=speed)
        self._progress.refresh()

    def epoch(self, line: str) -> None:
        """Print the line above the bar."""
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Take the bar away."""
        self._progress.stop()


def choose_display() -> Display:
    """A bar on a terminal that has rich, lines elsewhere."""
    if not sys.stdout.isatty():
        return Lines()
    try:
        return Bar()
    except ModuleNotFoundError:
        return Lines()


def epoch_line(
    row: dict[str, Any],
    epochs: int,
    names: tuple[str, ...],
    units: tuple[str, ...],
    shown: tuple[tuple[str, str], ...] = (("mae", "MAE"),),
) -> str:
    """One epoch for people: losses, errors with units, speed.

    >>> row = {"epoch": 3, "train_loss": 0.25, "val_mae_gap": 0.5, "lr": 1e-3, "time_s": 2.0, "crystals_per_s": 400.0}
    >>> epoch_line(row, 10, ("gap",), ("eV",))
    'epoch  3/10  loss 0.2500  val MAE gap 0.5000 eV  lr 1.00e-03  2.0 s  400 crystals/s'
    """
    parts = [f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}", f"loss {row['train_loss']:.4f}"]
    for name, unit in zip(names, units, strict=True):
        for key, label in shown:
            if f"val_{key}_{name}" in row:
                parts.append(f"val {label} {name} {row[f'val_{key}_{name}']:.4f} {unit}".rstrip())
    parts += [f"lr {row['lr']:.2e}", f"{row['time_s']:.1f} s", f"{row['crystals_per_s']:.0f} crystals/s"]
    return "  ".join(parts)
