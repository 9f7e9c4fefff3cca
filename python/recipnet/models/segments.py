"""Gathers and sums over ragged rows, written so that both directions are quick on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor


def gather_rows(values: Tensor, index: Tensor) -> Tensor:
    """Rows ``index`` of ``values``: ``(N, C), (E,) -> (E, C)``.

    ``gather`` with an expanded index has a parallel backward on the CPU, several times faster than
    that of plain indexing.
    """
    return values.gather(0, index[:, None].expand(-1, values.shape[1]))


def segment_sum(values: Tensor, index: Tensor, count: int) -> Tensor:
    """Sum of rows by segment: ``(E, C), (E,) -> (count, C)``; segments without rows are zero."""
    out = values.new_zeros((count, values.shape[1]))
    return out.scatter_add(0, index[:, None].expand(-1, values.shape[1]), values)


def weighted_mean(values: Tensor, index: Tensor, count: int, weights: Tensor) -> Tensor:
    """Mean of rows by segment, each row counted ``weights`` times.

    Parameters
    ----------
    values : Tensor, shape (N, C)
    index : Tensor, shape (N,)
        Segment of each row.
    count : int
        Number of segments; an empty one gives zeros.
    weights : Tensor, shape (N,)
        Site occupancies.

    Returns
    -------
    Tensor, shape (count, C)
    """
    total = segment_sum(weights[:, None], index, count).clamp_min(torch.finfo(values.dtype).tiny)
    return segment_sum(values * weights[:, None], index, count) / total
