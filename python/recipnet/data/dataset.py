"""Raw crystals with labels: what a loader draws its mini-batches from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recipnet.batch import CrystalBatch
from recipnet.data.collate import Record
from recipnet.data.flat import FlatCrystals, MiniBatch
from recipnet.data.report import DataReport
from recipnet.data.splits import SPLITS, normalise, split_hash
from recipnet.data.targets import check_units
from recipnet.errors import DataError


class CrystalDataset:
    """Labelled crystals as flat arrays; nothing is featurized before it is asked for.

    ``len()``, ``dataset[i]`` (a :class:`~recipnet.data.Record`) and ``dataset.__getitems__([...])`` (one gather for a
    whole mini-batch, which PyTorch's DataLoader uses by itself) make it an ordinary map-style dataset. Subsets share
    the crystals of the whole.

    Parameters
    ----------
    crystals
        The structures; ``crystals.ids`` name them.
    targets : (n,) or (n, T) array_like, optional
        Labels, NaN where missing; none for prediction.
    target_names, units
        One name and one unit for each target.
    split : sequence of str, optional
        ``train``, ``val`` or ``test`` for each crystal.
    report
        What was left out while the data were put together.

    Attributes
    ----------
    targets : (n, T) float64
        0 where ``mask`` is False.
    mask : (n, T) bool
        Where there is a label.

    Examples
    --------
    >>> from recipnet.data import embedded
    >>> data = embedded()
    >>> data.target_names, data.units, data.counts["test"]
    (('e_form', 'gap_pbe'), ('eV/atom', 'eV'), 1000)
    """

    def __init__(
        self,
        crystals: CrystalBatch,
        targets: npt.ArrayLike | None = None,
        target_names: Sequence[str] = (),
        units: Sequence[str] = (),
        split: Sequence[str] | None = None,
        report: DataReport | None = None,
    ) -> None:
        count = len(crystals)
        values = np.zeros((count, 0)) if targets is None else np.array(targets, dtype=np.float64)
        if values.ndim == 1:
            values = values[:, None]
        names = tuple(target_names) or (("target",) if values.shape[1:] == (1,) else ())
        if values.ndim != 2 or values.shape != (count, len(names)):
            message = f"targets of shape {values.shape} do not fit {count} crystals and {len(names)} target names"
            raise DataError(message, value=values.shape)
        if np.isinf(values).any():
            row, column = (int(place) for place in np.argwhere(np.isinf(values))[0])
            message = f"target {names[column]!r} of {crystals.ids[row]!r} is infinite"
            raise DataError(message, row=row, column=names[column], id=crystals.ids[row])
        if split is not None and len(split) != count:
            raise DataError(f"{len(split)} split labels for {count} crystals", value=len(split))
        self.crystals = crystals
        self.mask = ~np.isnan(values)
        self.targets = np.where(self.mask, values, 0.0)
        self.target_names = names
        self.units = check_units(names, units)
        self.split = None if split is None else np.array(normalise(split, crystals.ids, "split"), dtype="U5")
        self.report = report or DataReport(kept=count, dropped={})
        self.rows = np.arange(count, dtype=np.int64)
        self._flat = FlatCrystals.of(crystals)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ids(self) -> list[str]:
        """Names of the crystals, in order."""
        names = self.crystals.ids
        return [names[row] for row in self.rows.tolist()]

    @property
    def counts(self) -> dict[str, int]:
        """Crystals in each split; empty without one."""
        found = Counter() if self.split is None else Counter(self.split.tolist())
        return {name: found[name] for name in SPLITS if found[name]}

    @property
    def split_hash(self) -> str:
        """SHA-256 of the split, for the record of a run.

        Raises
        ------
        DataError
            The dataset has no split.
        """
        return split_hash(self.ids, self._require_split().tolist())

    def is_ordered(self) -> npt.NDArray[np.bool_]:
        """Whether each crystal has one known element on every site, (n,) bool."""
        return self._flat.is_ordered()[self.rows]

    def __getitem__(self, index: int) -> Record:
        row = int(self.rows[index])
        return Record(self.crystals[row], self.targets[index].copy(), self.mask[index].copy(), self.crystals.ids[row])

    def __getitems__(self, indices: Sequence[int]) -> MiniBatch:
        return self.take(indices)

    def take(self, indices: npt.ArrayLike) -> MiniBatch:
        """Crystals and labels at ``indices``, gathered into arrays of their own."""
        places = np.asarray(indices, dtype=np.int64)
        rows = self.rows[places]
        names = self.crystals.ids
        ids = [names[row] for row in rows.tolist()]
        return MiniBatch(self._flat.take(rows), ids, self.targets[places], self.mask[places])

    def subset(self, which: str | npt.ArrayLike) -> CrystalDataset:
        """One split by name, or the crystals at some indices; the crystals themselves are shared.

        Raises
        ------
        DataError
            A split that is none of train, val, test, or a dataset without a split.
        """
        if isinstance(which, str):
            if which not in SPLITS:
                raise DataError(f"split {which!r}: must be one of {', '.join(SPLITS)}", value=which)
            places = np.flatnonzero(self._require_split() == which)
        else:
            places = np.asarray(which, dtype=np.int64)
        part = object.__new__(CrystalDataset)
        part.__dict__.update(self.__dict__)
        part.rows, part.targets, part.mask = self.rows[places], self.targets[places], self.mask[places]
        part.split = None if self.split is None else self.split[places]
        return part

    def _require_split(self) -> npt.NDArray[Any]:
        if self.split is None:
            raise DataError('the dataset has no split; say split = "formula" or name a file with columns id,split')
        return self.split

    def __repr__(self) -> str:
        pairs = zip(self.target_names, self.units, strict=True)
        named = ", ".join(f"{name} ({unit or 'no unit'})" for name, unit in pairs)
        splits = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        return f"CrystalDataset({len(self)} crystals; targets: {named or 'none'}; {splits or 'no split'})"
