"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import IO, Any

__all__ = ["atomic_write", "fsync_folder", "replace_file"]


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "w", **options: Any) -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path`` for writing; when the block ends well, it takes the name ``path``.

    The bytes are flushed to disk before the rename, and the folder after it. If the block raises, or the process is
    killed, whatever was under ``path`` is untouched; after an exception no temporary file is left either.

    Parameters
    ----------
    path : path
        Final name; its folder must exist.
    mode : {"w", "wb", "x", "xb"}
        As `open`; with ``"x"`` an existing file is an error (`FileExistsError`).
    **options
        Further arguments of `open`; text is UTF-8 unless told.

    Examples
    --------
    >>> import tempfile, os
    >>> folder = tempfile.mkdtemp()
    >>> with atomic_write(os.path.join(folder, "a.txt")) as handle:
    ...     _ = handle.write("whole")
    >>> os.listdir(folder)
    ['a.txt']
    """
    final = os.fspath(path)
    if "x" in mode and os.path.lexists(final):
        raise FileExistsError(f"{final} exists")
    if "b" not in mode:
        options.setdefault("encoding", "utf-8")
    temporary = temporary_name(final)
    try:
        with open(temporary, mode.replace("w", "x"), **options) as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        replace_file(temporary, final)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def temporary_name(path: str | os.PathLike[str]) -> str:
    """A hidden name in the folder of ``path``, of this process only."""
    folder, name = os.path.split(os.fspath(path))
    # 100 bytes of the name are enough to recognise it, and the result stays below the limit of file systems.
    return os.path.join(folder, f".{name[:100]}.{os.getpid()}.{os.urandom(4).hex()}.tmp")


def replace_file(temporary: str, final: str) -> None:
    """Give a finished file its final name, durably."""
    os.replace(temporary, final)
    fsync_folder(os.path.dirname(final) or ".")


def fsync_folder(folder: str | os.PathLike[str]) -> None:
    """Flush a folder's entries to disk, where the system can do that."""
    flag = getattr(os, "O_DIRECTORY", None)
    if flag is None:
        return
    handle = os.open(os.fspath(folder), os.O_RDONLY | flag)
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
