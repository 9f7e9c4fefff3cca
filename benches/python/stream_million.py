"""Resident memory while `recipnet.stream` reads a million generated CIF texts, 1 % of them broken.

    python benches/python/stream_million.py [--count 1000000] [--kind jsonl|tar] [--folder FOLDER] [--threads 2]

The texts are written once to FOLDER (a temporary one by default, removed at the end) as one compressed JSONL or tar
file, some 100 bytes of disk a text, and used again where the file of that count is there already. Every hundredth is
broken in one of five ways. Written are the counts, the time and the resident memory every 2 % of the way; the slope is
that of a straight line through all but the first tenth and the last batch.
glibc gives threads arenas of their own, whose fragments add a byte or so a text at first; MALLOC_ARENA_MAX=1 shows what
recipnet itself holds.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from _record import table, versions, write

import recipnet as rn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--count", type=int, default=10**6)
parser.add_argument("--kind", choices=("jsonl", "tar"), default="jsonl")
parser.add_argument("--folder", type=Path)
parser.add_argument("--batch-size", type=int, default=1024)
parser.add_argument("--threads", type=int)
arguments = parser.parse_args()

HEAD = """data_{n}
_symmetry_space_group_name_H-M 'P 1 21/c 1'
_cell_length_a {a:.5f}
_cell_length_b {b:.5f}
_cell_length_c {c:.5f}
_cell_angle_alpha 90
_cell_angle_beta {beta:.4f}
_cell_angle_gamma 90
loop_
_symmetry_equiv_pos_as_xyz
'x, y, z'
'-x, y+1/2, -z+1/2'
'-x, -y, -z'
'x, -y+1/2, z+1/2'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
"""


def text(n: int) -> str:
    """The n-th text; every hundredth is broken."""
    # Digits of a multiplicative generator: cheap, the same everywhere, and different for every text.
    digits = [((n + 1) * (k + 7919) * 2654435761 % 2**32) / 2**32 for k in range(16)]
    whole = HEAD.format(n=n, a=5 + digits[0], b=7 + digits[1], c=9 + digits[2], beta=95 + 10 * digits[3])
    for row, symbol in enumerate(("Ca", "Si", "O", "O")):
        x, y, z = digits[4 + 3 * row : 7 + 3 * row]
        whole += f"{symbol}{row} {symbol} {x / 3 + row / 4 % 0.5:.5f} {y / 5 + row / 5:.5f} {z:.5f} 1.0\n"
    if n % 100 != 50:
        return whole
    return (whole[: len(whole) // 2], "", whole.replace("Ca0 Ca", "Ca0 Qq"), whole + "stray\n", "\x00\x01")[
        n // 100 % 5
    ]


def generate(path: Path) -> None:
    """One file of all texts, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    if arguments.kind == "jsonl":
        with gzip.open(part, "wt", compresslevel=1) as lines:
            for n in range(arguments.count):
                lines.write(json.dumps({"id": str(n), "cif": text(n)}) + "\n")
    else:
        with tarfile.open(part, "w:gz", compresslevel=1) as archive:
            for n in range(arguments.count):
                data = text(n).encode()
                info = tarfile.TarInfo(f"{n // 1000}/{n}.cif")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
                # Otherwise the archive remembers every member.
                archive.members.clear()
    os.replace(part, path)


def resident() -> int:
    """Resident bytes of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(path: Path) -> list[dict[str, object]]:
    """Counts, seconds and resident memory along the way."""
    rows: list[dict[str, object]] = []
    ok = failed = skipped = 0
    began = time.perf_counter()
    step = max(arguments.count // 50, 1)
    stream = rn.stream(path, batch_size=arguments.batch_size, on_error="collect", threads=arguments.threads)
    for _, report in stream:
        ok, failed, skipped = ok + report.ok, failed + report.failed, skipped + report.skipped
        if (ok + failed) // step > len(rows):
            rows.append(
                {
                    "kind": arguments.kind,
                    "given": ok + failed + skipped,
                    "ok": ok,
                    "failed": failed,
                    "seconds": round(time.perf_counter() - began, 2),
                    "arenas": os.environ.get("MALLOC_ARENA_MAX", "default"),
                    "resident_mib": round(resident() / 2**20, 2),
                }
            )
    broken = (arguments.count + 49) // 100
    if (ok, failed, skipped) != (arguments.count - broken, broken, 0):
        raise SystemExit(f"wrong counts: {ok} ok, {failed} failed, {skipped} skipped of {arguments.count}")
    return rows


with tempfile.TemporaryDirectory() as temporary:
    folder = arguments.folder or Path(temporary)
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"texts_{arguments.count}.{'jsonl.gz' if arguments.kind == 'jsonl' else 'tar.gz'}"
    if not source.exists():
        generate(source)
    disk = source.stat().st_size
    found = measure(source)

# With the last batch the reader is gone, and its table of ids with it.
late = found[len(found) // 10 : -1]
given = np.array([row["given"] for row in late], dtype=float)
memory = np.array([row["resident_mib"] for row in late], dtype=float) * 2**20
slope = float(np.polyfit(given, memory, 1)[0])
for row in found:
    row["slope_bytes_per_text"] = round(slope, 2)
print(table(found[:: max(len(found) // 10, 1)]))
print(f"{arguments.count} texts, {disk / 2**20:.0f} MiB of disk")
print(f"slope {slope:.2f} bytes a text, peak {memory.max() / 2**20:.1f} MiB")
print(write("stream_million" if arguments.kind == "jsonl" else "stream_million_tar", found, versions("numpy")))
