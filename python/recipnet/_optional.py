"""Optional packages: imported when first needed, and named with their extra when they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from recipnet.errors import MissingExtraError

#: Which extra brings a package.
EXTRAS = {
    "ase": "ase",
    "jarvis": "jarvis",
    "lightning": "train",
    "matplotlib": "plot",
    "pyarrow": "parquet",
    "pydantic": "train",
    "pymatgen": "pymatgen",
    "rich": "cli",
    "safetensors": "train",
    "torch": "train",
    "torchmetrics": "train",
    "typer": "cli",
}


def require(module: str, purpose: str) -> ModuleType:
    """Import ``module``, or say which extra brings it.

    Parameters
    ----------
    module : str
        Dotted name, such as ``"pyarrow.parquet"`` or one of recipnet's own modules.
    purpose : str
        What needs it, as the start of the message.

    Raises
    ------
    MissingExtraError
        The module, or a package that it imports, is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = EXTRAS.get(package)
        if extra is None:
            raise
        raise MissingExtraError(f'{purpose} needs {package}: pip install "recipnet[{extra}]"', extra=extra) from error
