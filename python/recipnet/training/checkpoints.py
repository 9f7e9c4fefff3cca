"""Checkpoints of a run: numbered folders, the newest two kept, found again without trusting any single file.

A run folder has ``checkpoints/step-00000120/`` (see `statefile`) and ``checkpoints/last``, a text file with the name of
the newest. Where ``last`` is missing, the highest number counts.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

from recipnet.errors import ReadError
from recipnet.io.atomic import atomic_write
from recipnet.training.statefile import load_state, save_state, unreadable

KEEP = 2
LAST = "last"
_NAME = re.compile(r"step-\d{8,}\Z")


class StateCheckpointIO(CheckpointIO):
    """Lightning's checkpoints as safetensors + JSON; nothing here can run code from a file."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write ``checkpoint`` as a new folder at ``path``."""
        save_state(path, checkpoint)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """The state at ``path``, with all tensors on the CPU (Lightning moves them)."""
        state = load_state(path, "delete this folder to go on from the checkpoint before it")
        if not isinstance(state, dict):
            unreadable(path, "not a training state")
        return state

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete the folder at ``path``."""
        shutil.rmtree(path, ignore_errors=True)


def checkpoint_name(step: int) -> str:
    """Folder name of the state after ``step`` optimizer steps.

    >>> checkpoint_name(120)
    'step-00000120'
    """
    return f"step-{step:08d}"


def list_checkpoints(folder: str | Path) -> list[Path]:
    """Checkpoint folders, oldest first."""
    folder = Path(folder)
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if _NAME.match(path.name) and path.is_dir() and not path.is_symlink()]
    return sorted(found, key=lambda path: int(path.name[5:]))


def point_last(folder: str | Path, name: str) -> None:
    """Let ``last`` name a checkpoint, then delete all but the newest two."""
    folder = Path(folder)
    with atomic_write(folder / LAST) as handle:
        handle.write(f"{name}\n")
    newest = folder / name
    others = [path for path in list_checkpoints(folder) if path != newest]
    for path in others[: max(0, len(others) - (KEEP - 1))]:
        shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob(".step-*.tmp"):  # left by a process that was killed while it wrote
        shutil.rmtree(path, ignore_errors=True)


def last_checkpoint(folder: str | Path) -> Path:
    """The checkpoint to go on from.

    Raises
    ------
    ReadError
        There is none.
    """
    folder = Path(folder)
    found = list_checkpoints(folder)
    if not found:
        raise ReadError(f"{folder}: no checkpoint to go on from", code="state", path=str(folder))
    try:
        named = folder / (folder / LAST).read_text(encoding="ascii", errors="replace")[:64].strip()
    except OSError:
        return found[-1]
    return named if named in found else found[-1]
