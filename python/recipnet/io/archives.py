"""Members of zip and tar archives as streams: nothing is extracted, and no size is believed before it is read."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO

from recipnet.errors import LimitError, ReadError
from recipnet.io import files

#: A member's name, and a function that reads it; call it before the next member is asked for.
Member = tuple[str, Callable[[], bytes]]

_BLOCK = 512
# Names and extended headers of tar are text of some hundred bytes.
_MAX_HEADER = 1 << 20


def members(path: str, kind: str, max_bytes: int, max_ratio: int) -> Iterator[Member]:
    """Ordinary members in the order of the archive; links, devices and folders are passed over.

    Parameters
    ----------
    path : str
        The archive.
    kind : {"zip", "tar"}
        A tar file may be compressed with gzip, if its name says so.
    max_bytes, max_ratio : int
        Bounds of one member after decompression, and of decompressed over compressed bytes.

    Raises
    ------
    ReadError
        No archive, damaged or cut short. Members before the damage have been given by then.
    LimitError
        A bound is passed.
    """
    return _zip(path, max_bytes, max_ratio) if kind == "zip" else _tar(path, max_bytes, max_ratio)


def is_junk(name: str) -> bool:
    """Whether a member is what macOS adds to archives, which bears the names of real files."""
    return "__MACOSX" in name.split("/") or name.rpartition("/")[2].startswith("._")


def _damaged(path: str, reason: str) -> ReadError:
    return ReadError(f"{path}: [E-ARCHIVE] {reason}", code="E-ARCHIVE", path=path)


def _zip(path: str, max_bytes: int, max_ratio: int) -> Iterator[Member]:
    with files.open_regular(path) as handle:
        try:
            archive = zipfile.ZipFile(handle)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise _damaged(path, f"no readable zip archive ({error})") from None
        with archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield info.filename, partial(_unzip, archive, info, path, max_bytes, max_ratio)


def _unzip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str, max_bytes: int, max_ratio: int) -> bytes:
    name = f"{path}/{info.filename}"

    def parts(member: BinaryIO) -> Iterator[bytes]:
        given = 0
        while part := member.read(1 << 18):
            given += len(part)
            if given > files.RATIO_FREE and given > max_ratio * max(info.compress_size, 1):
                raise files.too_packed(name, max_ratio, given / max(info.compress_size, 1))
            yield part

    try:
        with archive.open(info) as member:
            return files.joined(name, parts(member), max_bytes)  # type: ignore[arg-type]
    except (LimitError, ReadError):
        raise
    # zipfile raises RuntimeError for encrypted members and NotImplementedError for unknown compression.
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as error:
        raise _damaged(name, f"the member cannot be read ({error})") from None


class _Stream:
    """Bytes in order: exactly as many as asked for."""

    def __init__(self, path: str, pieces: Iterator[bytes]) -> None:
        self._path = path
        self._pieces = pieces
        self._held = b""

    def parts(self, count: int) -> Iterator[bytes]:
        while count:
            if not self._held:
                self._held = next(self._pieces, b"")
                if not self._held:
                    raise _damaged(self._path, "the archive ends too early")
            part, self._held = self._held[:count], self._held[count:]
            count -= len(part)
            yield part

    def read(self, count: int) -> bytes:
        return b"".join(self.parts(count))

    def drain(self) -> None:
        """Read to the end, where a compressed file has its check sum."""
        for _ in self._pieces:
            pass

    def skip(self, count: int) -> None:
        for _ in self.parts(count):
            pass


def _tar(path: str, max_bytes: int, max_ratio: int) -> Iterator[Member]:
    packed = path.lower().endswith(("gz", "tgz"))
    stream = _Stream(path, files.gunzip_pieces(path, max_ratio) if packed else files.pieces(path))
    long_name: str | None = None
    changes: dict[str, str] = {}
    while True:
        header = stream.read(_BLOCK)
        if not header.strip(b"\0"):
            stream.drain()
            return
        _check_sum(path, header)
        kind = header[156:157]
        size = _size(path, header)
        if kind in (b"L", b"K", b"x", b"g"):
            if size > _MAX_HEADER:
                raise _damaged(path, f"a header of {size} bytes")
            data = stream.read(size)
            stream.skip(-size % _BLOCK)
            if kind == b"L":
                long_name = _text(data)
            elif kind == b"x":
                changes = _extended(data)
            continue
        name = changes.get("path") or long_name or _name(header)
        if "size" in changes and changes["size"].isdigit():
            size = int(changes["size"])
        sparse = kind == b"S" or any(key.startswith("GNU.sparse") for key in changes)
        long_name, changes = None, {}
        if sparse:
            raise _damaged(path, f"the member {name!r} is stored with holes, which is not read; pack it without")
        if kind in (b"1", b"2", b"3", b"4", b"5", b"6"):
            # Links, devices and folders have no data.
            continue
        rest = [size]

        def fetch(name: str = name, size: int = size, rest: list[int] = rest) -> bytes:
            if size > max_bytes:
                raise LimitError(
                    f"{path}/{name}: the member has {size} bytes, more than max_bytes = {max_bytes}; "
                    "if that is meant, raise it",
                    name="max_bytes",
                    limit=max_bytes,
                    needed=float(size),
                )
            rest[0] = 0
            return stream.read(size)

        if kind in (b"0", b"\0", b"7"):
            yield name, fetch
        stream.skip(rest[0] + -size % _BLOCK)


def _check_sum(path: str, header: bytes) -> None:
    stated = header[148:156].strip(b" \0")
    own = sum(header[:148]) + 8 * 32 + sum(header[156:])
    if not re.fullmatch(rb"[0-7]+", stated) or int(stated, 8) != own:
        raise _damaged(path, "no tar archive, or a damaged one: the check sum of a header is wrong")


def _size(path: str, header: bytes) -> int:
    field = header[124:136]
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    digits = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]*", digits):
        raise _damaged(path, "a member without a readable size")
    return int(digits or b"0", 8)


def _name(header: bytes) -> str:
    name = _text(header[:100])
    # Old formats have other things in the place of the prefix.
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _extended(data: bytes) -> dict[str, str]:
    """Records ``length key=value\\n`` of a pax header."""
    found = {}
    while match := re.match(rb"(\d{1,7}) ([^=\n]+)=", data):
        length = int(match[1])
        if length <= match.end():
            break
        found[match[2].decode("utf-8", "replace")] = data[match.end() : length - 1].decode("utf-8", "surrogateescape")
        data = data[length:]
    return found


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")
