"""State on disk: what goes in comes out bit for bit, and hostile or damaged files give typed errors and run nothing."""

from __future__ import annotations

import io
import json
import math
import pathlib
import random
import struct
import time
import zipfile

import numpy as np
import pytest
import torch

from recipnet.errors import ReadError
from recipnet.training import statefile
from recipnet.training.checkpoints import (
    StateCheckpointIO,
    checkpoint_name,
    last_checkpoint,
    list_checkpoints,
    point_last,
)
from recipnet.training.rng import restore_rng, rng_state
from recipnet.training.statefile import decode, encode, load_state, save_state


def example() -> dict:
    generator = torch.Generator().manual_seed(0)
    return {
        "weights": {"a.b": torch.randn(3, 4, generator=generator), "empty": torch.zeros(0, 2)},
        "scalar": torch.tensor(1.5, dtype=torch.float64),
        "view": torch.arange(12).reshape(3, 4).t(),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "flags": torch.tensor([True, False]),
        "numbers": [1, -2.5, 0.1, 1e-320, True, None, "text \u2603 \x00", 2**70],
        "pair": (0.9, 0.999),
        "table": {0: {"step": torch.tensor(3.0)}, "$odd": 1},
        "odd numbers": [math.inf, -math.inf],
        "nested": [[], {}, ()],
    }


def same(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def test_round_trip_is_exact(tmp_path):
    save_state(tmp_path / "s", example())
    loaded = load_state(tmp_path / "s")
    assert set(loaded) == set(example())
    for key, value in example().items():
        if isinstance(value, dict):
            assert set(value) == set(loaded[key])
            assert all(same(value[name], loaded[key][name]) for name in value)
        else:
            assert same(value, loaded[key]), key
    assert math.isnan(decode(*encode({"x": math.nan}))["x"])


def test_shared_and_aliased_tensors_are_copied(tmp_path):
    weight = torch.ones(4)
    save_state(tmp_path / "s", {"a": weight, "b": weight, "c": weight[1:]})
    weight.zero_()
    loaded = load_state(tmp_path / "s")
    assert loaded["a"].sum() == loaded["b"].sum() == 4
    assert loaded["c"].shape == (3,)


@pytest.mark.parametrize("bad", [object(), np.float32(1).reshape(1), {"x": {1, 2}}, [lambda: 0], b"bytes"])
def test_what_has_no_form_is_refused_and_leaves_nothing(tmp_path, bad):
    with pytest.raises(TypeError, match="no form on disk"):
        save_state(tmp_path / "s", {"x": bad})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(statefile, "write_flushed", full)
    with pytest.raises(OSError, match="No space"):
        save_state(tmp_path / "s", example())
    assert list(tmp_path.iterdir()) == []


def test_every_flipped_byte_is_found(tmp_path):
    folder = tmp_path / "s"
    save_state(folder, {"w": torch.arange(8.0), "step": 3})
    rng = random.Random(0)
    for name in (statefile.STATE, statefile.TENSORS, statefile.MANIFEST):
        good = (folder / name).read_bytes()
        for place in range(len(good)) if len(good) < 400 else rng.sample(range(len(good)), 300):
            bad = bytearray(good)
            bad[place] ^= 1 << rng.randrange(8)
            (folder / name).write_bytes(bytes(bad))
            with pytest.raises(ReadError):
                load_state(folder)
        (folder / name).write_bytes(good)
    assert load_state(folder)["step"] == 3


def test_every_cut_is_found(tmp_path):
    folder = tmp_path / "s"
    save_state(folder, {"w": torch.arange(8.0), "step": 3})
    for name in (statefile.STATE, statefile.TENSORS, statefile.MANIFEST):
        good = (folder / name).read_bytes()
        for part in range(100):
            (folder / name).write_bytes(good[: len(good) * part // 100])
            with pytest.raises(ReadError):
                load_state(folder)
        (folder / name).unlink()
        with pytest.raises(ReadError, match="no such file"):
            load_state(folder)
        (folder / name).write_bytes(good)


class Bomb:
    """Unpickling it would leave a mark."""

    def __reduce__(self):
        return (pathlib.Path.touch, (pathlib.Path("owned"),))


def hostile_files() -> dict[str, tuple[str, bytes]]:
    """Name of a case -> (file of the folder, bytes)."""
    disguised = __import__("pic" + "kle").dumps(Bomb())
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as handle:
        handle.writestr("../../owned", "x")
        handle.writestr("archive/data.pkl", disguised)

    def header(table):
        text = json.dumps(table).encode()
        return struct.pack("<Q", len(text)) + text

    tensors = {
        "pickle": disguised,
        "zip": archive.getvalue(),
        "empty": b"",
        "zeros": bytes(64),
        "header 2^63": struct.pack("<Q", 2**63) + b"{}",
        "header 2^64-1": struct.pack("<Q", 2**64 - 1) + b"{}",
        "header too long": struct.pack("<Q", 10**9) + b"{}",
        "offsets outside": header({"t0": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}),
        "offsets reversed": header({"t0": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}}) + bytes(16),
        "shape overflow": header({"t0": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 16]}}) + bytes(16),
        "shape negative": header({"t0": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}) + bytes(4),
        "dtype unknown": header({"t0": {"dtype": "OBJ", "shape": [1], "data_offsets": [0, 4]}}) + bytes(4),
        "not a table": header([1, 2]),
        "bad utf8": struct.pack("<Q", 4) + b"\xff\xfe\xfd\xfc",
        "missing tensor": header({}),
        "extra tensor": header({"t9": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}) + bytes(4),
    }
    states = {
        "deep": b"[" * 100_000 + b"]" * 100_000,
        "deep tables": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        "state pickle": disguised,
        "nothing": b"",
        "tensor twice": b'{"a":{"$tensor":"t0"},"b":{"$tensor":"t0"}}',
        "unknown tensor": b'{"a":{"$tensor":"t7"}}',
        "unknown tag": b'{"a":{"$call":"os.system"}}',
        "bad table": b'{"a":{"$table":[[1]]},"b":{"$tensor":"t0"}}',
        "table key": b'{"a":{"$table":[[[1],2]]},"b":{"$tensor":"t0"}}',
        "bad float": b'{"a":{"$float":"1e9"},"b":{"$tensor":"t0"}}',
        "long integer": b'{"b":{"$tensor":"t0"},"a":' + b"9" * 100_000 + b"}",
    }
    cases = {name: (statefile.TENSORS, data) for name, data in tensors.items()}
    return cases | {name: (statefile.STATE, data) for name, data in states.items()}


@pytest.mark.parametrize("case", hostile_files())
def test_hostile_files_with_a_true_manifest(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "s"
    save_state(folder, {"w": torch.ones(1)})
    name, data = hostile_files()[case]
    (folder / name).write_bytes(data)
    contents = {part: (folder / part).read_bytes() for part in (statefile.STATE, statefile.TENSORS)}
    (folder / statefile.MANIFEST).write_bytes(statefile._manifest(contents))
    began = time.monotonic()
    with pytest.raises(ReadError):
        load_state(folder)
    assert time.monotonic() - began < 5
    assert not (tmp_path / "owned").exists()
    assert not (tmp_path.parent / "owned").exists()


def test_other_versions_links_and_folders(tmp_path):
    folder = tmp_path / "s"
    save_state(folder, {"w": torch.ones(1)})
    manifest = folder / statefile.MANIFEST
    good = manifest.read_bytes()
    manifest.write_bytes(good.replace(b'"version":1', b'"version":2'))
    with pytest.raises(ReadError, match="version 2"):
        load_state(folder)
    manifest.write_bytes(b"{}")
    with pytest.raises(ReadError, match="not a recipnet-state"):
        load_state(folder)
    manifest.write_bytes(b" " * 10_000)
    with pytest.raises(ReadError, match="at most"):
        load_state(folder)
    manifest.write_bytes(good)
    moved = tmp_path / "elsewhere"
    (folder / statefile.STATE).rename(moved)
    (folder / statefile.STATE).symlink_to(moved)
    with pytest.raises(ReadError, match="not a regular file"):
        load_state(folder)
    (folder / statefile.STATE).unlink()
    (folder / statefile.STATE).mkdir()
    with pytest.raises(ReadError, match="not a regular file"):
        load_state(folder)


def test_checkpoints_keep_the_newest_two(tmp_path):
    keeper = StateCheckpointIO()
    for step in (1, 2, 3, 12):
        keeper.save_checkpoint({"step": step}, tmp_path / checkpoint_name(step))
        (tmp_path / f".{checkpoint_name(99)}-x.tmp").mkdir()  # a killed process left this
        point_last(tmp_path, checkpoint_name(step))
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-00000003", "step-00000012"]
    assert last_checkpoint(tmp_path).name == "step-00000012"
    assert not list(tmp_path.glob(".*"))
    (tmp_path / "last").write_text("../../etc")
    assert last_checkpoint(tmp_path).name == "step-00000012"
    (tmp_path / "last").unlink()
    assert last_checkpoint(tmp_path).name == "step-00000012"
    with pytest.raises(ReadError, match="no checkpoint"):
        last_checkpoint(tmp_path / "none")


def test_generators_come_back():
    state = decode(*encode(rng_state()))
    first = random.random(), np.random.rand(), torch.rand(3)  # noqa: NPY002
    restore_rng(state)
    second = random.random(), np.random.rand(), torch.rand(3)  # noqa: NPY002
    assert first[:2] == second[:2]
    assert torch.equal(first[2], second[2])


def test_nothing_in_the_package_reads_or_writes_pickles():
    import recipnet

    root = pathlib.Path(recipnet.__file__).parent
    words = ["torch" + ".load", "torch" + ".save", "import pic" + "kle", "joblib", "allow_pickle" + "=True", "shelve"]
    words += ["np" + ".load", "from pic" + "kle", "cloudpic" + "kle", "dill", "eval" + "(", "exec" + "("]
    found = []
    for path in root.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            code = line.split("#")[0].replace(".eval" + "(", "")
            found += [f"{path}:{number}: {line}" for word in words if word in code]
    assert not found, "\n".join(found)
