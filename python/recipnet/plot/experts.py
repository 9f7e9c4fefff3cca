"""How often each task picks each expert, and how alike the tasks are in that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from recipnet.plot.figure import new_figure, save

Array = npt.NDArray[np.float64]


def experts(picked: Array, similarity: Array, names: Sequence[str], path: str | Path) -> None:
    """Write both tables as pictures, one beside the other.

    Parameters
    ----------
    picked : (T, n)
        Share of the crystals for which a task picks an expert.
    similarity : (T, T)
        Cosine between the tasks' mean gate vectors.
    names : T texts
    path
        A PNG file.
    """
    tasks, count = picked.shape
    figure = new_figure(2.2 + 0.45 * count + 1.6 + 0.8 * tasks, 1.8 + 0.55 * tasks)
    left, right = figure.subplots(1, 2, width_ratios=[0.45 * count + 1.0, 0.8 * tasks + 1.0])
    shown = left.imshow(picked, vmin=0.0, vmax=1.0, cmap="Blues", aspect="auto")
    left.set_title("how often a task picks an expert (share of the crystals)", fontsize=10)
    left.set_xticks(range(count))
    left.set_xlabel("expert")
    _numbers(left, picked, "{:.2f}", 0.6, 6.5)
    figure.colorbar(shown, ax=left, pad=0.02)
    low = min(0.0, float(similarity.min()))
    shown = right.imshow(similarity, vmin=low, vmax=1.0, cmap="Oranges", aspect="auto")
    right.set_title("cosine of mean gates", fontsize=10)
    right.set_xticks(range(tasks), names, rotation=30, ha="right", fontsize=9)
    _numbers(right, similarity, "{:.2f}", 0.7, 8)
    figure.colorbar(shown, ax=right, pad=0.03)
    for ax in (left, right):
        ax.set_yticks(range(tasks), names, fontsize=9)
    save(figure, path)


def _numbers(ax: Axes, values: Array, form: str, dark: float, size: float) -> None:
    """Write each number into its cell, white on dark cells."""
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value > dark else "#222222"
        ax.text(column, row, form.format(value), ha="center", va="center", fontsize=size, color=colour)
