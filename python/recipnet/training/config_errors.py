"""Messages for a configuration that does not validate: the key, the value, and the way out."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from recipnet.errors import ConfigError


def known_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Dotted names of every section and key.

    >>> from recipnet.training.config import Config
    >>> "training.lr" in known_keys(Config)
    True
    """
    names: list[str] = []
    for name, field in model.model_fields.items():
        dotted = f"{prefix}{name}"
        names.append(dotted)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names += known_keys(field.annotation, f"{dotted}.")
    return names


def suggest(dotted: str, known: list[str]) -> str | None:
    """The known key that an unknown one most likely stands for, in its own section first."""
    section, _, key = dotted.rpartition(".")
    inside = {name.rpartition(".")[2]: name for name in known if name.rpartition(".")[0] == section}
    anywhere = {name.rpartition(".")[2]: name for name in reversed(known)}
    for candidates in (inside, anywhere):
        near = get_close_matches(key, list(candidates), n=1, cutoff=0.7)
        if near:
            return candidates[near[0]]
    return None


def config_error(error: ValidationError, model: type[BaseModel]) -> ConfigError:
    """One ``ConfigError`` with a line for every problem that pydantic found.

    Parameters
    ----------
    error
        What pydantic raised.
    model
        The model that was validated; its keys are the candidates for suggestions.
    """
    known = known_keys(model)
    lines: list[str] = []
    first_key: str | None = None
    first_value: Any = None
    for problem in error.errors(include_url=False, include_context=False):
        location = [str(part) for part in problem["loc"]]
        key = ".".join(location)
        if problem["type"] == "extra_forbidden":
            near = suggest(key, known)
            section = ".".join(location[:-1])
            place = f" in [{section}]" if section else ""
            way_out = f"did you mean {near}?" if near else "`recipnet-train --print-config` lists all keys"
            lines.append(f"unknown key {location[-1]!r}{place}; {way_out}")
        else:
            message = problem["msg"][:1].lower() + problem["msg"][1:]
            lines.append(f"{key} = {_short(problem['input'])}: {message}")
        if first_key is None:
            first_key, first_value = key, problem["input"]
    return ConfigError("configuration: " + "\n  ".join(lines), key=first_key, value=first_value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
