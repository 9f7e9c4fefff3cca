"""Checks of the operators on any device, for batches of any shape."""

from __future__ import annotations

import torch

from models import fourier_twin as twin
from recipnet.ops import operators, plain, recip_adjoint, recip_forward, structure_factor
from recipnet.ops.table import values_at

LIMIT = {torch.float32: 1e-5, torch.float64: 1e-12}
ATOMS, REFLECTIONS = [3, 0, 1, 200, 5, 17, 129, 1, 128], [40, 5, 1, 300, 0, 7, 128, 127, 2]
SHAPES = {
    "ragged": (ATOMS, REFLECTIONS),
    "nothing": ([], []),
    "no atoms": ([0], [3]),
    "no reflections": ([3], [0]),
    "one": ([1], [1]),
    "10,000 atoms": ([10_000], [300]),
    "40,000 reflections": ([7], [40_000]),
}


def batch_of(atoms, reflections, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    offsets = (torch.tensor([0, *counts], dtype=torch.int64).cumsum(0) for counts in (atoms, reflections))
    frac = (torch.rand(sum(atoms), 3, dtype=torch.float64, generator=generator) * 4 - 2).to(dtype)
    hkl = torch.randint(-36, 37, (sum(reflections), 3), generator=generator, dtype=torch.int32)
    return frac, hkl, *offsets


def scale_of(values, batch):
    """Sum of absolute values over the atoms of each crystal, at its reflections."""
    sums = [values[a:b].double().abs().sum(0, keepdim=True) for a, b in zip(batch[2], batch[2][1:], strict=False)]
    return torch.repeat_interleave(torch.cat([values.new_zeros(0, values.shape[1]), *sums]), batch[3].diff(), dim=0)


def widened(value):
    """Numbers that are not integers in 64 bits."""
    if not isinstance(value, torch.Tensor) or value.dtype == torch.int64:
        return value
    return value.to(torch.complex128 if value.is_complex() else torch.float64)


def amax(values):
    return values.abs().max() if values.numel() else 0.0


def check_batch(device, atoms, reflections, dtype, seed=0, channels=5):
    """Every operator on one batch against the float64 twin, or against itself in float64 on the CPU."""
    batch = batch_of(atoms, reflections, dtype, seed)
    moved = tuple(value.to(device) for value in batch)
    generator = torch.Generator().manual_seed(seed + 1)
    q = torch.randn(len(batch[0]), channels, generator=generator).to(dtype)
    t = torch.randn(len(batch[1]), channels, dtype=torch.complex64, generator=generator).to(dtype.to_complex())
    w = torch.randn(int((batch[2].diff() * batch[3].diff()).sum()), generator=generator).to(dtype)
    got = recip_forward(q.to(device), *moved, check=True).cpu()
    assert ((got - twin.forward(q, *batch)).abs() <= LIMIT[dtype] * scale_of(q, batch)).all()
    got = recip_forward(q[:, :1].contiguous().to(device), *moved).cpu()
    assert ((got - twin.forward(q[:, :1], *batch)).abs() <= LIMIT[dtype] * scale_of(q[:, :1], batch)).all()
    got = recip_adjoint(t.to(device), *moved).cpu()
    size = twin.adjoint(t.abs().to(t.dtype), torch.zeros_like(batch[0]), *batch[1:])
    assert ((got - twin.adjoint(t, *batch)).abs() <= LIMIT[dtype] * size).all()
    got = structure_factor(moved[0], w.to(device), *moved[1:], per_term=True).cpu()
    size = twin.term_forward(w.abs(), torch.zeros_like(batch[0]), *batch[1:]).real
    assert ((got - twin.term_forward(w, *batch)).abs() <= LIMIT[dtype] * size).all()
    kinds = torch.arange(len(batch[0])) ** 2 % 3
    table, places = (torch.rand(*shape, generator=generator).to(dtype) for shape in ((3, 7), (len(batch[1]),)))
    places *= 4.0
    got = operators.table_forward(*(v.to(device) for v in (table, places, kinds)), 0, *moved).cpu()
    atom, reflection = plain.term_rows(len(w), batch)
    w = values_at(table, places)[reflection, kinds[atom]]
    size = twin.term_forward(w.abs(), torch.zeros_like(batch[0]), *batch[1:]).real
    assert ((got - twin.term_forward(w, *batch)).abs() <= LIMIT[dtype] * size).all()
    g = t[:, 0].contiguous()
    for name, inputs in (
        ("channel_position_gradient", (q, t)),
        ("term_adjoint", (g, len(w))),
        ("term_position_gradient", (w, g)),
        ("table_forward", (table, places, kinds, 1)),
        ("table_adjoint", (g, places, kinds, 0, 3, 7)),
        ("table_position_gradient", (table, places, kinds, 0, g)),
    ):
        operator = getattr(operators, name)
        got = operator(*(v.to(device) if isinstance(v, torch.Tensor) else v for v in inputs), *moved).cpu()
        expected = operator(*map(widened, inputs), batch[0].double(), *batch[1:])
        # errors of many terms cancel, so that the largest gradient may stand for the sum of their sizes
        assert torch.allclose(widened(got), expected, rtol=0, atol=100 * LIMIT[dtype] * float(1 + amax(expected)))
