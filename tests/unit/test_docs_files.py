"""The commands of docs/files.md run, and its formats are those that exist."""

from __future__ import annotations

import re
import shutil
from importlib import resources
from pathlib import Path

from recipnet.io import sources

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "files.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def prepare(folder: Path) -> None:
    (folder / "cifs").mkdir()
    for name in ("quartz", "iron", "rutile"):
        shutil.copy(str(resources.files("recipnet.samples") / f"{name}.cif"), folder / "cifs")


def test_console_examples(tmp_path, monkeypatch):
    from typer import testing

    from recipnet.cli import main_command

    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    (lines,) = blocks("console")
    for line in lines.splitlines():
        arguments = line.removeprefix("$ recipnet ").split()
        assert testing.CliRunner().invoke(main_command.app, arguments).exit_code == 0, line


def test_every_suffix_is_named():
    for suffix in sources.SUFFIXES:
        assert f"`{suffix}`" in PAGE, suffix
