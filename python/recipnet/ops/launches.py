"""Which kernel runs on how many blocks: planned from shapes alone, so that nothing waits for the device.

The tile sizes are those of ``cuda/*.cu``, which are read from there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import torch

from recipnet import _core

HEADERS = {
    "channels_matrix.cu": ("turns.cuh", "matrix.cuh"),
    "structure_factor.cu": ("turns.cuh", "table.cuh"),
}
# From so many channels on the matrix units are faster.
MATRIX_CHANNELS = 32
# With fewer atoms a crystal, on average, warps that own 32 atoms each would mostly have none.
FEW_ATOMS = 64
# Beyond so many crystals their terms are counted by a launch of its own, and not by every block again.
MANY_CRYSTALS = 1024
SUFFIXES = {torch.float32: "f32", torch.float64: "f64", torch.bfloat16: "bf16", torch.float16: "fp16"}


@cache
def source(file: str) -> str:
    """Text of a kernel file with its headers before it, as it is compiled."""
    sources = _core.cuda_sources()
    return "".join(sources[name] for name in (*HEADERS.get(file, ("turns.cuh",)), file))


@cache
def constant(file: str, name: str) -> int:
    """A size that a kernel file states."""
    found = re.search(rf"^constexpr int {name} = (\d+);", _core.cuda_sources()[file], re.MULTILINE)
    if found is None:
        raise KeyError(f"{file} states no {name}")
    return int(found[1])


@dataclass(frozen=True)
class Launch:
    """One launch: file, kernel, blocks in x and y, threads a block."""

    file: str
    kernel: str
    blocks: tuple[int, int]
    threads: int

    @property
    def empty(self) -> bool:
        """Nothing to do, which CUDA would refuse as a launch."""
        return 0 in self.blocks


def weighted(kernel: str, dtype: torch.dtype, rows: int) -> Launch:
    """A kernel of ``structure_factor.cu``: a thread for each of ``rows`` reflections, part of a warp for each atom."""
    block = constant("structure_factor.cu", "BLOCK")
    each = constant("structure_factor.cu", "GRADIENT_ATOMS") if kernel.endswith("position_gradient") else block
    return Launch("structure_factor.cu", f"{kernel}_{SUFFIXES[dtype]}", (-(-rows // each), 1), block)


def term_ends(crystals: int) -> Launch:
    """The kernel that counts terms up to the end of each crystal: one block, whatever their number."""
    return Launch("structure_factor.cu", "term_ends", (min(crystals, 1), 1), constant("structure_factor.cu", "SCAN"))


def channels(kernel: str, dtype: torch.dtype, rows: int, crystals: int, count: int, matrix: bool) -> Launch:
    """A kernel of ``channels.cu``, or of ``channels_matrix.cu``, for ``rows`` rows of outputs with ``count`` channels.

    A block owns rows of one crystal. ``matrix``: whether the device has matrix units that the latter can use. They take
    no float64.
    """
    if kernel.endswith("position_gradient"):
        file, tile = "channels.cu", (constant("channels.cu", "SIDE"), count)
    elif matrix and count >= MATRIX_CHANNELS and dtype != torch.float64:
        file, kind = "channels_matrix.cu", kernel.removeprefix("channel_")
        if kind == "adjoint" and rows < FEW_ATOMS * crystals:
            kind = "few_adjoint"
        kernel = f"matrix_{kind}"
        tile = (constant(file, f"{kind.removesuffix('_adjoint').upper()}_ROWS"), constant(file, "COLUMNS"))
    else:
        file, tile = "channels.cu", (constant("channels.cu", "ROWS"), constant("channels.cu", "COLUMNS"))
    # more than are needed, see share_of in turns.cuh
    blocks = (rows // tile[0] + crystals if rows else 0, -(-count // tile[1]))
    return Launch(file, f"{kernel}_{SUFFIXES[dtype]}", blocks, constant(file, "THREADS"))
