"""One sentence for a missing optional package: which extra to install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from recipnet.errors import MissingExtraError


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Turn a missing third-party module into ``pip install "recipnet[extra]"``.

    Parameters
    ----------
    extra
        The extra of the package that brings the modules imported in the block.

    Raises
    ------
    MissingExtraError
        A module that is not recipnet's own is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if isinstance(error, MissingExtraError) or (error.name or "").split(".")[0] in {"", "recipnet"}:
            raise
        message = f'{error.name} is not installed; run: pip install "recipnet[{extra}]"'
        raise MissingExtraError(message, extra=extra, module=error.name) from error
