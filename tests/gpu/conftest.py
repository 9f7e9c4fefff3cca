"""What the tests of kernels share."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpu.shim import build


@pytest.fixture(scope="session")
def programs(tmp_path_factory) -> dict[str, Path]:
    """The kernels for CPU threads, by sanitizer."""
    return build(tmp_path_factory.mktemp("shim"))
