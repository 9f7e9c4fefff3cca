"""jarvis-tools, which ALIGNN takes its graphs from."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType, SimpleNamespace
from typing import Any


def graphs() -> Any:
    """`jarvis.core.graphs`. It imports torch and dgl (which new versions of torch have no build of) for what its lists
    of neighbours do not use: names stand in for them where they are not installed, while it is imported.
    """
    torch = ModuleType("torch")
    torch.nn = SimpleNamespace(Module=object)  # type: ignore[attr-defined]
    torch.utils = SimpleNamespace(data=SimpleNamespace(Dataset=object))  # type: ignore[attr-defined]
    torch.Tensor = object  # type: ignore[attr-defined]
    dgl = ModuleType("dgl")
    dgl.DGLGraph = object  # type: ignore[attr-defined]
    placed = []
    for module in (torch, dgl):
        try:
            importlib.import_module(module.__name__)
        except ImportError:
            sys.modules[module.__name__] = module
            placed.append(module.__name__)
    try:
        return importlib.import_module("jarvis.core.graphs")
    finally:
        for name in placed:
            del sys.modules[name]
