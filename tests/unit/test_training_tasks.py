"""Classes and several targets: metrics beside torchmetrics, whole runs, and what a run predicts when loaded again."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torchmetrics.functional.classification import binary_accuracy, binary_auroc, binary_f1_score

from few import few_crystals
from recipnet.data import load_dataset
from recipnet.errors import ConfigError, DataError
from recipnet.plot.roc import Roc, roc, roc_points
from recipnet.training import load, load_config, resume, train
from recipnet.training.metrics import class_metrics
from recipnet.training.predict_table import predict_source, write_table
from recipnet.training.runner import RunResult
from recipnet.training.standard import Standard
from recipnet.training.tasks import Classification, task_named

SMALL = [
    "model.options.channels=8", "model.options.blocks=1", "model.options.reciprocal_blocks=0",
    "model.options.num_radial=16", "training.batch_size=16", "training.epochs=2", "output.baseline=false",
    "training.workers=0",
]  # fmt: skip


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def crystals(tmp_path_factory) -> Path:
    """48 training, 12 validation and 12 test crystals of the embedded set, with holes in the labels."""
    table = few_crystals(6, 48, 12, 12)
    gap = np.array(table["gap_pbe"].to_pylist())
    energy = table["e_form"].to_pylist()
    # a third without an energy; the gap of every fifth is unknown
    energy = [None if i % 3 == 0 else value for i, value in enumerate(energy)]
    metal = [None if i % 5 == 0 else float(value == 0) for i, value in enumerate(gap)]
    table = table.set_column(table.schema.get_field_index("e_form"), "e_form", pa.array(energy, pa.float64()))
    table = table.append_column("metal", pa.array(metal, pa.float64()))
    path = tmp_path_factory.mktemp("data") / "few.parquet"
    pq.write_table(table, path)
    return path


def run(crystals: Path, out: Path, *more: str) -> RunResult:
    return train(load_config(overrides=[f"data.path={crystals}", f"output.dir={out}", *SMALL, *more]), quiet=True)


def test_class_metrics_are_torchmetrics():
    rng = np.random.default_rng(0)
    for chance in (rng.uniform(size=200), np.round(rng.uniform(size=200), 1)):  # the second with ties
        truth = (rng.uniform(size=200) < 0.3 + 0.4 * chance).astype(float)
        mask = rng.uniform(size=200) < 0.8
        found = class_metrics(truth, chance, mask)
        p, t = torch.from_numpy(chance[mask]), torch.from_numpy(truth[mask]).long()
        # torchmetrics calls 1 what is above the threshold, here it is what is not below
        assert found["accuracy"] == pytest.approx(binary_accuracy(p, t, threshold=0.4999).item(), abs=1e-6)
        assert found["f1"] == pytest.approx(binary_f1_score(p, t, threshold=0.4999).item(), abs=1e-6)
        assert found["roc_auc"] == pytest.approx(binary_auroc(p, t).item(), abs=1e-6)
        expected = torch.nn.functional.binary_cross_entropy(p.clamp(1e-300, 1), t.double())
        if (chance > 0).all() and (chance < 1).all():
            assert found["cross_entropy"] == pytest.approx(expected.item(), rel=1e-9)
        assert found["count"] == mask.sum()
        x, y = roc_points(truth[mask], chance[mask])
        assert np.trapezoid(y, x) == pytest.approx(found["roc_auc"], abs=1e-12)
    none = class_metrics(truth, chance, np.zeros(200, bool))
    assert math.isnan(none["accuracy"])
    one_class = class_metrics(np.ones(3), np.full(3, 0.7), np.ones(3, bool))
    assert math.isnan(one_class["roc_auc"])
    assert one_class["accuracy"] == 1.0


def test_probabilities_are_those_of_the_logits():
    outputs = torch.tensor([[0.0, -800.0], [2.0, 800.0]])
    values = Classification().values(outputs, Standard(np.zeros(2), np.ones(2)))
    np.testing.assert_allclose(values, [[0.5, 0.0], [1 / (1 + math.exp(-2.0)), 1.0]], rtol=1e-12)
    with pytest.raises(ConfigError, match="one of regression, classification"):
        task_named("ranking")


def test_a_classification_from_labels_to_predictions(crystals, tmp_path):
    names = "data.target_names=['metal']"
    result = run(crystals, tmp_path, names, "data.task=classification", "output.baseline=true")
    assert (result.folder / "roc.png").exists()
    assert not (result.folder / "parity.png").exists()
    found = result.metrics["metal"]
    assert {"accuracy", "majority", "roc_auc", "f1", "cross_entropy", "count", "unit"} <= set(found)
    assert set(result.baseline["metal"]) == set(found)
    assert "accuracy" in result.lines()[0]
    with open(result.folder / "metrics.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert float(rows[0]["val_cross_entropy_metal"]) > 0
    with open(result.folder / "predictions_test.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["id", "metal", "metal_predicted", "metal_probability"]
    data = load_dataset(crystals, target_names=["metal"], task="classification").subset("test")
    predictor = load(result.folder)
    assert predictor.task.name == "classification"
    values = predictor.predict(data.crystals[data.rows.tolist()]).values[:, 0]
    assert [float(row["metal_probability"]) for row in rows] == values.tolist()
    assert [int(row["metal_predicted"]) for row in rows] == (values >= 0.5).astype(int).tolist()
    table = predict_source(predictor, str(crystals))
    assert table.header == ["id", "metal", "metal_probability", "status", "message"]
    write_table(table, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").schema.field("metal").type == pa.int64()
    again = resume(result.folder, quiet=True)
    assert again.lines()[0] == result.lines()[0]


def test_a_gap_of_zero_is_a_metal(crystals, tmp_path):
    options = {"target_names": ["gap_pbe"], "task": "classification", "transform": "is_zero"}
    data = load_dataset(crystals, **options)
    gaps = load_dataset(crystals, target_names=["gap_pbe"])
    assert data.units == ("",)
    assert (data.targets == (gaps.targets == 0)).all()
    assert 0 < data.targets.mean() < 1
    overrides = ["data.target_names=['gap_pbe']", "data.task=classification", "data.transform=is_zero"]
    result = run(crystals, tmp_path, *overrides, "output.plots=false", "training.epochs=1")
    assert result.metrics["gap_pbe"]["unit"] == ""


def test_labels_that_are_no_classes_are_refused(crystals, tmp_path):
    with pytest.raises(DataError, match="a class is 0 or 1") as caught:
        load_dataset(crystals, target_names=["gap_pbe"], task="classification")
    assert caught.value.column == "gap_pbe"
    kept = load_dataset(crystals, target_names=["gap_pbe"], task="classification", on_error="skip")
    assert kept.report.dropped["label that is no class"] > 0
    assert set(np.unique(kept.targets)) <= {0.0, 1.0}
    with pytest.raises(DataError, match="only the class"):
        Classification().standard(np.ones((3, 1)), np.ones((3, 1), bool), ["x"])


def test_several_targets_with_holes(crystals, tmp_path):
    names = ["e_form", "gap_pbe", "metal"]
    result = run(crystals, tmp_path, f"data.target_names={names}", "output.plots=false")
    data = load_dataset(crystals, target_names=names)
    assert not data.mask.all()
    test = data.subset("test")
    assert {name: result.metrics[name]["count"] for name in names} == dict(
        zip(names, test.mask.sum(0).tolist(), strict=True)
    )
    metadata = json.loads((result.folder / "model.json").read_text())
    fit = data.subset("train")
    for column in range(3):  # of the labelled training rows alone
        labels = fit.targets[fit.mask[:, column], column]
        assert metadata["standard"]["mean"][column] == pytest.approx(labels.mean(), rel=1e-12)
        assert metadata["standard"]["std"][column] == pytest.approx(labels.std(), rel=1e-12)
    assert result.metrics["gap_pbe"]["unit"] == "eV"
    assert load(result.folder).predict(test.crystals[test.rows.tolist()]).values.shape == (len(test), 3)


def test_both_moduli_of_one_file(shared_dir, tmp_path):
    """A crystal is in one split for all of its targets, and no formula is in two: nothing leaks from task to task."""
    source = pq.read_table(shared_dir / "data" / "mp_elastic.parquet")
    few = np.flatnonzero(source["natoms"].to_numpy() <= 3)[:120]
    path = tmp_path / "moduli.parquet"
    pq.write_table(source.take(pa.array(few)).drop_columns(["split"]), path)
    moduli = ["data.target_names=['k_vrh', 'g_vrh']", "data.units=['GPa', 'GPa']", "data.transform=log10"]
    result = run(path, tmp_path / "runs", *moduli, "output.plots=false")
    assert {name: found["unit"] for name, found in result.metrics.items()} == {
        "k_vrh": "log10(GPa)",
        "g_vrh": "log10(GPa)",
    }
    data = load_dataset(path, target_names=["k_vrh", "g_vrh"], units=["GPa", "GPa"], transform="log10")
    formulas = {name: set() for name in ("train", "val", "test")}
    for row, split in enumerate(data.split):
        formulas[split].add(data[row].crystal.reduced_formula)
    assert not formulas["train"] & (formulas["val"] | formulas["test"])
    assert not formulas["val"] & formulas["test"]


def test_pictures_of_classes(tmp_path):
    roc([Roc("metal", np.array([0.0, 1.0]), np.array([0.2, 0.9]), 1.0)], tmp_path / "a.png")
    roc([Roc("metal", np.zeros(0), np.zeros(0), math.nan)], tmp_path / "b.png")
    assert (tmp_path / "a.png").stat().st_size > 5000
