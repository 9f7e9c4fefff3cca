"""Crystals as flat arrays, and the gather that cuts a mini-batch out of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recipnet.batch import CrystalBatch

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FlatCrystals:
    """The arrays of a crystal batch that featurization reads.

    Attributes
    ----------
    lattices : (B, 3, 3) float64, rows a, b, c in angstrom
    numbers : (N,) uint8
    frac_coords : (N, 3) float64
    occupancies : (N,) float64
    offsets : (B + 1,) int64
    site : (N,) int32
        Rows of one crystal with equal ``site`` are the species of one mixed site.
    """

    lattices: FloatArray
    numbers: npt.NDArray[np.uint8]
    frac_coords: FloatArray
    occupancies: FloatArray
    offsets: IntArray
    site: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.lattices)

    @classmethod
    def of(cls, batch: CrystalBatch) -> FlatCrystals:
        """Views of a :class:`recipnet.CrystalBatch`; nothing is copied."""
        return cls(batch.lattices, batch.numbers, batch.frac_coords, batch.occupancies, batch.offsets, batch.site)

    def take(self, rows: npt.ArrayLike) -> FlatCrystals:
        """Crystals ``rows`` in that order, copied into arrays of their own without a loop over crystals."""
        index = np.asarray(rows, dtype=np.int64)
        starts = self.offsets[index]
        counts = self.offsets[index + 1] - starts
        offsets = np.zeros(len(index) + 1, dtype=np.int64)
        np.cumsum(counts, out=offsets[1:])
        atoms = np.arange(offsets[-1], dtype=np.int64) + np.repeat(starts - offsets[:-1], counts)
        return FlatCrystals(
            lattices=self.lattices[index],
            numbers=self.numbers[atoms],
            frac_coords=self.frac_coords[atoms],
            occupancies=self.occupancies[atoms],
            offsets=offsets,
            site=self.site[atoms],
        )

    def is_ordered(self) -> npt.NDArray[np.bool_]:
        """``Crystal.is_ordered`` of each, ``(B,) bool``: known elements, each alone on a full site."""
        crystal = np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.offsets))
        bad = (self.occupancies < 1.0 - 1e-9) | (self.numbers == 0)
        order = np.lexsort((self.site, crystal))
        shared = (np.diff(self.site[order]) == 0) & (np.diff(crystal[order]) == 0)
        bad[order[1:][shared]] = True
        ordered = np.ones(len(self), dtype=np.bool_)
        ordered[crystal[bad]] = False
        return ordered


@dataclass(frozen=True, eq=False)
class MiniBatch:
    """Raw crystals of one step with their labels; :func:`recipnet.data.collate` turns it into tensors.

    Attributes
    ----------
    crystals : FlatCrystals
    ids : list of str, length B
    targets : (B, T) float64, 0 where the label is missing
    mask : (B, T) bool, False where the label is missing
    """

    crystals: FlatCrystals
    ids: Sequence[str]
    targets: FloatArray
    mask: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.crystals)
