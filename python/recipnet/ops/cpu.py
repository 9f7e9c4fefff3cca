"""The operators on the CPU: the Rust core on the memory of the tensors, without copies, and on torch's threads.

Where torch has no OpenMP that can be reached (outside Linux), the core's own threads work.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recipnet import _core

Batch = tuple[Tensor, ...]

# Torch's threads spin after each of its operators, which would keep a core from threads of our own.
_core.use_openmp_of(str(Path(torch.__file__).with_name("lib") / "libtorch_cpu.so"))

_TYPES = {torch.float32: np.float32, torch.float64: np.float64}


def _flat(values: Tensor) -> Any:
    """All numbers one after the other; complex ones as pairs."""
    if values.is_complex():
        values = torch.view_as_real(values.resolve_conj())
    return values.detach().resolve_neg().contiguous().view(-1).numpy()


def _arrays(batch: Batch) -> tuple[Any, ...]:
    return tuple(values.detach().contiguous().numpy() for values in batch)


def _empty(count: int, dtype: Any) -> Any:
    """Numbers to be written, in memory that is used again where they are many."""
    return _core.empty_bytes(count * np.dtype(dtype).itemsize).view(dtype)


def _real(like: Tensor, *shape: int) -> tuple[Tensor, Any]:
    """A tensor and its memory, flat."""
    values = _empty(math.prod(shape), _TYPES[like.dtype])
    return torch.from_numpy(values).view(shape), values


def _complex(like: Tensor, *shape: int) -> tuple[Tensor, Any]:
    pairs, values = _real(like, *shape, 2)
    return torch.view_as_complex(pairs), values


def channel_forward(q: Tensor, batch: Batch) -> Tensor:
    made, out = _complex(q, batch[1].shape[0], q.shape[1])
    _core.channel_sums("forward", _arrays(batch), [_flat(q)], q.shape[1], out)
    return made


def channel_adjoint(t: Tensor, batch: Batch) -> Tensor:
    made, out = _real(batch[0], batch[0].shape[0], t.shape[1])
    _core.channel_sums("adjoint", _arrays(batch), [_flat(t)], t.shape[1], out)
    return made


def channel_position_gradient(q: Tensor, t: Tensor, batch: Batch) -> Tensor:
    made, out = _real(q, *batch[0].shape)
    _core.channel_sums("position_gradient", _arrays(batch), [_flat(q), _flat(t)], q.shape[1], out)
    return made


def convolve(q: Tensor, weight: Tensor, batch: Batch) -> Tensor:
    made, out = _real(q, *q.shape)
    _core.channel_sums("convolve", _arrays(batch), [_flat(q), _flat(weight)], q.shape[1], out)
    return made


def correlate(q: Tensor, p: Tensor, batch: Batch) -> Tensor:
    made, out = _real(q, batch[1].shape[0], q.shape[1])
    _core.channel_sums("correlate", _arrays(batch), [_flat(q), _flat(p)], q.shape[1], out)
    return made


def term_forward(weights: Tensor, batch: Batch) -> Tensor:
    made, out = _complex(weights, batch[1].shape[0])
    _core.weighted_forward(_arrays(batch), _flat(weights), "term", None, out)
    return made


def term_adjoint(g: Tensor, terms: int, batch: Batch) -> Tensor:
    made, out = _real(batch[0], terms)
    _core.weighted_adjoint(_arrays(batch), _flat(g), "term", None, out)
    return made


def term_position_gradient(weights: Tensor, g: Tensor, batch: Batch) -> Tensor:
    made, out = _real(weights, *batch[0].shape)
    _core.weighted_position_gradient(_arrays(batch), _flat(weights), _flat(g), "term", None, out)
    return made


def table_forward(values: Tensor, places: Tensor, kinds: Tensor, order: int, batch: Batch) -> Tensor:
    made, out = _complex(values, batch[1].shape[0])
    table = (_flat(kinds), _flat(places), *values.shape, order)
    _core.weighted_forward(_arrays(batch), _flat(values), "table", table, out)
    return made


def table_adjoint(
    g: Tensor, places: Tensor, kinds: Tensor, order: int, rows: int, columns: int, batch: Batch
) -> Tensor:
    made, out = _real(batch[0], rows, columns)
    _core.weighted_adjoint(_arrays(batch), _flat(g), "table", (_flat(kinds), _flat(places), rows, columns, order), out)
    return made


def table_position_gradient(
    values: Tensor, places: Tensor, kinds: Tensor, order: int, g: Tensor, batch: Batch
) -> Tensor:
    made, out = _real(values, *batch[0].shape)
    table = (_flat(kinds), _flat(places), *values.shape, order)
    _core.weighted_position_gradient(_arrays(batch), _flat(values), _flat(g), "table", table, out)
    return made
