"""The Python blocks of every page in docs/ run as they stand, a page in one namespace and a folder with three CIFs."""

from __future__ import annotations

import re
import shutil
from importlib import resources
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "```python\n" in page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_blocks_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cifs").mkdir()
    for name in ("quartz", "iron", "rutile"):
        shutil.copy(str(resources.files("recipnet.samples") / f"{name}.cif"), tmp_path / "cifs")
    text = page.read_text(encoding="utf-8")
    namespace: dict[str, object] = {}
    for found in re.finditer(r"```python\n(.*?)```", text, flags=re.DOTALL):
        # Blank lines in front, so that a traceback names the line of the page.
        code = "\n" * text.count("\n", 0, found.start(1)) + found.group(1)
        exec(compile(code, str(page), "exec"), namespace)


def test_pictures_exist():
    for page in DOCS.rglob("*.md"):
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"
