"""Pictures, written to files; no window system and no global state of matplotlib is touched."""

from __future__ import annotations

from recipnet.plot.basis import invariant_functions, orbits
from recipnet.plot.learning_curve import learning_curve
from recipnet.plot.parity import Parity, parity
from recipnet.plot.powder import powder
from recipnet.plot.roc import Roc, roc

__all__ = ["Parity", "Roc", "invariant_functions", "learning_curve", "orbits", "parity", "powder", "roc"]
