"""Errors of predictions, in the targets' units."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Metrics = dict[str, dict[str, Any]]


def unit_label(unit: str, transform: str) -> str:
    """Unit of values and metrics: the target's own, or its logarithm's.

    >>> unit_label("GPa", "log10"), unit_label("eV", "none")
    ('log10(GPa)', 'eV')
    """
    return f"log10({unit})" if transform == "log10" else unit


def target_metrics(values: Array, predicted: Array, mask: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Errors of one target over its labelled crystals.

    Parameters
    ----------
    values, predicted : (B,)
        In one unit, which is that of ``mae``, ``rmse`` and ``mad``.
    mask : (B,)
        True where there is a label.

    Returns
    -------
    dict
        ``mae`` = mean |predicted - value|, ``rmse``, ``mad`` = mean |value - mean of values| (the error of a model that
        knows the mean alone), ``ratio`` = mad / mae, and ``count``. NaN where nothing is labelled.

    >>> target_metrics(np.array([0.0, 2.0]), np.array([0.5, 2.5]), np.array([True, True]))["ratio"]
    2.0
    """
    value, error = values[mask], (predicted - values)[mask]
    if not len(value):
        return {"mae": np.nan, "rmse": np.nan, "mad": np.nan, "ratio": np.nan, "count": 0}
    mae = float(np.abs(error).mean())
    mad = float(np.abs(value - value.mean()).mean())
    return {
        "mae": mae,
        "rmse": float(np.sqrt((error**2).mean())),
        "mad": mad,
        "ratio": mad / mae if mae > 0 else np.inf,
        "count": len(value),
    }


def to_json(metrics: Metrics) -> str:
    """Text of a metrics table; null where there is no number.

    >>> from_json(to_json({"gap": {"mae": np.nan, "unit": "eV"}}))
    {'gap': {'mae': nan, 'unit': 'eV'}}
    """
    finite = {
        name: {key: None if isinstance(x, float) and not np.isfinite(x) else x for key, x in values.items()}
        for name, values in metrics.items()
    }
    return json.dumps(finite, indent=2, allow_nan=False) + "\n"


def from_json(text: str) -> Metrics:
    """What `to_json` wrote."""
    return {
        name: {key: np.nan if value is None else value for key, value in values.items()}
        for name, values in json.loads(text).items()
    }


def all_metrics(
    values: Array, predicted: Array, mask: npt.NDArray[np.bool_], names: Sequence[str], units: Sequence[str]
) -> Metrics:
    """`target_metrics` of each column of ``(B, T)`` arrays by name, with its unit."""
    return {
        name: {**target_metrics(values[:, i], predicted[:, i], mask[:, i]), "unit": units[i]}
        for i, name in enumerate(names)
    }
