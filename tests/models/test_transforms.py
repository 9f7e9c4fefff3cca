"""The ragged Fourier sums against a loop over crystals, their adjointness, and their gradients."""

from __future__ import annotations

import pytest
import torch

from recipnet.ops import PhaseTable, recip_adjoint, recip_forward

ATOMS, REFLECTIONS = [3, 0, 5, 1, 2], [10, 4, 0, 33, 1]


def example(channels: int = 4, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    atoms, reflections = (torch.tensor([0, *counts]).cumsum(0) for counts in (ATOMS, REFLECTIONS))
    frac = torch.rand(sum(ATOMS), 3, dtype=torch.float64, generator=generator) * 4 - 2
    hkl = torch.randint(-64, 65, (sum(REFLECTIONS), 3), generator=generator, dtype=torch.int32)
    q = torch.randn(sum(ATOMS), channels, dtype=torch.float64, generator=generator)
    return q.to(dtype), frac.to(dtype), hkl, atoms, reflections


def twin(q: torch.Tensor, frac: torch.Tensor, hkl: torch.Tensor, atoms: torch.Tensor, refl: torch.Tensor):
    """One crystal after the other, the definition as it is written."""
    out = torch.zeros(len(hkl), q.shape[1], dtype=torch.complex128)
    for b in range(len(ATOMS)):
        rows, lines = slice(atoms[b], atoms[b + 1]), slice(refl[b], refl[b + 1])
        phase = torch.exp(2j * torch.pi * (hkl[lines].double() @ frac[rows].double().T))
        out[lines] = phase @ q[rows].to(torch.complex128)
    return out


def test_forward_equals_its_twin():
    arguments = example()
    torch.testing.assert_close(recip_forward(*arguments), twin(*arguments), rtol=1e-12, atol=1e-12)


def test_forward_in_float32():
    """Turns of |h| <= 64 in plain float32: the error that the conventions state, no more."""
    arguments = example(dtype=torch.float32)
    q, _, _, atoms, refl = arguments
    error = (recip_forward(*arguments).to(torch.complex128) - twin(*arguments)).abs()
    for b in range(len(ATOMS)):
        lines = slice(refl[b], refl[b + 1])
        if REFLECTIONS[b] and ATOMS[b]:
            scale = q[atoms[b] : atoms[b + 1]].double().abs().sum(0)
            assert (error[lines] / scale).max() < 2e-4


def test_adjoint_is_the_adjoint():
    q, *rest = example()
    generator = torch.Generator().manual_seed(1)
    t = torch.randn(sum(REFLECTIONS), q.shape[1], dtype=torch.complex128, generator=generator)
    left = (t.conj() * recip_forward(q, *rest)).sum().real
    right = (recip_adjoint(t, *rest) * q).sum()
    assert left.item() == pytest.approx(right.item(), rel=1e-12)


def test_convolve_is_forward_weight_adjoint():
    q, *rest = example()
    weight = torch.rand(sum(REFLECTIONS), q.shape[1], dtype=torch.float64)
    got = PhaseTable.build(*rest).convolve(q, weight)
    torch.testing.assert_close(got, recip_adjoint(recip_forward(q, *rest) * weight, *rest), rtol=1e-12, atol=1e-12)


def test_nothing_at_all():
    none = torch.zeros(1, dtype=torch.int64)
    out = recip_forward(torch.zeros(0, 2), torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int32), none, none)
    assert out.shape == (0, 2)


def test_gradients():
    q, frac, hkl, atoms, refl = example(channels=2)
    hkl = hkl % 5
    inputs = (q.requires_grad_(), frac.requires_grad_())
    assert torch.autograd.gradcheck(lambda q, x: recip_forward(q, x, hkl, atoms, refl), inputs)
    t = torch.randn(sum(REFLECTIONS), 2, dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t, x: recip_adjoint(t, x, hkl, atoms, refl), (t, frac))
