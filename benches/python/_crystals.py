"""The crystals that are timed: small ones of a Parquet file, a large one, a sheared one."""

from __future__ import annotations

import tempfile
from importlib import resources
from pathlib import Path

import numpy as np

import recipnet as rn

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "mp_20_partial.parquet"


def embedded() -> Path:
    """The file of crystals inside the package; `recipnet.data` needs torch, which peers' environments have not."""
    return Path(str(resources.files("recipnet").joinpath("data/embedded/mp2018_subset.parquet")))


def source(given: str | None = None) -> Path:
    """The file that was asked for, else mp_20_partial.parquet beside the repository, else the embedded crystals."""
    if given is not None:
        return Path(given)
    return SHARED if SHARED.is_file() else embedded()


def small(path: Path, count: int) -> rn.CrystalBatch:
    """``count`` crystals of at most 20 atoms, evenly over the file."""
    batch = rn.read_many(str(path), on_error="skip")[0]
    batch = batch[np.flatnonzero(np.diff(batch.offsets) <= 20)]
    return batch[np.linspace(0, len(batch) - 1, min(count, len(batch))).astype(int)]


def texts(path: Path, batch: rn.CrystalBatch) -> list[str]:
    """A CIF text of each crystal: the file's column ``cif``, or, where it has none, as `recipnet.write` writes it."""
    import pyarrow.parquet as pq

    if "cif" in pq.read_schema(path).names:
        column = pq.read_table(path, columns=["cif"])["cif"]
        return column.take(batch.source_index).to_pylist()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "one.cif"
        for crystal in batch:
            rn.write(crystal, file)
            found.append(file.read_text(encoding="utf-8"))
    return found


def silicon(cells: tuple[int, int, int] = (11, 11, 11)) -> rn.CrystalBatch:
    """Silicon, a = 5.43 angstrom, rattled by 0.05 angstrom, seed 1."""
    corner = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0], [1, 1, 1], [1, 3, 3], [3, 1, 3], [3, 3, 1]]) / 4
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in cells), indexing="ij"), axis=-1).reshape(-1, 1, 3)
    cart = 5.43 * (grid + corner).reshape(-1, 3)
    cart += np.random.default_rng(1).normal(0.0, 0.05, cart.shape)
    edges = 5.43 * np.array(cells)
    return rn.CrystalBatch.from_arrays(np.diag(edges)[None], np.full(len(cart), 14), cart / edges, [0, len(cart)])


def sheared() -> rn.CrystalBatch:
    """12 atoms in diag(6, 6.5, 7) angstrom, b sheared along a by 31.3, c by -21.9 and 17.8."""
    cell = np.array([[6.0, 0.0, 0.0], [31.3, 6.5, 0.0], [-21.9, 17.8, 7.0]])
    frac = np.random.default_rng(2).random((12, 3))
    return rn.CrystalBatch.from_arrays(cell[None], np.full(12, 6), frac, [0, 12])


#: Its group, and how many atoms an atom of its asymmetric unit stands for.
CUBIC, IMAGES = "F m -3 m", 192


def cubic() -> rn.CrystalBatch:
    """Three general positions of Fm-3m in a cell of 24 angstrom: all images of the first, then of the second."""
    group = rn.SpaceGroup(CUBIC).operations
    sites = np.array([[0.037, 0.121, 0.218], [0.083, 0.154, 0.319], [0.061, 0.177, 0.402]])
    images = np.einsum("nij,sj->sni", group.rotations, sites) + group.translations / group.denominator
    frac = (images % 1.0).reshape(-1, 3)
    crystal = rn.Crystal(24.0 * np.eye(3), np.repeat([14, 8, 13], IMAGES), frac, symmetry=CUBIC)
    return rn.CrystalBatch.from_crystals([crystal])


def parameters(crystal: rn.Crystal) -> tuple[float, ...]:
    """Lengths and angles of the cell, as gemmi and cctbx take them."""
    lengths = np.linalg.norm(crystal.lattice, axis=1)
    unit = crystal.lattice / lengths[:, None]
    angles = [np.degrees(np.arccos(unit[i] @ unit[j])) for i, j in ((1, 2), (0, 2), (0, 1))]
    return (*lengths.tolist(), *map(float, angles))
