"""A symmetry-adapted Fourier basis: its functions on a slice of the cell, its orbits on a plane of reciprocal space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from recipnet.errors import ArgumentError
from recipnet.fourier import FourierBasis
from recipnet.plot.figure import ACCENT, INK, SOFT, new_figure, save

__all__ = ["invariant_functions", "orbits"]

_COLUMNS = 4


def invariant_functions(
    basis: FourierBasis,
    path: str | Path,
    *,
    functions: Sequence[int] | None = None,
    at: ArrayLike = (0.0, 0.0, 0.0),
    plane: ArrayLike = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    lattice: ArrayLike | None = None,
    points: int = 121,
    title: str | None = None,
) -> None:
    """Draw real functions of a basis on a slice ``at + u plane[0] + v plane[1]``, u and v from 0 to 1.

    Parameters
    ----------
    basis
        From `recipnet.fourier_basis`.
    path
        A PNG file.
    functions
        Which; the first twelve but the constant one where left out.
    at, plane
        Corner and edges of the slice in fractional coordinates, (3,) and (2, 3).
    lattice
        Rows a, b, c, (3, 3): gives the slice its shape; a square where left out.
    points
        Points along each edge.
    title
        Over the figure.

    Raises
    ------
    ArgumentError
        No function to draw, or one that the basis does not have.
    """
    chosen = list(range(1, min(basis.num_functions, 13))) if functions is None else [int(k) for k in functions]
    if not chosen or min(chosen) < 0 or max(chosen) >= basis.num_functions:
        message = f"functions = {chosen}: at least one of {basis.num_functions}, counted from 0, is drawn"
        raise ArgumentError(message, name="functions", value=chosen)
    edges = np.asarray(plane, dtype=np.float64)
    steps = np.linspace(0.0, 1.0, points)
    u, v = np.meshgrid(steps, steps, indexing="ij")
    frac = np.asarray(at, dtype=np.float64) + u[..., None] * edges[0] + v[..., None] * edges[1]
    values = basis.evaluate(frac, kind="real")
    x, y = _outline(edges, lattice)
    horizontal, vertical = u * x[0] + v * y[0], u * x[1] + v * y[1]
    columns = min(_COLUMNS, len(chosen))
    rows = -(-len(chosen) // columns)
    height = 2.3 * max(0.5, float(np.ptp(vertical)) / float(np.ptp(horizontal))) + 0.35
    figure = new_figure(2.3 * columns + 0.3, height * rows + (0.4 if title else 0.0))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, k in zip(panels, chosen, strict=False):
        limit = float(np.abs(values[..., k]).max()) or 1.0
        # Flat bands of colour: a tenth of the file that smooth shading makes.
        levels = np.linspace(-limit, limit, 24)
        ax.contourf(horizontal, vertical, values[..., k], levels=levels, cmap="RdBu_r", extend="both")
        ax.set_title(_name(basis, k), fontsize=9, color=INK)
        ax.set_aspect("equal")
        ax.set_axis_off()
    for ax in panels[len(chosen) :]:
        ax.set_axis_off()
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
    save(figure, path)


def orbits(basis: FourierBasis, path: str | Path, *, l: int = 0, title: str | None = None) -> None:  # noqa: E741
    """Draw the orbits of a basis on the plane (h k l) of one l: a colour each, phases in turns, crosses for absences.

    Parameters
    ----------
    basis
        From `recipnet.fourier_basis` with ``radius=``.
    path
        A PNG file.
    l
        The plane.
    title
        Over the figure.
    """
    figure = new_figure(5.2, 5.4)
    ax: Axes = figure.subplots()
    # h k l of hexagonal axes lie at 60 degrees; the metric of the rotations tells.
    rotations = basis.operations.rotations.astype(np.float64)
    metric = np.einsum("gij,gkj->ik", rotations, rotations) / len(rotations)
    skew = metric[0, 1] / np.sqrt(metric[0, 0] * metric[1, 1])

    def place(hk: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return hk[:, 0] + skew * hk[:, 1], np.sqrt(1.0 - skew**2) * hk[:, 1]

    owner = np.empty(len(basis.hkl), dtype=np.int64)
    owner[basis.column] = np.repeat(np.arange(basis.num_functions), basis.size)
    turns = np.empty(len(basis.hkl))
    turns[basis.column] = basis.phase / basis.denominator
    here = basis.hkl[:, 2] == l
    reach = int(np.abs(basis.hkl[:, :2]).max(initial=1))
    grid = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).T
    allowed = {(int(h), int(k)) for h, k in basis.hkl[here][:, :2]}
    limit = float((basis.norm**2).max(initial=0.0))
    full = np.column_stack([grid, np.full(len(grid), l)]).astype(np.float64)
    inside = np.einsum("ni,ij,nj->n", full, metric, full) <= limit + 1e-9
    absent = np.array([hk for hk in grid[inside] if (int(hk[0]), int(hk[1])) not in allowed]).reshape(-1, 2)
    ax.scatter(*place(absent), marker="x", color=SOFT, s=22, linewidths=1.0, label="absent")
    colours = _colours(len(np.unique(owner[here])))
    for number, k in enumerate(np.unique(owner[here])):
        mine = here & (owner == k)
        x, y = place(basis.hkl[mine][:, :2])
        ax.scatter(x, y, s=210, color=colours[number], linewidths=0)
        for at_x, at_y, turn in zip(x, y, turns[mine], strict=True):
            ax.annotate(f"{turn:.3g}".replace("0.", "."), (at_x, at_y), ha="center", va="center", fontsize=7, color=INK)
    ax.set_aspect("equal")
    ax.set_axis_off()
    if len(absent):
        ax.legend(loc="lower right", frameon=False, fontsize=8, labelcolor=ACCENT)
    if title:
        ax.set_title(title, fontsize=11, color=INK)
    save(figure, path)


def _outline(edges: NDArray[np.float64], lattice: ArrayLike | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The edges of the slice on paper: the first one to the right."""
    if lattice is None:
        return np.array([1.0, 0.0]), np.array([0.0, 1.0])
    a, b = edges @ np.asarray(lattice, dtype=np.float64)
    length = float(np.linalg.norm(a))
    along = float(a @ b) / length
    across = float(np.sqrt(max(b @ b - along**2, 0.0)))
    return np.array([length, 0.0]), np.array([along, across])


def _name(basis: FourierBasis, k: int) -> str:
    partner = int(basis.partner[k])
    label = "({} {} {})".format(*basis.representative[min(k, partner)].tolist()).replace("-", "\N{MINUS SIGN}")
    if partner == k:
        return label
    return f"{label} {'Re' if k < partner else 'Im'}"


def _colours(count: int) -> NDArray[np.float64]:
    from matplotlib import colormaps

    return colormaps["turbo"](np.linspace(0.08, 0.92, max(count, 1))) * [1, 1, 1, 0.45]
