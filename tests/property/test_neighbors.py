"""Neighbour lists: brute force, independence of cell, threads and batch, and what is refused."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import recipnet as rn
from hard_cells import brute_force, crystal, from_parameters, hard_crystals
from recipnet.errors import ArgumentError, LimitError

HARD = hard_crystals()
MODES = ("directed", "union", "mutual", "paper", "paper_canonical")


def same_bytes(a: rn.Edges, b: rn.Edges) -> bool:
    names = ("index", "shift", "vector", "distance", "offsets", "atom_offsets")
    return all(getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in names)


def random_crystals(count: int, seed: int = 0) -> list[rn.Crystal]:
    rng = np.random.default_rng(seed)
    out = []
    while len(out) < count:
        lattice = rng.normal(size=(3, 3)) * rng.uniform(2, 6)
        if abs(np.linalg.det(lattice)) > 8 and 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0).max() > 0.6:
            out.append(crystal(lattice, rng.uniform(-1, 2, size=(rng.integers(0, 7), 3))))
    return out


@pytest.mark.parametrize("name", HARD)
def test_hard_cells_equal_brute_force(name: str) -> None:
    c, cutoff = HARD[name]
    edges = rn.neighbors(c, cutoff)
    expected = brute_force(c, cutoff)
    found = list(zip(*edges.index.tolist(), map(tuple, edges.shift.tolist()), strict=True))
    assert found == [row[:3] for row in expected]
    np.testing.assert_allclose(edges.distance, [row[3] for row in expected], rtol=0, atol=1e-10)
    if name != "no atoms":
        assert len(edges) > 0


def test_random_cells_equal_brute_force() -> None:
    for c in random_crystals(25):
        edges = rn.neighbors(c, 4.0)
        found = list(zip(*edges.index.tolist(), map(tuple, edges.shift.tolist()), strict=True))
        assert found == [row[:3] for row in brute_force(c, 4.0)]


def test_arrays_say_what_they_say() -> None:
    batch = rn.CrystalBatch.from_crystals(random_crystals(20, seed=1))
    edges = rn.neighbors(batch, 4.0)
    i, j = edges.index
    owner = np.repeat(np.arange(len(batch)), np.diff(batch.offsets))
    cart = np.einsum("nk,nkl->nl", batch.frac_coords, batch.lattices[owner])
    expected = cart[j] + np.einsum("nk,nkl->nl", edges.shift.astype(float), batch.lattices[owner[i]]) - cart[i]
    np.testing.assert_allclose(edges.vector, expected, atol=1e-12)
    np.testing.assert_allclose(edges.distance, np.linalg.norm(edges.vector, axis=1), rtol=1e-15)
    assert (owner[i] == owner[j]).all()
    assert (np.searchsorted(i, np.arange(len(owner) + 1)) == edges.atom_offsets).all()
    assert (edges.atom_offsets[batch.offsets] == edges.offsets).all()
    for array in (edges.index, edges.shift, edges.vector, edges.distance, edges.offsets, edges.atom_offsets):
        assert array.flags.c_contiguous
        assert array.flags.writeable
    assert (edges.index.dtype, edges.shift.dtype, edges.vector.dtype) == (np.int64, np.int32, np.float64)
    assert f"{len(edges)} edges" in repr(edges)


def test_single_precision_is_the_rounded_double() -> None:
    c = rn.sample("quartz")
    single, double = rn.neighbors(c, 5.0, dtype=np.float32), rn.neighbors(c, 5.0)
    assert single.vector.dtype == single.distance.dtype == np.float32
    assert (single.vector == double.vector.astype(np.float32)).all()
    assert (single.index == double.index).all()


def test_every_edge_has_its_exact_reverse() -> None:
    for c in random_crystals(10, seed=2):
        edges = rn.neighbors(c, 4.5)
        rows = {
            (i, j, *s): (tuple(v), d)
            for i, j, s, v, d in zip(
                *edges.index.tolist(),
                edges.shift.tolist(),
                edges.vector.tolist(),
                edges.distance.tolist(),
                strict=True,
            )
        }
        assert len(rows) == len(edges)
        for (i, j, *s), (vector, distance) in rows.items():
            back, same = rows[(j, i, *(-x for x in s))]
            assert back == tuple(-x for x in vector)
            assert same == distance


@pytest.mark.parametrize("name", HARD)
def test_half_lists_and_self_images(name: str) -> None:
    c, cutoff = HARD[name]
    full = rn.neighbors(c, cutoff)
    i, j = full.index
    positive = np.array([tuple(s) > (0, 0, 0) for s in full.shift.tolist()], dtype=bool)
    for half in (False, True):
        for self_images in (False, True):
            keep = np.ones(len(full), dtype=bool)
            if half:
                keep &= (i < j) | ((i == j) & positive)
            if not self_images:
                keep &= i != j
            edges = rn.neighbors(c, cutoff, half=half, self_images=self_images)
            assert (edges.index == full.index[:, keep]).all()
            assert (edges.shift == full.shift[keep]).all()
            if half and self_images:
                assert 2 * len(edges) == len(full)


def distances_by_atom(edges: rn.Edges) -> list[np.ndarray]:
    return [np.sort(edges.distance[a:b]) for a, b in pairwise(edges.atom_offsets)]


def test_another_cell_has_the_same_distances() -> None:
    rng = np.random.default_rng(5)
    for c in random_crystals(12, seed=5):
        change = np.eye(3, dtype=int)
        for _ in range(4):
            a, b = rng.choice(3, 2, replace=False)
            change[a] += rng.integers(-2, 3) * change[b]
        lattice = change @ c.lattice
        if 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0).max() < 0.15:
            continue
        other = crystal(lattice, c.frac_coords @ np.linalg.inv(change) + rng.integers(-3, 4, size=c.frac_coords.shape))
        for make in (lambda x: rn.neighbors(x, 4.5), lambda x: rn.nearest_neighbors(x, 9)):
            for mine, theirs in zip(distances_by_atom(make(c)), distances_by_atom(make(other)), strict=True):
                np.testing.assert_allclose(mine, theirs, atol=1e-9)


@pytest.mark.parametrize("edges", ["directed", "union", "mutual", "paper"])
def test_a_supercell_has_the_same_distances(edges: str) -> None:
    for c in random_crystals(6, seed=6):
        scale = np.array([[2, 1, 0], [0, 1, 0], [0, 0, 3]])
        copies = np.array([[x, 0, z] for x in range(2) for z in range(3)])
        frac = (c.frac_coords[:, None] + copies).reshape(-1, 3) @ np.linalg.inv(scale)
        big = crystal(scale @ c.lattice, frac)
        for make in (lambda x: rn.neighbors(x, 4.0), lambda x: rn.nearest_neighbors(x, 8, edges=edges)):
            small, large = distances_by_atom(make(c)), distances_by_atom(make(big))
            for atom, mine in enumerate(small):
                for copy in range(6):
                    np.testing.assert_allclose(mine, large[6 * atom + copy], atol=1e-9)


@pytest.mark.parametrize("edges", MODES)
def test_bytes_depend_neither_on_threads_nor_on_the_batch(edges: str) -> None:
    crystals = [*random_crystals(150, seed=3), *(c for c, _ in HARD.values())]
    batch = rn.CrystalBatch.from_crystals(crystals)
    # Enough edges for threads where both directions are made of one, too.
    makes = [lambda x, n: rn.nearest_neighbors(x, 40, edges=edges, threads=n)]
    if edges == "directed":
        makes += [lambda x, n: rn.neighbors(x, 4.0, threads=n), lambda x, n: rn.neighbors(x, 2.0, half=True, threads=n)]
    for make in makes:
        whole = make(batch, 1)
        for threads in (2, 7, None):
            assert same_bytes(whole, make(batch, threads))
        for b in (0, 77, 150, 155, len(crystals) - 1):
            alone = make(crystals[b], None)
            part = slice(whole.offsets[b], whole.offsets[b + 1])
            assert alone.vector.tobytes() == whole.vector[part].tobytes()
            assert alone.shift.tobytes() == whole.shift[part].tobytes()
            assert (alone.index + batch.offsets[b] == whole.index[:, part]).all()


def test_a_large_crystal_equals_its_small_cell() -> None:
    # 1,458 atoms go through bins and threads, 2 do not.
    primitive = crystal(from_parameters(3.2, 3.3, 4.1, 85, 95, 110), [[0.1, 0.2, 0.3], [0.6, 0.55, 0.9]])
    copies = np.stack(np.meshgrid(*[range(9)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    frac = (np.asarray(primitive.frac_coords)[:, None] + copies).reshape(-1, 3) / 9
    big = crystal(9 * np.asarray(primitive.lattice), frac)
    for make in (
        lambda x, n: rn.neighbors(x, 6.0, threads=n),
        lambda x, n: rn.neighbors(x, 6.0, half=True, threads=n),
        lambda x, n: rn.nearest_neighbors(x, 20, threads=n),
    ):
        large = make(big, None)
        assert same_bytes(large, make(big, 1))
        small = make(primitive, None)
        assert len(large) == 729 * len(small)
        assert np.allclose(np.sort(large.distance), np.sort(np.tile(small.distance, 729)), atol=1e-9)


def test_nearest_keeps_the_whole_shell() -> None:
    cubic = crystal(3.0 * np.eye(3), [[0, 0, 0]])
    assert [len(rn.nearest_neighbors(cubic, k)) for k in (1, 6, 7, 18, 19, 26, 27)] == [6, 6, 18, 18, 26, 26, 32]
    # A shell split by 5e-4 is one shell at 1e-3 and two at 0.
    split = crystal(np.diag([3.0, 3.0, 3.0005]), [[0, 0, 0]])
    assert len(rn.nearest_neighbors(split, 3)) == 6
    assert len(rn.nearest_neighbors(split, 3, shell_tol=0.0)) == 4


def test_multiplicities_of_the_published_graphs() -> None:
    cell = crystal(3.0 * np.eye(3), [[0, 0, 0]])
    double = crystal(np.diag([6.0, 3.0, 3.0]), [[0, 0, 0], [0.5, 0, 0]])
    counts = {m: [len(rn.nearest_neighbors(c, 6, edges=m)) for c in (cell, double)] for m in MODES}
    # spec 0.2: canonical keys list images of the atom itself twice, so a supercell has 10 edges an atom and not 12.
    assert counts == {
        "directed": [6, 12],
        "union": [6, 12],
        "mutual": [6, 12],
        "paper": [12, 24],
        "paper_canonical": [12, 20],
    }


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("k", [1, 5, 12])
def test_modes_follow_from_the_directed_list(name: str, k: int) -> None:
    c, _ = HARD[name]
    if len(c) == 0:
        assert all(len(rn.nearest_neighbors(c, k, edges=mode)) == 0 for mode in MODES)
        return

    def rows(mode: str) -> list[tuple[int, ...]]:
        e = rn.nearest_neighbors(c, k, edges=mode)
        return [(i, j, *s) for i, j, s in zip(*e.index.tolist(), e.shift.tolist(), strict=True)]

    def reverse(row: tuple[int, ...]) -> tuple[int, ...]:
        return (row[1], row[0], *(-x for x in row[2:]))

    directed = rows("directed")
    assert min(np.bincount([row[0] for row in directed])) >= k
    forth, back = set(directed), {reverse(row) for row in directed}
    assert sorted(rows("union")) == sorted(forth | back)
    assert sorted(rows("mutual")) == sorted(forth & back)
    assert sorted(rows("paper")) == sorted([*forth, *back])
    keys = {row if row[0] <= row[1] else reverse(row) for row in forth}
    assert sorted(rows("paper_canonical")) == sorted([*keys, *(reverse(row) for row in keys)])


@pytest.mark.parametrize("cutoff", [0, -1.0, float("nan"), float("inf"), "5", None, True])
def test_a_bad_cutoff_is_refused(cutoff: object) -> None:
    with pytest.raises(ArgumentError, match="cutoff"):
        rn.neighbors(rn.sample("quartz"), cutoff)  # type: ignore[arg-type]


def test_other_bad_arguments_are_refused_by_name() -> None:
    c = rn.sample("quartz")
    for k in (0, -3, 2.5, True, 2**70):
        with pytest.raises(ArgumentError, match="k ="):
            rn.nearest_neighbors(c, k)  # type: ignore[arg-type]
    for tolerance in (-1e-3, float("nan"), 1e9):
        with pytest.raises(ArgumentError, match="shell_tol"):
            rn.nearest_neighbors(c, 4, shell_tol=tolerance)
    with pytest.raises(ArgumentError, match="paper_canonical"):
        rn.nearest_neighbors(c, 4, edges="all")
    for threads in (0, -1, 1.5):
        with pytest.raises(ArgumentError, match="threads"):
            rn.neighbors(c, 4.0, threads=threads)  # type: ignore[arg-type]
    for dtype in (np.float16, int, "text", None):
        with pytest.raises(ArgumentError, match="dtype"):
            rn.neighbors(c, 4.0, dtype=dtype)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="CrystalBatch"):
        rn.neighbors("quartz", 4.0)  # type: ignore[arg-type]


def test_too_many_edges_are_refused_before_memory_is_taken() -> None:
    c = rn.sample("quartz")
    count = len(rn.neighbors(c, 6.0))
    assert len(rn.neighbors(c, 6.0, max_edges=count)) == count
    with pytest.raises(LimitError, match="max_edges") as caught:
        rn.neighbors(c, 6.0, max_edges=count - 1)
    assert caught.value.limit == count - 1
    with pytest.raises(LimitError) as caught:
        rn.neighbors(c, 1e4)
    assert caught.value.needed > 1e12
    assert caught.value.name == "max_edges"
    with pytest.raises(LimitError):
        rn.nearest_neighbors(c, 10**9)
    # A dense cluster in a large cell has few edges by its density and many by count.
    dense = crystal(1000.0 * np.eye(3), 1e-4 * np.random.default_rng(0).random((2000, 3)))
    with pytest.raises(LimitError):
        rn.neighbors(dense, 1.0, max_edges=10**6)


def test_empty_batches() -> None:
    empty = rn.CrystalBatch.from_crystals([])
    for edges in (rn.neighbors(empty, 4.0), rn.nearest_neighbors(empty, 4), rn.nearest_neighbors([], 4, edges="paper")):
        assert edges.index.shape == (2, 0)
        assert edges.vector.shape == (0, 3)
        assert edges.offsets.tolist() == [0]
