"""The Fourier operators on the CPU: against their definition, as torch operators, and what they refuse."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from models import fourier_twin as twin
from models.operator_checks import LIMIT, SHAPES, check_batch
from recipnet.errors import ArgumentError
from recipnet.ops import operators, recip_adjoint, recip_convolve, recip_forward, structure_factor
from recipnet.ops.table import interpolate

ATOMS, REFLECTIONS = [3, 0, 5, 1, 2, 70], [10, 4, 0, 33, 1, 40]


def example(dtype: torch.dtype = torch.float64, atoms=ATOMS, reflections=REFLECTIONS, h_max: int = 36):
    """frac, hkl (|h| <= 64) and offsets."""
    generator = torch.Generator().manual_seed(0)
    offsets = (torch.tensor([0, *counts]).cumsum(0) for counts in (atoms, reflections))
    frac = torch.rand(sum(atoms), 3, dtype=torch.float64, generator=generator) * 4 - 2
    hkl = torch.randint(-h_max, h_max + 1, (sum(reflections), 3), generator=generator, dtype=torch.int32)
    return frac.to(dtype), hkl, *offsets


def small(channels: int = 2):
    """A batch for numerical gradients, with inputs that require them."""
    frac, hkl, atoms, reflections = example(atoms=[2, 0, 3], reflections=[4, 2, 3], h_max=3)
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        return torch.randn(*shape, dtype=dtype, generator=generator, requires_grad=True)

    values = {
        "q": normal(5, channels),
        "t": normal(9, channels, dtype=torch.complex128),
        "weight": normal(9, channels),
        "terms": normal(2 * 4 + 3 * 3),
        "table": normal(3, 6),
        "inverse_d": (torch.rand(9, dtype=torch.float64, generator=generator) * 2).requires_grad_(),
        "species": torch.tensor([0, 1, 2, 1, 1]),
        "x": frac.requires_grad_(),
    }
    return values, (hkl, atoms, reflections)


def term_count(batch) -> int:
    return int((batch[2].diff() * batch[3].diff()).sum())


def by_crystal(values: torch.Tensor, batch) -> torch.Tensor:
    """Sum over the atoms of each crystal, repeated at its reflections."""
    sums = [values[a:b].sum(0, keepdim=True) for a, b in zip(batch[2], batch[2][1:], strict=False)]
    return torch.repeat_interleave(torch.cat(sums), batch[3].diff(), dim=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 4, 33])
def test_channels_equal_their_definition(dtype, channels):
    batch = example(dtype)
    generator = torch.Generator().manual_seed(2)
    q = torch.randn(len(batch[0]), channels, generator=generator).to(dtype)
    t = torch.randn(len(batch[1]), channels, dtype=torch.complex128, generator=generator).to(dtype.to_complex())
    weight = torch.rand(len(batch[1]), channels, generator=generator).to(dtype)
    got = recip_forward(q, *batch)
    assert got.dtype == dtype.to_complex()
    scale = by_crystal(q.abs().double(), batch)
    assert ((got - twin.forward(q, *batch)).abs() <= LIMIT[dtype] * scale).all()
    got = recip_adjoint(t, *batch)
    assert (got - twin.adjoint(t, *batch)).abs().max() <= LIMIT[dtype] * t.abs().double().sum()
    got = recip_convolve(q, weight, *batch)
    assert got.dtype == dtype
    assert (got - twin.convolve(q, weight, *batch)).abs().max() <= LIMIT[dtype] * scale.sum(0).max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_structure_factors_equal_their_definition(dtype):
    batch = example(dtype)
    frac, hkl, atoms, reflections = batch
    terms = torch.randn(term_count(batch), generator=torch.Generator().manual_seed(3)).to(dtype)
    got = structure_factor(frac, terms, hkl, atoms, reflections)
    scale = twin.term_forward(terms.abs(), torch.zeros_like(frac), *batch[1:]).real
    assert ((got - twin.term_forward(terms, *batch)).abs() <= LIMIT[dtype] * scale).all()
    by_atom = terms[: len(frac)]
    got = structure_factor(frac, by_atom, hkl, atoms, reflections)
    expected = twin.forward(by_atom[:, None], *batch)[:, 0]
    assert ((got - expected).abs() <= LIMIT[dtype] * by_crystal(by_atom.abs().double(), batch)).all()


def test_species_and_table():
    batch = example()
    frac, hkl, atoms, reflections = batch
    generator = torch.Generator().manual_seed(4)
    species = torch.randint(0, 4, (len(frac),), generator=generator)
    inverse_d = torch.rand(len(hkl), dtype=torch.float64, generator=generator) * 1.6
    grid = torch.linspace(0.0, 0.8, 400, dtype=torch.float64)
    decay = torch.tensor([3.0, 1.0, 7.0, 0.5], dtype=torch.float64)[:, None]
    table = 10 * decay * torch.exp(-decay * grid * grid)
    got = structure_factor(
        frac, None, hkl, atoms, reflections, species=species, table=table, stol_max=0.8, inverse_d=inverse_d
    )
    values = 10 * decay * torch.exp(-decay * inverse_d**2 / 4)
    parts = [values[species[a]][:, r].flatten() for a, r, _ in twin.phases(*batch)]
    expected = twin.term_forward(torch.cat(parts), *batch)
    assert (got - expected).abs().max() < 1e-6 * 70 * 70  # of sum f(0)


def test_interpolation_is_smooth_and_of_third_order():
    errors = []
    for points in (41, 81):
        grid = torch.linspace(0.0, 2.0, points, dtype=torch.float64)
        x = torch.linspace(0.0, 2.0, 1001, dtype=torch.float64)
        got = interpolate(torch.exp(-grid * grid)[None], x * (points - 1) / 2)[:, 0]
        errors.append((got - torch.exp(-x * x)).abs().max().item())
    assert errors[0] < 2e-5
    assert errors[1] < errors[0] / 6
    place = torch.tensor([2 - 1e-9, 2 + 1e-9], dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(interpolate(torch.randn(1, 5, dtype=torch.float64), place).sum(), place)[0]
    assert slope[0].item() == pytest.approx(slope[1].item(), abs=1e-6)


def test_adjoint_is_the_adjoint():
    batch = example()
    generator = torch.Generator().manual_seed(1)
    q = torch.randn(len(batch[0]), 3, dtype=torch.float64, generator=generator)
    t = torch.randn(len(batch[1]), 3, dtype=torch.complex128, generator=generator)
    left = (t.conj() * recip_forward(q, *batch)).sum().real
    assert left.item() == pytest.approx((recip_adjoint(t, *batch) * q).sum().item(), rel=1e-12)


@pytest.mark.parametrize(
    ("atoms", "reflections"),
    [([], []), ([0], [0]), ([0], [3]), ([3], [0]), ([1], [1]), ([0, 1, 0], [2, 0, 1])],
    ids=str,
)
def test_odd_shapes(atoms, reflections):
    batch = example(atoms=atoms, reflections=reflections)
    q = torch.randn(sum(atoms), 2, dtype=torch.float64, requires_grad=True)
    out = recip_forward(q, *batch)
    torch.testing.assert_close(out, twin.forward(q, *batch))
    out.abs().square().sum().backward()
    weight = torch.ones(sum(reflections), 2, dtype=torch.float64)
    torch.testing.assert_close(recip_convolve(q, weight, *batch), twin.convolve(q, weight, *batch))
    terms = torch.ones(term_count(batch), dtype=torch.float64, requires_grad=True)
    out = structure_factor(batch[0], terms, *batch[1:], per_term=True)
    torch.testing.assert_close(out, twin.term_forward(terms, *batch))
    out.real.sum().backward()
    assert terms.grad.shape == terms.shape


def test_h_zero_wrapping_and_large_indices():
    frac, hkl, atoms, reflections = example(h_max=4095)
    hkl[0] = 0
    q = torch.rand(len(frac), 2, dtype=torch.float64)
    out = recip_forward(q, frac, hkl, atoms, reflections)
    torch.testing.assert_close(out[0], q[:3].sum(0).to(out.dtype), rtol=1e-15, atol=0)
    moved = recip_forward(q, frac + torch.tensor([1.0, -3.0, 2.0]), hkl, atoms, reflections)
    torch.testing.assert_close(moved, out, rtol=0, atol=1e-8)


FUNCTIONS = {
    "forward": lambda v, b: (lambda q, x: recip_forward(q, x, *b), (v["q"], v["x"])),
    "adjoint": lambda v, b: (lambda t, x: recip_adjoint(t, x, *b), (v["t"], v["x"])),
    "convolve": lambda v, b: (lambda q, w, x: recip_convolve(q, w, x, *b), (v["q"], v["weight"], v["x"])),
    "atom": lambda v, b: (lambda q, x: structure_factor(x, q[:, 0], *b), (v["q"], v["x"])),
    "term": lambda v, b: (lambda w, x: structure_factor(x, w, *b), (v["terms"], v["x"])),
    "species": lambda v, b: (
        lambda table, d, x: structure_factor(x, None, *b, species=v["species"], table=table, stol_max=1.0, inverse_d=d),
        (v["table"], v["inverse_d"], v["x"]),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients(name):
    function, inputs = FUNCTIONS[name](*small())
    assert torch.autograd.gradcheck(function, inputs)
    if name == "species":  # once in the coordinates
        *others, x = inputs
        function, inputs = partial(lambda x, f, *others: f(*others, x), x.detach(), function), tuple(others)
    assert torch.autograd.gradgradcheck(function, inputs)


# opcheck itself looks at .grad of tensors that are no leaves
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_opcheck():
    values, rest = small()
    batch = (values["x"], *rest)
    g = values["t"][:, 0].detach().requires_grad_()
    kinds, table = values["species"], values["table"]
    places = (values["inverse_d"].detach() * 2).requires_grad_()
    cases = [
        (operators.channel_forward, (values["q"],)),
        (operators.channel_adjoint, (values["t"],)),
        (operators.channel_position_gradient, (values["q"], values["t"])),
        (operators.convolve, (values["q"], values["weight"])),
        (operators.correlate, (values["q"], values["q"])),
        (operators.term_forward, (values["terms"],)),
        (operators.term_adjoint, (g, len(values["terms"]))),
        (operators.term_position_gradient, (values["terms"], g)),
        (operators.table_forward, (table, places, kinds, 0)),
        (operators.table_adjoint, (g, places, kinds, 0, *table.shape)),
    ]
    for operator, inputs in cases:
        torch.library.opcheck(operator.overload, (*inputs, *batch))
    detached = (table.detach(), places.detach(), kinds, 1, g.detach(), values["x"].detach(), *rest)
    torch.library.opcheck(operators.table_position_gradient.overload, detached)


@pytest.mark.parametrize("dtype", LIMIT)
@pytest.mark.parametrize(("atoms", "reflections"), SHAPES.values(), ids=SHAPES)
def test_shapes_that_devices_are_checked_with(dtype, atoms, reflections):
    check_batch("cpu", atoms, reflections, dtype)


def test_a_second_derivative_that_is_not_made_is_refused():
    values, rest = small()
    known = {"species": values["species"], "table": values["table"].detach(), "stol_max": 2.0}
    x = values["x"]
    f = structure_factor(x, None, *rest, inverse_d=torch.rand(9, dtype=torch.float64), **known)
    (slope,) = torch.autograd.grad(f.abs().square().sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="differentiated once in the coordinates"):
        slope.square().sum().backward()


def test_the_first_call_does_not_import_the_compiler():
    code = """
import sys, torch
from recipnet.ops import recip_forward
x, offsets = torch.rand(2, 3, requires_grad=True), torch.tensor([0, 2])
recip_forward(torch.rand(2, 2), x, torch.ones(2, 3, dtype=torch.int32), offsets, offsets).abs().sum().backward()
assert not {"torch._inductor", "sympy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_outputs_share_no_memory_and_inputs_are_not_copied():
    frac, hkl, atoms, reflections = example(torch.float32)
    q = torch.rand(len(frac), 2)
    before = [value.clone() for value in (q, frac, hkl)]
    one, two = recip_forward(q, frac, hkl, atoms, reflections), recip_forward(q, frac, hkl, atoms, reflections)
    assert one.data_ptr() != two.data_ptr()
    one.zero_()
    assert two.abs().max() > 0
    for value, kept in zip((q, frac, hkl), before, strict=True):
        assert torch.equal(value, kept)


def test_views_and_conjugates_are_read_right():
    batch = example()
    t = torch.randn(3, len(batch[1]), dtype=torch.complex128)
    torch.testing.assert_close(recip_adjoint(t.T, *batch), recip_adjoint(t.T.contiguous(), *batch), rtol=0, atol=0)
    torch.testing.assert_close(
        recip_adjoint(t.mH, *batch), recip_adjoint(t.T.conj().resolve_conj().contiguous(), *batch), rtol=0, atol=0
    )


@pytest.mark.slow
def test_compiled_without_a_graph_break():
    frac, hkl, atoms, reflections = example(torch.float32)

    def loss(q: torch.Tensor, terms: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        s = recip_convolve(q, torch.ones(hkl.shape[0], q.shape[1]), x, hkl, atoms, reflections)
        f = torch.view_as_real(structure_factor(x, terms, hkl, atoms, reflections))
        return s.square().sum() + f.square().sum()

    def gradients(function) -> list[torch.Tensor]:
        leaves = [torch.ones(len(frac), 2), torch.ones(term_count((frac, hkl, atoms, reflections))), frac.clone()]
        leaves = [leaf.requires_grad_() for leaf in leaves]
        return list(torch.autograd.grad(function(*leaves), leaves))

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for got, expected in zip(gradients(compiled), gradients(loss), strict=True):
        torch.testing.assert_close(got, expected)


def test_autocast_sums_in_float32():
    frac, hkl, atoms, reflections = example(torch.float32)
    half = torch.rand(len(frac), 2).bfloat16().requires_grad_()
    with pytest.raises(ArgumentError, match="only on CUDA"):
        recip_forward(half, frac, hkl, atoms, reflections)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = recip_forward(half, frac, hkl, atoms, reflections)
    assert out.dtype == torch.complex64
    assert torch.equal(out, recip_forward(half.float(), frac, hkl, atoms, reflections))
    out.abs().square().sum().backward()
    assert half.grad.dtype == torch.bfloat16


def test_results_do_not_depend_on_the_batch():
    batch = example(torch.float32)
    q = torch.rand(len(batch[0]), 5)
    together = recip_forward(q, *batch)
    for b, (atoms, rows, _) in enumerate(twin.phases(*batch)):
        one = [torch.tensor([0, counts[b]]) for counts in (ATOMS, REFLECTIONS)]
        assert torch.equal(recip_forward(q[atoms], batch[0][atoms], batch[1][rows], *one), together[rows])


BAD = {
    "frac": lambda a: {**a, "frac": a["frac"][:, :2]},
    "frac ": lambda a: {**a, "frac": a["frac"].half()},
    "frac  ": lambda a: {**a, "frac": torch.full_like(a["frac"], float("nan"))},
    "frac   ": lambda a: {**a, "frac": a["frac"].to("meta")},
    "hkl": lambda a: {**a, "hkl": a["hkl"].long()},
    "hkl ": lambda a: {**a, "hkl": a["hkl"][:, 0]},
    "hkl  ": lambda a: {**a, "hkl": a["hkl"] + 5000},
    "hkl   ": lambda a: {**a, "hkl": a["hkl"].to("meta")},
    "atom_offsets": lambda a: {**a, "atom_offsets": a["atom_offsets"].int()},
    "atom_offsets ": lambda a: {**a, "atom_offsets": a["atom_offsets"].flip(0)},
    "atom_offsets  ": lambda a: {**a, "atom_offsets": a["atom_offsets"] + 1},
    "hkl_offsets": lambda a: {**a, "hkl_offsets": a["hkl_offsets"][:-1]},
    "hkl_offsets ": lambda a: {**a, "hkl_offsets": [0, 1]},
    "q": lambda a: {**a, "q": a["q"][1:]},
    "q ": lambda a: {**a, "q": a["q"].double()},
    "q  ": lambda a: {**a, "q": a["q"][:, :0]},
    "q   ": lambda a: {**a, "q": a["q"].numpy()},
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name(case):
    frac, hkl, atoms, reflections = example(torch.float32)
    good = {"q": torch.rand(len(frac), 2), "frac": frac, "hkl": hkl, "atom_offsets": atoms, "hkl_offsets": reflections}
    recip_forward(**good)
    with pytest.raises(ArgumentError, match=case.strip()) as caught:
        recip_forward(**BAD[case](good))
    assert caught.value.name == case.strip()


def test_bad_weights_are_refused_by_name():
    frac, hkl, atoms, reflections = example(torch.float32)
    rest = (hkl, atoms, reflections)
    with pytest.raises(ArgumentError, match="weights"):
        structure_factor(frac, torch.ones(7), *rest)
    with pytest.raises(ArgumentError, match="weights is None"):
        structure_factor(frac, None, *rest)
    table = {
        "species": torch.zeros(len(frac), dtype=torch.int64),
        "table": torch.ones(2, 5),
        "stol_max": 1.0,
        "inverse_d": torch.ones(len(hkl)),
    }
    structure_factor(frac, None, *rest, **table)
    with pytest.raises(ArgumentError, match="weights is given"):
        structure_factor(frac, torch.ones(len(frac)), *rest, **table)
    for name, value in {
        "species": table["species"] + 2,
        "table": torch.ones(2, 2),
        "stol_max": 0.0,
        "inverse_d": table["inverse_d"] * 3,
    }.items():
        with pytest.raises(ArgumentError, match=name) as caught:
            structure_factor(frac, None, *rest, **{**table, name: value})
        assert caught.value.name == name
    with pytest.raises(ArgumentError, match="t is"):
        recip_adjoint(torch.ones(len(hkl), 2), frac, *rest)
    with pytest.raises(ArgumentError, match="weight is"):
        recip_convolve(torch.ones(len(frac), 2), torch.ones(len(hkl), 3), frac, *rest)


def test_the_examples_of_the_page_run():
    page = (Path(__file__).parents[2] / "docs/ops.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert examples
    for example in examples:
        exec(compile(example, "docs/ops.md", "exec"), {})
