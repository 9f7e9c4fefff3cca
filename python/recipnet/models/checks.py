"""What every model asks of its options."""

from __future__ import annotations

from recipnet.errors import ArgumentError


def at_least(low: int, **options: float) -> None:
    """Refuse options below ``low``.

    Raises
    ------
    ArgumentError
        Names the option and its value.

    Examples
    --------
    >>> at_least(1, channels=64, blocks=0)
    Traceback (most recent call last):
        ...
    recipnet.errors.ArgumentError: blocks = 0: must be at least 1
    """
    for name, value in options.items():
        if value < low:
            raise ArgumentError(f"{name} = {value}: must be at least {low}", name=name, value=value)
