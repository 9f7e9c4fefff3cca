"""``--set section.key=value``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from recipnet.errors import ConfigError


def parse_value(text: str) -> Any:
    """A TOML value, or the text itself where it is none.

    >>> parse_value("3"), parse_value("[1, 2]"), parse_value("my_cifs/")
    (3, [1, 2], 'my_cifs/')
    """
    try:
        # a newline would let one override smuggle in a second key
        return text if "\n" in text or "\r" in text else tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text.strip()


def apply_overrides(tables: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Copy of ``tables`` with each ``a.b=c`` put in.

    Raises
    ------
    ConfigError
        No ``=``, an empty part of a key, or a key below something that is no table.
    """
    result: dict[str, Any] = deepcopy(dict(tables))
    for override in overrides:
        dotted, equals, text = override.partition("=")
        parts = [part.strip() for part in dotted.split(".")]
        if not equals or not all(parts) or len(parts) < 2:
            message = f"--set {override!r}: expected section.key=value, such as training.epochs=50"
            raise ConfigError(message, key=dotted.strip(), value=text)
        table = result
        for part in parts[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise ConfigError(f"--set {override!r}: {part} is a value, not a table", key=dotted, value=text)
        table[parts[-1]] = parse_value(text)
    return result
