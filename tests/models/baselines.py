"""What the tests of the baseline models share: models with random numbers everywhere, and weights as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import recipnet as rn
from models.crystals import random_crystals
from recipnet.data import collate
from recipnet.models import build

Arrays = dict[str, np.ndarray]


def seeded(name: str, mode: str, **options: Any) -> torch.nn.Module:
    """A model in eval mode and double precision; no bias, scale or running statistic is left at its start."""
    torch.manual_seed(5)
    model = build(name, mode, **options).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
        for key, buffer in model.named_buffers():
            if key.endswith("running_mean"):
                buffer.normal_(std=0.2)
            elif key.endswith("running_var"):
                buffer.uniform_(0.5, 2.0)
    return model


def weights(model: torch.nn.Module) -> Arrays:
    """Parameters and running statistics by name."""
    return {name: value.detach().numpy() for name, value in model.state_dict().items()}


def predictions(model: torch.nn.Module, crystals: list[rn.Crystal]) -> np.ndarray:
    """All targets of each crystal, (B, T)."""
    with torch.no_grad():
        return model(collate(crystals, model.spec, dtype=torch.float64)).numpy()


def twin_crystals() -> list[rn.Crystal]:
    """Three triclinic cells, one with a single atom, and one with every tie that symmetry makes."""
    return [*random_crystals(2, seed=3), rn.sample("copper"), rn.sample("halite")]


def linear(w: Arrays, name: str, x: np.ndarray) -> np.ndarray:
    """``x W^T + b``, without b where there is none."""
    return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0.0)


def batch_norm(w: Arrays, name: str, x: np.ndarray) -> np.ndarray:
    """What batch normalisation is outside of training."""
    scale = w[f"{name}.weight"] / np.sqrt(w[f"{name}.running_var"] + 1e-5)
    return (x - w[f"{name}.running_mean"]) * scale + w[f"{name}.bias"]


def layer_norm(w: Arrays, name: str, x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, x)


def ssp(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, x) - np.log(2.0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def silu(x: np.ndarray) -> np.ndarray:
    return x * sigmoid(x)
