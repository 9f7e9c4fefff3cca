"""Angles between the bonds of an atom: a mean for every edge, over the atoms' moments or over pairs of bonds."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recipnet.models.radial import Gaussians
from recipnet.models.segments import gather_rows, segment_sum

#: Degrees l = 0, 1, 2.
DEGREES = 3


def _bessel(degree: int, x: Tensor) -> Tensor:
    """Spherical Bessel function j_l for l <= 3; below x = 1 by its series, where the closed form cancels."""
    near = x.abs() < 1.0
    small, large = torch.where(near, x, 1.0), torch.where(near, 1.0, x)
    square = -0.5 * small * small
    series = term = torch.ones_like(x)
    for k in range(1, 9):
        term = term * square / (k * (2 * (degree + k) + 1))
        series = series + term
    series = series * small**degree / math.prod(range(1, 2 * degree + 2, 2))
    before, value = torch.cos(large) / large, torch.sin(large) / large  # j_-1 and j_0
    for step in range(degree):
        before, value = value, (2 * step + 1) / large * value - before
    return torch.where(near, series, value)


@cache
def bessel_zeros(count: int) -> NDArray[np.float64]:
    """First positive zeros of j_0, j_1, j_2, shape (3, count): those of j_l lie between those of j_(l-1).

    >>> bessel_zeros(2).round(4)
    array([[3.1416, 6.2832],
           [4.4934, 7.7253],
           [5.7635, 9.095 ]])
    """
    rows = [math.pi * np.arange(1, count + DEGREES)]
    for degree in range(1, DEGREES):
        low, high = rows[-1][:-1].copy(), rows[-1][1:].copy()
        start = _bessel(degree, torch.from_numpy(low)).numpy() > 0.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            same = (_bessel(degree, torch.from_numpy(middle)).numpy() > 0.0) == start
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        rows.append(0.5 * (low + high))
    return np.stack([row[:count] for row in rows])


class SphericalBasis(nn.Module):
    r"""``j_l(z_ln d / c) / sqrt(j_(l+1)(z_ln)^2 / 2) * sqrt((2 l + 1) / (4 pi)) P_l(cos theta)``, l = 0, 1, 2.

    z_ln is the n-th zero of j_l, n = 1 ... ``count`` (the basis of DimeNet without its envelope; published PRDNet code
    has 40 of them and c = 8 angstrom).

    Parameters
    ----------
    reach : float
        c in angstrom.
    count : int
    """

    zeros: Tensor
    norm: Tensor

    def __init__(self, reach: float, count: int) -> None:
        super().__init__()
        zeros = torch.from_numpy(bessel_zeros(count))
        at_zero = torch.stack([_bessel(degree + 1, zeros[degree]) for degree in range(DEGREES)])
        angular = torch.from_numpy(np.sqrt((2 * np.arange(DEGREES) + 1) / (4.0 * math.pi)))  # never on "meta"
        norm = angular[:, None] * math.sqrt(2.0) / at_zero.abs()
        self.register_buffer("zeros", zeros / reach, persistent=False)
        self.register_buffer("norm", norm, persistent=False)

    def radial(self, distance: Tensor) -> Tensor:
        """Everything but P_l: ``(E,) -> (E, 3, count)``."""
        x = distance[:, None, None] * self.zeros.to(distance.dtype)
        parts = [_bessel(degree, x[:, degree]) for degree in range(DEGREES)]
        return torch.stack(parts, dim=1) * self.norm.to(distance.dtype)

    def forward(self, distance: Tensor, cosine: Tensor) -> Tensor:
        """``(T,), (T,) -> (T, 3 count)``, l slowest."""
        legendre = torch.stack([torch.ones_like(cosine), cosine, 1.5 * cosine * cosine - 0.5], dim=1)
        return (self.radial(distance) * legendre[:, :, None]).flatten(1)


def harmonics(unit: Tensor, degree: int) -> list[Tensor]:
    """Polynomials C_lm of unit vectors with ``sum_m C_lm(u) C_lm(w) = P_l(u.w)``, l = 0 to ``degree``.

    Real and imaginary part of ``(x + i y)^m`` times the Legendre function of z without its ``(1 - z^2)^(m/2)``, by the
    recurrence in l.

    Parameters
    ----------
    unit : Tensor, shape (E, 3)
    degree : int

    Returns
    -------
    list of Tensor, shapes (E, 2 l + 1)
    """
    x, y, z = unit.unbind(1)
    columns: list[list[Tensor]] = [[] for _ in range(degree + 1)]
    cosine, sine = torch.ones_like(x), torch.zeros_like(x)
    for m in range(degree + 1):
        before, legendre = torch.zeros_like(z), torch.full_like(z, float(math.prod(range(1, 2 * m, 2))))
        for order in range(m, degree + 1):
            norm = math.sqrt((2 if m else 1) * math.factorial(order - m) / math.factorial(order + m))
            columns[order].append(norm * legendre * cosine)
            if m:
                columns[order].append(norm * legendre * sine)
            following = ((2 * order + 1) * z * legendre - (order + m) * before) / (order - m + 1)
            before, legendre = legendre, following
        cosine, sine = cosine * x - sine * y, cosine * y + sine * x
    return [torch.stack(parts, dim=1) for parts in columns]


class AngleMean(nn.Module):
    r"""What an edge sees of the bonds of its centre: a weighted mean of a basis, through two linear maps.

    ``MLP( sum_k u_ik g_n(d_ik) P_l(cos theta_jik) / (1e-3 + sum_k u_ik) )`` for the edge i <- j, with Gaussians g_n.
    By the addition theorem P_l of an angle is a sum of products of functions of the two bonds, so the sum over k is
    made once for each atom and costs as much as the edges, not as their pairs (derived here; the published drawing has
    the MLP inside of the mean). For that l goes further than the published 2: means of P_1 and P_2 over the twelve
    neighbours in fcc and hcp are the same. k = j is in the sum, at angle zero: it says no more than the distance, which
    the edge has, and left out it would tell a site shared by two rows from one that is not.

    Parameters
    ----------
    channels : int
        Width of the result.
    reach : float
        Range of the Gaussians in angstrom.
    count : int
        Number of Gaussians.
    degree : int
        Largest l.
    """

    def __init__(self, channels: int, reach: float, count: int, degree: int) -> None:
        super().__init__()
        self.degree = degree
        self.radial = Gaussians(0.0, reach, count)
        width = (degree + 1) * count
        self.mlp = nn.Sequential(nn.Linear(width, channels), nn.SiLU(), nn.Linear(channels, channels))

    def mean(self, vector: Tensor, distance: Tensor, centre: Tensor, weight: Tensor, atoms: int) -> Tensor:
        """``vector (E, 3), distance (E,), centre (E,), weight (E, 1) -> (E, (degree + 1) count)``, l slowest."""
        radial = self.radial(distance) * weight
        around = []
        for functions in harmonics(vector / distance[:, None], self.degree):
            moments = (radial[:, :, None] * functions[:, None, :]).flatten(1)
            total = gather_rows(segment_sum(moments, centre, atoms), centre)
            moments = total.view(*radial.shape, functions.shape[1])
            around.append((moments * functions[:, None, :]).sum(2))
        weights = gather_rows(segment_sum(weight, centre, atoms), centre)
        return torch.cat(around, dim=1) / (1e-3 + weights)

    def forward(self, vector: Tensor, distance: Tensor, centre: Tensor, weight: Tensor, atoms: int) -> Tensor:
        """As :meth:`mean`, to ``(E, channels)``."""
        out: Tensor = self.mlp(self.mean(vector, distance, centre, weight, atoms))
        return out


class AngleMeanOfPairs(nn.Module):
    """The published order: ``mean_(k != j) MLP(SBF(d_ik, theta_jik))`` for the edge i <- j, over pairs of edges.

    An edge without others at its centre gets zeros.

    Parameters
    ----------
    channels : int
        Width of the result.
    reach, count
        As for :class:`SphericalBasis`.
    """

    def __init__(self, channels: int, reach: float, count: int) -> None:
        super().__init__()
        self.basis = SphericalBasis(reach, count)
        self.mlp = nn.Sequential(nn.Linear(DEGREES * count, channels), nn.SiLU(), nn.Linear(channels, channels))

    def forward(self, distance: Tensor, first: Tensor, second: Tensor, angle: Tensor) -> Tensor:
        """``distance (E,)``, pairs of edges ``first, second (T,)`` with their ``angle (T,)`` ``-> (E, channels)``."""
        seen = self.mlp(self.basis(distance.index_select(0, second), torch.cos(angle)))
        count = torch.bincount(first, minlength=distance.shape[0]).clamp_min(1)
        return segment_sum(seen, first, distance.shape[0]) / count[:, None]
