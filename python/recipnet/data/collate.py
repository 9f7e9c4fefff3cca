"""Raw crystals in, tensors out: the only place of the package that featurizes for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recipnet import _core
from recipnet.batch import CrystalBatch, Crystals, as_batch
from recipnet.crystal import Crystal
from recipnet.data.batch import TensorBatch
from recipnet.data.first_nearest import first_nearest
from recipnet.data.fixed import fixed_reflections
from recipnet.data.flat import FlatCrystals, MiniBatch
from recipnet.data.lattice_edges import given_edges, voronoi_edges
from recipnet.data.spec import Ball, FeatureSpec, FirstNearest, IndexBox, Nearest
from recipnet.errors import ArgumentError, DataError, RecipnetError

DTYPES = (torch.float32, torch.float64)


class Record(NamedTuple):
    """One crystal of a dataset with its labels, ``(T,)`` each."""

    crystal: Crystal
    targets: npt.NDArray[np.float64]
    mask: npt.NDArray[np.bool_]
    id: str


def collate(
    crystals: Crystals | MiniBatch,
    spec: FeatureSpec,
    targets: npt.ArrayLike | None = None,
    dtype: torch.dtype = torch.float32,
    *,
    max_edges: int = 10**8,
    max_reflections: int = 10**8,
    max_triplets: int = 10**8,
    threads: int | None = None,
) -> TensorBatch:
    """Featurize crystals in one call of the core and hand its arrays over as tensors without a copy.

    Parameters
    ----------
    crystals
        A batch, one crystal, several crystals, or a mini-batch of a :class:`~recipnet.data.CrystalDataset`, which
        brings its own targets.
    spec
        What to compute.
    targets : (B,) or (B, T), optional
        Labels; NaN marks a missing one. It becomes 0 with False in ``mask``.
    dtype
        ``torch.float32`` or ``torch.float64`` for all real tensors; the core computes in double in both cases.
    max_edges, max_reflections, max_triplets
        Refuse before memory is taken where the batch would have more.
    threads
        Core threads; None: the size of the pool.

    Raises
    ------
    LimitError
        Too many edges, reflections or pairs of edges; ``id`` names the crystal where one alone is to blame.
    ArgumentError, DataError
        A dtype that is not built, targets that do not fit the crystals.

    Examples
    --------
    >>> import recipnet as rn
    >>> from recipnet.data import FeatureSpec, Nearest, collate
    >>> batch = collate(rn.sample("quartz"), FeatureSpec(edges=Nearest(4)))
    >>> batch.numbers.shape, batch.edge_vector.dtype
    (torch.Size([9]), torch.float32)
    """
    check_dtype(dtype)
    flat, ids, labels, mask = _unpack(crystals, targets)
    real = np.dtype(np.float32 if dtype == torch.float32 else np.float64)
    try:
        arrays = _core.featurize(
            flat.lattices, flat.numbers, flat.frac_coords, flat.offsets, flat.site,
            None if spec.edges is None else spec.edges.core(),
            spec.reflections.d_min if isinstance(spec.reflections, Ball) else None,
            max_edges, max_reflections, threads, dtype == torch.float32,
        )  # fmt: skip
    except RecipnetError as error:
        raise _with_ids(error, ids) from None
    if spec.reflections is not None and not isinstance(spec.reflections, Ball):
        reduced = isinstance(spec.reflections, IndexBox) and spec.reflections.reduced
        arrays |= fixed_reflections(spec.reflections.triples(), flat.lattices, real, max_reflections, reduced=reduced)
    if isinstance(spec.edges, FirstNearest):
        arrays |= first_nearest(arrays, spec.edges.k, spec.edges.radius)
    if spec.lattice_edges == "given6":
        k = spec.edges.k if isinstance(spec.edges, Nearest) else 0
        arrays |= given_edges(arrays, flat.lattices, k, real)
    elif spec.lattice_edges == "voronoi":
        arrays |= voronoi_edges(arrays, flat.lattices, real, threads)
    if spec.angles:
        arrays |= _angles(arrays, max_triplets, threads)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items() if array is not None}
    if labels is not None and mask is not None:
        tensors["targets"] = torch.from_numpy(labels.astype(real))
        tensors["mask"] = torch.from_numpy(mask)
    occupancies = torch.from_numpy(flat.occupancies.astype(real))
    return TensorBatch(**tensors, occupancies=occupancies, ids=list(ids))


def _angles(arrays: dict[str, Any], max_triplets: int, threads: int | None) -> dict[str, Any]:
    """``triplet_index`` and ``triplet_angle`` of the edges, which are sorted by their centre."""
    starts = np.zeros(len(arrays["numbers"]) + 1, dtype=np.int64)
    np.cumsum(np.bincount(arrays["edge_index"][0], minlength=len(starts) - 1), out=starts[1:])
    index, angle, _ = _core.triplets(arrays["edge_vector"], arrays["edge_offsets"], starts, max_triplets, threads)
    return {"triplet_index": index, "triplet_angle": angle}


def check_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype, refused unless the core can write it."""
    if dtype not in DTYPES:
        message = f"dtype = {dtype}: must be torch.float32 or torch.float64"
        raise ArgumentError(message, name="dtype", value=str(dtype))
    return dtype


@dataclass(frozen=True)
class Collate:
    """``collate_fn`` for an ordinary ``torch.utils.data.DataLoader`` over a :class:`~recipnet.data.CrystalDataset`.

    Examples
    --------
    >>> from torch.utils.data import DataLoader
    >>> from recipnet.data import Collate, FeatureSpec, Nearest, embedded
    >>> data = embedded().subset("val")
    >>> loader = DataLoader(data, batch_size=8, collate_fn=Collate(FeatureSpec(edges=Nearest(4))))
    >>> next(iter(loader)).num_crystals
    8
    """

    spec: FeatureSpec
    dtype: torch.dtype = torch.float32

    def __call__(self, records: MiniBatch | Sequence[Record]) -> TensorBatch:
        if isinstance(records, MiniBatch):
            return collate(records, self.spec, dtype=self.dtype)
        batch = CrystalBatch.from_crystals([record.crystal for record in records])
        labels = np.stack([record.targets for record in records])
        mask = np.stack([record.mask for record in records])
        mini = MiniBatch(FlatCrystals.of(batch), [record.id for record in records], labels, mask)
        return collate(mini, self.spec, dtype=self.dtype)


_Labels = tuple[FlatCrystals, Sequence[str], "npt.NDArray[np.float64] | None", "npt.NDArray[np.bool_] | None"]


def _unpack(crystals: Any, targets: npt.ArrayLike | None) -> _Labels:
    if isinstance(crystals, MiniBatch):
        if targets is not None:
            raise ArgumentError("targets: a mini-batch of a dataset brings its own", name="targets", value="array")
        if crystals.targets.shape[1] == 0:
            return crystals.crystals, crystals.ids, None, None
        return crystals.crystals, crystals.ids, crystals.targets, crystals.mask
    batch = as_batch(crystals)
    flat = FlatCrystals.of(batch)
    if targets is None:
        return flat, batch.ids, None, None
    values = targets.detach().cpu().numpy() if isinstance(targets, Tensor) else targets
    labels = np.array(values, dtype=np.float64)
    if labels.ndim == 1:
        labels = labels[:, None]
    if labels.ndim != 2 or len(labels) != len(flat):
        message = f"targets have shape {np.shape(values)}, {len(flat)} crystals need ({len(flat)},) or ({len(flat)}, T)"
        raise DataError(message, value=np.shape(values))
    mask = ~np.isnan(labels)
    labels[~mask] = 0.0
    return flat, batch.ids, labels, mask


def _with_ids(error: RecipnetError, ids: Sequence[str]) -> RecipnetError:
    """The core's error with the name of the crystal that it numbers, or of the first few of the batch."""
    place = getattr(error, "crystal", None)
    if place is not None and 0 <= place < len(ids):
        return type(error)(f"crystal {ids[place]!r}: {error.message or error}", **error.values, id=ids[place])
    more = "" if len(ids) <= 5 else f" and {len(ids) - 5} more"
    return type(error)(f"{error.message or error} (in the batch of {', '.join(ids[:5])}{more})", **error.values)
