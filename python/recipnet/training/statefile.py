"""Nested state (tensors, numbers, text, lists, tables) on disk without pickle: a folder of three files.

``tensors.safetensors`` holds the tensors, ``state.json`` the rest, ``manifest.json`` the size and SHA-256 of both. Such
a folder is written beside its place under a temporary name, flushed to disk and renamed, so it is there whole or not at
all. Reading checks every byte against the manifest before anything is decoded, and decoding runs no code.

>>> import tempfile, torch
>>> with tempfile.TemporaryDirectory() as folder:
...     save_state(f"{folder}/state", {"step": 3, "w": torch.ones(2), "pair": (1, float("inf"))})
...     load_state(f"{folder}/state")["pair"]
(1, inf)
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes

from recipnet.errors import ReadError
from recipnet.io.atomic import fsync_folder

FORMAT = "recipnet-state"
VERSION = 1
STATE, TENSORS, MANIFEST = "state.json", "tensors.safetensors", "manifest.json"
MAX_JSON_BYTES = 64 * 2**20
MAX_TENSOR_BYTES = 64 * 2**30
_MAX_MANIFEST_BYTES = 4096


def unreadable(path: str | Path, why: str, hint: str = "") -> NoReturn:
    """Raise the one error of a state that cannot be trusted."""
    message = f"{path}: {why}" + (f"; {hint}" if hint else "")
    raise ReadError(message, code="state", path=str(path), hint=hint or None)


def canonical_json(value: Any) -> bytes:
    """The one spelling of a JSON value, so that two equal values have equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def encode(tree: Any) -> tuple[Any, dict[str, torch.Tensor]]:
    """Split nested state into JSON and named tensors.

    Tables with other than text keys, tuples, tensors and non-finite numbers become tagged tables with one key that
    starts with ``$``. Tensors are copied to the CPU.

    Raises
    ------
    TypeError
        Something else than a tensor, None, bool, int, float, text, list, tuple or table; the message says where.
    """
    tensors: dict[str, torch.Tensor] = {}

    def walk(value: Any, where: str) -> Any:
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
        if isinstance(value, torch.Tensor):
            name = f"t{len(tensors)}"
            tensors[name] = value.detach().to("cpu", copy=True).contiguous()
            return {"$tensor": name}
        if isinstance(value, list):
            return [walk(item, f"{where}[{i}]") for i, item in enumerate(value)]
        if isinstance(value, tuple):
            return {"$tuple": [walk(item, f"{where}[{i}]") for i, item in enumerate(value)]}
        if isinstance(value, Mapping):
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {key: walk(item, f"{where}.{key}") for key, item in value.items()}
            return {"$table": [[walk(key, where), walk(item, f"{where}.{key}")] for key, item in value.items()]}
        raise TypeError(f"state{where} is a {type(value).__name__}, which has no form on disk")

    return walk(tree, ""), tensors


def decode(tree: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """The inverse of `encode`.

    Raises
    ------
    ValueError
        An unknown tag, a tensor that is missing, or one that nothing refers to.
    """
    used: set[str] = set()

    def tagged(tag: str, value: Any) -> Any:
        if tag == "$tensor" and isinstance(value, str) and value in tensors and value not in used:
            used.add(value)
            return tensors[value]
        if tag == "$float" and value in ("inf", "-inf", "nan"):
            return float(value)
        if tag == "$tuple" and isinstance(value, list):
            return tuple(walk(item) for item in value)
        if tag == "$table" and isinstance(value, list) and all(isinstance(p, list) and len(p) == 2 for p in value):
            return {walk(key): walk(item) for key, item in value}
        raise ValueError(f"a {tag} that is none")

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(item) for item in value]
        if isinstance(value, dict):
            tag = next(iter(value), "")
            if len(value) == 1 and tag.startswith("$"):
                return tagged(tag, value[tag])
            return {key: walk(item) for key, item in value.items()}
        return value

    result = walk(tree)
    if len(used) != len(tensors):
        raise ValueError(f"{len(tensors) - len(used)} tensors belong to nothing")
    return result


def write_flushed(path: Path, data: bytes) -> None:
    """Write a new file and wait until the disk has it."""
    with open(path, "xb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def _manifest(contents: Mapping[str, bytes]) -> bytes:
    entries = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in contents.items()
    }
    return canonical_json({"files": entries, "format": FORMAT, "version": VERSION})


def save_state(folder: str | Path, tree: Any) -> None:
    """Write nested state as a new folder: whole or not at all.

    Parameters
    ----------
    folder
        A place that does not exist yet, in a folder that does.
    tree
        Tensors, None, bool, int, float, text, and lists, tuples and tables of these.

    Raises
    ------
    TypeError
        Something that has no form on disk.
    OSError
        The disk refuses; nothing is left behind.
    """
    folder = Path(folder)
    state, tensors = encode(tree)
    contents = {STATE: canonical_json(state), TENSORS: tensors_to_bytes(tensors)}
    temporary = folder.parent / f".{folder.name}-{uuid4().hex}.tmp"
    temporary.mkdir()
    try:
        for name, data in (*contents.items(), (MANIFEST, _manifest(contents))):
            write_flushed(temporary / name, data)
        fsync_folder(temporary)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    fsync_folder(folder.parent)


def read_bounded(path: Path, limit: int, hint: str = "") -> bytes:
    """All bytes of a regular file no longer than ``limit``.

    Raises
    ------
    ReadError
        Missing, not a regular file (links and devices are refused), or too long.
    """
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            unreadable(path, "not a regular file", hint)
        if status.st_size > limit:
            unreadable(path, f"{status.st_size} bytes where at most {limit} belong", hint)
        with open(path, "rb") as handle:
            return handle.read(status.st_size)
    except FileNotFoundError:
        unreadable(path, "no such file", hint)
    except OSError as error:
        unreadable(path, error.strerror or str(error), hint)


def parse_json(data: bytes, path: Path, hint: str = "") -> Any:
    """JSON from bytes; a ``ReadError`` for anything else."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        unreadable(path, f"not JSON ({str(error)[:100]})", hint)


def parse_tensors(data: bytes, path: Path, hint: str = "") -> dict[str, torch.Tensor]:
    """Tensors from safetensors bytes; a ``ReadError`` for anything else."""
    try:
        return tensors_from_bytes(data)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        unreadable(path, f"not a safetensors file ({str(error)[:100]})", hint)


def load_state(folder: str | Path, hint: str = "") -> Any:
    """Read what `save_state` wrote, after checking all of it.

    Parameters
    ----------
    folder
        A folder that `save_state` wrote.
    hint
        What a user can do instead; becomes the end of every error.

    Raises
    ------
    ReadError
        Anything is missing, changed, cut short or of another version. No code from the files is ever run.
    """
    folder = Path(folder)
    manifest = read_bounded(folder / MANIFEST, _MAX_MANIFEST_BYTES, hint)
    table = parse_json(manifest, folder / MANIFEST, hint)
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        unreadable(folder / MANIFEST, f"not a {FORMAT} manifest", hint)
    if table.get("version") != VERSION:
        unreadable(folder / MANIFEST, f"version {table.get('version')!r}, this recipnet reads {VERSION}", hint)
    contents = {
        STATE: read_bounded(folder / STATE, MAX_JSON_BYTES, hint),
        TENSORS: read_bounded(folder / TENSORS, MAX_TENSOR_BYTES, hint),
    }
    # comparing whole manifests also catches a change in the manifest itself
    if manifest != _manifest(contents):
        unreadable(folder, "contents do not match the manifest (cut short or changed)", hint)
    tensors = parse_tensors(contents[TENSORS], folder / TENSORS, hint)
    state = parse_json(contents[STATE], folder / STATE, hint)
    try:
        return decode(state, tensors)
    except (ValueError, TypeError, RecursionError) as error:
        unreadable(folder / STATE, f"not a state of recipnet ({error})", hint)
