"""Everything recipnet refuses, as typed exceptions that carry their values.

All of them are ``ValueError``s, so code that does not care about the kind can catch that.
"""

from __future__ import annotations

from typing import Any


class RecipnetError(ValueError):
    """Base of every error that recipnet raises on purpose.

    Keyword arguments become attributes, so that a report can keep the values apart from the text.
    """

    def __init__(self, message: str = "", **values: Any) -> None:
        super().__init__(message)
        self.message = message
        self.values = values
        for name, value in values.items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.values))


def _rebuild(cls: type[RecipnetError], message: str, values: dict[str, Any]) -> RecipnetError:
    return cls(message, **values)


class ReadError(RecipnetError):
    """A file or text that cannot be read: ``code, path, line, column, block, tag, value, hint``."""

    code: str = ""
    path: str | None = None
    line: int | None = None
    column: int | None = None
    block: str | None = None
    tag: str | None = None
    value: str | None = None
    hint: str | None = None


class CifError(ReadError):
    """A CIF that cannot be read as a crystal."""


class PoscarError(ReadError):
    """A POSCAR or CONTCAR that cannot be read as a crystal."""


class ExtxyzError(ReadError):
    """An extended XYZ text that cannot be read as a crystal."""


class WriteError(RecipnetError):
    """A crystal that a format cannot hold, or a file that cannot be written.

    ``path, format, id, field, crystal, row, value``: ``crystal`` is its place among those given.
    """

    path: str | None = None
    format: str = ""
    id: str | None = None
    field: str | None = None
    crystal: int | None = None
    row: int | None = None
    value: str | None = None


class LossWarning(UserWarning):
    """Something that a crystal carries and that the other side has no place for was left out."""


class ScatteringWarning(UserWarning):
    """An ion without a form factor was taken as the neutral atom."""


class CrystalError(RecipnetError):
    """Arrays that do not describe a crystal: ``field, crystal, row, value``."""

    field: str = ""
    crystal: int | None = None
    row: int | None = None
    value: str | None = None


class SymmetryError(RecipnetError):
    """An operation or symbol of symmetry that is not one, or a crystal without: ``value, crystal``."""

    value: str | None = None
    crystal: int | None = None


class LimitError(RecipnetError):
    """A result that would pass a limit, refused before memory is taken: ``name, limit, needed, crystal``."""

    name: str = ""
    limit: int = 0
    needed: float = 0.0
    crystal: int | None = None


class ArgumentError(RecipnetError):
    """A parameter outside its domain: ``name, value``."""

    name: str = ""
    value: Any = None


class ConfigError(RecipnetError):
    """A run configuration that cannot be used: ``key, value``."""

    key: str | None = None
    value: Any = None


class DataError(RecipnetError):
    """Targets, identifiers or datasets that do not fit: ``path, row, column, id, value``."""

    path: str | None = None
    row: int | None = None
    column: str | None = None
    id: str | None = None
    value: Any = None


class TrainingError(RecipnetError):
    """A fit that cannot go on, such as a loss that is not finite: ``step, epoch, ids``."""

    step: int | None = None
    epoch: int | None = None
    ids: list[str] | None = None


class MissingExtraError(RecipnetError, ImportError):
    """A function whose optional packages are not installed: ``extra``."""

    extra: str = ""

    def __init__(self, message: str = "", **values: Any) -> None:
        RecipnetError.__init__(self, message, **values)
