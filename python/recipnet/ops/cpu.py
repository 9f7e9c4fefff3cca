"""The operators on the CPU: the Rust core on the memory of the tensors, without copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recipnet import _core

Batch = tuple[Tensor, ...]


def _flat(values: Tensor) -> Any:
    """All numbers one after the other; complex ones as pairs."""
    if values.is_complex():
        values = torch.view_as_real(values.resolve_conj())
    return values.detach().resolve_neg().contiguous().view(-1).numpy()


def _arrays(batch: Batch) -> tuple[Any, ...]:
    return tuple(values.detach().contiguous().numpy() for values in batch)


def _complex(pairs: np.ndarray[Any, Any], *shape: int) -> Tensor:
    return torch.view_as_complex(torch.from_numpy(pairs).view(*shape, 2))


def channel_forward(q: Tensor, batch: Batch) -> Tensor:
    channels = q.shape[1]
    made = _core.channel_sums("forward", _arrays(batch), [_flat(q)], channels)
    return _complex(made, batch[1].shape[0], channels)


def channel_adjoint(t: Tensor, batch: Batch) -> Tensor:
    channels = t.shape[1]
    made = _core.channel_sums("adjoint", _arrays(batch), [_flat(t)], channels)
    return torch.from_numpy(made).view(-1, channels)


def channel_position_gradient(q: Tensor, t: Tensor, batch: Batch) -> Tensor:
    made = _core.channel_sums("position_gradient", _arrays(batch), [_flat(q), _flat(t)], q.shape[1])
    return torch.from_numpy(made).view(-1, 3)


def convolve(q: Tensor, weight: Tensor, batch: Batch) -> Tensor:
    made = _core.channel_sums("convolve", _arrays(batch), [_flat(q), _flat(weight)], q.shape[1])
    return torch.from_numpy(made).view(-1, q.shape[1])


def correlate(q: Tensor, p: Tensor, batch: Batch) -> Tensor:
    made = _core.channel_sums("correlate", _arrays(batch), [_flat(q), _flat(p)], q.shape[1])
    return torch.from_numpy(made).view(-1, q.shape[1])


def term_forward(weights: Tensor, batch: Batch) -> Tensor:
    return _complex(_core.weighted_forward(_arrays(batch), _flat(weights), "term", None), batch[1].shape[0])


def term_adjoint(g: Tensor, batch: Batch) -> Tensor:
    return torch.from_numpy(_core.weighted_adjoint(_arrays(batch), _flat(g), "term", None))


def term_position_gradient(weights: Tensor, g: Tensor, batch: Batch) -> Tensor:
    made = _core.weighted_position_gradient(_arrays(batch), _flat(weights), _flat(g), "term", None)
    return torch.from_numpy(made).view(-1, 3)


def kind_forward(values: Tensor, kinds: Tensor, batch: Batch) -> Tensor:
    of_atoms = (_flat(kinds), values.shape[1])
    return _complex(_core.weighted_forward(_arrays(batch), _flat(values), "kind", of_atoms), batch[1].shape[0])


def kind_adjoint(g: Tensor, kinds: Tensor, count: int, batch: Batch) -> Tensor:
    made = _core.weighted_adjoint(_arrays(batch), _flat(g), "kind", (_flat(kinds), count))
    return torch.from_numpy(made).view(-1, count)


def kind_position_gradient(values: Tensor, kinds: Tensor, g: Tensor, batch: Batch) -> Tensor:
    of_atoms = (_flat(kinds), values.shape[1])
    made = _core.weighted_position_gradient(_arrays(batch), _flat(values), _flat(g), "kind", of_atoms)
    return torch.from_numpy(made).view(-1, 3)
