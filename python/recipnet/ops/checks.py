"""What the operators ask of their arguments. Shapes, types and devices cost nothing to look at, contents may."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from recipnet.errors import ArgumentError

#: Largest |h|, |k|, |l|, as in the core.
MAX_INDEX = 4095
HALVES = (torch.bfloat16, torch.float16)


def refuse(name: str, value: Tensor, expected: str) -> ArgumentError:
    """An error that names the argument, what it is, and what was expected."""
    what = f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')} on {value.device}"
    return ArgumentError(f"{name} is {what}: expected {expected}", name=name, value=tuple(value.shape))


def check_batch(frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor) -> None:
    """Shapes, types and devices of what all operators share."""
    named = {"frac": frac, "hkl": hkl, "atom_offsets": atom_offsets, "hkl_offsets": hkl_offsets}
    for name, value in named.items():
        if not isinstance(value, Tensor):
            raise ArgumentError(f"{name} is a {type(value).__name__}: expected a tensor", name=name, value=value)
    if frac.ndim != 2 or frac.shape[1] != 3 or frac.dtype not in (torch.float32, torch.float64):
        raise refuse("frac", frac, "(N, 3) float32 or float64")
    if hkl.ndim != 2 or hkl.shape[1] != 3 or hkl.dtype != torch.int32:
        raise refuse("hkl", hkl, "(H, 3) int32")
    for name in ("atom_offsets", "hkl_offsets"):
        offsets = named[name]
        if offsets.ndim != 1 or offsets.shape[0] < 1 or offsets.dtype != torch.int64:
            raise refuse(name, offsets, "(B + 1,) int64")
    if atom_offsets.shape != hkl_offsets.shape:
        raise refuse("hkl_offsets", hkl_offsets, f"as many entries as atom_offsets, {tuple(atom_offsets.shape)}")
    for name, rows in (("atom_offsets", frac), ("hkl_offsets", hkl)):
        if named[name].shape[0] == 1 and rows.shape[0] > 0:
            raise refuse(name, named[name], f"entries for the crystals that {rows.shape[0]} rows belong to")
    if frac.device.type not in ("cpu", "cuda"):
        raise refuse("frac", frac, "a tensor on the CPU or on a CUDA device")
    for name, value in named.items():
        check_device(name, value, frac)


def check_device(name: str, value: Tensor, frac: Tensor) -> None:
    """All on one device."""
    if value.device != frac.device:
        raise refuse(name, value, f"{frac.device}, where frac is")


def check_values(
    name: str, value: Tensor, frac: Tensor, shape: tuple[int | None, ...], wanted: str, halves: bool = True
) -> Tensor:
    """Real numbers at atoms or reflections, in the type of ``frac``, or halves where a kernel reads them.

    Elsewhere halves become float32 under autocast and are refused without it.

    Raises
    ------
    ArgumentError
    """
    if not isinstance(value, Tensor):
        raise ArgumentError(f"{name} is a {type(value).__name__}: expected a tensor", name=name, value=value)
    kind = str(frac.dtype).removeprefix("torch.")
    fits = value.ndim == len(shape) and all(n is None or n == m for n, m in zip(shape, value.shape, strict=True))
    if not fits or (value.ndim == 2 and value.shape[1] < 1):
        raise refuse(name, value, f"{wanted} {kind}")
    check_device(name, value, frac)
    if value.dtype in HALVES and frac.dtype == torch.float32:
        if halves and frac.device.type == "cuda":
            return value
        if torch.is_autocast_enabled(frac.device.type):
            return value.float()
        where = "only the weights of forward sums may be" if frac.device.type == "cuda" else "only on CUDA it may be"
        raise refuse(name, value, f"{wanted} {kind}; {where} {str(value.dtype).removeprefix('torch.')}")
    if value.dtype != frac.dtype:
        raise refuse(name, value, f"{wanted} {kind}, the type of frac")
    return value


def check_contents(frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor) -> None:
    """What the core checks of CPU tensors, for CUDA tensors; waits for the device."""
    for name, offsets, rows in (("atom_offsets", atom_offsets, frac), ("hkl_offsets", hkl_offsets, hkl)):
        values = offsets.tolist()
        if values[0] != 0 or values[-1] != rows.shape[0] or any(b < a for a, b in pairwise(values)):
            raise refuse(name, offsets, f"entries that start at 0, never fall and end at {rows.shape[0]}")
    if not bool(torch.isfinite(frac).all()):
        raise refuse("frac", frac, "finite coordinates")
    if hkl.numel() and int(hkl.abs().max()) > MAX_INDEX:
        raise refuse("hkl", hkl, f"indices within +-{MAX_INDEX}")
