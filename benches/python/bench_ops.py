"""The Fourier operators, forward and backward, beside the same sums in eager and compiled torch.

    python benches/python/bench_ops.py [--device cpu|cuda] [--repeats 31] [--crystals 64] [--no-compile] [--large]

PRDNet-like: 20 atoms and 300 to 700 reflections a crystal, a weight for each term. ReGNet-like: the same with
C = 256 channels. Compared with padded dense blocks and ``bmm``, with a loop over crystals, and with ``torch.compile``
of the padded sum. Padding the inputs is not counted against them, nor is making the gradient that comes in against
anybody. `ceiling` is what the same run measures for copying the bytes that have to move (weights; outputs of channels)
or for a matrix product of as much arithmetic, whichever takes longer; on CUDA that product is float32's or three of
TF32, whichever is faster, since both keep float32's error. Results are compared first. On CUDA `--large` adds at least
1 GiB of weights and 10 TFLOP of channels; what does not fit the device's memory is left blank.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from _padded import Padded, loop_adjoint, loop_channels, loop_terms, pad
from _record import RESULTS, table, versions, write
from torch import Tensor

from recipnet.ops import recip_adjoint, recip_forward, structure_factor
from recipnet.ops.table import interpolate

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
parser.add_argument("--repeats", type=int, default=31)
parser.add_argument("--crystals", type=int, default=64)
parser.add_argument("--no-compile", action="store_true")
parser.add_argument("--large", action="store_true")
arguments = parser.parse_args()
device = torch.device(arguments.device)
name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"


def clock(function: Callable[[], object]) -> tuple[float, float] | None:
    """Median and minimum in milliseconds; fewer repeats of what takes seconds; None where memory does not suffice."""
    times: list[float] = []
    try:
        while len(times) <= arguments.repeats and (len(times) < 4 or sum(times) < 5e3):
            if device.type == "cuda":
                begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                begin.record()
                function()
                end.record()
                torch.cuda.synchronize()
                times.append(begin.elapsed_time(end))
            else:
                began = time.perf_counter()
                function()
                times.append(1e3 * (time.perf_counter() - began))
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return None
    return statistics.median(times[1:]), min(times[1:])


def batch(crystals: int, atoms: int, low: int, high: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random atoms and the reflections nearest to the origin of a cubic lattice, in scan order."""
    generator = torch.Generator().manual_seed(0)
    half = round((high / 4.0) ** (1 / 3)) + 2
    box = torch.cartesian_prod(*[torch.arange(-half, half + 1)] * 3).int()
    box = box[box.square().sum(1).argsort(stable=True)][1:]
    counts = torch.randint(low, high + 1, (crystals,), generator=generator)
    lists = []
    for count in counts.tolist():
        hkl = box[:count].long()
        key = (hkl[:, 0] * 4096 + hkl[:, 1]) * 4096 + hkl[:, 2]
        lists.append(hkl[key.argsort()].int())
    zero = torch.zeros(1, dtype=torch.int64)
    offsets = torch.arange(0, (crystals + 1) * atoms, atoms), torch.cat([zero, counts.cumsum(0)])
    frac = torch.rand(crystals * atoms, 3, generator=generator)
    return tuple(v.to(device) for v in (frac, torch.cat(lists), *offsets))


def both(function: Callable[[Tensor], object], leaf: Tensor) -> Callable[[], object]:
    """Forward and backward by the leaf; the gradient that comes in is made the first time, which is not counted."""
    ones: list[Tensor] = []

    def run() -> object:
        out = function(leaf)
        outs = out if isinstance(out, tuple) else (out,)
        if not ones:
            ones.extend(torch.full_like(o, 1.0 + 1.0j) if o.is_complex() else torch.ones_like(o) for o in outs)
        return torch.autograd.grad(outs, leaf, ones)

    return run


def least(function: Callable[[], object]) -> float:
    """The shortest time, in milliseconds."""
    timed = clock(function)
    assert timed is not None
    return timed[1]


def ceiling(moved: int, flop: int) -> float:
    """Milliseconds of a copy of so many bytes (read and written) and of a matrix product, the longer."""
    source = torch.zeros(max(moved // 2, 1), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copy = least(lambda: target.copy_(source))
    side = 1024 if device.type == "cpu" else 8192
    a = torch.rand(side, side, device=device)
    product = least(lambda: a @ a)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = True
        product = min(product, 3.0 * least(lambda: a @ a))
        torch.backends.cuda.matmul.allow_tf32 = False
    return max(copy, product * flop / (2 * side**3))


rows: list[dict[str, object]] = []


def record(task: str, timed: dict[str, Callable[[], object]], limit: float) -> None:
    """Time everything and add a row; the best eager version is the denominator of the goal."""
    found = {key: times for key, function in timed.items() if (times := clock(function)) is not None}
    ours, shortest = found["recipnet"]
    eager = min((found[key][0] for key in found if key in ("padded", "loop")), default=None)
    row: dict[str, object] = {"device": name, "task": task}
    for key in ("recipnet", "padded", "loop", "compiled"):
        row[f"{key} ms"] = f"{found[key][0]:.3g}" if key in found else ""
    row |= {
        "recipnet min ms": f"{shortest:.3g}",
        "ceiling ms": f"{limit:.3g}",
        "eager / recipnet": f"{eager / ours:.1f}" if eager else "",
        "compiled / recipnet": f"{found['compiled'][0] / ours:.1f}" if "compiled" in found else "",
        "share of ceiling": f"{limit / shortest:.2f}",
    }
    rows.append(row)
    print(task, row, flush=True)


def compiled(function: Callable[..., object]) -> dict[str, Callable[..., object]]:
    return {} if arguments.no_compile else {"compiled": torch.compile(function, dynamic=False)}


def terms(crystals: int) -> None:
    """A weight for each atom and reflection."""
    b = batch(crystals, 20, 300, 700)
    frac, hkl, atom_offsets, hkl_offsets = b
    size = int((atom_offsets.diff() * hkl_offsets.diff()).sum())
    w = torch.rand(size, device=device, requires_grad=True)
    dense = Padded(*b)
    blocks = w.detach().split((20 * hkl_offsets.diff()).tolist())
    w_pad = torch.nn.utils.rnn.pad_sequence([v.view(20, -1).T for v in blocks], batch_first=True).requires_grad_()
    functions = {"padded": (dense.terms, w_pad), "loop": (lambda w: loop_terms(w, *b), w)}
    functions |= {key: (function, w_pad) for key, function in compiled(dense.terms).items()}
    functions["recipnet"] = (lambda w: structure_factor(frac, w, hkl, atom_offsets, hkl_offsets, per_term=True), w)
    with torch.no_grad():
        assert torch.allclose(functions["recipnet"][0](w), functions["loop"][0](w), atol=1e-3)
    label = f"per term, {crystals} crystals, {size} terms"
    with torch.no_grad():
        forward = {key: (lambda f=f, v=v: f(v)) for key, (f, v) in functions.items()}
        record(f"{label}, forward", forward, ceiling(4 * size, 6 * size))
    backward = {key: both(f, v) for key, (f, v) in functions.items()}
    record(f"{label}, forward + backward", backward, ceiling(8 * size, 12 * size))


def atoms_and_kinds(crystals: int) -> None:
    """One weight for each atom, and learned form factors of 8 kinds of atoms; backward by both."""
    b = batch(crystals, 20, 300, 700)
    frac, hkl, atom_offsets, hkl_offsets = b
    dense = Padded(*b)
    size = int((atom_offsets.diff() * hkl_offsets.diff()).sum())
    w = torch.rand(len(frac), device=device, requires_grad=True)
    w_pad = pad(w.detach(), atom_offsets)[:, None, :].requires_grad_()
    table = torch.rand(8, 64, device=device, requires_grad=True)
    species = torch.arange(len(frac), device=device) % 8
    species_pad = pad(species, atom_offsets)
    known = {"species": species, "stol_max": 1.0, "inverse_d": torch.rand(len(hkl), device=device)}
    # as transforms.py has it: places of the reflections between the columns of the table
    place = pad(known["inverse_d"] * (63.0 / 2.0), hkl_offsets)

    def by_table(table: Tensor) -> tuple[Tensor, Tensor]:
        values = interpolate(table, place.flatten()).view(*place.shape, 8)
        return dense.kinds(values, species_pad)

    pairs = {
        "per atom": ((lambda w: structure_factor(frac, w, hkl, atom_offsets, hkl_offsets), w), (dense.terms, w_pad)),
        "tables of 8 kinds": (
            (lambda t: structure_factor(frac, None, hkl, atom_offsets, hkl_offsets, table=t, **known), table),
            (by_table, table),
        ),
    }
    for what, (ours, padded) in pairs.items():
        functions = {"recipnet": ours, "padded": padded}
        functions |= {key: (function, padded[1]) for key, function in compiled(padded[0]).items()}
        with torch.no_grad():
            real = torch.cat([v[:n] for v, n in zip(padded[0](padded[1])[0], hkl_offsets.diff().tolist(), strict=True)])
            assert torch.allclose(ours[0](ours[1]).real, real, atol=1e-3)
            forward = {key: (lambda f=f, v=v: f(v)) for key, (f, v) in functions.items()}
            record(f"{what}, {crystals} crystals, {size} terms, forward", forward, ceiling(8 * len(hkl), 4 * size))
        backward = {key: both(f, v) for key, (f, v) in functions.items()}
        label = f"{what}, {crystals} crystals, {size} terms, forward + backward"
        record(label, backward, ceiling(16 * len(hkl), 8 * size))


def channels(crystals: int, atoms: int, low: int, high: int, count: int) -> None:
    """The transforms with C channels; the adjoint is the backward of the forward, and has a backward of its own."""
    b = batch(crystals, atoms, low, high)
    q = torch.rand(len(b[0]), count, device=device, requires_grad=True)
    dense = Padded(*b)
    q_pad = pad(q.detach(), b[2]).requires_grad_()
    functions = {"padded": (dense.channels, q_pad), "loop": (lambda q: loop_channels(q, *b), q)}
    functions |= {key: (function, q_pad) for key, function in compiled(dense.channels).items()}
    functions["recipnet"] = (lambda q: recip_forward(q, *b), q)
    with torch.no_grad():
        # the loop takes its turns in float32, which shows in sums over thousands of atoms
        assert torch.allclose(functions["recipnet"][0](q), functions["loop"][0](q), atol=5e-5 * atoms)
    flop = 4 * count * int((b[2].diff() * b[3].diff()).sum())
    moved = 4 * q.numel() + 8 * len(b[1]) * count
    label = f"C = {count}, {crystals} crystals of {atoms} atoms"
    with torch.no_grad():
        forward = {key: (lambda f=f, v=v: f(v)) for key, (f, v) in functions.items()}
        record(f"{label}, forward", forward, ceiling(moved, flop))
    backward = {key: both(f, v) for key, (f, v) in functions.items()}
    record(f"{label}, forward + backward", backward, ceiling(2 * moved, 2 * flop))
    t = torch.randn(len(b[1]), count, dtype=torch.complex64, device=device)
    t_pad = torch.stack([pad(part.contiguous(), b[3]) for part in (t.real, t.imag)]).requires_grad_()
    t.requires_grad_()
    functions = {"padded": (dense.adjoint, t_pad), "loop": (lambda t: loop_adjoint(t, *b), t)}
    functions |= {key: (function, t_pad) for key, function in compiled(dense.adjoint).items()}
    functions["recipnet"] = (lambda t: recip_adjoint(t, *b), t)
    with torch.no_grad():
        forward = {key: (lambda f=f, v=v: f(v)) for key, (f, v) in functions.items()}
        record(f"{label}, adjoint", forward, ceiling(moved, flop))
    backward = {key: both(f, v) for key, (f, v) in functions.items()}
    record(f"{label}, adjoint, forward + backward", backward, ceiling(2 * moved, 2 * flop))


terms(arguments.crystals)
atoms_and_kinds(arguments.crystals)
channels(arguments.crystals, 20, 300, 700, 256)
if arguments.large:
    terms(28_000)
    channels(40, 4_000, 62_000, 66_000, 256)
packages = versions("torch")
stem = f"ops_{'cpu' if device.type == 'cpu' else name.lower().replace(' ', '_')}"
print(table(rows))
print(write(stem, rows, packages).relative_to(Path(RESULTS).parent.parent))
