"""Importing recipnet brings NumPy and little else; the rest comes when it is touched."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import recipnet as rn
from recipnet._optional import require
from recipnet.errors import MissingExtraError, RecipnetError


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_brings_numpy_alone():
    before = loaded_after("import numpy")
    after = loaded_after("import recipnet")
    tops = {name.partition(".")[0] for name in after - before}
    heavy = {
        "torch", "pandas", "matplotlib", "pyarrow", "lightning", "pydantic", "rich", "typer", "scipy", "pymatgen",
        "ase", "safetensors", "asyncio", "unittest", "importlib.metadata",
    }  # fmt: skip
    assert not tops & heavy
    assert {name for name in tops if name not in sys.stdlib_module_names} <= {"recipnet", "numpy"}
    # What it takes from the standard library is small too.
    others = {name for name in after - before if not name.startswith("recipnet")}
    assert len(others) < 20, sorted(others)


def test_reading_needs_no_torch():
    loaded = loaded_after("import recipnet as rn; rn.sample('quartz'); rn.parse_many([''], on_error='skip')")
    assert "torch" not in loaded
    assert "pyarrow" not in loaded


def test_everything_public_is_there():
    for name in rn.__all__:
        assert getattr(rn, name) is not None
    assert set(rn.__all__) <= set(dir(rn))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        rn.nonsense  # noqa: B018


def test_a_missing_extra_is_named(tmp_path):
    block = "import sys\nsys.modules['torch'] = None\nimport recipnet as rn\n"
    for code, part in [
        ("rn.data", "recipnet.data needs torch"),
        ("rn.load('run')", "load needs torch"),
    ]:
        script = f"{block}try:\n    {code}\nexcept rn.errors.MissingExtraError as error:\n    print(error)"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert part in done.stdout
        assert 'pip install "recipnet[train]"' in done.stdout


def test_require(monkeypatch):
    assert require("json", "this").dumps({}) == "{}"
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r'this needs pyarrow: pip install "recipnet\[parquet\]"') as caught:
        require("pyarrow", "this")
    assert caught.value.extra == "parquet"
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value, RecipnetError)
    with pytest.raises(ModuleNotFoundError):
        require("no_such_module_of_anybody", "this")
