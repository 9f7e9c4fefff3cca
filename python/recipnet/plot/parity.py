"""Predicted against true values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import NullFormatter

from recipnet.plot.figure import INK, SOFT, labelled, new_figure, plain_numbers, save

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Parity:
    """One panel: values and predictions ``(B,)`` in ``unit``, and the mean absolute error to print."""

    name: str
    unit: str
    values: Array
    predicted: Array
    mae: float


def point_density(x: Array, y: Array, bins: int = 60) -> Array:
    """Points in the cell of a ``bins`` x ``bins`` grid that each point falls into, ``(B,)``.

    >>> point_density(np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0])).tolist()
    [2.0, 2.0, 1.0]
    """
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=bins)
    column = np.clip(np.searchsorted(x_edges, x, side="right") - 1, 0, bins - 1)
    row = np.clip(np.searchsorted(y_edges, y, side="right") - 1, 0, bins - 1)
    return counts[column, row]


def parity(panels: Sequence[Parity], path: str | Path) -> None:
    """Write a parity plot, one square panel per target; points are coloured by how many lie together.

    Parameters
    ----------
    panels
        What to draw.
    path
        A PNG file.
    """
    figure = new_figure(5.4 * max(1, len(panels)), 4.4)
    axes = figure.subplots(1, max(1, len(panels)), squeeze=False)[0]
    for ax, panel in zip(axes, panels, strict=True):
        title = f"{panel.name}: MAE {panel.mae:.4g} {panel.unit}".rstrip()
        ax.set_title(f"{title}\n{len(panel.values)} crystals", fontsize=11)
        ax.set_xlabel(labelled(f"true {panel.name}", panel.unit))
        ax.set_ylabel(labelled(f"predicted {panel.name}", panel.unit))
        finite = np.isfinite(panel.values) & np.isfinite(panel.predicted)
        x, y = panel.values[finite], panel.predicted[finite]
        if not len(x):
            continue
        low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
        margin = 0.03 * (high - low) or 1.0
        ax.plot([low - margin, high + margin], [low - margin, high + margin], color=SOFT, lw=1, zorder=1)
        density = point_density(x, y)
        order = np.argsort(density, kind="stable")
        size = float(np.clip(4000 / len(x), 2, 25))
        points = ax.scatter(
            x[order], y[order], c=density[order], s=size, cmap="viridis", linewidths=0, norm="log", zorder=2
        )
        if density.max() > density.min():
            bar = figure.colorbar(points, ax=ax, label="crystals nearby (cell of a 60 x 60 grid)", shrink=0.8, pad=0.03)
            bar.ax.yaxis.set_major_formatter(plain_numbers())
            bar.ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set_xlim(low - margin, high + margin)
        ax.set_ylim(low - margin, high + margin)
        ax.set_aspect("equal")
        ax.tick_params(colors=INK)
    save(figure, path)
