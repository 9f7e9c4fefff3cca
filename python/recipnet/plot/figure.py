"""Figures without pyplot, saved whole or not at all."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from recipnet.io.atomic import atomic_write

INK, ACCENT, SOFT = "#222222", "#c1440e", "#8a8a8a"


def new_figure(width: float, height: float) -> Figure:
    """A figure of so many inches that draws itself with Agg."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a PNG of 150 dots per inch."""
    with atomic_write(path, "wb") as handle:
        figure.savefig(handle, format="png", dpi=150)


def plain_numbers() -> FuncFormatter:
    """Ticks such as 0.05 and 30, on logarithmic axes too."""
    return FuncFormatter(lambda value, _: f"{value:g}")


def labelled(name: str, unit: str) -> str:
    """An axis label.

    >>> labelled("gap", "eV"), labelled("ratio", "")
    ('gap (eV)', 'ratio')
    """
    return f"{name} ({unit})" if unit else name
