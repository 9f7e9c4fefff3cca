"""Settings of the whole process, set for as long as a run lasts and put back afterwards."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


def denormals_are_flushed() -> bool:
    """Whether this thread computes with numbers below 1.2e-38 (float32) as zeros."""
    return bool((torch.full((1,), 1e-39) * 1.0).item() == 0.0)


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Compute with denormal numbers as zeros.

    Gaussians of distances underflow to denormals, on which a CPU is many times slower. The setting belongs to the
    thread and to threads that it starts later; so the command line also sets it before the first parallel operation.
    """
    before = denormals_are_flushed()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """Let torch use the form of each operation that gives the same bits every time.

    On a CPU all operations of the models have one. On a GPU torch warns, once, of each that has none.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    deterministic: Any = torch.utils.deterministic  # a module whose one attribute is a property
    fill = deterministic.fill_uninitialized_memory
    if wanted:
        torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
        # filling every fresh tensor costs time and guards only against reading memory that nothing has written
        deterministic.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        deterministic.fill_uninitialized_memory = fill


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's notes about hardware and its own defaults out of the output."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
