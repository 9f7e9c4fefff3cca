"""The three commands. Nothing here imports torch or a command-line package before it is needed."""

from __future__ import annotations

from recipnet.cli.entry import predict, recipnet, train

__all__ = ["predict", "recipnet", "train"]
