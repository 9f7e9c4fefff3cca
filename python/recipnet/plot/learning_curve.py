"""Loss and validation errors over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import MaxNLocator

from recipnet.plot.figure import ACCENT, INK, labelled, new_figure, plain_numbers, save


def learning_curve(
    rows: Sequence[Mapping[str, Any]],
    path: str | Path,
    names: Sequence[str],
    units: Sequence[str],
    metric: tuple[str, str] = ("mae", "MAE"),
) -> None:
    """Write the course of a run: training loss, then the validation error of each target.

    Parameters
    ----------
    rows
        Those of ``metrics.csv``.
    path
        A PNG file.
    names, units
        Of the targets.
    metric
        Which error, by its key in ``metrics.csv`` and its name for people.
    """
    key, label = metric
    shown = [(name, unit) for name, unit in zip(names, units, strict=True) if rows and f"val_{key}_{name}" in rows[0]]
    figure = new_figure(4.6 * (1 + len(shown)), 3.6)
    axes = figure.subplots(1, 1 + len(shown), squeeze=False)[0]
    epochs = [row["epoch"] for row in rows]
    style = {"marker": "o" if len(rows) < 40 else "", "ms": 3, "lw": 1.4}
    axes[0].plot(epochs, [row["train_loss"] for row in rows], color=INK, **style)
    axes[0].set_title("training", fontsize=11)
    axes[0].set_ylabel("loss (standardised targets)")
    for ax, (name, unit) in zip(axes[1:], shown, strict=True):
        errors = [row[f"val_{key}_{name}"] for row in rows]
        best = min(range(len(errors)), key=errors.__getitem__)
        ax.plot(epochs, errors, color=ACCENT, **style)
        ax.plot([epochs[best]], [errors[best]], marker="o", ms=7, mfc="none", color=INK, ls="")
        ax.set_title(f"best {label} {errors[best]:.4g} {unit}".rstrip() + f", epoch {epochs[best]}", fontsize=11)
        ax.set_ylabel(labelled(f"validation {label} of {name}", unit))
    for ax in axes:
        ax.set_xlabel("epoch")
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(plain_numbers())
        ax.yaxis.set_minor_formatter(plain_numbers())
        ax.tick_params(axis="y", which="minor", labelsize=7)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(alpha=0.25, which="both", lw=0.5)
    save(figure, path)
