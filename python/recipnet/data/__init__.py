"""From raw crystals to mini-batches of tensors: datasets, features, loaders. Needs torch."""

from __future__ import annotations

from recipnet.data.batch import TensorBatch
from recipnet.data.collate import Collate, Record, collate
from recipnet.data.dataset import CrystalDataset
from recipnet.data.flat import MiniBatch
from recipnet.data.loader import Loader
from recipnet.data.report import DataReport
from recipnet.data.sources import embedded, load_dataset
from recipnet.data.spec import Ball, FeatureSpec, FirstNearest, IndexBox, Indices, Nearest, Radius
from recipnet.data.splits import SPLITS, formula_split, split_hash
from recipnet.data.targets import TargetTable, read_targets

__all__ = [
    "SPLITS",
    "Ball",
    "Collate",
    "CrystalDataset",
    "DataReport",
    "FeatureSpec",
    "FirstNearest",
    "IndexBox",
    "Indices",
    "Loader",
    "MiniBatch",
    "Nearest",
    "Radius",
    "Record",
    "TargetTable",
    "TensorBatch",
    "collate",
    "embedded",
    "formula_split",
    "load_dataset",
    "read_targets",
    "split_hash",
]
