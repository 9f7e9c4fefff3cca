"""Read the 4,020 real CIF texts and compare every one with gemmi and with pymatgen.

    python benches/python/check_cif_texts.py [--sample N] [--peer gemmi|pymatgen] [TEXTS.jsonl.gz]

Compared are lattice (vectors for pymatgen, cell parameters for gemmi), species and coordinates, for every text.
Prints the differences and writes counts and times to benches/results/cif_texts_PEER.csv; exit code 1 where one differs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _record import median_time, table, versions, write

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = ROOT.parent / "shared" / "data" / "cif_texts.jsonl.gz"
#: Largest accepted differences: angstrom (vectors), fractional (coordinates).
LATTICE_TOLERANCE = 1e-9
FRAC_TOLERANCE = 1e-9


def load(path: Path) -> list[tuple[str, str]]:
    """Pairs of id and text."""
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return [(row["id"], row["cif"]) for row in map(json.loads, handle)]


def with_gemmi(text: str) -> tuple[np.ndarray, list[int], np.ndarray]:
    """Vectors (from the parameters, c along z), atomic numbers and coordinates as gemmi expands them."""
    import gemmi

    structure = gemmi.make_small_structure_from_block(gemmi.cif.read_string(text).sole_block())
    numbers, coordinates = [], []
    # Listed operations of P 1 files are the identity, so gemmi's sites are all atoms, in file order.
    for site in structure.sites:
        numbers.append(site.element.atomic_number)
        coordinates.append([site.fract.x, site.fract.y, site.fract.z])
    cell = structure.cell
    return parameters_to_rows(*cell.parameters), numbers, np.array(coordinates)


def parameters_to_rows(a: float, b: float, c: float, alpha: float, beta: float, gamma: float) -> np.ndarray:
    """Rows a, b, c by a way other than the core's: Cholesky factor of the metric in reverse order of axes."""
    cosines = [0.0 if angle == 90.0 else np.cos(np.radians(angle)) for angle in (alpha, beta, gamma)]
    metric = np.array(
        [
            [a * a, a * b * cosines[2], a * c * cosines[1]],
            [a * b * cosines[2], b * b, b * c * cosines[0]],
            [a * c * cosines[1], b * c * cosines[0], c * c],
        ]
    )
    # Reversed, c lies along the first axis, b in the plane of the first two; turned round, that is z and yz.
    factor = np.linalg.cholesky(metric[::-1, ::-1])[::-1, ::-1]
    # pymatgen's frame has a in the xz plane: turn around z until the y component of a is zero.
    x, y = factor[0, 0], factor[0, 1]
    radius = np.hypot(x, y)
    turn = np.array([[x / radius, -y / radius, 0.0], [y / radius, x / radius, 0.0], [0.0, 0.0, 1.0]])
    rows = factor @ turn
    return rows if rows[1, 1] > 0 else rows * [1.0, -1.0, 1.0]


def with_pymatgen(text: str) -> tuple[np.ndarray, list[int], np.ndarray]:
    """Vectors, atomic numbers and coordinates as pymatgen reads them."""
    from pymatgen.io.cif import CifParser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Its default would move 0.333333 to 1/3 although no operation asks for it.
        structure = CifParser.from_str(text, frac_tolerance=0).parse_structures(primitive=False)[0]
    return structure.lattice.matrix, list(structure.atomic_numbers), structure.frac_coords


def difference(ours: Any, theirs: tuple[np.ndarray, list[int], np.ndarray]) -> str:
    """What differs, or nothing."""
    rows, numbers, coordinates = theirs
    if np.abs(ours.lattice - rows).max() > LATTICE_TOLERANCE:
        return f"lattice by {np.abs(ours.lattice - rows).max():.2e} angstrom"
    if len(ours.numbers) != len(numbers):
        return f"{len(ours.numbers)} atoms, the peer has {len(numbers)}"
    if sorted(ours.numbers.tolist()) != sorted(numbers):
        return "species"
    if ours.numbers.tolist() == numbers:
        delta = ours.frac_coords - coordinates
        if np.abs(delta - np.round(delta)).max() <= FRAC_TOLERANCE:
            return ""
    # A peer may order atoms by species: compare as sets, each atom with its nearest of the same element.
    for number, place in zip(ours.numbers.tolist(), ours.frac_coords, strict=True):
        delta = coordinates[np.array(numbers) == number] - place
        nearest = np.abs(delta - np.round(delta)).max(axis=1).min()
        if nearest > FRAC_TOLERANCE:
            return f"an atom of element {number} is {nearest:.2e} from its nearest"
    return ""


def main() -> int:
    """Compare, time, write the row."""
    import recipnet as rn
    from recipnet import _core

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--sample", type=int, default=None, help="every n-th text only")
    parser.add_argument("--peer", choices=["gemmi", "pymatgen"], default="gemmi")
    arguments = parser.parse_args()
    pairs = load(arguments.texts)[:: arguments.sample or 1]
    peer = {"gemmi": with_gemmi, "pymatgen": with_pymatgen}[arguments.peer]
    batch, report = rn.parse_many([text for _, text in pairs], on_error="collect")
    wrong = []
    start = time.perf_counter()
    theirs = [peer(text) for _, text in pairs]
    peer_seconds = time.perf_counter() - start
    for crystal, place in zip(batch, batch.source_index.tolist(), strict=True):
        what = difference(crystal, theirs[place])
        if what:
            wrong.append((pairs[place][0], what))
            print(pairs[place][0], what)
    data = [text.encode() for _, text in pairs]
    scale = 1e6 / len(pairs)
    rows: list[dict[str, object]] = []
    for program, threads in (("recipnet, 1 thread", 1), ("recipnet, all threads", None)):
        median, low, high = median_time(partial(_core.read_cifs, data, False, threads=threads), 5)
        rows.append(
            {
                "program": program,
                "texts": len(pairs),
                "read": report.ok,
                "atoms": len(batch.numbers),
                "differ": len(wrong),
                "us per text (median)": round(median * scale, 1),
                "min": round(low * scale, 1),
                "max": round(high * scale, 1),
            }
        )
    once = round(peer_seconds * scale, 1)
    rows.append(
        {"program": f"{arguments.peer}, once", "texts": len(pairs), "read": len(theirs), "differ": ""}
        | {"atoms": sum(len(numbers) for _, numbers, _ in theirs)}
        | {"us per text (median)": once, "min": once, "max": once}
    )
    print(table(rows))
    if arguments.sample is None:
        print("written:", write(f"cif_texts_{arguments.peer}", rows, versions(arguments.peer, "numpy")))
    return 1 if wrong or report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
