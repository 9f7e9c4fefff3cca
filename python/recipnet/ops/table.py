"""Values of tables on a uniform grid, by cubic convolution, in plain torch."""

from __future__ import annotations

import torch
from torch import Tensor

# Weights of the columns farther off and of those beside a place, by its distance from the column on its left, and their
# derivatives; those on the right are mirrored.
FAR = (
    lambda t: -0.5 * t * (1.0 - t) * (1.0 - t),
    lambda t: -0.5 + t * (2.0 - 1.5 * t),
    lambda t: 2.0 - 3.0 * t,
    lambda t: torch.full_like(t, -3.0),
    torch.zeros_like,
)
NEAR = (
    lambda t: 1.0 + t * t * (1.5 * t - 2.5),
    lambda t: t * (4.5 * t - 5.0),
    lambda t: 9.0 * t - 5.0,
    lambda t: torch.full_like(t, 9.0),
    torch.zeros_like,
)


def extend(table: Tensor) -> Tensor:
    """A table (S, G) with the column before its first and the one after its last, (S, G + 2).

    They make the interpolation of third order at the ends too (R. G. Keys, IEEE Trans. ASSP 29 (1981) 1153,
    equations 19 and 25).
    """
    low = 3.0 * (table[:, 0] - table[:, 1]) + table[:, 2]
    high = 3.0 * (table[:, -1] - table[:, -2]) + table[:, -3]
    return torch.cat([low[:, None], table, high[:, None]], 1)


def stencil(places: Tensor, columns: int, order: int = 0) -> tuple[Tensor, tuple[Tensor, ...]]:
    """First of the four columns of an extended table about each place, and the weights of the four.

    Cubic convolution with a = -1/2, continuous with its first derivative (Keys, equation 15). ``order``: how often the
    weights are differentiated by the place.
    """
    cell = places.detach().to(torch.int64).clamp(0, columns - 4)
    u = places - cell
    v = 1.0 - u
    far, near = FAR[min(order, 4)], NEAR[min(order, 4)]
    mirror = -1.0 if order % 2 else 1.0
    return cell, (far(u), near(u), mirror * near(v), mirror * far(v))


def values_at(extended: Tensor, places: Tensor, order: int = 0) -> Tensor:
    """Rows of an extended table (S, G + 2) at places (H,) from 0 to G - 1: (H, S)."""
    cell, weights = stencil(places, extended.shape[1], order)
    rows = extended.T.contiguous()
    # indexing has a backward that adds in a fixed order on every device
    return sum(weight[:, None] * rows[cell + k] for k, weight in enumerate(weights))  # type: ignore[return-value]


def add_values(values: Tensor, places: Tensor, columns: int, order: int = 0) -> Tensor:
    """The adjoint of `values_at` in the table, (H, S) to (S, G + 2)."""
    cell, weights = stencil(places, columns, order)
    rows = torch.cat([weight[:, None] * values for weight in weights])
    where = torch.cat([cell + k for k in range(4)])
    # index_put sorts, so that the sum does not depend on the order of threads
    return values.new_zeros(columns, values.shape[1]).index_put((where,), rows, accumulate=True).T.contiguous()


def interpolate(table: Tensor, places: Tensor) -> Tensor:
    """Rows of a table at places between its columns.

    Parameters
    ----------
    table : Tensor, shape (S, G)
        Columns are 0, 1, ..., G - 1; at least three.
    places : Tensor, shape (H,)
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
    return values_at(extend(table), places.clamp(0.0, table.shape[1] - 1.0))
