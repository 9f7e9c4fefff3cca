"""Torch operators of reciprocal space."""

from __future__ import annotations

from recipnet.ops.transforms import recip_adjoint, recip_convolve, recip_forward, structure_factor

__all__ = ["recip_adjoint", "recip_convolve", "recip_forward", "structure_factor"]
