"""Small crystals that ship with the package."""

from __future__ import annotations

import os

from recipnet.crystal import Crystal
from recipnet.errors import ArgumentError
from recipnet.io.read import read

__all__ = ["sample"]

_FOLDER = os.path.join(os.path.dirname(__file__), "samples")


def sample(name: str) -> Crystal:
    """A crystal from the literature, for examples and tests; sources are in ``samples/SOURCE.md``.

    Parameters
    ----------
    name : str
        ``"caesium_chloride"``, ``"copper"``, ``"diamond"``, ``"fluorite"``, ``"graphite"``, ``"halite"``,
        ``"iron"``, ``"magnesium"``, ``"perovskite"``, ``"quartz"``, ``"rutile"``, ``"silicon"``, ``"sphalerite"``
        or ``"wurtzite"``.

    Returns
    -------
    Crystal
        The whole conventional cell, with the declared symmetry.

    Raises
    ------
    ArgumentError
        No such crystal; the error lists those there are.

    Examples
    --------
    >>> import recipnet as rn
    >>> crystal = rn.sample("quartz")
    >>> crystal.formula, crystal.symmetry.number, round(crystal.density, 2)
    ('O6 Si3', 154, 2.65)
    """
    names = sorted(entry.removesuffix(".cif") for entry in os.listdir(_FOLDER) if entry.endswith(".cif"))
    if name not in names:
        raise ArgumentError(
            f"name = {name!r}: there is no such sample; there are {', '.join(names)}", name="name", value=name
        )
    return read(os.path.join(_FOLDER, f"{name}.cif"))
