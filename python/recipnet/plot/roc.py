"""Receiver operating characteristic of predicted probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recipnet.plot.figure import ACCENT, SOFT, new_figure, save

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Roc:
    """One panel: classes (0 or 1) and probabilities of 1, ``(B,)`` each, and the area to print."""

    name: str
    values: Array
    predicted: Array
    area: float


def roc_points(values: Array, predicted: Array) -> tuple[Array, Array]:
    """Shares of the zeros and of the ones that lie at or above each threshold, from none to all.

    >>> [x.tolist() for x in roc_points(np.array([0.0, 1.0, 1.0]), np.array([0.5, 0.5, 0.9]))]
    [[0.0, 0.0, 1.0], [0.0, 0.5, 1.0]]
    """
    order = np.argsort(-predicted, kind="stable")
    ones = np.cumsum(values[order] > 0.5)
    zeros = np.arange(1, len(order) + 1) - ones
    last = np.append(np.flatnonzero(np.diff(predicted[order])), len(order) - 1)  # ties are taken together
    false, true = np.append(0, zeros[last]), np.append(0, ones[last])
    return false / max(1, zeros[-1]), true / max(1, ones[-1])


def roc(panels: Sequence[Roc], path: str | Path) -> None:
    """Write ROC curves, one square panel per target.

    Parameters
    ----------
    panels
        What to draw.
    path
        A PNG file.
    """
    figure = new_figure(4.6 * max(1, len(panels)), 4.4)
    axes = figure.subplots(1, max(1, len(panels)), squeeze=False)[0]
    for ax, panel in zip(axes, panels, strict=True):
        ones = int((panel.values > 0.5).sum())
        ax.set_title(f"{panel.name}: area {panel.area:.4f}\n{ones} of {len(panel.values)} crystals are 1", fontsize=11)
        ax.plot([0, 1], [0, 1], color=SOFT, lw=1, zorder=1)
        if len(panel.values):
            ax.plot(*roc_points(panel.values, panel.predicted), color=ACCENT, lw=1.6, zorder=2)
        ax.set_xlabel("share of the zeros called 1")
        ax.set_ylabel("share of the ones called 1")
        ax.set_xlim(-0.01, 1.01)
        ax.set_ylim(-0.01, 1.01)
        ax.set_aspect("equal")
        ax.grid(alpha=0.25, lw=0.5)
    save(figure, path)
