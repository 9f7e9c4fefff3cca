"""Torch operators of reciprocal space."""

from __future__ import annotations

from recipnet.ops.transforms import PhaseTable, recip_adjoint, recip_forward

__all__ = ["PhaseTable", "recip_adjoint", "recip_forward"]
