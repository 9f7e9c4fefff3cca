"""Fast crystal featurization and reciprocal-space models."""

from __future__ import annotations

from recipnet import errors
from recipnet._core import __version__

__all__ = ["__version__", "errors"]
