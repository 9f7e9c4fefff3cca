"""cuda/structure_factor.cu on CPU threads, plain and under sanitizers, against a float64 sum in NumPy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SHIM = Path(__file__).parent / "host_shim"
BUILDS = {
    "plain": [],
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "thread": ["-fsanitize=thread"],
}
# Crystals without atoms, without reflections, with one of each, and around the edges of a tile of 128.
ATOMS = [3, 0, 1, 200, 5, 17, 129, 1, 128]
REFLECTIONS = [40, 5, 1, 300, 0, 7, 128, 127, 2]
LIMIT = {np.float32: 1e-5, np.float64: 1e-12}


@dataclass(frozen=True)
class Case:
    frac: np.ndarray
    weights: np.ndarray
    hkl: np.ndarray
    atom_offsets: np.ndarray
    hkl_offsets: np.ndarray

    def part(self, crystal: int) -> Case:
        """One crystal as a batch of its own."""
        atoms = slice(*self.atom_offsets[crystal : crystal + 2])
        rows = slice(*self.hkl_offsets[crystal : crystal + 2])
        counts = (atoms.stop - atoms.start, rows.stop - rows.start)
        offsets = [np.array([0, count], np.int64) for count in counts]
        return Case(self.frac[atoms], self.weights[atoms], self.hkl[rows], *offsets)


def make_case(atoms: list[int], reflections: list[int], dtype: type, seed: int = 7) -> Case:
    rng = np.random.default_rng(seed)
    atom_offsets, hkl_offsets = (
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64) for counts in (atoms, reflections)
    )
    frac = rng.uniform(-1.5, 1.5, (atom_offsets[-1], 3)).astype(dtype)
    weights = rng.normal(size=atom_offsets[-1]).astype(dtype)
    hkl = rng.integers(-64, 65, (hkl_offsets[-1], 3), dtype=np.int32)
    return Case(frac, weights, hkl, atom_offsets, hkl_offsets)


def twin(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """F and the sum of |w| for every reflection, by the definition, in float64."""
    values, scales = [], []
    for crystal in range(len(case.atom_offsets) - 1):
        one = case.part(crystal)
        turns = one.hkl.astype(np.float64) @ one.frac.astype(np.float64).T
        weights = one.weights.astype(np.float64)
        values.append(np.exp(2j * np.pi * (turns - np.rint(turns))) @ weights)
        scales.append(np.full(len(one.hkl), np.abs(weights).sum()))
    return np.concatenate(values), np.concatenate(scales)


@pytest.fixture(scope="session")
def programs(tmp_path_factory) -> dict[str, Path]:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("the host shim needs g++ >= 12, and there is no g++")
    version = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    if int(re.match(r"\d+", version)[0]) < 12:
        pytest.skip(f"the host shim needs g++ >= 12 for C++20 barriers, this is {version}")
    folder = tmp_path_factory.mktemp("shim")
    flags = ["-std=c++20", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{SHIM}", f"-I{ROOT / 'cuda'}"]
    for build, extra in BUILDS.items():
        command = [compiler, *flags, *extra, str(SHIM / "structure_factor.cpp"), "-o", str(folder / build)]
        subprocess.run(command, check=True)
    return {build: folder / build for build in BUILDS}


def run(program: Path, case: Case, folder: Path) -> np.ndarray:
    source, target = folder / "input.bin", folder / "output.bin"
    sizes = [len(case.atom_offsets) - 1, len(case.frac), len(case.hkl), case.frac.itemsize]
    with source.open("wb") as file:
        arrays = (case.atom_offsets, case.hkl_offsets, case.hkl, case.frac, case.weights)
        for array in (np.array(sizes, np.int64), *arrays):
            file.write(array.tobytes())
    # LeakSanitizer stops other threads with ptrace, which containers often forbid; leaks are not looked for here.
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "TSAN_OPTIONS": "halt_on_error=1"}
    command = [program, source, target]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("ThreadSanitizer does not start under this kernel's address layout")
    assert done.returncode == 0, done.stderr
    return np.fromfile(target, case.frac.dtype).view(np.complex64 if case.frac.itemsize == 4 else np.complex128)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("build", BUILDS)
def test_ragged_batch_equals_the_sum(programs, tmp_path, build: str, dtype: type):
    case = make_case(ATOMS, REFLECTIONS, dtype)
    expected, scale = twin(case)
    values = run(programs[build], case, tmp_path)
    assert values.shape == expected.shape
    assert np.all(np.abs(values - expected) <= LIMIT[dtype] * scale)
    assert np.all(values[scale == 0] == 0)
    assert np.any(scale == 0)


@pytest.mark.parametrize(
    ("atoms", "reflections"),
    [([], []), ([0], [0]), ([0], [1]), ([1], [0]), ([1], [1]), ([0, 0, 1, 0], [0, 3, 0, 2]), ([129], [129])],
    ids=str,
)
def test_odd_shapes(programs, tmp_path, atoms: list[int], reflections: list[int]):
    for dtype in (np.float32, np.float64):
        case = make_case(atoms, reflections, dtype)
        values = run(programs["address"], case, tmp_path)
        if not sum(reflections):
            assert values.shape == (0,)
            continue
        expected, scale = twin(case)
        assert np.all(np.abs(values - expected) <= LIMIT[dtype] * scale)


def test_crystal_alone_and_in_a_batch_agree(programs, tmp_path):
    case = make_case(ATOMS, REFLECTIONS, np.float64)
    together = run(programs["plain"], case, tmp_path)
    for crystal in range(len(ATOMS)):
        rows = slice(*case.hkl_offsets[crystal : crystal + 2])
        alone = run(programs["plain"], case.part(crystal), tmp_path)
        np.testing.assert_allclose(together[rows], alone, rtol=0, atol=1e-12)


def test_known_values(programs, tmp_path):
    """Two atoms half a body diagonal apart add up where h + k + l is even; one at 1/4 shows the sign of +2 pi i."""
    offsets = np.array([0, 2], np.int64)
    frac = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
    hkl = np.array([[1, 1, 0], [1, 0, 0]], np.int32)
    values = run(programs["plain"], Case(frac, np.array([2.0, 1.0]), hkl, offsets, offsets), tmp_path)
    np.testing.assert_allclose(values, [3, 1], atol=1e-15)
    quarter = Case(frac[1:] / 2, np.ones(1), hkl[1:], np.array([0, 1], np.int64), np.array([0, 1], np.int64))
    np.testing.assert_allclose(run(programs["plain"], quarter, tmp_path), [1j], atol=1e-15)
