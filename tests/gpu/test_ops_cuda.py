"""The operators on a CUDA device: ``pytest -m gpu tests/gpu``. Skipped where there is none."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from models import fourier_twin as twin
from models.operator_checks import ATOMS, LIMIT, REFLECTIONS, SHAPES, batch_of, check_batch, scale_of
from recipnet.errors import ArgumentError
from recipnet.ops import operators, recip_adjoint, recip_convolve, recip_forward, structure_factor

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, torch sees none"),
]


@pytest.fixture(autouse=True)
def _needs_cupy():
    pytest.importorskip("cupy", reason='needs CuPy: pip install "recipnet[cuda12]" or "recipnet[cuda13]"')


def on_device(*values):
    return tuple(value.cuda() for value in values)


@pytest.mark.parametrize("dtype", LIMIT)
@pytest.mark.parametrize(("atoms", "reflections"), SHAPES.values(), ids=SHAPES)
def test_equal_to_the_twin(dtype, atoms, reflections):
    check_batch("cuda", atoms, reflections, dtype)


@pytest.mark.parametrize("matrix", ["1", "0"])
@pytest.mark.parametrize("channels", [32, 100, 256])
def test_many_channels_equal_to_the_twin(monkeypatch, channels, matrix):
    """On the matrix units and without them."""
    monkeypatch.setenv("RECIPNET_CUDA_MATRIX", matrix)
    check_batch("cuda", ATOMS, REFLECTIONS, torch.float32, channels=channels)
    check_batch("cuda", [300, 1], [1, 900], torch.float32, seed=1, channels=channels)


def test_long_sums_of_many_channels_do_not_drift():
    atoms = 10_000
    batch = batch_of([atoms], [1])
    batch[1].zero_()
    got = recip_forward(torch.full((atoms, 32), 1.1, device="cuda"), *on_device(*batch))
    assert (got.cpu() / (atoms * 1.1) - 1).abs().max() <= 1e-5


def test_a_thousand_random_batches():
    rng = np.random.default_rng(0)
    for seed in range(1000):
        crystals = int(rng.integers(0, 12))
        atoms, reflections = rng.integers(0, 40, crystals).tolist(), rng.integers(0, 90, crystals).tolist()
        check_batch("cuda", atoms, reflections, torch.float32, seed, channels=int(rng.integers(2, 70)))


@pytest.mark.parametrize("channels", [6, 32, 100, 256])
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_halves_are_summed_in_float32(half, channels):
    batch = batch_of(ATOMS, REFLECTIONS)
    moved = on_device(*batch)
    q = torch.randn(len(batch[0]), channels).to(half)
    got = recip_forward(q.cuda(), *moved)
    with torch.autocast("cuda", dtype=half):
        assert torch.equal(recip_forward(q.cuda(), *moved), got)
    assert got.dtype == torch.complex64
    assert ((got.cpu() - twin.forward(q, *batch)).abs() <= 1e-5 * scale_of(q, batch)).all()
    w = torch.randn(int((batch[2].diff() * batch[3].diff()).sum())).to(half)
    got = structure_factor(moved[0], w.cuda(), *moved[1:], per_term=True).cpu()
    size = twin.term_forward(w.abs(), torch.zeros_like(batch[0]), *batch[1:]).real
    assert ((got - twin.term_forward(w, *batch)).abs() <= 1e-5 * size).all()


def gradient_inputs():
    frac, *rest = on_device(*batch_of([2, 0, 3], [4, 2, 3], torch.float64))
    leaves = {
        "q": torch.randn(5, 2, dtype=torch.float64),
        "t": torch.randn(9, 2, dtype=torch.complex128),
        "weight": torch.randn(9, 2, dtype=torch.float64),
        "terms": torch.randn(17, dtype=torch.float64),
    }
    return {name: leaf.cuda().requires_grad_() for name, leaf in leaves.items()}, frac.requires_grad_(), rest


@pytest.mark.parametrize("name", ["q", "t", "weight", "terms", "species"])
def test_gradients(name):
    leaves, frac, rest = gradient_inputs()
    table = torch.randn(3, 6, dtype=torch.float64, device="cuda", requires_grad=True)
    keys = {"species": torch.tensor([0, 1, 2, 1, 1], device="cuda"), "stol_max": 40.0}
    inverse_d = torch.rand(9, dtype=torch.float64, device="cuda", requires_grad=True)
    function, inputs = {
        "q": (lambda q, x: recip_forward(q, x, *rest), (leaves["q"], frac)),
        "t": (lambda t, x: recip_adjoint(t, x, *rest), (leaves["t"], frac)),
        "weight": (lambda q, w, x: recip_convolve(q, w, x, *rest), (leaves["q"], leaves["weight"], frac)),
        "terms": (lambda w, x: structure_factor(x, w, *rest), (leaves["terms"], frac)),
        "species": (
            lambda table, d, x: structure_factor(x, None, *rest, table=table, inverse_d=d, **keys),
            (table, inverse_d, frac),
        ),
    }[name]
    assert torch.autograd.gradcheck(function, inputs)
    if name == "species":  # once in the coordinates
        *others, x = inputs
        function, inputs = partial(lambda x, f, *others: f(*others, x), x.detach(), function), tuple(others)
    assert torch.autograd.gradgradcheck(function, inputs)


def test_opcheck():
    leaves, frac, rest = gradient_inputs()
    g = leaves["t"][:, 0].detach().requires_grad_()
    table, places = (torch.rand(*shape, dtype=torch.float64, device="cuda") for shape in ((3, 6), (9,)))
    kinds = torch.tensor([0, 1, 2, 1, 1], device="cuda")
    for operator, inputs in (
        (operators.channel_forward, (leaves["q"],)),
        (operators.channel_adjoint, (leaves["t"],)),
        (operators.channel_position_gradient, (leaves["q"], leaves["t"])),
        (operators.term_forward, (leaves["terms"],)),
        (operators.term_adjoint, (g, 17)),
        (operators.term_position_gradient, (leaves["terms"], g)),
        (operators.table_forward, (table, places, kinds, 0)),
        (operators.table_adjoint, (g, places, kinds, 0, 3, 6)),
        (operators.table_position_gradient, (table, places, kinds, 0, g)),
    ):
        torch.library.opcheck(operator.overload, (*inputs, frac, *rest), test_utils=("test_schema", "test_faketensor"))


@pytest.mark.parametrize("channels", [8, 33])
def test_the_same_bytes_every_time_and_on_other_streams(channels):
    moved = on_device(*batch_of(ATOMS, REFLECTIONS))
    q = torch.randn(len(moved[0]), channels, device="cuda")
    first = recip_forward(q, *moved)
    for _ in range(5):
        assert torch.equal(recip_forward(q, *moved), first)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        late = q.clone()
        late.mul_(1.0)
        other = recip_forward(late, *moved)
    stream.synchronize()
    assert torch.equal(other, first)


@pytest.mark.parametrize("channels", [8, 64])
def test_graph_capture(channels):
    """Nothing synchronises: launches are captured and replayed on new values."""
    moved = on_device(*batch_of(ATOMS, REFLECTIONS))
    q = torch.randn(len(moved[0]), channels, device="cuda")
    terms = torch.randn(int((moved[2].diff() * moved[3].diff()).sum()), device="cuda")
    table = torch.rand(3, 9, device="cuda")
    known = {"species": torch.arange(len(q), device="cuda") % 3, "stol_max": 1.0}
    known["inverse_d"] = torch.rand(len(moved[1]), device="cuda")

    def run():
        by_table = structure_factor(moved[0], None, *moved[1:], table=table, **known)
        return recip_forward(q, *moved), operators.term_forward(terms, *moved), by_table

    run()  # compiled before the capture
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = run()
    for values in (q, terms, table):
        values.normal_()
    graph.replay()
    for found, expected in zip(captured, run(), strict=True):
        assert torch.equal(found, expected)


def test_contents_are_looked_at_when_asked_and_never_read_out_of_bounds():
    frac, hkl, atoms, reflections = on_device(*batch_of(ATOMS, REFLECTIONS))
    q = torch.randn(len(frac), 2, device="cuda")
    bad = torch.full_like(frac, float("nan"))
    assert recip_forward(q, bad, hkl, atoms, reflections).isnan().any()
    for broken in (
        (bad, hkl, atoms, reflections),
        (frac, hkl + 9999, atoms, reflections),
        (frac, hkl, atoms + 1, reflections),
    ):
        with pytest.raises(ArgumentError):
            recip_forward(q, *broken, check=True)
    recip_forward(q, frac, hkl, atoms.flip(0) * 7 - 3, reflections)
    torch.cuda.synchronize()
    with pytest.raises(ArgumentError, match="where frac is"):
        recip_forward(q.cpu(), frac, hkl, atoms, reflections)
