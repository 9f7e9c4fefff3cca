"""Errors of predictions, in the targets' units."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Metrics = dict[str, dict[str, Any]]


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


def class_metrics(values: Array, predicted: Array, mask: npt.NDArray[np.bool_]) -> dict[str, float]:
    """How well probabilities tell class 1 from class 0 over the labelled crystals.

    Parameters
    ----------
    values : (B,)
        0 or 1.
    predicted : (B,)
        Probabilities of 1; from 0.5 on it is what is predicted.
    mask : (B,)
        True where there is a label.

    Returns
    -------
    dict
        ``cross_entropy`` (natural logarithm), ``accuracy``, ``majority`` (accuracy of always naming the commoner
        class), ``f1`` of class 1, ``roc_auc`` (share of pairs of a 1 and a 0 in the right order, ties half; NaN with
        one class only), ``positives`` and ``count``.

    >>> found = class_metrics(np.array([0.0, 1, 1, 0]), np.array([0.2, 0.9, 0.4, 0.4]), np.ones(4, bool))
    >>> found["accuracy"], found["f1"], found["roc_auc"]
    (0.75, 0.666..., 0.875)
    """
    truth, chance = values[mask] > 0.5, predicted[mask]
    count, ones = len(truth), int(truth.sum())
    if not count:
        nothing = dict.fromkeys(("cross_entropy", "accuracy", "majority", "f1", "roc_auc"), np.nan)
        return {**nothing, "positives": 0, "count": 0}
    tiny = np.finfo(np.float64).tiny
    right = np.where(truth, chance, 1.0 - chance)
    named = chance >= 0.5
    f1_below = int(named.sum()) + ones
    zeros = count - ones
    # sum of the ranks of the ones, ties sharing their mean rank (Mann and Whitney)
    _, place, size = np.unique(chance, return_inverse=True, return_counts=True)
    rank = (np.cumsum(size) - (size - 1) / 2.0)[place]
    above = rank[truth].sum() - ones * (ones + 1) / 2.0
    return {
        "cross_entropy": float(-np.log(np.maximum(right, tiny)).mean()),
        "accuracy": float((named == truth).mean()),
        "majority": max(ones, zeros) / count,
        "f1": 2.0 * int((named & truth).sum()) / f1_below if f1_below else np.nan,
        "roc_auc": float(above / (ones * zeros)) if ones and zeros else np.nan,
        "positives": ones,
        "count": count,
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
