"""The operators as torch sees them: implementations by device, shapes, and gradients made of the operators themselves.

Three families, each of a forward sum, its adjoint and its position gradient, closed under differentiation:

- ``channel_*``: C real numbers at each atom, C complex numbers at each reflection;
- ``term_*``: one weight for each atom and reflection;
- ``table_*``: weights read from a table by cubic convolution, see `recipnet.ops.table`, or a derivative of them by the
  place, whose order is an argument (derivatives of its position gradient are not made);

and ``convolve``, ``correlate``, which never write the complex numbers between a forward and an adjoint sum.
With e = exp(+2 pi i h.x) the position gradient of ``Re <t, forward(q)>`` is ``2 pi sum_h h Re[conj(i e) q t]``,
that is, an adjoint sum of ``-i h t`` weighted by q: that is how it is differentiated again (derived here).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from recipnet.ops import cpu, cuda, plain
from recipnet.ops.library import Operator

TWO_PI = 2.0 * math.pi
Gradients = tuple[Tensor | None, ...]


def _cuda(name: str) -> Callable[..., Tensor]:
    """The implementation for CUDA tensors: a kernel, or plain torch without CuPy."""

    def implementation(*arguments: Any) -> Tensor:
        return getattr(cuda if cuda.available() else plain, name)(*arguments)

    return implementation


def _complex(like: Tensor, *shape: int) -> Tensor:
    return like.new_empty(shape, dtype=like.dtype.to_complex())


# channels


@Operator
def channel_forward(q: Tensor, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor) -> Tensor:
    return cpu.channel_forward(q, (frac, hkl, atom_offsets, hkl_offsets))


@Operator
def channel_adjoint(t: Tensor, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor) -> Tensor:
    return cpu.channel_adjoint(t, (frac, hkl, atom_offsets, hkl_offsets))


@Operator
def channel_position_gradient(
    q: Tensor, t: Tensor, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor
) -> Tensor:
    return cpu.channel_position_gradient(q, t, (frac, hkl, atom_offsets, hkl_offsets))


@Operator
def convolve(q: Tensor, weight: Tensor, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor) -> Tensor:
    return cpu.convolve(q, weight, (frac, hkl, atom_offsets, hkl_offsets))


@Operator
def correlate(q: Tensor, p: Tensor, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor) -> Tensor:
    return cpu.correlate(q, p, (frac, hkl, atom_offsets, hkl_offsets))


# terms


@Operator
def term_forward(weights: Tensor, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor) -> Tensor:
    return cpu.term_forward(weights, (frac, hkl, atom_offsets, hkl_offsets))


@Operator
def term_adjoint(g: Tensor, terms: int, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor) -> Tensor:
    return cpu.term_adjoint(g, terms, (frac, hkl, atom_offsets, hkl_offsets))


@Operator
def term_position_gradient(
    weights: Tensor, g: Tensor, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor
) -> Tensor:
    return cpu.term_position_gradient(weights, g, (frac, hkl, atom_offsets, hkl_offsets))


# tables


@Operator
def table_forward(
    values: Tensor,
    places: Tensor,
    kinds: Tensor,
    order: int,
    frac: Tensor,
    hkl: Tensor,
    atom_offsets: Tensor,
    hkl_offsets: Tensor,
) -> Tensor:
    return cpu.table_forward(values, places, kinds, order, (frac, hkl, atom_offsets, hkl_offsets))


@Operator
def table_adjoint(
    g: Tensor,
    places: Tensor,
    kinds: Tensor,
    order: int,
    rows: int,
    columns: int,
    frac: Tensor,
    hkl: Tensor,
    atom_offsets: Tensor,
    hkl_offsets: Tensor,
) -> Tensor:
    return cpu.table_adjoint(g, places, kinds, order, rows, columns, (frac, hkl, atom_offsets, hkl_offsets))


@Operator
def table_position_gradient(
    values: Tensor,
    places: Tensor,
    kinds: Tensor,
    order: int,
    g: Tensor,
    frac: Tensor,
    hkl: Tensor,
    atom_offsets: Tensor,
    hkl_offsets: Tensor,
) -> Tensor:
    return cpu.table_position_gradient(values, places, kinds, order, g, (frac, hkl, atom_offsets, hkl_offsets))


# CUDA


@channel_forward.on_cuda
def _(q: Tensor, *batch: Tensor) -> Tensor:
    return _cuda("channel_forward")(q, batch)


@channel_adjoint.on_cuda
def _(t: Tensor, *batch: Tensor) -> Tensor:
    return _cuda("channel_adjoint")(t, batch)


@channel_position_gradient.on_cuda
def _(q: Tensor, t: Tensor, *batch: Tensor) -> Tensor:
    return _cuda("channel_position_gradient")(q, t, batch)


@convolve.on_cuda
def _(q: Tensor, weight: Tensor, *batch: Tensor) -> Tensor:
    return _cuda("channel_adjoint")(_cuda("channel_forward")(q, batch) * weight, batch)


@correlate.on_cuda
def _(q: Tensor, p: Tensor, *batch: Tensor) -> Tensor:
    one, two = (torch.view_as_real(_cuda("channel_forward")(values, batch)) for values in (q, p))
    return (one * two).sum(-1)


@term_forward.on_cuda
def _(weights: Tensor, *batch: Tensor) -> Tensor:
    return _cuda("term_forward")(weights, batch)


@term_adjoint.on_cuda
def _(g: Tensor, terms: int, *batch: Tensor) -> Tensor:
    return _cuda("term_adjoint")(g, terms, batch)


@term_position_gradient.on_cuda
def _(weights: Tensor, g: Tensor, *batch: Tensor) -> Tensor:
    return _cuda("term_position_gradient")(weights, g, batch)


@table_forward.on_cuda
def _(values: Tensor, places: Tensor, kinds: Tensor, order: int, *batch: Tensor) -> Tensor:
    return _cuda("table_forward")(values, places, kinds, order, batch)


@table_adjoint.on_cuda
def _(g: Tensor, places: Tensor, kinds: Tensor, order: int, rows: int, columns: int, *batch: Tensor) -> Tensor:
    return _cuda("table_adjoint")(g, places, kinds, order, rows, columns, batch)


@table_position_gradient.on_cuda
def _(values: Tensor, places: Tensor, kinds: Tensor, order: int, g: Tensor, *batch: Tensor) -> Tensor:
    return _cuda("table_position_gradient")(values, places, kinds, order, g, batch)


# shapes


@channel_forward.shape
def _(q: Tensor, frac: Tensor, hkl: Tensor, *_: Tensor) -> Tensor:
    return _complex(frac, hkl.shape[0], q.shape[1])


@channel_adjoint.shape
def _(t: Tensor, frac: Tensor, *_: Tensor) -> Tensor:
    return frac.new_empty((frac.shape[0], t.shape[1]))


@convolve.shape
def _(q: Tensor, weight: Tensor, frac: Tensor, *_: Tensor) -> Tensor:
    return frac.new_empty((frac.shape[0], q.shape[1]))


@correlate.shape
def _(q: Tensor, p: Tensor, frac: Tensor, hkl: Tensor, *_: Tensor) -> Tensor:
    return frac.new_empty((hkl.shape[0], q.shape[1]))


@term_forward.shape
def _(weights: Tensor, frac: Tensor, hkl: Tensor, *_: Tensor) -> Tensor:
    return _complex(frac, hkl.shape[0])


@term_adjoint.shape
def _(g: Tensor, terms: int, frac: Tensor, *_: Tensor) -> Tensor:
    return frac.new_empty((terms,))


@table_forward.shape
def _(values: Tensor, places: Tensor, kinds: Tensor, order: int, frac: Tensor, hkl: Tensor, *_: Tensor) -> Tensor:
    return _complex(frac, hkl.shape[0])


@table_adjoint.shape
def _(
    g: Tensor, places: Tensor, kinds: Tensor, order: int, rows: int, columns: int, frac: Tensor, *_: Tensor
) -> Tensor:
    return frac.new_empty((rows, columns))


@channel_position_gradient.shape
def _(q: Tensor, t: Tensor, frac: Tensor, *_: Tensor) -> Tensor:
    return frac.new_empty(frac.shape)


@term_position_gradient.shape
def _(weights: Tensor, g: Tensor, frac: Tensor, *_: Tensor) -> Tensor:
    return frac.new_empty(frac.shape)


@table_position_gradient.shape
def _(values: Tensor, places: Tensor, kinds: Tensor, order: int, g: Tensor, frac: Tensor, *_: Tensor) -> Tensor:
    return frac.new_empty(frac.shape)


# gradients


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*(value for value in inputs if isinstance(value, Tensor)))


def _keep_order(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _keep(ctx, inputs, output)
    ctx.order = inputs[3]


def _along(hkl: Tensor, t: Tensor) -> Tensor:
    """``-i h t`` for the three axes, side by side: (H, C) to (H, 3 C)."""
    return torch.cat([-1j * hkl[:, axis, None].to(t.real.dtype) * t for axis in range(3)], 1)


def _over_axes(hkl: Tensor, s: Tensor) -> Tensor:
    """``sum_a i h_a s_a`` of three blocks side by side: (H, 3 C) to (H, C)."""
    h, parts = 1j * hkl.to(s.real.dtype), s.chunk(3, 1)
    return h[:, :1] * parts[0] + h[:, 1:2] * parts[1] + h[:, 2:] * parts[2]


def _channel_forward_backward(ctx: Any, g: Tensor) -> Gradients:
    q, *batch = ctx.saved_tensors
    dq = channel_adjoint(g, *batch).to(q.dtype) if ctx.needs_input_grad[0] else None
    dx = channel_position_gradient(q.to(batch[0].dtype), g, *batch) if ctx.needs_input_grad[1] else None
    return dq, dx, None, None, None


def _channel_adjoint_backward(ctx: Any, v: Tensor) -> Gradients:
    t, *batch = ctx.saved_tensors
    dt = channel_forward(v, *batch) if ctx.needs_input_grad[0] else None
    dx = channel_position_gradient(v, t, *batch) if ctx.needs_input_grad[1] else None
    return dt, dx, None, None, None


def _channel_position_gradient_backward(ctx: Any, v: Tensor) -> Gradients:
    q, t, *batch = ctx.saved_tensors
    v = v * TWO_PI
    moved = torch.cat([v[:, axis, None] * q for axis in range(3)], 1)
    needs = ctx.needs_input_grad
    turned = _along(batch[1], t) if needs[0] or needs[2] else t
    dq = dt = dx = None
    if needs[0]:
        parts = channel_adjoint(turned, *batch).chunk(3, 1)
        dq = v[:, :1] * parts[0] + v[:, 1:2] * parts[1] + v[:, 2:] * parts[2]
    if needs[1]:
        dt = _over_axes(batch[1], channel_forward(moved, *batch))
    if needs[2]:
        dx = channel_position_gradient(moved, turned, *batch)
    return dq, dt, dx, None, None, None


def _convolve_backward(ctx: Any, v: Tensor) -> Gradients:
    q, weight, *batch = ctx.saved_tensors
    dq = convolve(v, weight, *batch) if ctx.needs_input_grad[0] else None
    dw = correlate(q, v, *batch) if ctx.needs_input_grad[1] else None
    dx = _product_slope(q, v, weight, batch) if ctx.needs_input_grad[2] else None
    return dq, dw, dx, None, None, None


def _correlate_backward(ctx: Any, u: Tensor) -> Gradients:
    q, p, *batch = ctx.saved_tensors
    dq = convolve(p, u, *batch) if ctx.needs_input_grad[0] else None
    dp = convolve(q, u, *batch) if ctx.needs_input_grad[1] else None
    dx = _product_slope(q, p, u, batch) if ctx.needs_input_grad[2] else None
    return dq, dp, dx, None, None, None


def _product_slope(q: Tensor, p: Tensor, weight: Tensor, batch: list[Tensor]) -> Tensor:
    """Position gradient of ``sum_hc weight Re[conj(forward(q)) forward(p)]``."""
    with_q = channel_position_gradient(q, weight * channel_forward(p, *batch), *batch)
    return with_q + channel_position_gradient(p, weight * channel_forward(q, *batch), *batch)


def _term_forward_backward(ctx: Any, g: Tensor) -> Gradients:
    w, *batch = ctx.saved_tensors
    dw = term_adjoint(g, w.shape[0], *batch).to(w.dtype) if ctx.needs_input_grad[0] else None
    dx = term_position_gradient(w.to(batch[0].dtype), g, *batch) if ctx.needs_input_grad[1] else None
    return dw, dx, None, None, None


def _term_adjoint_backward(ctx: Any, v: Tensor) -> Gradients:
    g, *batch = ctx.saved_tensors
    dg = term_forward(v, *batch) if ctx.needs_input_grad[0] else None
    dx = term_position_gradient(v, g, *batch) if ctx.needs_input_grad[2] else None
    return dg, None, dx, None, None, None


def _term_position_gradient_backward(ctx: Any, v: Tensor) -> Gradients:
    w, g, *batch = ctx.saved_tensors
    atom, _ = plain.term_rows(w.shape[0], tuple(batch))
    dw = dg = dx = None
    turned = _along(batch[1], g[:, None])
    for axis in range(3):
        along = (v[:, axis] * TWO_PI)[atom]
        t = turned[:, axis]
        if ctx.needs_input_grad[0]:
            part = along * term_adjoint(t, w.shape[0], *batch)
            dw = part if dw is None else dw + part
        if ctx.needs_input_grad[1]:
            part = 1j * batch[1][:, axis].to(w.dtype) * term_forward(along * w, *batch)
            dg = part if dg is None else dg + part
        if ctx.needs_input_grad[2]:
            part = term_position_gradient(along * w, t, *batch)
            dx = part if dx is None else dx + part
    return dw, dg, dx, None, None, None


def _real_dot(g: Tensor, f: Tensor) -> Tensor:
    """``Re[conj(g) f]``."""
    return g.real * f.real + g.imag * f.imag


def _table_forward_backward(ctx: Any, g: Tensor) -> Gradients:
    values, places, kinds, *batch = ctx.saved_tensors
    order = ctx.order
    dv = dp = dx = None
    if ctx.needs_input_grad[0]:
        dv = table_adjoint(g, places, kinds, order, *values.shape, *batch)
    if ctx.needs_input_grad[1]:
        dp = _real_dot(g, table_forward(values, places, kinds, order + 1, *batch))
    if ctx.needs_input_grad[4]:
        dx = table_position_gradient(values, places, kinds, order, g, *batch)
    return dv, dp, None, None, dx, None, None, None


def _table_adjoint_backward(ctx: Any, u: Tensor) -> Gradients:
    g, places, kinds, *batch = ctx.saved_tensors
    order = ctx.order
    dg = dp = dx = None
    if ctx.needs_input_grad[0]:
        dg = table_forward(u, places, kinds, order, *batch)
    if ctx.needs_input_grad[1]:
        dp = _real_dot(g, table_forward(u, places, kinds, order + 1, *batch))
    if ctx.needs_input_grad[6]:
        dx = table_position_gradient(u, places, kinds, order, g, *batch)
    return dg, dp, None, None, None, None, dx, None, None, None


def _no_backward(ctx: Any, v: Tensor) -> Gradients:
    raise NotImplementedError("the tables' form (species=) is differentiated once in the coordinates, not twice")


for _operator, _backward in (
    (channel_forward, _channel_forward_backward),
    (channel_adjoint, _channel_adjoint_backward),
    (channel_position_gradient, _channel_position_gradient_backward),
    (convolve, _convolve_backward),
    (correlate, _correlate_backward),
    (term_forward, _term_forward_backward),
    (term_adjoint, _term_adjoint_backward),
    (term_position_gradient, _term_position_gradient_backward),
    (table_forward, _table_forward_backward),
    (table_adjoint, _table_adjoint_backward),
    (table_position_gradient, _no_backward),
):
    _operator.gradient(_backward, _keep_order if _operator.name.startswith("table") else _keep)
