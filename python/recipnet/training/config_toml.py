"""A configuration as commented TOML that reads back as itself."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel

from recipnet.training.config import Config

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _text(value: str) -> str:
    def escape(char: str) -> str:
        control = ord(char) < 0x20 or ord(char) == 0x7F
        return _ESCAPES.get(char) or (f"\\u{ord(char):04x}" if control else char)

    return '"' + "".join(escape(char) for char in value) + '"'


def toml_key(key: str) -> str:
    """A key, quoted where it needs it."""
    return key if _BARE.match(key) else _text(key)


def toml_value(value: Any) -> str:
    """One line of TOML for a bool, number, text, list or table.

    >>> toml_value({"kind": "radius", "cutoff": 5.0})
    '{kind = "radius", cutoff = 5.0}'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = repr(value)
        return text if any(mark in text for mark in ".en") else text + ".0"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items()) + "}"
    raise TypeError(f"{type(value).__name__} has no TOML form")


def dump_config(config: Config) -> str:
    """Every key of a configuration, each under a comment that says what it is.

    >>> import tomllib
    >>> tomllib.loads(dump_config(Config())) == Config().model_dump()
    True
    """
    blocks: list[str] = []
    for name, field in Config.model_fields.items():
        section = getattr(config, name)
        assert isinstance(section, BaseModel)
        lines = [f"[{name}]  # {field.description}"]
        for key, item in type(section).model_fields.items():
            lines += [f"# {item.description}", f"{key} = {toml_value(getattr(section, key))}"]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)
