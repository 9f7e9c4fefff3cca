"""Opening files that may be anything: never a hang, never more bytes than allowed."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from recipnet.errors import LimitError, ReadError

#: Bytes of one structure file after decompression.
MAX_BYTES = 256 * 1024 * 1024
#: Decompressed over compressed bytes; real CIFs reach about 10, and 1000 is the most that gzip can do.
MAX_RATIO = 200
_PIECE = 1 << 18
#: Small files may be very regular, and harm nobody.
RATIO_FREE = 1 << 20

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def regular_size(path: str, max_bytes: int = MAX_BYTES) -> int:
    """Size of an ordinary file, without opening it.

    Raises
    ------
    ReadError
        It is missing, a dangling link, or no ordinary file.
    LimitError
        It is larger than ``max_bytes``.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise os_error(path, error) from None
    _ordinary(path, found)
    return _bounded(path, found.st_size, max_bytes)


def open_regular(path: str) -> BinaryIO:
    """Open an ordinary file for reading bytes; a pipe or device is refused instead of waited for.

    Raises
    ------
    ReadError
        It cannot be opened or is no ordinary file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise os_error(path, error) from None
    try:
        _ordinary(path, os.fstat(handle))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def gunzip_pieces(path: str, max_ratio: int = MAX_RATIO) -> Iterator[bytes]:
    """Decompressed pieces of a gzip file, as `inflate`."""
    return inflate(path, pieces(path), max_ratio)


def inflate(path: str, packed: Iterable[bytes], max_ratio: int = MAX_RATIO) -> Iterator[bytes]:
    """Decompressed pieces of gzip data (all members, one after the other), of at most 256 KiB each.

    ``path`` is for messages.

    Raises
    ------
    ReadError
        No gzip, damaged, cut short, or not readable.
    LimitError
        It unpacks to more than ``max_ratio`` times its own size.
    """
    taken = given = 0
    inflate = zlib.decompressobj(wbits=31)
    for pending in packed:
        while pending:
            if inflate.eof:
                # Some writers pad the end with zeros.
                if not pending.strip(b"\0"):
                    break
                inflate = zlib.decompressobj(wbits=31)
            before = len(pending)
            try:
                piece = inflate.decompress(pending, _PIECE)
            except zlib.error as error:
                raise _gzip_error(path, f"damaged or no gzip data ({error})") from None
            pending = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            taken += before - len(pending)
            given += len(piece)
            if given > RATIO_FREE and given > max_ratio * taken:
                raise too_packed(path, max_ratio, given / max(taken, 1))
            if piece:
                yield piece
    if taken == 0:
        raise _gzip_error(path, "the file is empty")
    # The last few input bits may still stand for some output.
    tail = inflate.flush()
    if tail:
        yield tail
    if not inflate.eof:
        raise _gzip_error(path, "the compressed data end too early")


def too_packed(path: str, max_ratio: int, ratio: float) -> LimitError:
    """The refusal of a decompression bomb."""
    return LimitError(
        f"{path}: unpacks to more than {max_ratio} times its size; if you trust the file, raise max_ratio",
        name="max_ratio",
        limit=max_ratio,
        needed=ratio,
    )


def gunzip(path: str, max_bytes: int = MAX_BYTES, max_ratio: int = MAX_RATIO) -> bytes:
    """All of a gzip file, as `gunzip_pieces`, of at most ``max_bytes`` bytes."""
    return joined(path, gunzip_pieces(path, max_ratio), max_bytes)


def read(path: str, max_bytes: int = MAX_BYTES) -> bytes:
    """All of an ordinary file of at most ``max_bytes`` bytes."""
    regular_size(path, max_bytes)
    return joined(path, pieces(path), max_bytes)


def joined(path: str, parts: Iterable[bytes], max_bytes: int) -> bytes:
    """The parts in one; `LimitError` as soon as they pass ``max_bytes``."""
    held, total = [], 0
    for part in parts:
        total += len(part)
        _bounded(path, total, max_bytes)
        held.append(part)
    return b"".join(held)


def lines(path: str, max_bytes: int = MAX_BYTES, max_ratio: int = MAX_RATIO) -> Iterator[bytes]:
    """Lines of a file (``.gz``: of its contents) without their ends; one line holds at most ``max_bytes`` bytes."""
    rest: list[bytes] = []
    held = 0
    for piece in gunzip_pieces(path, max_ratio) if path.lower().endswith(".gz") else pieces(path):
        first, *others = piece.split(b"\n")
        rest.append(first)
        held += len(first)
        _bounded(path, held, max_bytes, "a line")
        if others:
            yield b"".join(rest).removesuffix(b"\r")
            for line in others[:-1]:
                yield line.removesuffix(b"\r")
            rest, held = [others[-1]], len(others[-1])
    if held:
        yield b"".join(rest).removesuffix(b"\r")


def os_error(path: str, error: OSError | ValueError) -> ReadError:
    """What the system says about a path, as a `ReadError`."""
    reason = getattr(error, "strerror", None) or str(error)
    code = "E-IO"
    hint = None
    if isinstance(error, FileNotFoundError):
        code = "E-MISSING"
        if os.path.islink(path):
            reason = f"the link points to {os.readlink(path)!r}, which does not exist"
        else:
            reason, hint = "no such file", "check the spelling and the working folder"
    elif isinstance(error, PermissionError):
        code, reason = "E-ACCESS", "no permission to read it"
    message = f"{path}: [{code}] {reason}" + (f"; {hint}" if hint else "")
    return ReadError(message, code=code, path=path, hint=hint)


def pieces(path: str) -> Iterator[bytes]:
    """The bytes of an ordinary file, 256 KiB at a time."""
    with open_regular(path) as handle:
        while True:
            try:
                piece = handle.read(_PIECE)
            except OSError as error:
                raise os_error(path, error) from None
            if not piece:
                return
            yield piece


def _ordinary(path: str, found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    kind = next((name for test, name in _KINDS if test(found.st_mode)), "no ordinary file")
    hint = "; read_many reads folders" if stat.S_ISDIR(found.st_mode) else ""
    raise ReadError(f"{path}: [E-FILE] this is {kind}, not a file with a structure{hint}", code="E-FILE", path=path)


def _bounded(path: str, size: int, max_bytes: int, what: str = "the file") -> int:
    if size > max_bytes:
        raise LimitError(
            f"{path}: {what} has more than {max_bytes} bytes; if that is meant, raise max_bytes",
            name="max_bytes",
            limit=max_bytes,
            needed=float(size),
        )
    return size


def _gzip_error(path: str, reason: str) -> ReadError:
    return ReadError(f"{path}: [E-GZIP] {reason}", code="E-GZIP", path=path)
