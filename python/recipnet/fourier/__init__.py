"""The symmetry-adapted Fourier basis: functions that do not change under the operations of a space group."""

from __future__ import annotations

from recipnet.fourier.basis import AlignedRouting, FourierBasis, fourier_basis
from recipnet.fourier.features import FourierFeatures, fourier_features

__all__ = ["AlignedRouting", "FourierBasis", "FourierFeatures", "fourier_basis", "fourier_features"]
