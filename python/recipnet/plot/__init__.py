"""Pictures, written to files; no window system and no global state of matplotlib is touched."""

from __future__ import annotations

from recipnet.plot.learning_curve import learning_curve
from recipnet.plot.parity import Parity, parity

__all__ = ["Parity", "learning_curve", "parity"]
