"""Threads: the pool's size, and forked children that must neither hang nor differ."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest

import recipnet as rn
from recipnet import _core

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def batch() -> rn.CrystalBatch:
    """Enough work that threads are used."""
    return rn.CrystalBatch.from_crystals([rn.sample("quartz"), rn.sample("silicon")] * 100)


def digest() -> bytes:
    """Bytes of everything that runs in threads."""
    b = batch()
    edges, near = rn.neighbors(b, 5.0), rn.nearest_neighbors(b, 12)
    refl = rn.reflections(b, 0.7)
    return b"".join(a.tobytes() for a in (edges.vector, edges.index, near.vector, refl.hkl, refl.d_spacing))


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_pool_is_as_large_as_the_cpus_allow() -> None:
    result = run("from recipnet import _core; print(_core.num_threads())", RECIPNET_NUM_THREADS="3")
    assert result.stdout.strip() == "3"
    environment = {k: v for k, v in os.environ.items() if k != "RECIPNET_NUM_THREADS"}
    code = "from recipnet import _core; print(_core.num_threads())"
    plain = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert 1 <= int(plain.stdout) <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize("value", ["0", "-2", "many", "", "1e3"])
def test_a_bad_size_is_refused_by_name(value: str) -> None:
    code = "from recipnet import _core; _core.num_threads()"
    result = run(code, RECIPNET_NUM_THREADS=value)
    assert result.returncode == 1
    assert "ArgumentError" in result.stderr
    assert "RECIPNET_NUM_THREADS" in result.stderr


def test_any_pool_gives_the_same_bytes() -> None:
    code = (
        "import sys, hashlib, os; sys.path.insert(0, os.environ['HERE']); import test_parallel as t;"
        "print(hashlib.sha256(t.digest()).hexdigest())"
    )
    here = os.path.dirname(__file__)
    outputs = {run(code, RECIPNET_NUM_THREADS=n, HERE=here).stdout.strip() for n in ("1", "2", "7")}
    assert len(outputs) == 1
    assert len(outputs.pop()) == 64


@needs_fork
def test_a_forked_child_works_serially_and_alike() -> None:
    expected = digest()
    assert not _core.parallelism()["forked"]
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        # Newer Pythons warn that threads and fork go badly together: that is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.alarm(60)  # a hang ends as a failure
        code = 1
        try:
            state = _core.parallelism()
            good = state == {"threads": 1, "forked": True} and digest() == expected
            code = 0 if good else 2
        finally:
            os.write(write_end, bytes([code]))
            os._exit(code)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        answer = pipe.read(1)
    _, status = os.waitpid(child, 0)
    assert answer == b"\0"
    assert os.waitstatus_to_exitcode(status) == 0


@needs_fork
def test_a_fork_before_the_first_call_is_serial_too() -> None:
    code = (
        "import os, sys; sys.path.insert(0, os.environ['HERE']); import test_parallel as t\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    t.signal.alarm(60); t.digest(); os._exit(0 if t._core.parallelism()['forked'] else 3)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    assert run(code, HERE=os.path.dirname(__file__)).stdout.strip() == "0"


def _work(_: int) -> bytes:
    return digest()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_pool_gives_the_same_arrays(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    code = (
        "import multiprocessing, os, sys\n"
        "sys.path.insert(0, os.environ['HERE'])\n"
        "import test_parallel as t\n"
        "if __name__ == '__main__':\n"
        "    expected = t.digest()\n"
        "    with multiprocessing.get_context(os.environ['METHOD']).Pool(2) as pool:\n"
        "        print(all(x == expected for x in pool.map(t._work, range(3))))\n"
    )
    assert run(code, HERE=os.path.dirname(__file__), METHOD=method).stdout.strip() == "True"


class _Crystals:
    """A dataset whose items are featurized where they are read."""

    def __init__(self) -> None:
        self.crystals = [rn.sample("quartz"), rn.sample("silicon")] * 4

    def __len__(self) -> int:
        return len(self.crystals)

    def __getitem__(self, place: int) -> np.ndarray:
        return rn.neighbors([self.crystals[place]] * 100, 5.0).vector


@needs_fork
def test_forked_loader_workers_do_not_hang() -> None:
    data = pytest.importorskip("torch.utils.data")
    dataset = _Crystals()
    expected = [dataset[place] for place in range(len(dataset))]
    loader = data.DataLoader(
        dataset,  # type: ignore[arg-type]
        batch_size=None,
        num_workers=2,
        multiprocessing_context="fork",
        timeout=300,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found = [item.numpy() for item in loader]
    assert len(found) == len(expected)
    assert all((a == b).all() for a, b in zip(found, expected, strict=True))


def test_a_panic_would_be_an_ordinary_exception() -> None:
    # Nothing panics on purpose; wrong shapes must not reach the core's indexing.
    floats, longs = np.zeros((1, 3, 3)), np.array([0, 5])
    with pytest.raises(ValueError, match="offsets"):
        _core.neighbors(floats + np.eye(3), np.zeros((2, 3)), longs, None, 1.0, False, True, 10, None, False)
    with pytest.raises(ValueError, match="shape"):
        _core.neighbors(np.zeros((1, 2, 3)), np.zeros((2, 3)), longs, None, 1.0, False, True, 10, None, False)
    with pytest.raises(ValueError, match="contiguous"):
        _core.neighbors(np.eye(3)[None], np.zeros((3, 4)).T[:, :3], longs, None, 1.0, False, True, 10, None, False)
