"""The wheel and the sdist hold what they must, install into a clean environment with NumPy alone, and work there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
EMBEDDED = re.compile(r"recipnet/data/embedded/[^/]+\.parquet$")
SAMPLE = re.compile(r"recipnet/samples/[^/]+\.cif$")

SMOKE = """
import sys, importlib.util
import recipnet as rn
from recipnet import _core

heavy = {"torch", "pandas", "matplotlib", "pyarrow", "scipy"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert not any(importlib.util.find_spec(name) for name in heavy), "the environment is not clean"
assert sys.prefix in rn.__file__, rn.__file__
crystal = rn.sample("quartz")
assert crystal.reduced_formula == "O2Si", crystal.reduced_formula
edges = rn.neighbors(crystal, cutoff=2.0)
assert len(edges.distance) == 24, len(edges.distance)  # four Si-O bonds for each of three Si, both directions
assert len(rn.nearest_neighbors(crystal, k=2).distance) >= 18
assert len(rn.reflections(crystal, d_min=1.0).hkl)
assert "structure_factor_f32" in _core.cuda_sources()["structure_factor.cu"]
print("smoke test passed")
"""


def build_environment() -> dict[str, str]:
    """This environment's tools first, a quick compilation, and a target folder apart from the optimised build's."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "packaging"
    quick = {"LTO": "off", "OPT_LEVEL": "1", "CODEGEN_UNITS": "16"}
    return {
        **os.environ,
        **{f"CARGO_PROFILE_RELEASE_{name}": value for name, value in quick.items()},
        "CARGO_TARGET_DIR": str(target),
        "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
    }


def run(*command: str | Path, **options) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=build_environment(), **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def make(target: str, folder: Path) -> Path:
    """Run the Makefile's own recipe with the environment that runs this test."""
    stamp = ROOT / ".venv" / ".environment"
    run("make", "-C", ROOT, "-o", stamp, target, f"BIN={TOOLS}", f"DIST={folder}")
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    for tool in ("make", "cargo"):
        if shutil.which(tool) is None:
            pytest.skip(f"building needs {tool}")
    return make("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def sdist(tmp_path_factory) -> Path:
    for tool in ("make", "cargo"):
        if shutil.which(tool) is None:
            pytest.skip(f"building needs {tool}")
    return make("sdist", tmp_path_factory.mktemp("sdist"))


def install_and_smoke(package: Path, folder: Path) -> None:
    run(TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, folder / "clean")
    python = folder / "clean" / "bin" / "python"
    command = [TOOLS / "uv", "pip", "install", "--quiet", "--python", python, package]
    for kind in ("--constraint", "--build-constraint"):
        command += [kind, ROOT / "constraints.txt"]
    try:  # what the set-up has fetched is enough, where the cache still has it
        run(*command, "--offline", cwd=folder)
    except AssertionError:
        run(*command, cwd=folder)
    assert "smoke test passed" in run(python, "-I", "-W", "error", "-c", SMOKE, cwd=folder)
    installed = {line.split("==")[0] for line in run(TOOLS / "uv", "pip", "freeze", "--python", python).splitlines()}
    assert {name.split(" ")[0] for name in installed} == {"numpy", "recipnet"}
    # Without its extra a command says what to install, and does not show a traceback.
    done = subprocess.run([python.parent / "recipnet", "--help"], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 2
    assert 'pip install "recipnet[' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_wheel_is_one_for_all_pythons_and_old_systems(wheel: Path):
    name, version, python, abi, platform = wheel.stem.split("-")
    assert (name, python, abi) == ("recipnet", "cp311", "abi3")
    assert version == re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    glibc = re.fullmatch(r"manylinux_2_(\d+)_\w+", platform)
    assert glibc
    assert int(glibc[1]) <= 28
    with zipfile.ZipFile(wheel) as archive:
        (extension,) = [name for name in archive.namelist() if name.endswith(".so")]
        needed = re.findall(rb"\0GLIBC_2\.(\d+)(?:\.\d+)?(?=\0)", archive.read(extension))
        top = {name.split("/")[0] for name in archive.namelist()}
    assert extension == "recipnet/_core.abi3.so"
    assert needed
    assert max(map(int, needed)) <= 28
    assert top == {"recipnet", f"recipnet-{version}.dist-info"}


@pytest.mark.slow
def test_wheel_holds_types_samples_data_and_licences(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    for wanted in ("recipnet/py.typed", "recipnet/_core.pyi"):
        assert wanted in names
    for pattern in (SAMPLE, EMBEDDED, re.compile("licenses/LICENSE-MIT$"), re.compile("licenses/LICENSE-APACHE$")):
        assert any(pattern.search(name) for name in names), pattern.pattern
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


@pytest.mark.slow
def test_sdist_holds_all_that_a_build_needs(sdist: Path):
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    kernels = {f"cuda/{path.name}" for path in (ROOT / "cuda").glob("*.cu*")}
    assert kernels
    wanted = {"Cargo.lock", "LICENSE-MIT", "LICENSE-APACHE", "README.md", "python/recipnet/py.typed"}
    assert kernels | wanted <= names
    for pattern in (SAMPLE, EMBEDDED):
        assert any(pattern.search(name) for name in names), pattern.pattern
    assert not [name for name in names if name.endswith((".so", ".pyc"))]


@pytest.mark.slow
def test_wheel_works_in_a_clean_environment(wheel: Path, tmp_path: Path):
    install_and_smoke(wheel, tmp_path)


@pytest.mark.slow
def test_sdist_works_in_a_clean_environment(sdist: Path, tmp_path: Path):
    install_and_smoke(sdist, tmp_path)


@pytest.mark.slow
def test_core_crate_can_be_published():
    if shutil.which("cargo") is None:
        pytest.skip("packaging the crate needs cargo")
    listed = run(
        "cargo", "package", "-p", "recipnet-core", "--allow-dirty", "--no-verify", "--offline", "--list", cwd=ROOT
    )
    assert {"Cargo.toml", "README.md", "src/lib.rs", "LICENSE-MIT", "LICENSE-APACHE"} <= set(listed.split())
    tree = run("cargo", "tree", "-p", "recipnet-core", "--offline", "--edges", "normal", "--prefix", "none", cwd=ROOT)
    assert not {"pyo3", "numpy"} & {line.split()[0] for line in tree.splitlines() if line.strip()}


def test_constraints_pin_every_requirement_and_name_no_address():
    text = (ROOT / "constraints.txt").read_text()
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))
    for line in text.splitlines():
        assert re.fullmatch(r"#.*|[a-z0-9.-]+==[\w.]+( ; .+)?", line), line
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = project["dependencies"] + [
        line for extra in project["optional-dependencies"].values() for line in extra
    ]
    names = {re.match(r"[\w.-]+", requirement)[0] for requirement in requirements} - {"recipnet"}
    assert names <= set(pins), names - set(pins)


def test_citation_names_the_version_of_the_workspace():
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
