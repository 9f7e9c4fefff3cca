"""What CUDA tensors get without CuPy, plain torch, run on the CPU against the core; and its warning."""

from __future__ import annotations

import sys

import pytest
import torch

from recipnet.ops import cuda, operators, plain

ATOMS, REFLECTIONS = [3, 0, 5, 1], [10, 4, 0, 33]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_plain_torch_equals_the_core(monkeypatch, dtype):
    monkeypatch.setattr(cuda, "available", lambda: False)
    generator = torch.Generator().manual_seed(0)
    offsets = [torch.tensor([0, *counts]).cumsum(0) for counts in (ATOMS, REFLECTIONS)]
    frac = (torch.rand(9, 3, dtype=torch.float64, generator=generator) * 4 - 2).to(dtype)
    hkl = torch.randint(-9, 10, (47, 3), dtype=torch.int32, generator=generator)
    batch = (frac, hkl, *offsets)
    q = torch.randn(9, 3, generator=generator).to(dtype)
    t = torch.randn(47, 3, dtype=torch.complex64, generator=generator).to(dtype.to_complex())
    w = torch.randn(3 * 10 + 33, generator=generator).to(dtype)
    g = t[:, 0].contiguous()
    tolerance = {"rtol": 1e-4, "atol": 2e-3} if dtype == torch.float32 else {"rtol": 1e-10, "atol": 1e-10}
    kinds, places = torch.arange(9) % 2, (4.0 * torch.rand(47, generator=generator)).to(dtype)
    table = torch.randn(2, 7, generator=generator).to(dtype)
    orders = range(5) if dtype == torch.float64 else range(1)
    for name, *inputs in (
        ("channel_forward", q),
        ("channel_adjoint", t),
        ("channel_position_gradient", q, t),
        ("convolve", q, t.real.contiguous()),
        ("correlate", q, -q),
        ("term_forward", w),
        ("term_adjoint", g, len(w)),
        ("term_position_gradient", w, g),
        *(("table_forward", table, places, kinds, order) for order in orders),
        *(("table_adjoint", g, places, kinds, order, 2, 7) for order in orders),
        *(("table_position_gradient", table, places, kinds, order, g) for order in orders),
    ):
        operator = getattr(operators, name)
        got, expected = operator.cuda(*inputs, *batch), operator(*inputs, *batch)
        assert got.dtype == expected.dtype
        torch.testing.assert_close(got, expected, **tolerance)
    atom, reflection = plain.term_rows(len(w), batch)
    assert atom.tolist() == [j for j in range(3) for _ in range(10)] + [8] * 33
    assert reflection.tolist() == [*range(10)] * 3 + [*range(14, 47)]


def test_without_cupy_there_is_one_warning_with_the_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    cuda.available.cache_clear()
    with pytest.warns(RuntimeWarning, match=r'pip install "recipnet\[cuda1[23]\]"'):
        assert not cuda.available()
    assert not cuda.available()  # a second warning would be an error
    cuda.available.cache_clear()
