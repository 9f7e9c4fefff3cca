"""Powder patterns: profile, lines and the indices of the strong ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from recipnet.errors import ArgumentError
from recipnet.plot.figure import ACCENT, INK, SOFT, new_figure, save
from recipnet.powder import PowderPattern

MOST_PANELS = 12
#: Labels closer than this share of the axis would overlap: the stronger line keeps its own.
LABEL_DISTANCE = 0.028
LABELS = 14


def powder(pattern: PowderPattern, path: str | Path, *, fwhm: float | None = None, size: float | None = None) -> None:
    """Write a panel for each crystal: the profile scaled to 100, a stick for each line, indices at strong ones.

    Parameters
    ----------
    pattern
        At most twelve crystals.
    path
        A PNG file.
    fwhm, size
        As in `recipnet.PowderPattern.profile`.

    Raises
    ------
    ArgumentError
        More than twelve crystals.
    """
    panels = len(pattern.offsets) - 1
    if panels > MOST_PANELS:
        message = f"a plot holds {MOST_PANELS} crystals, this pattern has {panels}; take fewer"
        raise ArgumentError(message, name="batch", value=panels)
    low, high = _limits(pattern)
    grid = np.linspace(low, high, 4001)
    profiles = pattern.profile(grid, fwhm=fwhm, size=size)
    figure = new_figure(9.0, 0.8 + 2.6 * max(1, panels))
    axes = figure.subplots(max(1, panels), 1, squeeze=False, sharex=True)[:, 0]
    for panel, ax in enumerate(axes[:panels]):
        rows = slice(int(pattern.offsets[panel]), int(pattern.offsets[panel + 1]))
        top = profiles[panel].max(initial=0.0)
        if top > 0.0:
            ax.plot(grid, 100.0 * profiles[panel] / top, color=ACCENT, lw=1.1)
        angles, intensity = pattern.two_theta[rows], pattern.intensity[rows]
        seen = intensity > 0.01
        ax.vlines(angles[seen], -9.0, -3.0, color=SOFT, lw=0.8)
        _label(ax, angles, intensity, pattern.hkl[rows], high - low, np.interp(angles, grid, profiles[panel]), top)
        if panels > 1:
            ax.set_title(pattern.ids[panel], fontsize=10, loc="left", color=INK)
        ax.set_xlim(low, high)
        ax.set_ylim(-11.0, 122.0)
        ax.set_yticks([0, 25, 50, 75, 100])
        ax.set_ylabel("intensity", color=INK)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(colors=INK)
    axes[-1].set_xlabel(f"2θ (degrees), λ = {pattern.wavelength:g} Å", color=INK)
    save(figure, path)


def _limits(pattern: PowderPattern) -> tuple[float, float]:
    seen = pattern.two_theta[pattern.intensity > 0.1]
    if len(seen) == 0:
        return 0.0, 90.0
    return max(0.0, 5.0 * np.floor(seen.min() / 5.0 - 0.4)), min(180.0, 5.0 * np.ceil(seen.max() / 5.0 + 0.2))


def _label(
    ax: Axes,
    angles: np.ndarray,
    intensity: np.ndarray,
    hkl: np.ndarray,
    width: float,
    heights: np.ndarray,
    top: float,
) -> None:
    """Indices above the strongest lines that have room."""
    placed: list[float] = []
    for line in np.argsort(-intensity, kind="stable"):
        if intensity[line] < 1.0 or len(placed) == LABELS:
            break
        if all(abs(angles[line] - other) > LABEL_DISTANCE * width for other in placed):
            placed.append(float(angles[line]))
            indices = hkl[line].tolist()
            wide = any(abs(index) > 9 for index in indices)
            text = (" " if wide else "").join(str(i) if i >= 0 else f"$\\bar{{{-i}}}$" for i in indices)
            ax.annotate(
                text,
                (angles[line], 100.0 * heights[line] / top),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=7,
                rotation=90 if intensity[line] < 85.0 else 0,
                color=INK,
            )
