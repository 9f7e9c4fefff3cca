"""Write tests/fixtures/reflections_cctbx.csv: what cctbx lists for the 530 tabulated settings.

    pip install cctbx-base
    python scripts/build_cctbx_reflections.py

The cell of a setting is a triclinic one, averaged over the group. Columns: its parameters; how many reflections of the
ball are not absent, and their SHA-256 (one line "h k l" each, sorted); how many are unique under the Laue class.
"""

from __future__ import annotations

import csv
import hashlib
from importlib.metadata import version
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[1] / "tests" / "fixtures"
START = (5.1, 6.0, 7.3, 75.0, 85.0, 110.0)
D_MIN = 1.2345


def row(number: str, hall: str) -> dict[str, object]:
    """One setting."""
    from cctbx import miller, sgtbx, uctbx

    group = sgtbx.space_group(hall)
    cell = uctbx.unit_cell([round(value, 6) for value in group.average_unit_cell(uctbx.unit_cell(START)).parameters()])
    ball = miller.index_generator(cell, sgtbx.space_group_info("P 1").type(), True, D_MIN).to_array()
    assert min(abs(cell.d(h) - D_MIN) for h in ball) > 1e-5
    present = sorted(h for h in ball if not group.is_sys_absent(h))
    text = "\n".join(" ".join(map(str, h)) for h in present)
    return {
        "hall_number": number,
        "hall_symbol": hall,
        "cell": " ".join(repr(value) for value in cell.parameters()),
        "present": len(present),
        "unique": len(miller.index_generator(cell, group.type(), False, D_MIN).to_array()),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def main() -> None:
    """The command."""
    with (FIXTURES / "symmetry_basis_r3.csv").open(encoding="utf-8", newline="") as handle:
        rows = [row(known["hall_number"], known["hall_symbol"]) for known in csv.DictReader(handle)]
    path = FIXTURES / "reflections_cctbx.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{path}: {len(rows)} settings, cctbx {version('cctbx-base')}")


if __name__ == "__main__":
    main()
