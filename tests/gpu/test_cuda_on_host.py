"""The host side of the CUDA operators, from tensors to launches, with kernels on CPU threads; against the core."""

from __future__ import annotations

import pytest
import torch

from gpu.shim import start
from recipnet.ops import cpu, cuda, launches, operators

ATOMS, REFLECTIONS = [3, 0, 20, 1], [10, 4, 70, 33]


@pytest.fixture
def launched(monkeypatch, programs, tmp_path) -> list[str]:
    """Names of the kernels that were launched, in their order."""
    names = []

    def run(launch, *arguments):
        if launch.empty:
            return
        names.append(launch.kernel)
        *inputs, out = [v.view(torch.int16) if getattr(v, "dtype", None) == torch.bfloat16 else v for v in arguments]
        values = [v.numpy() if isinstance(v, torch.Tensor) else v for v in inputs]
        got = start(programs["plain"], launch, values, out.numel() * out.element_size(), tmp_path)
        out.view(-1).view(torch.uint8).copy_(torch.from_numpy(got))

    monkeypatch.setattr(cuda, "_run", run)
    monkeypatch.setattr(cuda, "available", lambda: True)
    monkeypatch.setattr(cuda, "_matrix_units", lambda device: True)
    return names


def example(dtype: torch.dtype, atoms: list[int], reflections: list[int]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int, kind: torch.dtype = dtype) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.complex128 if kind.is_complex else None).to(kind)

    rows, columns = sum(atoms), sum(reflections)
    return {
        "frac": random(rows, 3),
        "hkl": torch.randint(-9, 10, (columns, 3), dtype=torch.int32, generator=generator),
        "atom_offsets": torch.tensor([0, *atoms]).cumsum(0),
        "hkl_offsets": torch.tensor([0, *reflections]).cumsum(0),
        "q": random(rows, 6),
        "many": random(rows, 40),
        "t": random(columns, 6, kind=dtype.to_complex()),
        "many_t": random(columns, 40, kind=dtype.to_complex()),
        "w": random(sum(n * m for n, m in zip(atoms, reflections, strict=True))),
        "kinds": torch.arange(rows) ** 2 % 3,
        "table": random(3, 7),
        "places": random(columns).abs() % 4.0,
    }


@pytest.mark.parametrize(("dtype", "many"), [(torch.float32, 4), (torch.float64, 4), (torch.float32, 3)])
def test_equal_to_the_core(launched, monkeypatch, dtype, many):
    monkeypatch.setattr(launches, "MANY_CRYSTALS", many)
    ends = ["term_ends"] if many < len(ATOMS) else []
    v = example(dtype, ATOMS, REFLECTIONS)
    batch = tuple(v[name] for name in ("frac", "hkl", "atom_offsets", "hkl_offsets"))
    g = v["t"][:, 2]  # with a stride
    suffix = "f32" if dtype == torch.float32 else "f64"
    forward, adjoint = (
        ("matrix_forward", "matrix_few_adjoint") if suffix == "f32" else ("channel_forward", "channel_adjoint")
    )
    read = v["places"], v["kinds"], 0
    for name, inputs, kernels in (
        ("channel_forward", (v["q"][:, :1],), ["structure_factor"]),
        ("channel_forward", (v["q"],), ["channel_forward"]),
        ("channel_forward", (v["many"],), [forward]),
        ("channel_adjoint", (v["t"].conj(),), ["channel_adjoint"]),
        ("channel_adjoint", (v["many_t"],), [adjoint]),
        ("channel_position_gradient", (v["many"], v["many_t"]), ["channel_position_gradient"]),
        ("term_forward", (v["w"],), [*ends, "term_forward"]),
        ("term_adjoint", (g, len(v["w"])), [*ends, "term_adjoint"]),
        ("term_position_gradient", (v["w"], g), [*ends, "term_position_gradient"]),
        ("table_forward", (v["table"], *read), ["table_forward"]),
        ("table_adjoint", (g, *read, 3, 7), ["kind_adjoint"]),
        ("table_position_gradient", (v["table"], *read, g), ["table_position_gradient"]),
    ):
        launched.clear()
        operator = getattr(operators, name)
        got, expected = operator.cuda(*inputs, *batch), operator(*inputs, *batch)
        assert launched == [kernel if kernel == "term_ends" else f"{kernel}_{suffix}" for kernel in kernels]
        assert got.dtype == expected.dtype
        limit = (1e-5 if dtype == torch.float32 else 1e-12) * expected.abs().max()
        torch.testing.assert_close(got, expected, rtol=0, atol=float(limit))


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_halves(launched, half):
    v = example(torch.float32, ATOMS, REFLECTIONS)
    batch = tuple(v[name] for name in ("frac", "hkl", "atom_offsets", "hkl_offsets"))
    for name, values in (("channel_forward", v["q"]), ("channel_forward", v["many"]), ("term_forward", v["w"])):
        values = values.to(half)
        got, expected = getattr(cuda, name)(values, batch), getattr(cpu, name)(values.float(), batch)
        assert got.dtype == torch.complex64
        torch.testing.assert_close(got, expected, rtol=0, atol=float(1e-5 * expected.abs().max()))
    assert {kernel.rsplit("_", 1)[1] for kernel in launched} == {"bf16" if half == torch.bfloat16 else "fp16"}


@pytest.mark.parametrize(("atoms", "reflections"), [([], []), ([0], [0]), ([0], [2]), ([2], [0])])
def test_nothing_to_sum(launched, atoms, reflections):
    v = example(torch.float32, atoms, reflections)
    batch = tuple(v[name] for name in ("frac", "hkl", "atom_offsets", "hkl_offsets"))
    g = v["t"][:, 0]
    for name, inputs in (
        ("channel_forward", (v["q"],)),
        ("channel_adjoint", (v["many_t"],)),
        ("channel_position_gradient", (v["q"], v["t"])),
        ("term_forward", (v["w"],)),
        ("term_adjoint", (g, 0)),
        ("term_position_gradient", (v["w"], g)),
        ("table_forward", (v["table"], v["places"], v["kinds"], 0)),
        ("table_adjoint", (g, v["places"], v["kinds"], 0, 3, 7)),
    ):
        operator = getattr(operators, name)
        torch.testing.assert_close(operator.cuda(*inputs, *batch), operator(*inputs, *batch), rtol=0, atol=0)
