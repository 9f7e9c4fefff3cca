"""Memory of results that is kept: never that of a result in use, never more than allowed, never read before written."""

from __future__ import annotations

import sys
import threading
from functools import partial

import numpy as np
import pytest
import torch

from recipnet import ops
from recipnet.ops import cpu, memory
from recipnet.ops.memory import SMALLEST, STEP, Blocks

LARGE = 2 * SMALLEST


def test_memory_of_a_result_that_is_gone_is_written_again():
    blocks = Blocks()
    first = blocks.empty(LARGE, np.uint8)
    place = first.ctypes.data
    second = blocks.empty(LARGE, np.uint8)
    assert second.ctypes.data != place
    del first
    third = blocks.empty(LARGE // 8, np.float64)
    assert third.ctypes.data == place
    assert third.shape == (LARGE // 8,)
    assert blocks.held == 0


def test_any_view_keeps_the_memory():
    blocks = Blocks()
    rows = torch.from_numpy(blocks.empty(LARGE, np.uint8)).view(2, -1)[1]
    rows.zero_()
    blocks.empty(LARGE, np.uint8).fill(1)
    assert not rows.any()
    assert blocks.held == STEP


def test_small_arrays_are_not_kept():
    blocks = Blocks()
    del_me = blocks.empty(8, np.float64)
    del del_me
    assert blocks.held == 0


def test_no_more_is_kept_than_allowed_and_what_fits_nobody_goes():
    blocks = Blocks(most=3 * STEP)
    loans = [blocks.empty(STEP, np.uint8) for _ in range(5)]
    loans.clear()
    assert blocks.held == 3 * STEP
    large = blocks.empty(8 * STEP, np.uint8)
    assert blocks.held == 2 * STEP
    del large
    assert blocks.held == 2 * STEP  # it alone is more than allowed
    blocks.clear()
    assert blocks.held == 0


def test_threads_never_share_a_block(request):
    """All hold a block at the same time, taken and given back while the others do."""
    request.addfinalizer(partial(sys.setswitchinterval, sys.getswitchinterval()))
    sys.setswitchinterval(1e-6)
    blocks, count = Blocks(), 4
    together = threading.Barrier(count, timeout=30)
    wrong = []

    def work(number: int) -> None:
        for _ in range(50):
            together.wait()
            for _ in range(3):
                values = blocks.empty(LARGE, np.uint8)
            values[::4096] = number
            together.wait()
            if (values[::4096] != number).any():
                wrong.append(number)
            del values

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert 0 < blocks.held <= 2 * count * (LARGE + STEP)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_operators_write_all_of_their_results(monkeypatch, dtype):
    """Memory that is not fresh is not zero: filled with NaN, it changes nothing."""

    class Dirty(Blocks):
        def empty(self, count, dtype):
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
    monkeypatch.setattr(cpu, "blocks", Dirty())
    for found, value in zip(everything(), expected, strict=True):
        assert torch.equal(found, value)


def test_cache_can_be_emptied():
    memory.blocks.empty(LARGE, np.uint8)
    assert memory.blocks.held >= LARGE
    ops.empty_cache()
    assert memory.blocks.held == 0
