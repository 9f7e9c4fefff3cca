"""Fast crystal featurization and reciprocal-space models.

The names below need NumPy only. ``data``, ``ops``, ``models``, ``training``, ``plot`` and ``load`` are imported when
they are first touched; where an optional package is missing, the error says which extra brings it.
"""

from __future__ import annotations

from typing import Any

from recipnet import cif, errors
from recipnet._core import __version__
from recipnet.batch import CrystalBatch
from recipnet.crystal import Crystal
from recipnet.fourier import FourierBasis, FourierFeatures, fourier_basis, fourier_features
from recipnet.io.read import parse, parse_many, read, read_many
from recipnet.io.report import ReadReport
from recipnet.io.stream import stream
from recipnet.io.write import write
from recipnet.memory import empty_cache
from recipnet.powder import PowderPattern, powder_pattern
from recipnet.real_space import Edges, nearest_neighbors, neighbors
from recipnet.reciprocal import Reflections, reflections
from recipnet.sample import sample
from recipnet.scattering import form_factors, structure_factors
from recipnet.symmetry import Operations, SpaceGroup
from recipnet.symmetry.cells import niggli
from recipnet.symmetry.search import SymmetryResult, find_symmetry
from recipnet.triplets import Triplets, triplets
from recipnet.voronoi import VoronoiVectors, voronoi_vectors

__all__ = [
    "Crystal",
    "CrystalBatch",
    "Edges",
    "FourierBasis",
    "FourierFeatures",
    "Operations",
    "PowderPattern",
    "ReadReport",
    "Reflections",
    "SpaceGroup",
    "SymmetryResult",
    "Triplets",
    "VoronoiVectors",
    "__version__",
    "cif",
    "empty_cache",
    "errors",
    "find_symmetry",
    "form_factors",
    "fourier_basis",
    "fourier_features",
    "nearest_neighbors",
    "neighbors",
    "niggli",
    "parse",
    "parse_many",
    "powder_pattern",
    "read",
    "read_many",
    "reflections",
    "sample",
    "stream",
    "structure_factors",
    "triplets",
    "voronoi_vectors",
    "write",
]

_LAZY_MODULES = ("data", "models", "ops", "plot", "training")


def __getattr__(name: str) -> Any:
    if name in _LAZY_MODULES:
        from recipnet._optional import require

        return require(f"recipnet.{name}", f"recipnet.{name}")
    if name == "load":
        from recipnet._optional import require

        return require("recipnet.training", "recipnet.load").load
    raise AttributeError(f"module 'recipnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_LAZY_MODULES, "load"])
