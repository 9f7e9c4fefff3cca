"""What one broken file in a hundred costs a run over many paths, and that it never stops it.

    python benches/python/broken_paths.py [--count 100000] [--repeats 3] [--folder FOLDER] [--threads 2]

``--count`` paths (hard links to 240 small CIFs, so that a million take little disk) are read by `recipnet.stream`: all
of them good, 1 % of them broken, and broken ones only. Broken are files cut off, empty, folders, binary, named pipes,
dangling links, files that vanish after they were listed, and files without permission to read (left out for root, who
may read them). Checked are the counts, the code of each failure and that it says its path; measured is processor time,
runs interleaved, the least of the repeats. Written to benches/results/broken_paths.csv; exit code 1 where a count is
wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from _record import table, versions, write

import recipnet as rn

#: Codes that a failure of each kind may have.
KINDS = {
    "cut": {"E-LOOP", "E-NO-ATOMS", "E-NO-BLOCK", "E-NO-CELL", "E-NUMBER", "E-UNCLOSED"},
    "empty": {"E-NO-BLOCK"},
    "folder": {"E-FILE"},
    "binary": {"E-BINARY"},
    "pipe": {"E-FILE"},
    "link": {"E-MISSING"},
    "vanished": {"E-MISSING", "E-IO"},
    "no permission": {"E-ACCESS", "E-IO"},
}
TEXT = """data_{n}
_cell_length_a {a:.4f}
_cell_length_b 5.1
_cell_length_c 6.2
_cell_angle_alpha 90
_cell_angle_beta 97.1
_cell_angle_gamma 90
_space_group_name_H-M_alt 'P 1 21/c 1'
loop_
_space_group_symop_operation_xyz
x,y,z
-x,y+1/2,-z+1/2
-x,-y,-z
x,-y+1/2,z+1/2
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Ca1 0.1 0.2 0.3
O1 0.4 0.15 0.77
O2 0.7 0.65 0.07
"""


def place(folder: Path, number: int) -> Path:
    """A thousand paths to a folder."""
    return folder / str(number // 1000) / f"{number}.cif"


def good(folder: Path, count: int) -> list[str]:
    """Paths of good files."""
    base = folder / "base"
    base.mkdir()
    for n in range(240):
        (base / str(n)).write_text(TEXT.format(n=n, a=4 + n / 100))
    for start in range(0, count, 1000):
        (folder / str(start // 1000)).mkdir()
    paths = [str(place(folder, n)) for n in range(count)]
    for n, path in enumerate(paths):
        os.link(base / str(n % 240), path)
    return paths


def broken(folder: Path, count: int) -> tuple[list[str], dict[str, str]]:
    """Paths of broken ones, and the kind of each."""
    kinds = [kind for kind in KINDS if kind != "no permission" or os.geteuid() != 0]
    here = folder / "broken"
    here.mkdir()
    found = {}
    for n in range(count):
        path, kind = here / f"broken{n}.cif", kinds[n % len(kinds)]
        if kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "link":
            path.symlink_to("nowhere")
        elif kind != "vanished":
            text = {"cut": TEXT[: n % 430], "empty": "", "binary": "\x7fELF\0\0\1"}.get(kind, TEXT)
            path.write_text(text)
            if kind == "no permission":
                path.chmod(0)
        found[str(path)] = kind
    return list(found), found


def run(paths: list[str], threads: int | None) -> tuple[float, list[int], list[rn.ReadRecord]]:
    """Processor seconds, counts, and the records of the failures."""
    counts, failures = [0, 0, 0], []
    began = time.process_time()
    for _, report in rn.stream(iter(paths), on_error="collect", threads=threads):
        counts = [a + b for a, b in zip(counts, (report.ok, report.failed, report.skipped), strict=True)]
        failures += report.failures
    return time.process_time() - began, counts, failures


def main() -> int:
    """Make, read, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        few = arguments.count // 100
        whole = good(Path(name), arguments.count)
        bad, kinds = broken(Path(name), few)
        mixed = whole[: arguments.count - few]
        for n, path in enumerate(bad):
            mixed.insert(n * 100 + 37, path)
        kinds_of_runs = {"all good": (whole, 0), "1 % broken": (mixed, few), "broken only": (bad, few)}
        times: dict[str, list[float]] = {what: [] for what in kinds_of_runs}
        for _ in range(arguments.repeats):
            for what, (paths, failed) in kinds_of_runs.items():
                seconds, counts, failures = run(paths, arguments.threads)
                times[what].append(seconds)
                codes = Counter((kinds[record.path or ""], record.code) for record in failures)
                right = counts == [len(paths) - failed, failed, 0]
                right = right and all(code in KINDS[kind] for kind, code in codes)
                right = right and all((record.path or "?") in record.message for record in failures)
                if not right:
                    print(what, counts, codes)
                    return 1
    fastest = {what: min(seconds) for what, seconds in times.items()}
    rows: list[dict[str, object]] = [
        {"run": what, "paths": len(paths), "broken": failed, "processor seconds": round(fastest[what], 3)}
        | {"us per path": round(1e6 * fastest[what] / len(paths), 1)}
        | {"over all good, per path": round(fastest[what] / len(paths) / fastest["all good"] * len(whole), 3)}
        for what, (paths, failed) in kinds_of_runs.items()
    ]
    print(table(rows))
    print("; ".join(f"{count} {kind} {code}" for (kind, code), count in sorted(codes.items())))
    print(write("broken_paths", rows, versions()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
