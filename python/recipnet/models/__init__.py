"""Models by name: each a torch module that says what it needs in ``.spec`` and maps a batch to ``(B, T)``."""

from __future__ import annotations

from recipnet.models.registry import INVARIANCES, build, invariances, modes, names, options, paper

__all__ = ["INVARIANCES", "build", "invariances", "modes", "names", "options", "paper"]
