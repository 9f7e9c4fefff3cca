"""Values of tables on a uniform grid, by cubic convolution."""

from __future__ import annotations

import torch
from torch import Tensor


def interpolate(table: Tensor, place: Tensor) -> Tensor:
    """Rows of a table at places between its columns.

    Cubic convolution with a = -1/2, continuous with its first derivative, third order also at the ends
    (R. G. Keys, IEEE Trans. ASSP 29 (1981) 1153, equations 15, 19 and 25).

    Parameters
    ----------
    table : Tensor, shape (S, G)
        Columns are 0, 1, ..., G - 1; at least three.
    place : Tensor, shape (H,)
        Cut to [0, G - 1].

    Returns
    -------
    Tensor, shape (H, S)
        Differentiable in both.

    Examples
    --------
    A parabola is met exactly.

    >>> import torch
    >>> grid = torch.arange(5.0, dtype=torch.float64)
    >>> interpolate((grid * grid)[None], torch.tensor([0.5, 3.25], dtype=torch.float64))
    tensor([[ 0.2500],
            [10.5625]], dtype=torch.float64)
    """
    points = table.shape[1]
    low = 3.0 * (table[:, 0] - table[:, 1]) + table[:, 2]
    high = 3.0 * (table[:, -1] - table[:, -2]) + table[:, -3]
    padded = torch.cat([low[:, None], table, high[:, None]], 1).T.contiguous()
    place = place.clamp(0.0, points - 1.0)
    cell = place.detach().to(torch.int64).clamp(0, points - 2)
    u = (place - cell)[:, None]
    v = 1.0 - u
    weights = (-0.5 * u * v * v, 1.0 + u * u * (1.5 * u - 2.5), 1.0 + v * v * (1.5 * v - 2.5), -0.5 * u * u * v)
    # indexing has a backward that adds in a fixed order on every device
    return sum(weight * padded[cell + k] for k, weight in enumerate(weights))  # type: ignore[return-value]
