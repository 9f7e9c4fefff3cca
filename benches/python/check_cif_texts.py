"""Read real CIF texts and compare every one with gemmi, with pymatgen, or with the structure stored beside it.

    python benches/python/check_cif_texts.py [--sample N] [--peer gemmi|pymatgen|table] [TEXTS.jsonl.gz|TABLE.parquet]

By default the 4,020 texts of shared/data; a Parquet file has the texts in its column ``cif``, and ``--peer table``
compares them with its columns lattice, numbers and frac. Compared are lattice (vectors for pymatgen, cell parameters
for gemmi), species and coordinates, for every text. Prints the differences and writes counts and times to
benches/results/cif_texts_PEER.csv (cif_column_PEER.csv for a Parquet file); exit code 1 where one differs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
import warnings
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from _record import median_time, table, versions, write

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = ROOT.parent / "shared" / "data" / "cif_texts.jsonl.gz"
#: Largest accepted differences: angstrom (vectors), fractional (coordinates). Tables hold coordinates as float32.
LATTICE_TOLERANCE = 1e-9
FRAC_TOLERANCE = 1e-9
STORED_FRAC_TOLERANCE = 6.1e-8


def load(path: Path) -> list[tuple[str, str]]:
    """Pairs of id and text."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        columns = pq.read_table(path, columns=["id", "cif"])
        return list(zip(columns["id"].to_pylist(), columns["cif"].to_pylist(), strict=True))
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return [(row["id"], row["cif"]) for row in map(json.loads, handle)]


def stored(path: Path) -> Iterator[tuple[np.ndarray, list[int], np.ndarray]]:
    """Vectors, atomic numbers and coordinates of each row of a table."""
    import pyarrow.parquet as pq

    columns = pq.read_table(path, columns=["lattice", "numbers", "frac"])
    for lattice, numbers, frac in zip(*(columns[name] for name in columns.column_names), strict=True):
        yield np.array(lattice.as_py()).reshape(3, 3), numbers.as_py(), np.array(frac.as_py()).reshape(-1, 3)


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


def difference(
    ours: Any, theirs: tuple[np.ndarray, list[int], np.ndarray], frac_tolerance: float = FRAC_TOLERANCE
) -> str:
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
        if np.abs(delta - np.round(delta)).max() <= frac_tolerance:
            return ""
    # A peer may order atoms by species: compare as sets, each atom with its nearest of the same element.
    for number, place in zip(ours.numbers.tolist(), ours.frac_coords, strict=True):
        delta = coordinates[np.array(numbers) == number] - place
        nearest = np.abs(delta - np.round(delta)).max(axis=1).min()
        if nearest > frac_tolerance:
            return f"an atom of element {number} is {nearest:.2e} from its nearest"
    return ""


def main() -> int:
    """Compare, time, write the row."""
    import recipnet as rn
    from recipnet import _core

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--sample", type=int, default=None, help="every n-th text only")
    parser.add_argument("--peer", choices=["gemmi", "pymatgen", "table"], default="gemmi")
    arguments = parser.parse_args()
    step = arguments.sample or 1
    pairs = load(arguments.texts)[::step]
    batch, report = rn.parse_many([text for _, text in pairs], on_error="collect")
    wrong = []
    tolerance = STORED_FRAC_TOLERANCE if arguments.peer == "table" else FRAC_TOLERANCE
    start = time.perf_counter()
    if arguments.peer == "table":
        theirs = list(islice(stored(arguments.texts), 0, None, step))
    else:
        peer = {"gemmi": with_gemmi, "pymatgen": with_pymatgen}[arguments.peer]
        theirs = [peer(text) for _, text in pairs]
    peer_seconds = time.perf_counter() - start
    for crystal, place in zip(batch, batch.source_index.tolist(), strict=True):
        what = difference(crystal, theirs[place], tolerance)
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
        kind = "column" if arguments.texts.suffix == ".parquet" else "texts"
        peers = ["pyarrow"] if kind == "column" else []
        peers += [] if arguments.peer == "table" else [arguments.peer]
        print("written:", write(f"cif_{kind}_{arguments.peer}", rows, versions(*peers, "numpy")))
    return 1 if wrong or report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
