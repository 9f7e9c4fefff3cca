"""The kernels of cuda/ on CPU threads, plain and under sanitizers, against float64 sums in NumPy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from gpu.shim import start
from gpu.sums import ATOMS, COLUMNS, KINDS, LIMIT, REFLECTIONS, Case, expected, make_case, stored
from recipnet.ops import cuda, launches

DTYPES = {suffix: dtype for dtype, suffix in launches.SUFFIXES.items()}
# kernel and the shapes of what it reads
WEIGHTED = {
    "structure_factor": ["N"],
    "term_forward": ["T"],
    "term_adjoint": ["H*"],
    "term_position_gradient": ["T", "H*"],
    "table_forward": ["KG"],
    "table_position_gradient": ["KG", "H*"],
    "kind_adjoint": ["H*"],
}
CHANNELS = {"channel_forward": ["NC"], "channel_adjoint": ["HC*"], "channel_position_gradient": ["NC", "HC*"]}
MATRIX = {"matrix_forward": ["NC"], "matrix_adjoint": ["HC*"], "matrix_few_adjoint": ["HC*"]}
HALVES = ("structure_factor", "term_forward", "channel_forward", "matrix_forward")
NAMES = [f"{kernel}_{suffix}" for kernel in {**WEIGHTED, **CHANNELS} for suffix in ("f32", "f64")]
NAMES += [f"{kernel}_f32" for kernel in MATRIX]
NAMES += [f"{kernel}_{suffix}" for kernel in HALVES for suffix in ("bf16", "fp16")]


def run(
    program: Path,
    name: str,
    case: Case,
    folder: Path,
    channels: int | None = None,
    contents: tuple[list[int], list[int], list[int] | None] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the kernel gives, what it should, the scale of the error.

    ``contents``: other offsets, and other kinds or ends of terms (None: none), than the right ones.
    """
    given = [np.array(v) for v in contents[:2]] if contents else [case.atom_offsets, case.hkl_offsets]
    kernel, suffix = name.rsplit("_", 1)
    matrix = kernel in MATRIX
    channels = channels or (33 if matrix else 5)
    sizes = {"N": (len(case.frac),), "H": (len(case.hkl),), "T": (case.terms,), "C": (channels,)}
    sizes |= {"K": (KINDS,), "G": (COLUMNS,)}
    arrays, exact = [], []
    for shape in {**WEIGHTED, **CHANNELS, **MATRIX}[kernel]:
        full = sum((sizes[axis] for axis in shape.strip("*")), ())
        if shape.endswith("*"):
            pairs, wide = stored(case.rng.normal(size=(*full, 2)), suffix)
            arrays.append(pairs)
            exact.append(wide[..., 0] + 1j * wide[..., 1])
        else:
            values, wide = stored(case.rng.normal(size=full), suffix)
            arrays.append(values)
            exact.append(wide)
    operation = kernel.replace("matrix_few", "matrix").replace("matrix", "channel")
    values, scale = expected(operation, case, exact)
    real = np.float64 if suffix == "f64" else np.float32
    out_bytes = values.size * np.dtype(real).itemsize * (2 if np.iscomplexobj(values) else 1)
    counts = [len(case.atom_offsets) - 1, len(case.frac), len(case.hkl)]
    rows = len(values) if kernel != "term_adjoint" else len(case.hkl)
    if kernel in WEIGHTED:
        launch = launches.weighted(kernel, DTYPES[suffix], rows)
        if kernel.startswith("term"):
            where, size = case.term_ends if counts[0] > launches.MANY_CRYSTALS else 0, case.terms
            if contents and contents[2]:
                where = np.resize(contents[2], counts[0])
        else:
            where, size = np.resize(contents[2] or [0], len(case.frac)) if contents else case.kinds, KINDS
        table = [case.places, COLUMNS, case.order] if kernel.startswith("table") else []
        inputs = [case.frac, *arrays, case.hkl, *given, where, *counts, size, *table]
    else:
        # the mean number of atoms that a kernel is for, which these batches need not have
        with mock.patch.object(launches, "FEW_ATOMS", 10**9 if "few" in kernel else 0):
            launch = launches.channels(operation, DTYPES[suffix], rows, counts[0], channels, matrix)
        inputs = [*arrays, case.frac, case.hkl, *given, *counts, channels]
    if launch.empty:
        return np.zeros_like(values), values, scale
    assert launch.kernel == name
    got = start(program, launch, inputs, out_bytes, folder).view(real).astype(np.float64)
    if np.iscomplexobj(values):
        got = got.view(np.complex128)
    return got.reshape(values.shape), values, scale


def check(program: Path, name: str, case: Case, folder: Path, channels: int | None = None) -> None:
    got, values, scale = run(program, name, case, folder, channels)
    assert np.all(np.abs(got - values) <= LIMIT[name.rsplit("_", 1)[1]] * scale)
    assert np.all(got[scale == 0] == 0)


def real_of(name: str) -> type:
    return np.float64 if name.endswith("f64") else np.float32


class Fixed:
    """In place of a random generator: one number for all but few places."""

    def __init__(self, value: float, others: dict[tuple[int, ...], float] | None = None):
        self.value = value
        self.others = others or {}

    def normal(self, size):
        values = np.full(size, self.value)
        for place, value in self.others.items():
            values[place] = value
        return values


@pytest.mark.parametrize("name", NAMES)
def test_ragged_batch_equals_the_sum(programs, tmp_path, name: str):
    # the position gradient of terms has a block for each atom, each of them 128 threads here
    atoms = [3, 0, 1, 20, 5, 9, 2, 1, 4] if name.startswith("term_position") else ATOMS
    check(programs["address"], name, make_case(atoms, REFLECTIONS, real_of(name)), tmp_path)


# the types share one template, and with it the barriers
@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("f32")])
def test_no_races(programs, tmp_path, name: str):
    case = make_case(
        [2, 0, 3, 4] if name.startswith("term_position") else [20, 0, 3, 30], [70, 4, 0, 150], real_of(name)
    )
    check(programs["thread"], name, case, tmp_path)


ODD = [([], []), ([0], [0]), ([0], [1]), ([1], [0]), ([1], [1]), ([0, 0, 1, 0], [0, 3, 0, 2]), ([65], [65])]


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("f64")] + [f"{name}_f32" for name in MATRIX])
def test_odd_shapes(programs, tmp_path, name: str):
    channels = 32 if name.startswith("matrix") else 1
    for atoms, reflections in ODD:
        check(programs["address"], name, make_case(atoms, reflections, real_of(name)), tmp_path, channels)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("f32") and "position" not in name])
def test_ten_thousand_atoms(programs, tmp_path, name: str):
    check(programs["plain"], name, make_case([10_000, 2], [3, 1], np.float32), tmp_path)


@pytest.mark.parametrize("channels", [1, 64, 65])
def test_channels_around_a_tile(programs, tmp_path, channels: int):
    for kernel in CHANNELS:
        case = make_case([7, 20], [30, 5], np.float32)
        check(programs["address"], f"{kernel}_f32", case, tmp_path, channels)


@pytest.mark.parametrize("channels", [32, 100, 129])
@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("matrix")])
def test_channels_around_a_tile_of_matrices(programs, tmp_path, name: str, channels: int):
    check(programs["address"], name, make_case([7, 20], [30, 5], np.float32), tmp_path, channels)


def test_three_products_keep_what_float32_keeps(programs, tmp_path):
    """Without its small parts a value or a phase would err by 2e-4, and 1e-5 would not show every loss of one."""
    for name in ("matrix_forward_f32", "matrix_forward_bf16", "matrix_adjoint_f32"):
        case = make_case([1] * 30, [9] * 30, np.float32)
        case.hkl[:] = case.rng.integers(-36, 37, case.hkl.shape)
        got, values, scale = run(programs["plain"], name, case, tmp_path)
        assert np.abs(got - values).max() <= 2e-6 * scale.max()
        assert np.all(np.abs(got - values) <= 2e-6 * scale)


def test_long_sums_do_not_drift(programs, tmp_path):
    """The units cut every sum, which 4,000 equal terms would show (7e-6) were they all added there."""
    case = make_case([4000], [1], np.float32)
    case.hkl[:] = 0
    ones = Case(case.frac, case.hkl, case.atom_offsets, case.hkl_offsets, Fixed(1.1))
    got, values, scale = run(programs["plain"], "matrix_forward_f32", ones, tmp_path, 32)
    assert np.all(np.abs(got - values) <= 3e-6 * scale)


@pytest.mark.parametrize("name", [f"{kernel}_f32" for kernel in MATRIX])
def test_a_value_that_is_no_number_is_not_lost(programs, tmp_path, name: str):
    """Nor does it reach other channels or crystals."""
    case = make_case([2, 3], [4, 5], np.float32)
    for value in (np.nan, np.inf, np.uint32(0x7FFFFFFF).view(np.float32)):
        spoilt = Case(case.frac, case.hkl, case.atom_offsets, case.hkl_offsets, Fixed(1.0, {(0, 7): value}))
        with np.errstate(invalid="ignore"):
            got = run(programs["plain"], name, spoilt, tmp_path)[0]
        wrong = np.zeros(got.shape, bool)
        wrong[: 4 if "forward" in name else 2, 7] = True
        np.testing.assert_array_equal(np.isnan(got.real), wrong)


@pytest.mark.parametrize("name", [f"{kernel}_f32" for kernel in MATRIX])
@pytest.mark.parametrize("size", [1e-43, 1e-36, 1e-20, 1e20, 1e36])
def test_values_of_any_size_keep_their_bits(programs, tmp_path, name: str, size: float):
    """Halves have a range of 2^40, floats of 2^276; the channel of a tile is scaled by its largest value."""
    case = make_case([5, 20], [30, 5], np.float32)
    scaled = mock.Mock(normal=lambda size, rng=case.rng, factor=size: factor * rng.normal(size=size))
    case = Case(case.frac, case.hkl, case.atom_offsets, case.hkl_offsets, scaled)
    got, values, scale = run(programs["plain"], name, case, tmp_path)
    # subnormal numbers have fewer bits
    assert np.all(np.abs(got - values) <= 2e-6 * scale + 1e-44)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("f32")])
def test_a_coordinate_that_is_no_number_spoils_what_it_enters_and_no_more(programs, tmp_path, name: str):
    # the last atom of the first crystal, also where a smaller one finds it left in shared memory; the first of the next
    for value, atoms, reflections, spoilt in (
        (np.nan, [2, 3], [4, 5], 1),
        (np.nan, [3, 2], [5, 4], 2),
        (np.inf, [2, 3], [4, 5], 2),
    ):
        case = make_case(atoms, reflections, real_of(name))
        case.frac[spoilt, 2] = value
        crystal = int(spoilt >= atoms[0])
        rows = slice(*case.hkl_offsets[crystal : crystal + 2])
        count = rows.stop - rows.start
        first = case.term_ends[0] * crystal + count * (spoilt - case.atom_offsets[crystal])
        with np.errstate(invalid="ignore"):
            got = run(programs["plain"], name, case, tmp_path)[0]
        wrong = np.zeros(got.shape, bool)
        if name.startswith("structure_factor") or "forward" in name:
            wrong[rows] = True
        elif name.startswith("term_adjoint"):
            wrong[first : first + count] = True
        elif name.startswith("kind_adjoint"):
            wrong[rows, case.kinds[spoilt]] = True
        else:
            wrong[spoilt] = True
        np.testing.assert_array_equal(np.isnan(got.real), wrong)
        np.testing.assert_array_equal(np.isnan(got.imag), wrong & np.iscomplexobj(got))


@pytest.mark.parametrize("name", ["structure_factor_f32", "term_forward_f32", "term_position_gradient_f32"])
def test_many_small_crystals(programs, tmp_path, name: str):
    """More than the threads of a block look through at once, with stretches of empty ones."""
    counts = np.random.default_rng(1).integers(0, 3, (2, 3000))
    counts[:, 500:900] = 0
    counts[0, 1200:1500] = 0
    counts[1, 1800:2100] = 0
    case = make_case(*counts.tolist(), np.float32)
    for many in (1024, 3000) if name.startswith("term") else (0,):
        with mock.patch.object(launches, "MANY_CRYSTALS", many):
            check(programs["plain"], name, case, tmp_path)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("table")])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_derivatives_of_tables(programs, tmp_path, name: str, order: int):
    check(programs["plain"], name, replace(make_case([3, 0, 5], [70, 4, 10], real_of(name)), order=order), tmp_path)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("table_forward")])
def test_a_place_that_is_no_number_or_outside_stays_within_the_table(programs, tmp_path, name: str):
    case = make_case([3], [70], real_of(name))
    places = case.places
    places[5:9] = np.nan, np.inf, -3.0, 1e9
    with mock.patch.object(Case, "places", places), np.errstate(invalid="ignore"):
        got = run(programs["address"], name, case, tmp_path)[0]
    assert np.isnan(got[5:7]).all()
    assert np.isfinite(np.delete(got, [5, 6])).all()


@pytest.mark.parametrize("build", ["address", "thread"])
def test_ends_of_terms(programs, tmp_path, build: str):
    for crystals in (1, 1023, 1024, 1025) if build == "address" else (1030,):
        case = make_case(*np.random.default_rng(2).integers(0, 4, (2, crystals)).tolist(), np.float32)
        inputs = [case.atom_offsets, case.hkl_offsets, crystals, len(case.frac), len(case.hkl)]
        ends = start(programs[build], launches.term_ends(crystals), inputs, 8 * crystals, tmp_path)
        np.testing.assert_array_equal(ends.view(np.int64), case.term_ends)
    assert launches.term_ends(0).empty


def test_large_coordinates_and_indices(programs, tmp_path):
    """Up to the largest index the fixed-point turns of float32 keep the limit."""
    case = make_case([40], [90], np.float32)
    case.hkl[:] = case.rng.integers(-4095, 4096, case.hkl.shape)
    case.frac[:] *= 50
    check(programs["plain"], "structure_factor_f32", case, tmp_path)


def test_halves_that_are_not_ordinary(programs, tmp_path):
    """Subnormal, infinite and undefined numbers of 16 bits are widened as NumPy does."""
    case = make_case([1], [1], np.float32)
    case.hkl[:] = 0
    for value in (6e-8, 3e-5, -65504.0, 0.0, np.inf, -np.inf, np.nan):
        single = Case(case.frac, case.hkl, case.atom_offsets, case.hkl_offsets, Fixed(value))
        with np.errstate(invalid="ignore"):
            got = run(programs["plain"], "term_forward_fp16", single, tmp_path)[0].real
        np.testing.assert_array_equal(got, np.float32(np.float16(value)))


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("f32")])
def test_wrong_offsets_never_read_or_write_out_of_bounds(programs, tmp_path, name: str):
    """On CUDA contents are not looked at: the values are undefined, the accesses are not."""
    case = make_case([10, 3, 8], [70, 5, 9], np.float32)
    atoms, rows = [0, 10, 13, 21], [0, 70, 75, 84]
    for contents in (
        ([5, 60, -3, 99], rows, None),
        (atoms, [7, -90, 200, 10], None),
        ([0, 10, 10, 10], [0, 9, 3, 84], None),
        ([2, 10, 13, 19], [5, 70, 75, 80], None),
        (atoms, [0, 73, 73, 80], None),
        (atoms, rows, [-7, 10**12, 3]),
        ([0, 10, 10, 10], [0, 9, 3, 84], case.term_ends.tolist()),
    ):
        run(programs["address"], name, case, tmp_path, contents=contents)


def test_plans_cover_every_row():
    rng = np.random.default_rng(3)
    for counts in ([0], [1], [64], [65, 0, 0, 1], [0, 128, 16, 15, 17], rng.integers(0, 300, 500)):
        ends = np.cumsum(counts)
        rows = int(ends[-1])
        for count in (1, 31, 32, 64, 65, 256):
            for matrix in (False, True):
                units = matrix and count > 31
                few = rows < 64 * len(counts)
                for kernel, tall, wide in (
                    ("channel_forward", 64, 128 if units else 64),
                    ("channel_adjoint", (32 if few else 128) if units else 64, 128 if units else 64),
                    ("channel_position_gradient", 16, count),
                ):
                    launch = launches.channels(kernel, torch.float32, rows, len(counts), count, matrix)
                    # first block of each crystal, as share_of has it
                    first = (ends - counts) // tall + np.arange(len(counts))
                    needed = -(-np.asarray(counts) // tall)
                    assert np.all(first + needed <= [*first[1:], launch.blocks[0]]) or rows == 0
                    assert launch.blocks[1] * wide >= count > (launch.blocks[1] - 1) * wide
                    assert launch.threads == (128 if units and kernel != "channel_position_gradient" else 256)
                    assert launch.kernel.startswith("matrix") == (launch.threads == 128)
                    assert launch.empty == (rows == 0)
        launch = launches.weighted("term_forward", torch.bfloat16, rows)
        assert launch.kernel == "term_forward_bf16"
        assert launch.blocks[0] * launch.threads >= rows > (launch.blocks[0] - 1) * launch.threads
        assert launches.weighted("term_position_gradient", torch.float64, rows).blocks == (-(-rows // 16), 1)


def test_what_has_no_matrix_kernel_is_planned_without():
    for kernel, dtype in (("channel_forward", torch.float64), ("channel_position_gradient", torch.float32)):
        with_units, without = (launches.channels(kernel, dtype, 9, 2, 256, matrix) for matrix in (True, False))
        assert with_units == without


def test_matrix_units_are_used_where_they_are_and_can_be_left_out(monkeypatch):
    device = torch.device("cuda", 0)
    monkeypatch.delenv("RECIPNET_CUDA_MATRIX", raising=False)
    for capability, there in (((7, 5), False), ((8, 0), True), ((9, 0), True), ((12, 0), True)):
        monkeypatch.setattr(cuda, "_capability", lambda index, found=capability: found)
        assert cuda._matrix_units(device) == there
    monkeypatch.setenv("RECIPNET_CUDA_MATRIX", "0")
    assert not cuda._matrix_units(device)
