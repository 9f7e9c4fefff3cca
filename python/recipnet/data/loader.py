"""Mini-batches in a reproducible order, featurized ahead of the model."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from recipnet.data.batch import TensorBatch
from recipnet.data.collate import check_dtype, collate
from recipnet.data.dataset import CrystalDataset
from recipnet.data.report import some
from recipnet.data.spec import FeatureSpec
from recipnet.errors import ArgumentError, RecipnetError


class Loader:
    """Iterates over a dataset in mini-batches of tensors.

    Background threads gather and featurize the next mini-batches while the model works on this one; the core does so
    without the GIL. The order depends on ``seed`` and ``epoch`` alone. Iterating twice without :meth:`set_epoch` gives
    the same order twice. Lightning sets the epoch by itself, and saves and restores the place in it.

    Parameters
    ----------
    dataset
        Where the crystals come from.
    spec
        What to compute for them.
    batch_size
        Crystals per mini-batch; the last one of an epoch may have fewer.
    shuffle
        Draw a new order in each epoch.
    seed
        Of the order, 0 <= seed < 2**64.
    drop_last
        Leave out a last mini-batch that is not full.
    dtype
        ``torch.float32`` or ``torch.float64``.
    prefetch
        Mini-batches that may be ready or under way ahead of the consumer.
    workers
        Background threads; 0: featurize in the consumer's own thread, when it asks.
    threads
        Threads of the core inside one mini-batch; None: the size of its pool.
    pin_memory
        Put each mini-batch into page-locked memory, in the background threads: ``batch.to("cuda",
        non_blocking=True)`` is then one asynchronous copy per array. It needs a GPU.

    Raises
    ------
    ArgumentError
        A value out of its range, or ``pin_memory`` where there is no GPU.

    Examples
    --------
    >>> from recipnet.data import FeatureSpec, Loader, Nearest, embedded
    >>> loader = Loader(embedded().subset("val"), FeatureSpec(edges=Nearest(4)), batch_size=64, shuffle=True, seed=1)
    >>> len(loader), sum(batch.num_crystals for batch in loader)
    (8, 500)
    """

    def __init__(
        self,
        dataset: CrystalDataset,
        spec: FeatureSpec,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        *,
        drop_last: bool = False,
        dtype: torch.dtype = torch.float32,
        prefetch: int = 2,
        workers: int = 1,
        threads: int | None = None,
        pin_memory: bool = False,
    ) -> None:
        self.dataset = dataset
        self.spec = spec
        self.batch_size = _whole("batch_size", batch_size, 1)
        self.shuffle = shuffle
        self.seed = _whole("seed", seed, 0)
        if self.seed >= 2**64:
            raise ArgumentError(f"seed = {seed}: must be below 2**64", name="seed", value=seed)
        self.drop_last = drop_last
        self.dtype = check_dtype(dtype)
        self.prefetch = _whole("prefetch", prefetch, 1)
        self.workers = _whole("workers", workers, 0)
        self.threads = threads
        if pin_memory and not torch.cuda.is_available():
            raise ArgumentError("pin_memory = True: there is no GPU to copy to", name="pin_memory", value=True)
        self.pin_memory = pin_memory
        self._epoch = 0
        self._start = 0
        self._place = (0, 0)

    def __len__(self) -> int:
        """Mini-batches of a whole epoch."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    @property
    def epoch(self) -> int:
        """Epoch of the next iteration."""
        return self._epoch

    @property
    def sampler(self) -> Loader:
        """The loader itself: Lightning calls ``loader.sampler.set_epoch(epoch)`` before each epoch."""
        return self

    def set_epoch(self, epoch: int, start_batch: int | None = None) -> None:
        """Choose the order of the next iteration, and the mini-batch at which it starts (once)."""
        epoch = _whole("epoch", epoch, 0)
        if epoch != self._epoch:
            self._start = 0
        self._epoch = epoch
        if start_batch is not None:
            self._start = _whole("start_batch", start_batch, 0)

    def state_dict(self) -> dict[str, int]:
        """Epoch and number of mini-batches handed out in it."""
        epoch, delivered = self._place
        return {"epoch": epoch, "batch": delivered}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue after the last mini-batch handed out when ``state`` was taken."""
        epoch, batch = int(state["epoch"]), int(state["batch"])
        if batch >= len(self):
            epoch, batch = epoch + 1, 0
        self.set_epoch(epoch, batch)
        self._place = (epoch, batch)

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Indices into the dataset in the order of an epoch, (n,).

        They are sorted by raw words of the counter-based Philox generator, whose stream NumPy guarantees.
        """
        count = len(self.dataset)
        if not self.shuffle:
            return np.arange(count, dtype=np.int64)
        words = np.random.Philox(key=np.array([self.seed, epoch], dtype=np.uint64)).random_raw(count)
        return np.argsort(words, kind="stable")

    def __iter__(self) -> Iterator[TensorBatch]:
        # The order is fixed here; threads start with the first mini-batch, so an unused iterator costs nothing.
        return self._run(self._epoch, self._start)

    def _run(self, epoch: int, start: int) -> Iterator[TensorBatch]:
        self._start = 0
        self._place = (epoch, start)
        order = self.order(epoch)
        steps = range(start, len(self))
        parts = (order[step * self.batch_size : (step + 1) * self.batch_size] for step in steps)
        batches = self._ahead(parts) if self.workers else map(self._make, parts)
        try:
            for step, batch in zip(steps, batches, strict=True):
                self._place = (epoch, step + 1)
                yield batch
        finally:
            if isinstance(batches, _Ahead):
                batches.close()

    def _make(self, indices: npt.NDArray[np.int64]) -> TensorBatch:
        mini = self.dataset.take(indices)
        try:
            batch = collate(mini, self.spec, dtype=self.dtype, threads=self.threads)
            return batch.pin_memory() if self.pin_memory else batch
        except RecipnetError:
            raise
        except Exception as error:
            error.add_note(f"while featurizing the crystals {some(mini.ids)}")
            raise

    def _ahead(self, parts: Iterator[npt.NDArray[np.int64]]) -> _Ahead:
        return _Ahead(self._make, parts, self.workers, self.prefetch)


class _Ahead:
    """``map(function, items)`` in order, computed by threads at most ``depth`` items ahead."""

    def __init__(self, function: Any, items: Iterator[Any], workers: int, depth: int) -> None:
        self._function = function
        self._items = items
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="recipnet-loader")
        self._pending: deque[Future[TensorBatch]] = deque()
        self._submit(depth)

    def _submit(self, count: int) -> None:
        self._pending.extend(self._pool.submit(self._function, item) for item in islice(self._items, count))

    def __iter__(self) -> _Ahead:
        return self

    def __next__(self) -> TensorBatch:
        if not self._pending:
            raise StopIteration
        batch = self._pending[0].result()
        self._pending.popleft()
        self._submit(1)
        return batch

    def close(self) -> None:
        """Cancel what has not begun and wait for the mini-batches under way, milliseconds each."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pending.clear()


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ArgumentError(f"{name} = {value!r}: must be a whole number, at least {least}", name=name, value=value)
    return int(value)
