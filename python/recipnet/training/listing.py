"""What models there are, for people: sizes in both presets, modes, and what each is invariant to."""

from __future__ import annotations

from typing import Any

import torch

from recipnet import models
from recipnet.training.config import defaults


def parameters(name: str, mode: str, options: dict[str, Any]) -> int:
    """Size of a network with one output; no memory is taken for it."""
    with torch.device("meta"):
        return sum(p.numel() for p in models.build(name, mode, **options).parameters())


def listing() -> list[str]:
    """Lines of ``recipnet models``.

    >>> [line for line in listing() if line.startswith("composition")]
    ['composition - none: the control without structure']
    """
    lines = []
    for name in models.names():
        lines.append(f"{name} - {models.paper(name)}")
        for mode in models.modes(name):
            small, full = (
                parameters(name, mode, defaults(name, mode, preset)["model"]["options"]) for preset in ("small", "full")
            )
            kept = models.invariances(name, mode)
            lost = [word for word in models.INVARIANCES if word not in kept]
            changes = "invariant to all" if not lost else f"all but {', '.join(lost)}"
            lines.append(f"  {mode:<12} {small:>9,} parameters (small) {full:>11,} (full)   {changes}")
    lines += [
        "all, as tests/models/test_invariances.py finds: " + ", ".join(models.INVARIANCES[:-1]),
        '  ("continuity": no step where a neighbour or a reflection crosses a cut-off)',
        "heads: every model predicts one target or several, numbers or classes (data.task = classification)",
        "choose with --set model.name=NAME, model.mode=MODE, model.preset=small or full",
    ]
    return lines
