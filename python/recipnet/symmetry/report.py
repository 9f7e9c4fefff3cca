"""What a symmetry search found, as plain values and as lines of text."""

from __future__ import annotations

from typing import Any

import numpy as np

from recipnet import _core
from recipnet.crystal import Crystal
from recipnet.errors import SymmetryError
from recipnet.symmetry.declared import DeclaredSymmetry
from recipnet.symmetry.search import SymmetryResult, find_symmetry
from recipnet.symmetry.space_group import SpaceGroup

__all__ = ["lines", "report"]


def report(crystal: Crystal, symprec: float = 0.01) -> dict[str, Any]:
    """The symmetry of one crystal as values that JSON can hold: found, declared, and whether they agree.

    Parameters
    ----------
    crystal : Crystal
    symprec : float, default 0.01
        As in `find_symmetry`, whose errors this raises.

    Returns
    -------
    dict
        ``number, hm_symbol, hall_number, hall_symbol, point_group, crystal_system, pearson_symbol, symprec, formula,
        orbits, declared, agrees, operations`` (of the standard setting), ``transformation, origin_shift`` and
        ``standard`` (``lattice, symbols, frac_coords, occupancies``). ``agrees`` is None where nothing is declared.
    """
    result = find_symmetry(crystal, symprec)
    group = SpaceGroup.from_hall_number(result.hall_number)
    declared = None if crystal.symmetry is None else _named(crystal.symmetry)
    return {
        "formula": crystal.formula,
        "number": result.number,
        "hm_symbol": result.hm_symbol,
        "hall_number": result.hall_number,
        "hall_symbol": result.hall_symbol,
        "point_group": result.point_group,
        "crystal_system": group.crystal_system,
        "pearson_symbol": result.pearson_symbol,
        "symprec": result.symprec,
        "orbits": _orbits(crystal, result),
        "declared": declared,
        "agrees": None if declared is None or declared["number"] is None else declared["number"] == result.number,
        "operations": group.operations.to_xyz(),
        "transformation": result.transformation.tolist(),
        "origin_shift": result.origin_shift.tolist(),
        "standard": {
            "lattice": result.standard.lattice.tolist(),
            "symbols": _symbols(result.standard),
            "frac_coords": result.standard.frac_coords.tolist(),
            "occupancies": result.standard.occupancies.tolist(),
        },
    }


def lines(found: dict[str, Any], *, operations: bool = False) -> list[str]:
    """A `report` for people.

    Parameters
    ----------
    found : dict
        From `report`.
    operations : bool, default False
        Also list the operations of the standard setting.
    """
    out = [
        f"formula        {found['formula']}",
        f"space group    {found['number']}  {found['hm_symbol']}",
        f"Hall           {found['hall_number']}  {found['hall_symbol']}",
        f"point group    {found['point_group']} ({found['crystal_system']})",
        f"Pearson        {found['pearson_symbol']}",
        f"symprec        {found['symprec']:g} angstrom",
        "",
        "Wyckoff  site symmetry  rows  species, and the first row's place in the given cell",
    ]
    for orbit in found["orbits"]:
        place = " ".join(f"{x:8.5f}" for x in orbit["frac_coords"])
        species = orbit["symbol"] + ("" if orbit["occupancy"] == 1.0 else f" ({orbit['occupancy']:g})")
        out.append(f"{orbit['wyckoff']:<8} {orbit['site_symmetry']:<14} {orbit['rows']:>4}  {species:<10} {place}")
    out.append("")
    declared = found["declared"]
    if declared is None:
        out.append("The file declares no symmetry.")
    else:
        words = [str(declared[name]) for name in ("number", "hm_symbol", "hall_symbol") if declared[name] is not None]
        verdict = {True: "as found", False: "NOT what was found", None: "of no known type"}[found["agrees"]]
        out.append(f"Declared: {', '.join(words) or 'operations only'}: {verdict}.")
    if operations:
        out += ["", f"{len(found['operations'])} operations of the standard setting:", *found["operations"]]
    return out


def _orbits(crystal: Crystal, result: SymmetryResult) -> list[dict[str, Any]]:
    symbols = _symbols(crystal)
    first, counts = np.unique(result.equivalent_atoms, return_counts=True)
    return [
        {
            "wyckoff": f"{result.site_multiplicity[row]}{result.wyckoffs[row]}",
            "site_symmetry": result.site_symmetry[row],
            "rows": count,
            "row": row,
            "symbol": symbols[row],
            "occupancy": float(crystal.occupancies[row]),
            "frac_coords": crystal.frac_coords[row].tolist(),
        }
        for row, count in zip(first.tolist(), counts.tolist(), strict=True)
    ]


def _symbols(crystal: Crystal) -> list[str]:
    table = _core.element_symbols()
    return [table[number] for number in crystal.numbers.tolist()]


def _named(symmetry: DeclaredSymmetry) -> dict[str, Any]:
    """What was declared, and the number that it means: that of the operations, else the number, else a symbol's."""
    number = symmetry.number
    try:
        if symmetry.operations is not None:
            number = SpaceGroup.from_operations(symmetry.operations).number
        elif number is None and symmetry.hall_symbol is not None:
            number = SpaceGroup.from_hall(symmetry.hall_symbol).number
        elif number is None and symmetry.hm_symbol is not None:
            number = SpaceGroup(symmetry.hm_symbol).number
    except SymmetryError:
        pass  # A list that is no group, or a symbol of no table, names no type.
    return {"number": number, "hm_symbol": symmetry.hm_symbol, "hall_symbol": symmetry.hall_symbol}
