"""rn.fourier_basis: arguments, arrays, sharing, and what is refused."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest

import recipnet as rn
from recipnet.errors import ArgumentError, LimitError, RecipnetError, SymmetryError

CUBE = np.eye(3) * 8.0


@pytest.mark.parametrize(
    ("group", "functions"),
    [
        (225, 10),
        ("F m -3 m", 10),
        ("-F 4 2 3", 10),
        (rn.SpaceGroup.from_hall_number(523), 10),
        (rn.SpaceGroup(225).operations, 10),
        (rn.SpaceGroup(225).operations.to_xyz(), 10),
        (1, 515),
        ("P 2_1/c", 130),
        ("R -3 m:R", 60),
    ],
)
def test_a_group_has_many_names(group, functions):
    basis = rn.fourier_basis(group, radius=5)
    assert basis.num_functions == len(basis) == functions
    assert basis.counts["n_basis"] == functions


def test_arrays_have_their_dtypes_and_belong_to_the_caller():
    basis = rn.fourier_basis("P 4_1 2_1 2", radius=3)
    wanted = {
        "hkl": np.int32, "row_offsets": np.int64, "column": np.int64, "phase": np.int16, "centric": np.bool_,
        "alpha": np.int16, "partner": np.int64, "representative": np.int32, "norm": np.float64, "size": np.int32,
    }  # fmt: skip
    for name, dtype in wanted.items():
        array = getattr(basis, name)
        assert array.dtype == dtype, name
        assert array.flags.c_contiguous, name
        assert array.flags.writeable, name
        assert getattr(basis, name) is array
    assert basis.denominator == 24
    # The table is shared in the core, the arrays are not.
    basis.phase[:] = 7
    assert rn.fourier_basis("P 4_1 2_1 2", radius=3).phase[0] == 0
    assert basis.digest() == rn.fourier_basis("P 4_1 2_1 2", radius=3).digest()


def test_the_csr_arrays_describe_the_values():
    basis = rn.fourier_basis("P 4_1 2_1 2", radius=3)
    x = np.random.default_rng(1).normal(size=(50, 3)) * 3
    waves = np.exp(2j * np.pi * (x @ basis.hkl.T))
    dense = basis.matrix()
    assert dense.shape == (16, len(basis.hkl))
    np.testing.assert_allclose(dense @ dense.conj().T, np.eye(16), atol=1e-14)
    np.testing.assert_allclose(waves @ dense.T, basis.evaluate(x), atol=1e-12)
    # Real functions from the complex ones, as the docstring says.
    values, real = basis.evaluate(x), basis.evaluate(x, kind="real")
    for k, partner in enumerate(basis.partner):
        if partner == k:
            turned = np.exp(1j * np.pi * basis.alpha[k] / basis.denominator) * values[:, k]
            np.testing.assert_allclose(turned.imag, 0, atol=1e-13)
            expected = turned.real
        else:
            expected = np.sqrt(2) * (values[:, k].real if k < partner else values[:, partner].imag)
        np.testing.assert_allclose(real[:, k], expected, atol=1e-13)
    np.testing.assert_array_equal(basis.hkl[basis.column[basis.row_offsets[:-1]]], basis.representative)
    np.testing.assert_array_equal(basis.partner[basis.partner], np.arange(16))


def test_p1_is_the_plain_fourier_basis():
    basis = rn.fourier_basis(1, radius=4)
    x = np.random.default_rng(2).random((20, 3))
    np.testing.assert_allclose(basis.evaluate(x), np.exp(2j * np.pi * x @ basis.representative.T), atol=1e-13)
    assert basis.size.tolist() == [1] * len(basis)
    np.testing.assert_allclose(basis.norm, np.linalg.norm(basis.representative, axis=1))


def test_shapes_and_precisions():
    basis = rn.fourier_basis(225, radius=5)
    k = basis.num_functions
    grid = np.zeros((4, 5, 3))
    assert basis.evaluate(grid).shape == (4, 5, k)
    assert basis.evaluate(np.zeros((0, 3))).shape == (0, k)
    assert basis.evaluate([0.1, 0.2, 0.3]).shape == (k,)
    assert basis.gradient(grid, kind="real").shape == (4, 5, k, 3)
    assert basis.pair_products(grid, grid).shape == (4, 5, k)
    for kind, double, single in (("complex", np.complex128, np.complex64), ("real", np.float64, np.float32)):
        assert basis.evaluate(grid, kind).dtype == double
        assert basis.evaluate(grid, kind, dtype=np.float32).dtype == single
        assert basis.gradient(grid, kind, dtype=np.float32).dtype == single
    assert basis.evaluate(grid, dtype=np.complex64).dtype == np.complex64
    assert basis.evaluate(grid).flags.writeable
    assert basis.evaluate(grid).flags.c_contiguous


def test_single_precision_is_close_in_every_setting():
    x = np.random.default_rng(3).normal(size=(8, 3)) * 5
    for hall in range(1, 531, 3):
        basis = rn.fourier_basis(rn.SpaceGroup.from_hall_number(hall), radius=5)
        for kind in ("complex", "real"):
            error = np.abs(basis.evaluate(x, kind, dtype=np.float32) - basis.evaluate(x, kind)).max()
            assert error < 2e-5, (hall, error)


def test_a_physical_ball():
    basis = rn.fourier_basis(225, d_min=1 / 0.83, lattice=CUBE)
    assert basis.counts["n_hkl"] == 1237
    assert basis.num_functions == 19
    assert (np.diff(basis.norm) > -1e-12).all()
    assert basis.norm[-1] <= 0.83
    np.testing.assert_allclose(basis.norm, np.linalg.norm(basis.representative, axis=1) / 8)
    primitive = rn.SpaceGroup(225).operations.change_basis([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    cell = np.array([[0, 4, 4], [4, 0, 4], [4, 4, 0]])
    small = rn.fourier_basis(primitive, d_min=1 / 0.83, lattice=cell)
    assert small.counts["n_hkl"] == 331
    assert small.num_functions == 19
    assert small.counts["n_absent_hkl"] == 0
    np.testing.assert_allclose(small.norm, basis.norm, atol=1e-12)
    # Inside a shell the order follows the representatives, and these follow the axes.
    np.testing.assert_array_equal(np.sort(small.size), np.sort(basis.size))


def test_the_gap_to_the_boundary_is_told():
    assert rn.fourier_basis(1, d_min=1.5, lattice=np.eye(3) * 6).shell_gap < 1e-12
    assert rn.fourier_basis(1, d_min=1.49, lattice=np.eye(3) * 6).shell_gap > 1e-3
    assert rn.fourier_basis(1, radius=3).shell_gap == np.inf


def test_threads_share_the_cache():
    found = []

    def work():
        found.append(rn.fourier_basis(230, radius=7.5).digest())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 8


def test_bases_survive_pickling():
    for basis in (
        rn.fourier_basis(152, radius=3),
        rn.fourier_basis(152, d_min=1.5, lattice=[[5, 0, 0], [-2.5, 5 * 0.75**0.5, 0], [0, 0, 5.4]]),
    ):
        other = pickle.loads(pickle.dumps(basis))
        assert other.digest() == basis.digest()
        assert repr(other) == repr(basis)
    routing = rn.fourier_basis(2, radius=1).aligned([[1, 0, 0], [-1, 0, 0]])
    assert pickle.loads(pickle.dumps(routing)) == routing


def test_aligned_rows_share_slots_between_groups():
    modes = rn.fourier_basis(1, radius=3).hkl
    x = np.random.default_rng(4).random((6, 3))
    waves = np.exp(2j * np.pi * x @ modes.T)
    for number in (1, 2, 14, 92, 225, 227, 230):
        operations = rn.SpaceGroup(number).operations
        routing = rn.fourier_basis(number, radius=3).aligned(modes)
        values = waves @ routing.matrix().T
        # Row k is the group average of wave k: 1/n sum_g exp(2 pi i h (W x + w)), up to its scale.
        average = np.zeros_like(values)
        for w, t in zip(operations.rotations, operations.translations, strict=True):
            average += np.exp(2j * np.pi * (x @ w.T + t / 24) @ modes.T) / len(operations)
        np.testing.assert_allclose(values, average, atol=1e-13)
        assert len(routing) == len(modes)


def refused(error, match, *args, **kwargs):
    with pytest.raises(error, match=match) as caught:
        rn.fourier_basis(*args, **kwargs)
    assert isinstance(caught.value, RecipnetError)


def test_what_is_refused():
    refused(ArgumentError, "exactly one", 225)
    refused(ArgumentError, "exactly one", 225, radius=3, d_min=1.0)
    refused(ArgumentError, "d_min needs a cell", 225, d_min=1.0)
    refused(ArgumentError, "only d_min needs one", 225, radius=3, lattice=CUBE)
    refused(ArgumentError, "brings its own", rn.sample("silicon"), d_min=1.0, lattice=CUBE)
    refused(ArgumentError, "radius", 225, radius=-1)
    refused(ArgumentError, "radius", 225, radius="big")
    refused(ArgumentError, "d_min", 225, d_min=0.0, lattice=CUBE)
    refused(ArgumentError, r"shape \(3, 3\)", 225, d_min=1.0, lattice=[8, 8, 8])
    refused(LimitError, "max_modes", 225, radius=1000)
    refused(LimitError, "max_modes = 100", 1, radius=5, max_modes=100)
    refused(SymmetryError, "does not fit", 225, d_min=1.0, lattice=np.diag([8.0, 8.0, 8.1]))
    refused(SymmetryError, "no group", ["x,y,z", "-y,x,z"], radius=3)
    refused(SymmetryError, "twice", ["x,y,z", "-x,-y,-z", "x,y,z"], radius=3)
    refused(SymmetryError, "X 7", "X 7", radius=3)
    refused(SymmetryError, "231", 231, radius=3)
    refused(SymmetryError, "needs no search", 225, radius=3, symprec=0.1)


def test_decimal_translations_are_fractions_or_refused():
    near = rn.fourier_basis(["x,y,z", "x+0.3333,y+0.6667,z+0.6667", "x+0.6667,y+0.3333,z+0.3333"], radius=3)
    exact = rn.fourier_basis(["x,y,z", "x+1/3,y+2/3,z+2/3", "x+2/3,y+1/3,z+1/3"], radius=3)
    assert near.digest() == exact.digest()
    refused(SymmetryError, "1/24", ["x,y,z", "x+0.3300,y,z", "x+0.6600,y,z"], radius=3)


def test_a_denominator_of_its_own():
    # Five translations by fifths: every h whose first index is no multiple of five is absent.
    fifths = [f"x+{n}/5,y,z" if n else "x,y,z" for n in range(5)]
    basis = rn.fourier_basis(fifths, radius=6)
    assert basis.denominator == 120
    assert set(np.unique(basis.hkl[:, 0])) == {-5, 0, 5}


def test_bad_points_and_modes():
    basis = rn.fourier_basis(194, radius=3)
    for bad, match in (([[0.0, 1.0]], "shape"), ([[0, 0, np.nan]], "finite"), ("abc", "numbers"), (0.0, "shape")):
        with pytest.raises(ArgumentError, match=match):
            basis.evaluate(bad)
    with pytest.raises(ArgumentError, match="kind"):
        basis.evaluate([[0, 0, 0]], kind="imaginary")
    with pytest.raises(ArgumentError, match="dtype"):
        basis.evaluate([[0, 0, 0]], dtype=np.float16)
    with pytest.raises(ArgumentError, match="as many"):
        basis.pair_products(np.zeros((2, 3)), np.zeros((3, 3)))
    box = np.mgrid[-4:5, -4:5, -4:5].reshape(3, -1).T
    with pytest.raises(SymmetryError, match="not closed"):
        basis.aligned(box)
    for bad, match in (([[0, 0, 0.5]], "whole"), ([[1, 0, 0], [1, 0, 0]], "same mode"), ([1, 2, 3], "shape")):
        with pytest.raises(ArgumentError, match=match):
            basis.aligned(bad)


def test_objects_are_made_by_their_functions():
    for kind in (rn.FourierBasis, rn.FourierFeatures):
        with pytest.raises(TypeError, match="recipnet"):
            kind()
