"""The Rust extension: conversion, errors and batch calls. Not public; the package wraps every function."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

_Floats: TypeAlias = NDArray[np.float64]
_Reals: TypeAlias = NDArray[Any]
_Ints: TypeAlias = NDArray[np.int32]
_Longs: TypeAlias = NDArray[np.int64]
_OperationsList: TypeAlias = list[tuple[NDArray[np.int8], NDArray[np.int16], int] | None] | None

__version__: str

def cuda_sources() -> dict[str, str]: ...
def use_openmp_of(path: str) -> bool: ...
def element_symbols() -> list[str]: ...
def element_masses() -> list[float]: ...

# memory
def empty_bytes(size: int) -> NDArray[np.uint8]: ...
def kept_bytes() -> int: ...
def empty_cache() -> None: ...

# geometry and featurize
class Coordinates:
    def edge_vectors(self, index: _Longs, shift: _Ints, atom_offsets: _Longs) -> _Reals: ...

def neighbors(
    lattices: _Floats,
    frac: _Floats,
    offsets: _Longs,
    site: _Ints | None,
    cutoff: float,
    half: bool,
    self_images: bool,
    max_edges: int,
    threads: int | None,
    single: bool,
) -> tuple[_Longs, _Ints, Coordinates, _Reals, _Longs, _Longs]: ...
def nearest_neighbors(
    lattices: _Floats,
    frac: _Floats,
    offsets: _Longs,
    site: _Ints | None,
    k: int,
    shell_tol: float,
    edges: str,
    max_edges: int,
    threads: int | None,
    single: bool,
) -> tuple[_Longs, _Ints, Coordinates, _Reals, _Longs, _Longs]: ...
def triplets(
    vectors: _Reals, edge_offsets: _Longs, atom_offsets: _Longs, max_triplets: int, threads: int | None
) -> tuple[_Longs, _Reals, _Longs]: ...
def voronoi_vectors(
    lattices: _Floats, tol: float, threads: int | None, single: bool
) -> tuple[_Ints, _Reals, _Reals, _Reals, _Longs]: ...
def reflections(
    lattices: _Floats,
    d_min: float,
    unique: str,
    order: str,
    operations: _OperationsList,
    drop_absent: bool,
    max_reflections: int,
    threads: int | None,
    single: bool,
) -> tuple[_Ints, _Longs, tuple[_Reals, _Ints, NDArray[np.bool_]] | None]: ...
def reflection_details(
    lattices: _Floats,
    hkl: _Ints,
    offsets: _Longs,
    unique: str,
    operations: _OperationsList,
    threads: int | None,
    single: bool,
) -> tuple[_Reals, _Ints, NDArray[np.bool_]]: ...
def featurize(
    lattices: _Floats,
    numbers: NDArray[np.uint8],
    frac: _Floats,
    offsets: _Longs,
    site: _Ints | None,
    edges: tuple[str, float] | tuple[str, int, float, str] | None,
    d_min: float | None,
    max_edges: int,
    max_reflections: int,
    threads: int | None,
    single: bool,
) -> dict[str, NDArray[Any]]: ...

# scattering
def form_factors(
    radiation: str,
    numbers: NDArray[np.uint8],
    charges: _Floats | None,
    isotopes: NDArray[np.uint16] | None,
    stol: _Floats,
    threads: int | None,
) -> _Floats: ...

ORBIT_ATOMS: int

def structure_factors(
    atoms: dict[str, Any],
    operations: _OperationsList,
    hkl: _Ints,
    hkl_offsets: _Longs,
    error: float,
    threads: int | None,
) -> tuple[_Floats, list[str]]: ...
def powder_lines(
    atoms: dict[str, Any],
    operations: _OperationsList,
    wavelength: float,
    two_theta: tuple[float, float],
    max_reflections: int,
    threads: int | None,
) -> tuple[_Floats, _Floats, _Floats, _Ints, _Ints, _Longs, list[str]]: ...
def powder_profiles(
    two_theta: _Floats,
    intensity: _Floats,
    fwhm: _Floats,
    offsets: _Longs,
    eta: float,
    grid: _Floats,
    threads: int | None,
) -> _Floats: ...

# structure_factor; flat arrays, complex numbers as pairs
_Batch: TypeAlias = tuple[_Reals, _Ints, _Longs, _Longs]
_Table: TypeAlias = tuple[_Longs, _Reals, int, int, int] | None

def weighted_forward(batch: _Batch, weights: _Reals, layout: str, table: _Table, out: _Reals) -> None: ...
def weighted_adjoint(batch: _Batch, g: _Reals, layout: str, table: _Table, out: _Reals) -> None: ...
def weighted_position_gradient(
    batch: _Batch, weights: _Reals, g: _Reals, layout: str, table: _Table, out: _Reals
) -> None: ...
def channel_sums(operation: str, batch: _Batch, inputs: list[_Reals], count: int, out: _Reals) -> None: ...
def num_threads() -> int: ...
def parallelism() -> dict[str, Any]: ...

# cif and symmetry
class Declarations:
    """What each crystal of a batch declares: one value of each kind, and for every crystal the place of its own."""

    def lists(self) -> tuple[list[tuple[Any, ...]], list[int]]: ...

def read_cifs(
    sources: list[Any],
    are_paths: bool,
    *,
    index: int = 0,
    block: str | None = None,
    strict: bool = False,
    unknown_element: str = "error",
    merge_tol: float = 0.03,
    max_sites: int = 1_000_000,
    max_bytes: int = 268_435_456,
    min_length: float = 0.1,
    max_length: float = 1e4,
    min_spacing: float = 0.1,
    threads: int | None = None,
) -> dict[str, Any]: ...
def read_texts(
    format: str,
    texts: list[bytes],
    *,
    index: int = 0,
    strict: bool = False,
    keep_unknown: bool = False,
    max_sites: int = 1_000_000,
    max_bytes: int = 268_435_456,
    min_length: float = 0.1,
    max_length: float = 1e4,
    min_spacing: float = 0.1,
    threads: int | None = None,
) -> dict[str, Any]: ...
def write_texts(
    format: str, batch: dict[str, Any], *, symmetry: bool = True, digits: int = 15, threads: int | None = None
) -> list[tuple[bytes, str | None]]: ...

_Rotations: TypeAlias = NDArray[np.int8]
_Numerators: TypeAlias = NDArray[np.int16]
_Operations: TypeAlias = tuple[_Rotations, _Numerators, int]
# number, Hall number, H-M symbol, Hall symbol, crystal system, point group, operations
FoundGroup: TypeAlias = tuple[int, int | None, str, str | None, str, str, _Operations]

def read_cif_document(text: str | bytes, *, strict: bool = False, max_bytes: int = 268_435_456) -> dict[str, Any]: ...
def parse_operations(texts: list[str]) -> _Operations: ...
def operations_from_floats(rotations: _Rotations, translations: _Floats) -> _Operations: ...
def operations_to_xyz(rotations: _Rotations, translations: _Numerators, denominator: int) -> list[str]: ...
def compose_operations(
    rotations: _Rotations,
    translations: _Numerators,
    denominator: int,
    first_rotations: _Rotations,
    first_translations: _Numerators,
    first_denominator: int,
) -> _Operations: ...
def invert_operations(rotations: _Rotations, translations: _Numerators, denominator: int) -> _Operations: ...
def group_fault(rotations: _Rotations, translations: _Numerators, denominator: int) -> str | None: ...
def change_basis(
    rotations: _Rotations,
    translations: _Numerators,
    denominator: int,
    matrix: list[list[int]],
    matrix_denominator: int,
    shift: list[int],
    shift_denominator: int,
) -> _Operations: ...
def space_group_of_number(number: int, smallest: bool) -> FoundGroup: ...
def space_group_of_hall_number(hall_number: int) -> FoundGroup: ...
def space_group_of_symbol(symbol: str) -> FoundGroup: ...
def space_group_of_hall(symbol: str) -> FoundGroup: ...
def space_group_of_operations(rotations: _Rotations, translations: _Numerators, denominator: int) -> FoundGroup: ...
def space_group_symbols() -> list[str]: ...
def find_symmetry(
    lattices: _Floats,
    numbers: NDArray[np.uint8],
    occupancies: _Floats,
    frac: _Floats,
    offsets: _Longs,
    site: _Ints,
    symprec: float,
    smallest: bool,
    max_sites: int,
    threads: int | None,
) -> dict[str, Any]: ...
def niggli_matrix(lattice: list[list[float]]) -> list[list[int]]: ...

# fourier
class FourierBasis:
    num_functions: int
    denominator: int
    shell_gap: float
    def operations(self) -> _Operations: ...
    def hkl(self) -> _Ints: ...
    def row_offsets(self) -> _Longs: ...
    def column(self) -> _Longs: ...
    def phase(self) -> NDArray[np.int16]: ...
    def centric(self) -> NDArray[np.bool_]: ...
    def alpha(self) -> NDArray[np.int16]: ...
    def partner(self) -> _Longs: ...
    def norm(self) -> _Floats: ...
    def size(self) -> _Ints: ...
    def representative(self) -> _Ints: ...
    def counts(self) -> dict[str, int]: ...
    def canonical_text(self) -> str: ...
    def evaluate(self, frac: _Floats, kind: str, gradient: bool, threads: int | None, single: bool) -> _Reals: ...
    def pair_products(self, x: _Floats, y: _Floats, threads: int | None, single: bool) -> _Reals: ...
    def aligned(self, modes: _Ints) -> tuple[_Longs, _Longs, NDArray[np.int16], _Ints]: ...

def fourier_basis(
    operations: _Operations, radius: float | None, lattice: list[list[float]] | None, d_min: float, max_modes: int
) -> FourierBasis: ...
def fourier_features(
    lattices: _Floats,
    kinds: NDArray[np.uint32],
    frac: _Floats,
    offsets: _Longs,
    operations: list[_Operations | None],
    origins: _Floats,
    d_min: float,
    kind: str,
    tolerance: float,
    max_modes: int,
    threads: int | None,
    single: bool,
) -> tuple[_Reals, _Longs, _Longs, _Reals, _Ints, NDArray[np.bool_], _Longs]: ...
def equivalent_atoms(
    lattices: _Floats, kinds: NDArray[np.uint32], frac: _Floats, operations: _Operations, tolerance: float
) -> _Longs: ...
