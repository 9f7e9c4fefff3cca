"""Every CUDA source compiles for the supported devices without a warning, on any machine: NVRTC needs no GPU."""

from __future__ import annotations

import csv
import re
import struct
from pathlib import Path

import pytest

from recipnet import _core
from recipnet.ops.launches import source

FOLDER = Path(__file__).parents[2] / "cuda"
TABLE = FOLDER.parent / "benches/results/cuda_resources.csv"
ENTRY = re.compile(r"^RECIPNET_\w+\((\w+)[,)]", re.MULTILINE)
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


KERNELS = sorted(name for name in _core.cuda_sources() if name.endswith(".cu"))


def resources(cubin: bytes) -> dict[str, dict[str, int]]:
    """Registers, shared bytes of a block and stack bytes of a thread of every kernel.

    A cubin is an ELF file. Its section ``.nv.info`` is a list of (format, attribute, size, symbol, value); attribute
    0x2f is the number of registers, 0x11 the size of the stack frame, where spilled registers go.
    """
    (start,) = struct.unpack_from("<Q", cubin, 0x28)
    size, number, names_at = struct.unpack_from("<HHH", cubin, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", cubin, start + i * size) for i in range(number)]

    def text(table: tuple[int, ...], place: int) -> str:
        begin = table[4] + place
        return cubin[begin : cubin.index(b"\0", begin)].decode()

    sections = {text(headers[names_at], header[0]): header for header in headers}
    symbols, names, info = sections[".symtab"], sections[".strtab"], sections[".nv.info"]
    found: dict[str, dict[str, int]] = {}
    place = info[4]
    while place < info[4] + info[5]:
        form, attribute, length = struct.unpack_from("<BBH", cubin, place)
        place += 4
        if form != 4:  # the value is where the length would be
            continue
        if attribute in (0x2F, 0x11):
            symbol, value = struct.unpack_from("<II", cubin, place)
            (name_at,) = struct.unpack_from("<I", cubin, symbols[4] + 24 * symbol)
            symbol_name = text(names, name_at)
            if not symbol_name.startswith("$"):  # the compiler's own functions
                found.setdefault(symbol_name, {})["registers" if attribute == 0x2F else "stack"] = value
        place += length
    for name, kernel in found.items():
        kernel["shared"] = sections.get(f".nv.shared.{name}", (0,) * 10)[5]
    return found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", KERNELS)
def test_source_compiles_without_warnings(name: str, architecture: str):
    text = source(name)
    cubin, log = compile_source(name, text, architecture)
    assert log == ""
    entries = ENTRY.findall(text)
    assert entries
    used = resources(cubin)
    assert used.keys() == set(entries)
    for entry in entries:
        # 65,536 registers of a multiprocessor: two blocks of 128 threads that multiply matrices, two of 256 else, or
        # one in float64
        limit = 255 if entry.startswith("matrix_") or entry.endswith("f64") else 128
        assert 16 <= used[entry]["registers"] <= limit, f"{entry} on {architecture}"
        assert used[entry]["shared"] <= 48 * 1024
        assert used[entry]["stack"] == 0, f"{entry} spills on {architecture}"


def test_the_table_of_resources_is_that_of_the_sources():
    """``python tests/gpu/test_nvrtc.py`` writes it; another release of the compiler may need other registers."""
    rows = list(csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()))
    entries = {entry for name in KERNELS for entry in ENTRY.findall(source(name))}
    assert {(row["kernel"], row["architecture"]) for row in rows} == {(e, a) for e in entries for a in ARCHITECTURES}
    assert all(row["stack"] == "0" for row in rows)


def test_a_broken_source_is_refused():
    with pytest.raises(AssertionError, match="undefined_name"):
        compile_source("broken.cu", 'extern "C" __global__ void f(int* x) { *x = undefined_name; }', "sm_90")


def test_a_warning_is_seen():
    _, log = compile_source("careless.cu", 'extern "C" __global__ void f(int* x) { int unused; *x = 1; }', "sm_90")
    assert "unused" in log


def write_table() -> None:
    """Compile everything and write what each kernel uses."""
    (major, minor) = nvrtc.nvrtcVersion()[1:]
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["kernel", "architecture", "registers", "shared", "stack", "nvrtc"])
        for name in KERNELS:
            for architecture in ARCHITECTURES:
                for entry, used in sorted(resources(compile_source(name, source(name), architecture)[0]).items()):
                    row = [used["registers"], used["shared"], used["stack"]]
                    writer.writerow([entry, architecture, *row, f"{major}.{minor}"])


if __name__ == "__main__":
    write_table()
