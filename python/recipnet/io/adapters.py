"""Crystals of other libraries, both ways. The libraries are imported when a function is called."""

from __future__ import annotations

from typing import Any

import numpy as np

from recipnet._composition import symbols
from recipnet._optional import require
from recipnet.crystal import Crystal
from recipnet.errors import CrystalError

_HYDROGEN = {2: "D", 3: "T"}


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
    if structure.site_properties:
        properties["site_properties"] = {name: list(column) for name, column in structure.site_properties.items()}
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
    )


def to_pymatgen(crystal: Crystal) -> Any:
    """See `Crystal.to_pymatgen`."""
    core = require("pymatgen.core", "to_pymatgen")
    species, coords, labels = [], [], []
    for rows in _sites(crystal):
        contents: dict[Any, float] = {}
        for row in rows:
            name = _symbol(crystal, row)
            charge = None if crystal.charges is None or np.isnan(crystal.charges[row]) else float(crystal.charges[row])
            kind = core.DummySpecies("X", charge) if name == "X" else core.Species(name, charge)
            if charge is None and name != "X":
                kind = core.Element(name)
            contents[kind] = contents.get(kind, 0.0) + float(crystal.occupancies[row])
        species.append(contents)
        coords.append(crystal.frac_coords[rows[0]])
        labels.append(None if crystal.labels is None else crystal.labels[rows[0]])
    properties = dict(crystal.properties)
    site_properties = properties.pop("site_properties", None)
    try:
        return core.Structure(
            core.Lattice(crystal.lattice.copy()),
            species,
            np.array(coords).reshape(-1, 3),
            labels=labels,
            site_properties=site_properties,
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
    charges = atoms.get_initial_charges()[place] if atoms.has("initial_charges") else None
    return Crystal(np.asarray(atoms.cell), numbers, frac[place], occupancies=occupancies, charges=charges, site=place)


def to_ase(crystal: Crystal) -> Any:
    """See `Crystal.to_ase`."""
    ase = require("ase", "to_ase")
    sites = _sites(crystal)
    first = [max(rows, key=lambda row: crystal.occupancies[row]) for rows in sites]
    atoms = ase.Atoms(
        numbers=crystal.numbers[first],
        scaled_positions=crystal.frac_coords[first],
        cell=crystal.lattice,
        pbc=True,
    )
    if crystal.charges is not None:
        atoms.set_initial_charges(np.nan_to_num(crystal.charges[first]))
    if crystal.isotopes[first].any():
        masses = atoms.get_masses()
        known = crystal.isotopes[first] > 0
        masses[known] = crystal.isotopes[first][known]
        atoms.set_masses(masses)
    if not crystal.is_ordered:
        atoms.set_array("spacegroup_kinds", np.arange(len(sites)))
        atoms.info["occupancy"] = {
            str(kind): {symbols()[crystal.numbers[row]]: float(crystal.occupancies[row]) for row in rows}
            for kind, rows in enumerate(sites)
        }
    return atoms


def from_jarvis(atoms: Any) -> Crystal:
    """See `Crystal.from_jarvis`."""
    numbers = [symbols().index(symbol) for symbol in atoms.elements]
    return Crystal(atoms.lattice_mat, numbers, atoms.frac_coords)


def to_jarvis(crystal: Crystal) -> Any:
    """See `Crystal.to_jarvis`."""
    jarvis = require("jarvis.core.atoms", "to_jarvis")
    if not crystal.is_ordered:
        raise CrystalError("jarvis Atoms hold ordered crystals of known elements only", field="occupancies")
    return jarvis.Atoms(
        lattice_mat=crystal.lattice.tolist(),
        coords=crystal.frac_coords.tolist(),
        elements=[symbols()[number] for number in crystal.numbers],
        cartesian=False,
    )


def _sites(crystal: Crystal) -> list[list[int]]:
    """Rows of each site in order; rows that share a number but not a point are sites of their own."""
    sites: dict[Any, list[int]] = {}
    for row, site in enumerate(crystal.site.tolist()):
        sites.setdefault((site, *crystal.frac_coords[row].tolist()), []).append(row)
    return list(sites.values())


def _symbol(crystal: Crystal, row: int) -> str:
    number = int(crystal.numbers[row])
    return _HYDROGEN.get(int(crystal.isotopes[row]), "H") if number == 1 else symbols()[number]


def _by_kind(shared: dict[Any, dict[str, float]], kind: int) -> dict[str, float]:
    return shared.get(str(kind), shared.get(kind, {}))


def _not_periodic(value: Any, expected: str) -> CrystalError:
    return CrystalError(f"expected {expected}, got {type(value).__name__}", field="lattice", value=type(value).__name__)
