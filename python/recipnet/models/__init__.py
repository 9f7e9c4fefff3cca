"""Models by name: each a torch module that says what it needs in ``.spec`` and maps a batch to ``(B, T)``."""

from __future__ import annotations

from recipnet.models.registry import build, modes, names, paper

__all__ = ["build", "modes", "names", "paper"]
