"""Registration of operators with torch.

As ``torch.library.custom_op`` does it, which would import the compiler (900 modules, seconds) at the first call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_LIBRARY = torch.library.Library("recipnet", "DEF")


class Operator:
    """An operator ``recipnet::name`` with the schema of its CPU implementation; none changes an argument."""

    def __init__(self, cpu: Callable[..., Tensor]) -> None:
        self.name = cpu.__name__
        schema = torch.library.infer_schema(cpu, mutates_args=())
        _LIBRARY.define(self.name + schema, tags=(torch.Tag.pt2_compliant_tag,))
        _LIBRARY.impl(self.name, cpu, "CPU")
        self.overload = getattr(torch.ops.recipnet, self.name).default

    def __call__(self, *arguments: Any) -> Tensor:
        """Call it."""
        out: Tensor = self.overload(*arguments)
        return out

    def on_cuda(self, implementation: Callable[..., Tensor]) -> None:
        """Register the implementation for CUDA tensors, which works on others too where its kernels do."""
        self.cuda = implementation
        _LIBRARY.impl(self.name, implementation, "CUDA")

    def shape(self, fake: Callable[..., Tensor]) -> None:
        """Register what makes an empty result, for the compiler."""
        torch.library.register_fake(f"recipnet::{self.name}", fake, lib=_LIBRARY)

    def gradient(self, backward: Callable[..., Any], keep: Callable[..., None]) -> None:
        """Register the backward pass and what it needs of the forward pass."""
        torch.library.register_autograd(f"recipnet::{self.name}", backward, setup_context=keep, lib=_LIBRARY)
