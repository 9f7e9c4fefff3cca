"""Results of operators lie in memory that is used again: never that of one in use, never read before written."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recipnet import ops
from recipnet.ops import cpu


def test_memory_of_a_result_that_is_gone_is_written_again():
    q, frac = torch.ones(40, 64), torch.rand(40, 3)
    hkl = torch.arange(3000).view(1000, 3).int() % 9
    place = (frac, hkl, torch.tensor([0, 40]), torch.tensor([0, 1000]))
    ops.empty_cache()
    first = ops.recip_forward(q, *place)
    assert first.nbytes > 1 << 18
    row, expected = first[7], first[7].clone()
    address = first.data_ptr()
    # A view keeps the memory of all.
    del first
    second = ops.recip_forward(2 * q, *place)
    assert second.data_ptr() != address
    assert torch.equal(row, expected)
    del row
    third = ops.recip_forward(2 * q, *place)
    assert third.data_ptr() == address
    assert torch.equal(third, second)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_operators_write_all_of_their_results(monkeypatch, dtype):
    """Memory that is not fresh is not zero: filled with NaN, it changes nothing."""

    def dirty(count, dtype):
        return np.full(count, np.nan, dtype=dtype)

    generator = torch.Generator().manual_seed(0)
    atoms, reflections = [3, 0, 1, 20], [40, 7, 0, 1]  # no atoms, no reflections
    offsets = [torch.tensor([0, *np.cumsum(sizes)]) for sizes in (atoms, reflections)]
    terms = int(np.dot(atoms, reflections))
    frac = torch.rand(sum(atoms), 3, generator=generator, dtype=dtype).requires_grad_()
    hkl = torch.randint(-4, 5, (sum(reflections), 3), generator=generator).int()
    q = torch.rand(sum(atoms), 33, generator=generator, dtype=dtype).requires_grad_()
    w = torch.rand(terms, generator=generator, dtype=dtype).requires_grad_()
    filters = torch.rand(sum(reflections), 33, generator=generator, dtype=dtype).requires_grad_()
    table = torch.rand(5, 9, generator=generator, dtype=dtype).requires_grad_()
    species = torch.randint(0, 5, (sum(atoms),), generator=generator)
    inverse_d = torch.rand(sum(reflections), generator=generator, dtype=dtype)
    place = (frac, hkl, *offsets)

    def everything() -> list[torch.Tensor]:
        known = {"species": species, "table": table, "stol_max": 1.0, "inverse_d": inverse_d}
        out = [
            ops.recip_forward(q, *place),
            ops.recip_convolve(q, filters, *place),
            ops.structure_factor(frac, w, *place[1:], per_term=True),
            ops.structure_factor(frac, None, *place[1:], **known),
        ]
        out.append(ops.recip_adjoint(out[0], *place))
        total = sum(torch.view_as_real(o).square().sum() if o.is_complex() else o.square().sum() for o in out)
        return [*out, *torch.autograd.grad(total, [frac, q, w, filters, table])]

    expected = everything()
    monkeypatch.setattr(cpu, "_empty", dirty)
    for found, value in zip(everything(), expected, strict=True):
        assert torch.equal(found, value)
