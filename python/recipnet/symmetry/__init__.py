"""Symmetry: exact operations, space groups by any of their names, and what a source declared."""

from __future__ import annotations

from recipnet.symmetry.declared import DeclaredSymmetry
from recipnet.symmetry.operations import Operations
from recipnet.symmetry.space_group import SpaceGroup

__all__ = ["DeclaredSymmetry", "Operations", "SpaceGroup"]
