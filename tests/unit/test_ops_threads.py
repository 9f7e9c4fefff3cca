"""The operators run on torch's own threads: as many as torch is set to, none in a forked child, the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from recipnet import _core
from recipnet.ops import recip_forward

linux = pytest.mark.skipif(sys.platform != "linux", reason="OpenMP's threads are reached on Linux only")


def arguments() -> tuple[torch.Tensor, ...]:
    """Enough work for threads: 64 crystals of 20 atoms and 124 reflections, 64 channels."""
    torch.manual_seed(0)
    half = torch.arange(-2, 3)
    hkl = torch.cartesian_prod(half, half, half)[1:].int().repeat(64, 1)
    atoms, reflections = torch.arange(0, 65 * 20, 20), torch.arange(0, 65 * 124, 124)
    return torch.rand(1280, 64), torch.rand(1280, 3), hkl, atoms, reflections


def sums() -> bytes:
    """Their transforms."""
    return digest(arguments())


def digest(inputs: tuple[torch.Tensor, ...]) -> bytes:
    """The same of inputs that are there; no operator of torch that would use threads."""
    return torch.view_as_real(recip_forward(*inputs)).numpy().tobytes()


def threads() -> set[str]:
    """Names of the threads of this process."""
    return {open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")}


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})\n{code}"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@linux
def test_no_second_pool_is_made() -> None:
    if "OpenMP" not in torch.__config__.parallel_info():
        pytest.skip("this torch has no OpenMP")
    code = "import test_ops_threads as t; t.sums(); print([n for n in t.threads() if n.startswith('recipnet-')])"
    assert run(code, RECIPNET_NUM_THREADS="3") == "[]"


def test_any_number_of_threads_gives_the_same_bytes() -> None:
    code = (
        "import torch, hashlib, test_ops_threads as t; torch.set_num_threads({}); "
        "print(hashlib.sha256(t.sums()).hexdigest())"
    )
    found = {run(code.format(torchs), RECIPNET_NUM_THREADS=ours) for torchs in (1, 5) for ours in ("1", "4")}
    assert len(found) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_does_not_wait_for_threads_that_it_has_not() -> None:
    code = (
        "import os, signal, test_ops_threads as t\n"
        "inputs = t.arguments()\n"
        "expected = t.digest(inputs)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    signal.alarm(100)\n"
        "    os._exit(0 if t.digest(inputs) == expected else 1)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert run(code, PYTHONWARNINGS="ignore") == "0"


def test_a_library_that_is_not_loaded_has_no_threads() -> None:
    assert not _core.use_openmp_of("/nowhere/libtorch_cpu.so")
    assert not _core.use_openmp_of("with\0zero")
