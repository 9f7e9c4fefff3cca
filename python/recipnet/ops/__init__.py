"""Torch operators of reciprocal space."""

from __future__ import annotations

from recipnet.memory import empty_cache
from recipnet.ops.form_factors import form_factor_table
from recipnet.ops.transforms import recip_adjoint, recip_convolve, recip_forward, structure_factor

__all__ = ["empty_cache", "form_factor_table", "recip_adjoint", "recip_convolve", "recip_forward", "structure_factor"]
