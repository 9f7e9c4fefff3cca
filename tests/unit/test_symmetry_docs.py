"""The examples of docs/symmetry.md run in order."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "symmetry.md").read_text(encoding="utf-8")


def test_examples_run_in_order():
    names: dict[str, object] = {}
    examples = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(examples) == 5
    for example in examples:
        exec(compile(example, "docs/symmetry.md", "exec"), names)
