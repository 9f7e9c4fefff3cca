"""CIF texts to arrays against gemmi: P 1 texts as they are, and symmetric ones expanded.

    python benches/python/read_cifs.py [--texts 2000] [--repeats 11] [--bytes 900 1500]

P 1 texts are those of shared/data/cif_texts.jsonl.gz between two sizes; symmetric texts are written from the same
structures by pymatgen's CifWriter(symprec=0.01), where it finds more than the identity, 16 to 32 atoms in the cell.
Timed is everything from the text to NumPy arrays of cell, elements and coordinates; recipnet also checks contents,
distances and declared symmetry. Atoms are counted first, so that the same work is timed. Times are interleaved, so
that a busy machine slows all programs alike. The last task reads the same symmetric texts from files.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
from _record import table, versions, write
from check_cif_texts import DEFAULT, load
from pymatgen.core import Structure
from pymatgen.io.cif import CifWriter

import recipnet as rn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--texts", type=int, default=2000)
parser.add_argument("--repeats", type=int, default=11)
parser.add_argument("--bytes", type=int, nargs=2, default=(900, 1500))
arguments = parser.parse_args()


def with_gemmi(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cell parameters, atomic numbers and coordinates of all atoms of the cell."""
    structure = gemmi.make_small_structure_from_block(gemmi.cif.read_string(text).sole_block())
    sites = structure.get_all_unit_cell_sites() if len(structure.sites) else []
    numbers = np.array([site.element.atomic_number for site in sites], dtype=np.uint8)
    places = np.array([[site.fract.x, site.fract.y, site.fract.z] for site in sites])
    return np.array(structure.cell.parameters), numbers, places


def symmetric(text: str) -> str | None:
    """The text of the same structure with its symmetry; None where there is none, or another number of atoms."""
    crystal = rn.parse(text)
    if not 16 <= len(crystal) <= 32:
        return None
    structure = Structure(crystal.lattice, crystal.numbers.tolist(), crystal.frac_coords)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = str(CifWriter(structure, symprec=0.01))
    return found if "'P 1'" not in found and "   P1\n" not in found else None


def many(texts: list[str], threads: int) -> int:
    batch, _ = rn.parse_many(texts, threads=threads)
    return len(batch.numbers)


def one_by_one(texts: list[str]) -> int:
    return sum(len(with_gemmi(text)[1]) for text in texts)


def from_files(paths: list[str]) -> int:
    batch, _ = rn.read_many(paths, threads=1)
    return len(batch.numbers)


def bytes_and_texts(paths: list[str]) -> int:
    texts = []
    for path in paths:
        with open(path, "rb") as file:
            texts.append(file.read())
    return many(texts, 1)  # type: ignore[arg-type]


everything = [text for _, text in load(DEFAULT)]
low, high = arguments.bytes
plain = [text for text in everything if low <= len(text) <= high][: arguments.texts]
expanded: list[str] = []
for text in everything:
    other = symmetric(text)
    if other is not None:
        expanded.append(other)
    if len(expanded) >= arguments.texts // 2:
        break

rows: list[dict[str, object]] = []
COPIES = 3  # of the texts in one call: threads are woken once for some milliseconds of work


def measure(task: str, size: int, programs: dict[str, Any], reference: str) -> None:
    """Time the programs in turn, and add a row for each."""
    counts = {name: program() for name, program in programs.items()}
    if len(set(counts.values())) > 1:
        print(f"{task}: numbers of atoms differ: {counts}")
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(arguments.repeats):
        for name, program in programs.items():
            start = time.perf_counter()
            program()
            times[name].append(1e6 * (time.perf_counter() - start) / size)
    base = statistics.median(times[reference])
    for name, all_times in times.items():
        rows.append({
            "task": task,
            "program": name,
            "atoms": counts[name],
            "us per text (median)": f"{statistics.median(all_times):.2f}",
            "min": f"{min(all_times):.2f}",
            "max": f"{max(all_times):.2f}",
            f"times {reference}": f"{statistics.median(all_times) / base:.3f}",
        })  # fmt: skip


ours, two = "recipnet parse_many, 1 thread", "recipnet parse_many, 2 threads"
for task, texts in (("P 1", plain), ("symmetric, expanded", expanded)):
    size = sum(map(len, texts)) / len(texts)
    programs = {ours: partial(many, texts, 1), "gemmi": partial(one_by_one, texts)}
    measure(f"{task}: {len(texts)} texts of {size:.0f} bytes", len(texts), programs, ours)
    copies = texts * COPIES
    programs = {ours: partial(many, copies, 1), two: partial(many, copies, 2)}
    measure(f"{task}: {len(copies)} texts", len(copies), programs, ours)

with tempfile.TemporaryDirectory() as folder:
    paths = []
    for place, text in enumerate(expanded):
        path = Path(folder) / f"{place}.cif"
        path.write_text(text, encoding="utf-8")
        paths.append(str(path))
    programs = {
        ours: partial(bytes_and_texts, paths),
        "recipnet read_many, 1 thread": partial(from_files, paths),
    }
    measure(f"files, warm: {len(paths)}", len(paths), programs, ours)

rows = [{key: row.get(key, "") for key in rows[0]} for row in rows]
print(table(rows))
print(write("read_cifs", rows, versions("gemmi", "pymatgen", "numpy")))
