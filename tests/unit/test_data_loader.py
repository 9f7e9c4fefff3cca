"""Loader: order, prefetching, restarts, errors and shutdown; and PyTorch's own DataLoader with forked workers."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
import threading
import time
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset

import recipnet as rn
from recipnet.data import (
    Ball,
    Collate,
    CrystalDataset,
    FeatureSpec,
    Loader,
    Nearest,
    Radius,
    TensorBatch,
    collate,
)
from recipnet.data import (
    loader as loader_module,
)
from recipnet.errors import ArgumentError, LimitError

SPEC = FeatureSpec(edges=Nearest(4), reflections=Ball(2.0))


@pytest.fixture(scope="module")
def data() -> CrystalDataset:
    rng = np.random.default_rng(3)
    made = [
        rn.Crystal(np.diag(rng.uniform(3.5, 5.0, 3)), rng.integers(1, 90, count), rng.uniform(0, 1, (count, 3)))
        for count in rng.integers(1, 6, 23)
    ]
    batch = rn.CrystalBatch.from_crystals(made, ids=[f"c{i}" for i in range(23)])
    return CrystalDataset(batch, np.arange(23.0), ["t"], ["eV"])


def ids_of(loader: Any) -> list[list[str]]:
    return [batch.ids for batch in loader]


def loader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("recipnet-loader")]


@pytest.fixture(autouse=True)
def _no_thread_left() -> Any:
    yield
    gc.collect()
    assert loader_threads() == []


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_crystal_once_with_its_label(data: CrystalDataset, workers: int) -> None:
    loader = Loader(data, SPEC, 5, shuffle=True, seed=1, workers=workers)
    batches = list(loader)
    assert len(loader) == len(batches) == 5
    assert [batch.num_crystals for batch in batches] == [5, 5, 5, 5, 3]
    ids = [name for batch in batches for name in batch.ids]
    assert sorted(ids) == sorted(data.ids)
    assert ids != data.ids
    assert torch.cat([batch.targets[:, 0] for batch in batches]).tolist() == [float(name[1:]) for name in ids]


def test_without_shuffle_in_order_and_drop_last(data: CrystalDataset) -> None:
    loader = Loader(data, SPEC, 5, drop_last=True)
    assert [name for batch in loader for name in batch.ids] == data.ids[:20]
    assert len(loader) == 4
    assert len(Loader(data.subset([]), SPEC, 5)) == len(list(Loader(data.subset([]), SPEC, 5))) == 0


def test_same_tensors_whatever_the_workers(data: CrystalDataset) -> None:
    sets = [list(Loader(data, SPEC, 4, True, 9, workers=workers, prefetch=3)) for workers in (0, 1, 2)]
    for batches in sets[1:]:
        for one, other in zip(sets[0], batches, strict=True):
            for name, value in vars(one).items():
                same = (
                    torch.equal(value, getattr(other, name)) if torch.is_tensor(value) else value == vars(other)[name]
                )
                assert same, name


def test_order_depends_on_seed_and_epoch_alone(data: CrystalDataset) -> None:
    loader = Loader(data, SPEC, 5, True, 1)
    first = ids_of(loader)
    assert ids_of(loader) == first
    loader.set_epoch(1)
    second = ids_of(loader)
    loader.set_epoch(0)
    assert ids_of(loader) == first != second
    assert ids_of(Loader(data, SPEC, 5, True, 2)) != first
    assert ids_of(Loader(data, SPEC, 5, True, 1, workers=3, prefetch=7)) == first


def test_the_order_is_the_same_tomorrow(data: CrystalDataset) -> None:
    # Written down so that a change of NumPy or of this file cannot silently change every run.
    assert Loader(data, SPEC, 5, True, 42).order(3)[:8].tolist() == EXPECTED_ORDER


EXPECTED_ORDER = [22, 1, 6, 17, 3, 4, 5, 20]


@pytest.mark.parametrize("workers", [0, 2])
def test_start_in_the_middle(data: CrystalDataset, workers: int) -> None:
    loader = Loader(data, SPEC, 5, True, 1, workers=workers)
    loader.set_epoch(4)
    whole = ids_of(loader)
    loader.set_epoch(4, start_batch=2)
    assert len(loader) == 5
    assert ids_of(loader) == whole[2:]
    assert ids_of(loader) == whole
    loader.set_epoch(4, start_batch=2)
    loader.set_epoch(4)
    iter(loader)
    assert ids_of(loader) == whole[2:]


@pytest.mark.parametrize("done", [0, 1, 4, 5])
def test_state_continues_where_it_was_taken(data: CrystalDataset, done: int) -> None:
    loader = Loader(data, SPEC, 5, True, 1)
    loader.set_epoch(2)
    iterator = iter(loader)
    seen = [batch.ids for batch in islice(iterator, done)]
    state = loader.state_dict() if done else {"epoch": 2, "batch": 0}
    rest = ids_of(iterator)
    again = Loader(data, SPEC, 5, True, 1)
    again.load_state_dict(state)
    if done == 5:
        assert again.epoch == 3
        assert rest == []
    else:
        assert seen + ids_of(again) == seen + rest
        assert state == {"epoch": 2, "batch": done}


def test_works_ahead_but_no_further_than_prefetch(data: CrystalDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def slow(mini: Any, *args: Any, **options: Any) -> Any:
        made.append(mini.ids[0])
        return collate(mini, *args, **options)

    monkeypatch.setattr(loader_module, "collate", slow)
    iterator = iter(Loader(data, SPEC, 1, workers=2, prefetch=3))
    time.sleep(0.05)
    assert made == []
    for taken in range(1, 6):
        assert next(iterator).ids == [f"c{taken - 1}"]
        deadline = time.monotonic() + 5
        while len(made) < taken + 3 and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.02)
        assert len(made) == taken + 3
    iterator.close()  # type: ignore[attr-defined]


def test_what_has_not_begun_is_cancelled(data: CrystalDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def slow(mini: Any, *args: Any, **options: Any) -> Any:
        made.append(mini.ids[0])
        time.sleep(0.02)
        return collate(mini, *args, **options)

    monkeypatch.setattr(loader_module, "collate", slow)
    for _ in Loader(data, SPEC, 1, workers=1, prefetch=20):
        break
    count = len(made)
    assert count < 10
    time.sleep(0.1)
    assert len(made) == count


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_errors_reach_the_consumer_with_the_ids(data: CrystalDataset, workers: int) -> None:
    loader = Loader(data, FeatureSpec(edges=Radius(5000.0)), 4, workers=workers)
    with pytest.raises(LimitError, match=r"c0|c1|c2|c3"):
        next(iter(loader))
    with pytest.raises(LimitError):
        list(loader)


def test_error_in_a_later_batch(data: CrystalDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(mini: Any, *args: Any, **options: Any) -> Any:
        if "c12" in mini.ids:
            raise RuntimeError("broken")
        return collate(mini, *args, **options)

    monkeypatch.setattr(loader_module, "collate", fail)
    iterator = iter(Loader(data, SPEC, 5, workers=2))
    assert [next(iterator).ids[0], next(iterator).ids[0]] == ["c0", "c5"]
    with pytest.raises(RuntimeError, match="broken") as caught:
        next(iterator)
    assert any("c10" in note for note in caught.value.__notes__)
    assert next(iterator, None) is None


def test_break_and_two_at_once(data: CrystalDataset) -> None:
    loader = Loader(data, SPEC, 2, workers=2)
    for _ in loader:
        break
    gc.collect()
    assert loader_threads() == []
    pairs = list(zip(loader, loader, strict=True))
    assert len(pairs) == 12
    assert all(a.ids == b.ids for a, b in pairs)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"batch_size": 2, "prefetch": 0}, "prefetch"),
        ({"batch_size": 2, "workers": -1}, "workers"),
        ({"batch_size": 2, "seed": -1}, "seed"),
        ({"batch_size": 2, "seed": 2**64}, "seed"),
        ({"batch_size": 2, "dtype": torch.int32}, "dtype"),
    ],
)
def test_bad_arguments(data: CrystalDataset, options: dict[str, Any], name: str) -> None:
    with pytest.raises(ArgumentError, match=name):
        Loader(data, SPEC, **options)


# Python 3.12 and later warn about what is tested here.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("workers", [0, 2])
def test_pytorch_dataloader(data: CrystalDataset, workers: int) -> None:
    # Featurize here first, so that the core's threads exist when the workers are forked.
    expected = list(Loader(data, SPEC, 5, workers=0))
    options: dict[str, Any] = {"multiprocessing_context": "fork", "timeout": 300} if workers else {}
    for source in (data, Subset(data, range(23))):
        loader = DataLoader(source, batch_size=5, collate_fn=Collate(SPEC), num_workers=workers, **options)
        for one, other in zip(expected, loader, strict=True):
            assert one.ids == other.ids
            assert torch.equal(one.edge_vector, other.edge_vector)
            assert torch.equal(one.inverse_d, other.inverse_d)
            assert torch.equal(one.targets, other.targets)


def test_records_collate_like_mini_batches(data: CrystalDataset) -> None:
    one = Collate(SPEC)([data[i] for i in (3, 1)])
    other = Collate(SPEC)(data.take([3, 1]))
    assert one.ids == other.ids == ["c3", "c1"]
    assert torch.equal(one.edge_vector, other.edge_vector)
    assert torch.equal(one.targets, other.targets)


SCRIPT = """
    import numpy as np, recipnet as rn
    from recipnet.data import *
    batch = rn.CrystalBatch.from_crystals([rn.Crystal(np.eye(3) * 4, [6], [[0, 0, 0]])] * 400)
    loader = Loader(CrystalDataset(batch), FeatureSpec(edges=Radius(6.0)), 2, workers=3, prefetch=50)
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("iterator = iter(loader); next(iterator); raise SystemExit(3)", 3),
        ("for _ in loader: raise RuntimeError('stop')", 1),
        (
            # A parent that ignores the signal hands that down: a job in a shell's background does.
            "import signal, os\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "for _ in loader: os.kill(os.getpid(), signal.SIGINT)",
            -2,
        ),
        ("import threading\nt = threading.Thread(target=lambda: list(loader)); t.start()", 0),
    ],
)
def test_the_interpreter_ends(end: str, code: int) -> None:
    script = textwrap.dedent(SCRIPT) + end
    done = subprocess.run([sys.executable, "-c", script], timeout=300, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "Exception ignored" not in done.stderr
    assert "panicked" not in done.stderr


def test_batches_are_pinned_in_the_background(data: CrystalDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[str] = []

    def pin(batch: TensorBatch) -> TensorBatch:
        pinned.append(threading.current_thread().name)
        return batch

    monkeypatch.setattr(TensorBatch, "pin_memory", pin)
    if not torch.cuda.is_available():
        with pytest.raises(ArgumentError, match="there is no GPU"):
            Loader(data, SPEC, 5, pin_memory=True)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    loader = Loader(data, SPEC, 5, pin_memory=True)
    assert len(list(loader)) == len(pinned) == 5
    assert all(name.startswith("recipnet-loader") for name in pinned)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, torch sees none")
def test_pinned_batches_arrive_on_the_device(data: CrystalDataset) -> None:
    for pinned, plain in zip(Loader(data, SPEC, 5, pin_memory=True), Loader(data, SPEC, 5), strict=True):
        assert pinned.frac.is_pinned()
        assert pinned.edge_vector is not None
        assert pinned.edge_vector.is_pinned()
        moved = pinned.to("cuda", non_blocking=True)
        torch.cuda.synchronize()
        assert torch.equal(moved.frac.cpu(), plain.frac)
