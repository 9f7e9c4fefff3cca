"""Triples of reflections that sum to zero: their product of structure factors has a phase without an origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from recipnet.data import TensorBatch


@dataclass(frozen=True)
class Triples:
    """Closed triples ``G1 + G2 + G3 = 0``: row of each in ``batch.hkl``, (T,), and whether it is minus that row."""

    rows: tuple[Tensor, Tensor, Tensor]
    opposite: tuple[Tensor, Tensor, Tensor]
    crystal: Tensor


def closed_triples(batch: TensorBatch, d_min: float) -> Triples:
    """All ordered closed triples of reflections with ``d >= d_min`` whose first member is a row of the batch.

    The batch holds one of each opposite pair; the triples that start with the other one are the negatives of these and
    have the conjugate product.

    Parameters
    ----------
    batch : TensorBatch
        With reflections of a ball that reaches to ``d_min`` or beyond.
    d_min : float
        Angstrom.
    """
    hkl, inverse_d, offsets = batch.required("hkl", "inverse_d", "hkl_offsets")
    kept = torch.nonzero(inverse_d <= 1.0 / d_min)[:, 0]
    crystal = batch.hkl_crystal.index_select(0, kept)
    count = torch.bincount(crystal, minlength=offsets.shape[0] - 1)
    start = count.cumsum(0) - count
    partners = 2 * count.index_select(0, crystal)
    first = torch.repeat_interleave(torch.arange(len(kept), device=hkl.device), partners)
    place = torch.arange(len(first), device=hkl.device) - (partners.cumsum(0) - partners).index_select(0, first)
    owner = crystal.index_select(0, first)
    minus = place >= count.index_select(0, owner)
    second = start.index_select(0, owner) + place - minus * count.index_select(0, owner)
    indices = hkl.index_select(0, kept).long()
    reach = 2 * int(indices.abs().max()) + 1 if len(kept) else 1
    sign = 1 - 2 * minus.long()[:, None]
    third = -(indices.index_select(0, first) + sign * indices.index_select(0, second))
    rows = torch.arange(len(kept), device=hkl.device)
    keys = torch.cat([_key(indices, crystal, reach), _key(-indices, crystal, reach)])
    order = torch.argsort(keys)
    wanted = _key(third, owner, reach)
    at = torch.searchsorted(keys.index_select(0, order), wanted).clamp_max(max(len(keys) - 1, 0))
    found = order.index_select(0, at)
    closed = torch.nonzero(keys.index_select(0, found) == wanted)[:, 0]
    found = found.index_select(0, closed)
    both = torch.cat([rows, rows]).index_select(0, found)
    triple = (first.index_select(0, closed), second.index_select(0, closed), both)
    never = torch.zeros_like(closed, dtype=torch.bool)
    return Triples(
        rows=(kept[triple[0]], kept[triple[1]], kept[triple[2]]),
        opposite=(never, minus.index_select(0, closed), found >= len(kept)),
        crystal=owner.index_select(0, closed),
    )


def _key(hkl: Tensor, crystal: Tensor, reach: int) -> Tensor:
    """A number of its own for every triple of indices within +-reach of every crystal."""
    side = 2 * reach + 1
    digits = hkl + reach
    return ((crystal * side + digits[:, 0]) * side + digits[:, 1]) * side + digits[:, 2]
