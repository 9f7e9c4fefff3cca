"""The operators on CUDA: the kernels of ``cuda/``, compiled by CuPy for the device at hand.

CuPy keeps what it compiled on disk (``CUPY_CACHE_DIR``). Kernels run on torch's current stream, on the tensors' own
memory; nothing is synchronised, so that a graph can capture them once they are compiled. ``RECIPNET_CUDA_MATRIX=0`` in
the environment keeps to the kernels that do without the matrix units.
"""

from __future__ import annotations

import os
import warnings
from functools import cache
from typing import Any

import torch
from torch import Tensor

from recipnet.ops import launches
from recipnet.ops.launches import Launch
from recipnet.ops.table import add_values

Batch = tuple[Tensor, ...]


@cache
def available() -> bool:
    """Whether CuPy can be imported; says once how to install it where it cannot."""
    try:
        import cupy  # noqa: F401
    except ImportError:
        extra = "cuda13" if (torch.version.cuda or "12").startswith("13") else "cuda12"
        warnings.warn(
            "CuPy is not installed: recipnet's operators on CUDA tensors fall back to plain torch, which is slow. "
            f'pip install "recipnet[{extra}]"',
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True


@cache
def _kernel(device: int, file: str, kernel: str) -> Any:
    import cupy

    with cupy.cuda.Device(device):
        return _module(device, file).get_function(kernel)


@cache
def _module(device: int, file: str) -> Any:
    import cupy

    with cupy.cuda.Device(device):
        return cupy.RawModule(code=launches.source(file), options=("--std=c++17",), backend="nvrtc")


def _index(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index


@cache
def _capability(device: int) -> tuple[int, int]:
    return torch.cuda.get_device_capability(device)


def _matrix_units(device: torch.device) -> bool:
    """Whether the kernels of ``channels_matrix.cu`` are to be used."""
    return os.environ.get("RECIPNET_CUDA_MATRIX") != "0" and _capability(_index(device)) >= (8, 0)


def _run(launch: Launch, *arguments: Tensor | int) -> None:
    """Put a launch on torch's current stream; tensors are passed as pointers, and 0 is none."""
    if launch.empty:
        return
    import cupy

    device = next(value.device for value in arguments if isinstance(value, Tensor))
    index = _index(device)
    kernel = _kernel(index, launch.file, launch.kernel)
    values = tuple(value.data_ptr() if isinstance(value, Tensor) else int(value) for value in arguments)
    stream = torch.cuda.current_stream(device)
    with cupy.cuda.Device(index), cupy.cuda.ExternalStream(stream.cuda_stream, index):
        kernel(launch.blocks, (launch.threads,), values)


def _real(values: Tensor) -> Tensor:
    """Contiguous numbers, complex ones as pairs."""
    if values.is_complex():
        return torch.view_as_real(values.resolve_conj().resolve_neg().contiguous())
    return values.contiguous()


def _contiguous(batch: Batch) -> Batch:
    return tuple(values.contiguous() for values in batch)


def _term_ends(batch: Batch) -> Tensor | int:
    """Number of terms up to the end of each crystal, or a null pointer: the kernels count so few themselves."""
    frac, hkl, atom_offsets, hkl_offsets = batch
    crystals = atom_offsets.shape[0] - 1
    if crystals <= launches.MANY_CRYSTALS:
        return 0
    ends = torch.empty_like(atom_offsets[1:])
    _run(launches.term_ends(crystals), atom_offsets, hkl_offsets, crystals, frac.shape[0], hkl.shape[0], ends)
    return ends


def _weighted(
    kernel: str,
    inputs: list[Tensor],
    out: Tensor,
    rows: int,
    batch: Batch,
    kinds: tuple[Tensor, int] | None = None,
    read: tuple[Tensor, int, int] | None = None,
) -> Tensor:
    """``kinds``: those of the atoms and their number; ``read``: places, columns and order of a table."""
    batch = _contiguous(batch)
    frac, hkl, atom_offsets, hkl_offsets = batch
    inputs = [_real(values) for values in inputs]
    launch = launches.weighted(kernel, inputs[0].dtype, rows)
    sizes = (atom_offsets.shape[0] - 1, frac.shape[0], hkl.shape[0])
    where: tuple[Tensor | int, int]
    if kinds is not None:
        where = kinds[0].contiguous(), kinds[1]
    elif kernel.startswith("term"):
        where = _term_ends(batch), (out if kernel == "term_adjoint" else inputs[0]).shape[0]
    else:
        where = 0, 0
    table = () if read is None else (read[0].contiguous(), *read[1:])
    _run(launch, frac, *inputs, hkl, atom_offsets, hkl_offsets, where[0], *sizes, where[1], *table, out)
    return out


def _channels(kernel: str, inputs: list[Tensor], out: Tensor, rows: int, count: int, batch: Batch) -> Tensor:
    frac, hkl, atom_offsets, hkl_offsets = _contiguous(batch)
    inputs = [_real(values) for values in inputs]
    crystals = atom_offsets.shape[0] - 1
    launch = launches.channels(kernel, inputs[0].dtype, rows, crystals, count, _matrix_units(frac.device))
    sizes = (crystals, frac.shape[0], hkl.shape[0], count)
    _run(launch, *inputs, frac, hkl, atom_offsets, hkl_offsets, *sizes, out)
    return out


def channel_forward(q: Tensor, batch: Batch) -> Tensor:
    frac, hkl = batch[:2]
    rows, count = hkl.shape[0], q.shape[1]
    out = frac.new_empty((rows, count, 2))
    if count == 1:
        _weighted("structure_factor", [q], out, rows, batch)
    else:
        _channels("channel_forward", [q], out, rows, count, batch)
    return torch.view_as_complex(out)


def channel_adjoint(t: Tensor, batch: Batch) -> Tensor:
    rows, count = batch[0].shape[0], t.shape[1]
    return _channels("channel_adjoint", [t], batch[0].new_empty((rows, count)), rows, count, batch)


def channel_position_gradient(q: Tensor, t: Tensor, batch: Batch) -> Tensor:
    rows = batch[0].shape[0]
    return _channels("channel_position_gradient", [q, t], batch[0].new_empty((rows, 3)), rows, q.shape[1], batch)


def term_forward(weights: Tensor, batch: Batch) -> Tensor:
    rows = batch[1].shape[0]
    return torch.view_as_complex(_weighted("term_forward", [weights], batch[0].new_empty((rows, 2)), rows, batch))


def term_adjoint(g: Tensor, terms: int, batch: Batch) -> Tensor:
    return _weighted("term_adjoint", [g], batch[0].new_empty(terms), batch[1].shape[0], batch)


def term_position_gradient(weights: Tensor, g: Tensor, batch: Batch) -> Tensor:
    rows = batch[0].shape[0]
    return _weighted("term_position_gradient", [weights, g], batch[0].new_empty((rows, 3)), rows, batch)


def table_forward(values: Tensor, places: Tensor, kinds: Tensor, order: int, batch: Batch) -> Tensor:
    rows, read = batch[1].shape[0], (places, values.shape[1], order)
    out = batch[0].new_empty((rows, 2))
    return torch.view_as_complex(_weighted("table_forward", [values], out, rows, batch, (kinds, values.shape[0]), read))


def table_adjoint(
    g: Tensor, places: Tensor, kinds: Tensor, order: int, rows: int, columns: int, batch: Batch
) -> Tensor:
    reflections = batch[1].shape[0]
    out = batch[0].new_empty((reflections, rows))
    _weighted("kind_adjoint", [g], out, reflections, batch, (kinds, rows))
    return add_values(out, places, columns, order)


def table_position_gradient(
    values: Tensor, places: Tensor, kinds: Tensor, order: int, g: Tensor, batch: Batch
) -> Tensor:
    rows, read = batch[0].shape[0], (places, values.shape[1], order)
    out = batch[0].new_empty((rows, 3))
    return _weighted("table_position_gradient", [values, g], out, rows, batch, (kinds, values.shape[0]), read)
