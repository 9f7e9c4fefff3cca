"""Every CUDA source compiles for the supported devices without a warning, on any machine: NVRTC needs no GPU."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recipnet import _core

FOLDER = Path(__file__).parents[2] / "cuda"
ARCHITECTURES = ("sm_80", "sm_90", "sm_100")

nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings is not installed")


def compile_source(name: str, source: str, architecture: str) -> tuple[bytes, str]:
    """Cubin and log of one source; the log is in the message where the compiler refuses it."""

    def call(function, *arguments):
        status, *values = function(*arguments)
        return status, values[0] if len(values) == 1 else values

    def log() -> str:
        _, size = call(nvrtc.nvrtcGetProgramLogSize, program)
        text = b" " * size
        call(nvrtc.nvrtcGetProgramLog, program, text)
        return text.rstrip(b"\0 ").decode()

    ok = nvrtc.nvrtcResult.NVRTC_SUCCESS
    status, program = call(nvrtc.nvrtcCreateProgram, source.encode(), name.encode(), 0, [], [])
    assert status == ok
    options = [f"--gpu-architecture={architecture}".encode(), b"--std=c++17"]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    assert status == ok, log()
    status, size = call(nvrtc.nvrtcGetCUBINSize, program)
    assert status == ok
    cubin = b" " * size
    (status,) = nvrtc.nvrtcGetCUBIN(program, cubin)
    assert status == ok
    return cubin, log()


def test_embedded_sources_are_those_of_the_folder():
    in_folder = {path.name: path.read_text() for path in FOLDER.iterdir() if path.suffix in {".cu", ".cuh"}}
    assert _core.cuda_sources() == in_folder
    assert in_folder


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", sorted(_core.cuda_sources()))
def test_source_compiles_without_warnings(name: str, architecture: str):
    source = _core.cuda_sources()[name]
    cubin, log = compile_source(name, source, architecture)
    assert log == ""
    entries = re.findall(r"^RECIPNET_ENTRY\((\w+),", source, re.MULTILINE)
    assert entries
    for entry in entries:
        assert entry.encode() in cubin


def test_a_broken_source_is_refused():
    with pytest.raises(AssertionError, match="undefined_name"):
        compile_source("broken.cu", 'extern "C" __global__ void f(int* x) { *x = undefined_name; }', "sm_90")


def test_a_warning_is_seen():
    _, log = compile_source("careless.cu", 'extern "C" __global__ void f(int* x) { int unused; *x = 1; }', "sm_90")
    assert "unused" in log
