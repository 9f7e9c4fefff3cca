"""Builds the kernels of cuda/ for CPU threads and runs one of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from recipnet.ops.launches import Launch

ROOT = Path(__file__).parents[2]
SHIM = Path(__file__).parent / "host_shim"
BUILDS = {
    "plain": [],
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "thread": ["-fsanitize=thread"],
}


def build(folder: Path) -> dict[str, Path]:
    """A program for each sanitizer; skips the test where the compiler is missing or too old."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("the host shim needs g++ >= 12, and there is no g++")
    version = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    if int(re.match(r"\d+", version)[0]) < 12:
        pytest.skip(f"the host shim needs g++ >= 12 for C++20 barriers, this is {version}")
    flags = ["-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-pthread"]
    flags += [f"-I{SHIM}", f"-I{ROOT / 'cuda'}"]
    for name, extra in BUILDS.items():
        command = [compiler, *flags, *extra, str(SHIM / "kernels.cpp"), "-o", str(folder / name)]
        subprocess.run(command, check=True)
    return {name: folder / name for name in BUILDS}


def start(program: Path, launch: Launch, inputs: list[np.ndarray | int], out_bytes: int, folder: Path) -> np.ndarray:
    """Bytes that a launch writes behind its inputs."""
    source, target = folder / "input.bin", folder / "output.bin"
    with source.open("wb") as file:
        for value in inputs:
            if isinstance(value, np.ndarray):
                file.write(np.int64(value.nbytes).tobytes() + np.ascontiguousarray(value).tobytes())
            else:
                file.write(np.array([-1, value], np.int64).tobytes())
        file.write(np.int64(out_bytes).tobytes())
    # LeakSanitizer stops other threads with ptrace, which containers often forbid; leaks are not looked for here.
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "TSAN_OPTIONS": "halt_on_error=1"}
    command = [program, launch.kernel, *map(str, launch.blocks), str(launch.threads), source, target]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("ThreadSanitizer does not start under this kernel's address layout")
    assert done.returncode == 0, done.stderr
    return np.fromfile(target, np.uint8)
