"""Crystals of other libraries, both ways. The libraries are imported when a function is called.

What makes the structure goes over or is refused; physical values without a place on the other side are left out with a
`LossWarning`. Declared symmetry, warnings and sources stay behind.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from recipnet._composition import symbols
from recipnet._optional import require
from recipnet.crystal import Crystal
from recipnet.errors import CrystalError, LossWarning

_HYDROGEN = {2: "D", 3: "T"}
#: Per-row values that other libraries hold as properties of sites, under these names.
_DISPLACEMENTS = ("u_iso", "u_aniso")


def from_pymatgen(structure: Any) -> Crystal:
    """See `Crystal.from_pymatgen`."""
    if not all(getattr(getattr(structure, "lattice", None), "pbc", [False])):
        raise _not_periodic(structure, "a pymatgen Structure that is periodic in three directions")
    core = require("pymatgen.core", "from_pymatgen")
    rows: dict[str, list[Any]] = {
        name: [] for name in ("numbers", "coords", "occ", "charges", "isotopes", "labels", "site")
    }
    for place, site in enumerate(structure):
        for species, occupancy in site.species.items():
            # A DummySpecies has no element; D has the symbol H and the name D.
            element = None if isinstance(species, core.DummySpecies) else getattr(species, "element", species)
            symbol = "" if element is None else element.name
            rows["numbers"].append(0 if element is None else element.Z)
            rows["isotopes"].append({"D": 2, "T": 3}.get(symbol, 0))
            rows["coords"].append(site.frac_coords)
            rows["occ"].append(occupancy)
            charge = getattr(species, "oxi_state", None)
            rows["charges"].append(np.nan if charge is None else charge)
            rows["labels"].append(site.label)
            rows["site"].append(place)
    properties = dict(structure.properties)
    site_properties = {name: list(column) for name, column in structure.site_properties.items()}
    displacements = _take_displacements(site_properties, rows["site"])
    if site_properties:
        properties["site_properties"] = site_properties
    return Crystal(
        structure.lattice.matrix,
        rows["numbers"],
        rows["coords"],
        occupancies=rows["occ"],
        charges=rows["charges"],
        isotopes=rows["isotopes"],
        labels=rows["labels"],
        site=rows["site"],
        properties=properties,
        **displacements,
    )


def to_pymatgen(crystal: Crystal) -> Any:
    """See `Crystal.to_pymatgen`."""
    core = require("pymatgen.core", "to_pymatgen")
    sites = _sites(crystal)
    first = [rows[0] for rows in sites]
    species, labels = [], []
    for rows in sites:
        contents: dict[Any, float] = {}
        for row in rows:
            name = _symbol(crystal, row)
            charge = None if crystal.charges is None or np.isnan(crystal.charges[row]) else float(crystal.charges[row])
            kind = core.DummySpecies("X", charge) if name == "X" else core.Species(name, charge)
            if charge is None and name != "X":
                kind = core.Element(name)
            contents[kind] = contents.get(kind, 0.0) + float(crystal.occupancies[row])
        species.append(contents)
        labels.append(None if crystal.labels is None else crystal.labels[rows[0]])
    properties = dict(crystal.properties)
    site_properties = _site_properties(properties.pop("site_properties", None), len(sites))
    _give_displacements(crystal, sites, site_properties)
    kept = np.isin(crystal.isotopes, [0, 2, 3]) & ((crystal.isotopes == 0) | (crystal.numbers == 1))
    _warn_lost("pymatgen", ["isotopes other than D and T"] if not kept.all() else [])
    try:
        return core.Structure(
            core.Lattice(crystal.lattice.copy()),
            species,
            crystal.frac_coords[first].reshape(-1, 3),
            labels=labels,
            site_properties=site_properties or None,
            properties=properties,
        )
    except ValueError as error:
        raise CrystalError(f"pymatgen does not take this crystal: {error}", field="occupancies") from None


def from_ase(atoms: Any) -> Crystal:
    """See `Crystal.from_ase`."""
    if not all(getattr(atoms, "pbc", [False])):
        raise _not_periodic(atoms, "ASE Atoms with pbc = True in three directions")
    frac = np.linalg.solve(np.asarray(atoms.cell.T), atoms.positions.T).T if atoms.cell.rank == 3 else atoms.positions
    kinds = atoms.arrays.get("spacegroup_kinds")
    shared = atoms.info.get("occupancy")
    numbers, place, occupancies = [], [], []
    for row, number in enumerate(atoms.numbers.tolist()):
        # ASE's way of mixed sites: info["occupancy"] by the kind of site.
        contents = {} if shared is None or kinds is None else _by_kind(shared, int(kinds[row]))
        for symbol, occupancy in (contents or {symbols()[number]: 1.0}).items():
            numbers.append(symbols().index(symbol))
            place.append(row)
            occupancies.append(occupancy)
    columns: dict[str, Any] = {"charges": None, "isotopes": None, "labels": None}
    if atoms.has("initial_charges"):
        columns["charges"] = atoms.get_initial_charges()[place]
    if atoms.has("isotopes"):
        columns["isotopes"] = np.where(np.array(numbers) == atoms.numbers[place], atoms.arrays["isotopes"][place], 0)
    if atoms.has("labels"):
        columns["labels"] = [str(atoms.arrays["labels"][row]) for row in place]
    known = ("numbers", "positions", "initial_charges", "isotopes", "labels", "masses", "spacegroup_kinds")
    site_properties = {name: column.tolist() for name, column in atoms.arrays.items() if name not in known}
    columns |= _take_displacements(site_properties, place)
    properties = {name: value for name, value in atoms.info.items() if name not in ("occupancy", "spacegroup")}
    if site_properties:
        properties["site_properties"] = site_properties
    return Crystal(
        np.asarray(atoms.cell),
        numbers,
        frac[place],
        occupancies=occupancies,
        site=place,
        properties=properties,
        **columns,
    )


def to_ase(crystal: Crystal) -> Any:
    """See `Crystal.to_ase`."""
    ase = require("ase", "to_ase")
    sites = _sites(crystal)
    first = [max(rows, key=lambda row: crystal.occupancies[row]) for rows in sites]
    properties = dict(crystal.properties)
    site_properties = _site_properties(properties.pop("site_properties", None), len(sites))
    atoms = ase.Atoms(
        numbers=crystal.numbers[first],
        scaled_positions=crystal.frac_coords[first],
        cell=crystal.lattice,
        pbc=True,
        info=properties,
    )
    mixed = any(len(rows) > 1 for rows in sites)
    lost = []
    if crystal.charges is not None:
        atoms.set_initial_charges(np.nan_to_num(crystal.charges[first]))
        if any(len({float(crystal.charges[row]) for row in rows}) > 1 for rows in sites if len(rows) > 1):
            lost.append("charges of the lesser species of mixed sites")
    if crystal.isotopes.any():
        masses = atoms.get_masses()
        known = crystal.isotopes[first] > 0
        masses[known] = crystal.isotopes[first][known]
        atoms.set_masses(masses)
        atoms.set_array("isotopes", crystal.isotopes[first].astype(np.int64))
        if mixed and crystal.isotopes.sum() != crystal.isotopes[first].sum():
            lost.append("isotopes of the lesser species of mixed sites")
    if crystal.labels is not None:
        atoms.set_array("labels", np.array([crystal.labels[row] for row in first]))
    _give_displacements(crystal, [[row] for row in first], site_properties)
    for name, column in site_properties.items():
        values = np.asarray(column)
        if name in atoms.arrays or values.dtype == object:
            lost.append(f"site property {name!r}")
        else:
            atoms.set_array(name, values)
    if not crystal.is_ordered:
        atoms.set_array("spacegroup_kinds", np.arange(len(sites)))
        atoms.info["occupancy"] = {
            str(kind): {symbols()[crystal.numbers[row]]: float(crystal.occupancies[row]) for row in rows}
            for kind, rows in enumerate(sites)
        }
    _warn_lost("ASE", lost)
    return atoms


def from_jarvis(atoms: Any) -> Crystal:
    """See `Crystal.from_jarvis`."""
    isotopes = [{"D": 2, "T": 3}.get(symbol, 0) for symbol in atoms.elements]
    numbers = [1 if mass else symbols().index(symbol) for symbol, mass in zip(atoms.elements, isotopes, strict=True)]
    props = list(getattr(atoms, "props", None) or [])
    # jarvis fills this list with empty texts where nothing was given.
    said = any(value not in ("", None) for value in props)
    properties = {"site_properties": {"props": props}} if said else None
    return Crystal(atoms.lattice_mat, numbers, atoms.frac_coords, isotopes=isotopes, properties=properties)


def to_jarvis(crystal: Crystal) -> Any:
    """See `Crystal.to_jarvis`."""
    jarvis = require("jarvis.core.atoms", "to_jarvis")
    if not crystal.is_ordered:
        raise CrystalError("jarvis Atoms hold ordered crystals of known elements only", field="occupancies")
    properties = dict(crystal.properties)
    site_properties = dict(properties.pop("site_properties", None) or {})
    props = site_properties.pop("props", None)
    lost = [name for name in ("charges", *_DISPLACEMENTS) if getattr(crystal, name) is not None]
    lost += ["isotopes"] if crystal.isotopes.any() else []
    lost += ["properties"] if properties or site_properties else []
    _warn_lost("jarvis", lost)
    return jarvis.Atoms(
        lattice_mat=crystal.lattice.tolist(),
        coords=crystal.frac_coords.tolist(),
        elements=[symbols()[number] for number in crystal.numbers],
        props=list(props) if props is not None else [],
        cartesian=False,
    )


def _sites(crystal: Crystal) -> list[list[int]]:
    """Rows of each site in order; rows that share a number but not a point are sites of their own."""
    sites: dict[Any, list[int]] = {}
    for row, site in enumerate(crystal.site.tolist()):
        sites.setdefault((site, *crystal.frac_coords[row].tolist()), []).append(row)
    return list(sites.values())


def _site_properties(given: Any, count: int) -> dict[str, Any]:
    """Columns with one value per site; others cannot go over and are named."""
    columns = dict(given or {})
    wrong = [name for name, column in columns.items() if len(column) != count]
    if wrong:
        raise CrystalError(
            f"properties: site_properties[{wrong[0]!r}] has {len(columns[wrong[0]])} values for {count} sites; correct "
            "it, or leave it out",
            field="properties",
            value=wrong[0],
        )
    return columns


def _give_displacements(crystal: Crystal, sites: list[list[int]], columns: dict[str, Any]) -> None:
    """U of the sites as properties; where the rows of a site differ, that of the first, with a warning."""
    for name in _DISPLACEMENTS:
        values = getattr(crystal, name)
        if values is None:
            continue
        columns[name] = values[[rows[0] for rows in sites]].tolist()
        for rows in sites:
            if not np.array_equal(values[rows], np.repeat(values[rows[:1]], len(rows), axis=0), equal_nan=True):
                _warn_lost("a library with one value per site", [f"{name} of further species of mixed sites"])
                break


def _take_displacements(columns: dict[str, Any], site: list[int]) -> dict[str, Any]:
    """The reverse: U of the rows, taken out of the properties where they are numbers of the right shape."""
    found: dict[str, Any] = {}
    for name, shape in (("u_iso", ()), ("u_aniso", (6,))):
        if name not in columns:
            continue
        try:
            values = np.array(columns[name], dtype=np.float64)
        except (TypeError, ValueError):
            continue
        if values.shape[1:] == shape and values.ndim == 1 + len(shape):
            del columns[name]
            found[name] = values[site]
    return found


def _warn_lost(library: str, lost: list[str]) -> None:
    if lost:
        warnings.warn(f"{library} has no place for {', '.join(lost)}; left out", LossWarning, stacklevel=4)


def _symbol(crystal: Crystal, row: int) -> str:
    number = int(crystal.numbers[row])
    return _HYDROGEN.get(int(crystal.isotopes[row]), "H") if number == 1 else symbols()[number]


def _by_kind(shared: dict[Any, dict[str, float]], kind: int) -> dict[str, float]:
    return shared.get(str(kind), shared.get(kind, {}))


def _not_periodic(value: Any, expected: str) -> CrystalError:
    return CrystalError(f"expected {expected}, got {type(value).__name__}", field="lattice", value=type(value).__name__)
