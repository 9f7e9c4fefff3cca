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


def segment_outer(left: Tensor, right: Tensor, index: Tensor, count: int) -> Tensor:
    """Sum of outer products of rows by segment, ``out[s, a, b] = sum_(h in s) left[h, a] right[h, b]``.

    One batched matrix product over segments that are filled up with zeros to the longest: the outer products are
    never written down.

    Parameters
    ----------
    left, right : Tensor, shape (H, A), (H, B)
    index : Tensor, shape (H,), int64
        Segment of each row, not falling.
    count : int
        Number of segments; an empty one gives zeros.

    Returns
    -------
    Tensor, shape (count, A, B)
    """
    sizes = torch.bincount(index, minlength=count)
    longest = int(sizes.max()) if index.shape[0] else 0
    starts = sizes.cumsum(0) - sizes
    place = torch.arange(index.shape[0], device=index.device) + (index * longest - starts.index_select(0, index))

    def filled(values: Tensor) -> Tensor:
        out = values.new_zeros((count * longest, values.shape[1]))
        return out.index_copy(0, place, values).view(count, longest, values.shape[1])

    return filled(left).transpose(1, 2) @ filled(right)
