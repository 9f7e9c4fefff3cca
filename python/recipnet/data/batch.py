"""The tensors of one mini-batch: all that a model sees."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from recipnet.errors import DataError


@dataclass(eq=False)
class TensorBatch:
    """B crystals with N atom rows, E edges and H reflections as flat tensors.

    Features that the spec did not ask for are None. Real tensors have one dtype, float32 or float64. Treat it as
    frozen: the tensors share memory with the arrays that the core handed over.

    Attributes
    ----------
    numbers : (N,) int64
        Atomic numbers, 0 = unknown.
    frac : (N, 3)
        Fractional coordinates in [0, 1).
    lattice : (B, 3, 3)
        Rows a, b, c in angstrom.
    atom_offsets : (B + 1,) int64
        Atoms of crystal b are ``atom_offsets[b]:atom_offsets[b + 1]``.
    occupancies : (N,)
        Share of the site that the row fills.
    edge_index : (2, E) int64
        Row 0 is the atom that receives, row 1 its neighbour, both numbered through the batch.
    edge_vector : (E, 3), angstrom
    edge_distance : (E,), angstrom
    edge_offsets : (B + 1,) int64
    lattice_edge_index : (2, L) int64
        Both rows the same atom; rising.
    lattice_edge_vector : (L, 3), angstrom
    triplet_index : (2, T) int64
        Two different edges with one centre, in both orders, sorted.
    triplet_angle : (T,)
        Angle between them in radians.
    hkl : (H, 3) int32
        Of a ball one of each Friedel pair.
    hkl_offsets : (B + 1,) int64
    inverse_d : (H,)
        1/d in 1/angstrom.
    targets : (B, T)
        0 where the label is missing.
    mask : (B, T) bool
        False where the label is missing.
    ids : list of str
    """

    numbers: Tensor
    frac: Tensor
    lattice: Tensor
    atom_offsets: Tensor
    occupancies: Tensor
    edge_index: Tensor | None = None
    edge_vector: Tensor | None = None
    edge_distance: Tensor | None = None
    edge_offsets: Tensor | None = None
    lattice_edge_index: Tensor | None = None
    lattice_edge_vector: Tensor | None = None
    triplet_index: Tensor | None = None
    triplet_angle: Tensor | None = None
    hkl: Tensor | None = None
    hkl_offsets: Tensor | None = None
    inverse_d: Tensor | None = None
    targets: Tensor | None = None
    mask: Tensor | None = None
    ids: list[str] | None = None

    def __len__(self) -> int:
        return self.num_crystals

    @property
    def num_crystals(self) -> int:
        """B."""
        return self.lattice.shape[0]

    @property
    def num_atoms(self) -> int:
        """N, rows in all."""
        return self.numbers.shape[0]

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.lattice.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the real tensors."""
        return self.lattice.dtype

    @cached_property
    def atom_crystal(self) -> Tensor:
        """Crystal of each atom row, (N,) int64."""
        return _owner(self.atom_offsets, self.num_atoms)

    @cached_property
    def edge_crystal(self) -> Tensor:
        """Crystal of each edge, (E,) int64."""
        if self.edge_offsets is None or self.edge_distance is None:
            raise AttributeError("this batch has no edges: its FeatureSpec asked for none")
        return _owner(self.edge_offsets, self.edge_distance.shape[0])

    @cached_property
    def hkl_crystal(self) -> Tensor:
        """Crystal of each reflection, (H,) int64."""
        if self.hkl_offsets is None or self.hkl is None:
            raise AttributeError("this batch has no reflections: its FeatureSpec asked for none")
        return _owner(self.hkl_offsets, self.hkl.shape[0])

    @property
    def volume(self) -> Tensor:
        """Cell volume in cubic angstrom, (B,): ``|a . (b x c)|``."""
        a, b, c = self.lattice.unbind(1)
        return (a * torch.linalg.cross(b, c)).sum(-1).abs()

    def required(self, *names: str) -> tuple[Tensor, ...]:
        """Fields by name, for a model that cannot do without them.

        Raises
        ------
        DataError
            The batch was made with a spec that did not ask for one of them.
        """
        missing = [name for name in names if getattr(self, name) is None]
        if missing:
            raise DataError(
                f"this batch has no {', '.join(missing)}: collate it with the .spec of the model", value=missing
            )
        return tuple(getattr(self, name) for name in names)

    def to(self, device: torch.device | str | int, non_blocking: bool = False) -> TensorBatch:
        """The same batch on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> TensorBatch:
        """The same batch in page-locked memory, for copies to a GPU that overlap with its work."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, function: Any) -> TensorBatch:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return TensorBatch(**{name: function(v) if isinstance(v, Tensor) else v for name, v in values.items()})

    def __repr__(self) -> str:
        parts = [f"{self.num_crystals} crystals", f"{self.num_atoms} atoms"]
        if self.edge_distance is not None:
            parts.append(f"{self.edge_distance.shape[0]} edges")
        if self.hkl is not None:
            parts.append(f"{self.hkl.shape[0]} reflections")
        return f"TensorBatch({', '.join(parts)}, {self.dtype}, {self.device})"


def _owner(offsets: Tensor, size: int) -> Tensor:
    """Place of each row in the ragged array that ``offsets`` cuts; the given size spares a GPU synchronisation."""
    crystals = torch.arange(offsets.shape[0] - 1, device=offsets.device)
    return torch.repeat_interleave(crystals, offsets.diff(), output_size=size)
