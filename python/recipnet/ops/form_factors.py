"""Tables of known form factors for `structure_factor`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from recipnet._arguments import number
from recipnet.errors import ArgumentError
from recipnet.ops.table import interpolate
from recipnet.scattering import form_factors

#: Error of an interpolated value, as a part of f(0).
ERROR = 1e-6
# Values are rounded to float32 too: interpolation itself gets half of the error.
_SHARE = 0.5
_LARGEST = 1 << 16


def form_factor_table(
    numbers: Sequence[int],
    stol_max: float,
    *,
    radiation: str = "xray",
    charges: ArrayLike | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Form factors on a uniform grid, fine enough that `structure_factor` errs by at most 1e-6 f(0).

    Parameters
    ----------
    numbers : sequence of int, length S
        Atomic numbers, a row for each.
    stol_max : float
        Last column, in 1/angstrom; ``1 / (2 d_min)`` serves all reflections of a ball.
    radiation, charges
        As in `recipnet.form_factors`.
    dtype : torch.float32 or torch.float64

    Returns
    -------
    Tensor, shape (S, G)
        Columns are stol = 0 ... ``stol_max``, for ``table=`` of `structure_factor`.

    Raises
    ------
    ArgumentError
        As `recipnet.form_factors`; a ``stol_max`` that is not above 0.

    Examples
    --------
    >>> import torch
    >>> from recipnet.ops import form_factor_table
    >>> table = form_factor_table([14, 8], stol_max=0.625)
    >>> table.dtype, table.shape[0], [round(value, 1) for value in table[:, 0].tolist()]
    (torch.float32, 2, [14.0, 8.0])
    """
    last = number("stol_max", stol_max)
    if not (np.isfinite(last) and last > 0.0):
        raise ArgumentError(f"stol_max = {stol_max!r}: expected a number above 0", name="stol_max", value=stol_max)
    if dtype not in (torch.float32, torch.float64):
        raise ArgumentError(f"dtype = {dtype}: expected torch.float32 or torch.float64", name="dtype", value=str(dtype))

    def values(stol: np.ndarray) -> Tensor:
        return torch.from_numpy(form_factors(numbers, stol, radiation=radiation, charges=charges))

    points = 33
    while True:
        grid = np.linspace(0.0, last, points)
        table = values(grid)
        # The error between two columns is largest near their middle, or a fifth off it.
        between = np.concatenate([grid[:-1] + part * (last / (points - 1)) for part in (0.3, 0.5, 0.7)])
        place = torch.from_numpy(between * ((points - 1) / last))
        error = (interpolate(table, place).T - values(between)).abs().amax(1)
        if bool((error <= _SHARE * ERROR * table[:, 0].abs()).all()) or points > _LARGEST:
            return table.to(dtype)
        points = 2 * points - 1
