"""What every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# before torch is imported: idle OpenMP threads that spin for long slow busy cores many times
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "network: needs the network; skipped unless asked for with -m network")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "network" in (config.option.markexpr or ""):
        return
    skip = pytest.mark.skip(reason="needs the network; run with -m network")
    for item in items:
        if item.get_closest_marker("network"):
            item.add_marker(skip)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tiny matrices on busy cores: threads that wait for each other would take most of the time."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)  # training sets it for the whole process


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of large reference data beside the repository; tests that need it are skipped without it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"the reference data folder {folder} is not there")
    return folder


@pytest.fixture(scope="session")
def fixtures_dir() -> Path:
    """Small files that lie beside the tests."""
    return ROOT / "tests" / "fixtures"
