"""Entry points of the installed commands."""

from __future__ import annotations

import importlib
import os
import sys

#: Set before torch is imported. OpenMP threads that spin for long take the cores from each other; threads that do not
#: spin at all must be woken for every small operation, which here made a step three times slower. So: some 10 us.
ENVIRONMENT = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "10000", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def _start(module: str) -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        command = importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("typer", "rich"):
            raise
        print(f'{package} is not installed; run: pip install "recipnet[train]"', file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    command.app()


def recipnet() -> None:
    """The command ``recipnet``."""
    _start("recipnet.cli.main_command")


def train() -> None:
    """The command ``recipnet-train``."""
    _start("recipnet.cli.train_command")


def predict() -> None:
    """The command ``recipnet-predict``."""
    _start("recipnet.cli.predict_command")
