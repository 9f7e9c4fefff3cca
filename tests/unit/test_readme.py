"""Every Python example of the README runs as it stands, and every command that it names exists."""

from __future__ import annotations

import re
import shutil
from importlib import resources
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.slow
def test_python_examples_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cifs").mkdir()
    for file in resources.files("recipnet.samples").iterdir():
        if file.name.endswith(".cif"):
            shutil.copy(str(file), tmp_path / "cifs")
    examples = blocks("python")
    assert len(examples) == 4
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})


def test_commands_of_the_console_examples_exist():
    import recipnet.cli

    commands = {line.split()[1] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")}
    assert commands == {"git", "make", "recipnet-train", "recipnet-predict"}
    for name in ("train", "predict", "recipnet"):
        assert callable(getattr(recipnet.cli, name))
