"""The reader against a corpus of real hard files with expected outcomes.

    python benches/python/cif_corpus.py [FOLDER]

The folder holds the files and an ``index.csv`` with file, class, verdict, confidence, formula, n_images, occ_sum,
volume, block and caution. Writes one row per file to benches/results/cif_corpus.csv: what was expected, what came out,
and whether that is right. An error on a good file is wrong, a disputed file must be refused or warned about.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections import Counter
from pathlib import Path

from _record import versions, write

import recipnet as rn

ROOT = Path(__file__).resolve().parents[2]

#: Files where the expected value is not what this reader gives, each with its reason.
EXPLAINED = {
    "1000451.cif": "the expected value counts a row with the flag dum; such rows are in a warning, not in the crystal",
    "badspacegroup.cif": "the expected value is the bare asymmetric unit; C2:b1 is a tabulated setting and is expanded",
}


def outcome(row: dict[str, str], folder: Path) -> tuple[str, str, str]:
    """Judgement, what came out, and the codes of its warnings."""
    path = folder / row["file"]
    options = {"unknown_element": "X"} if re.search(r"X(?![a-z])", row["formula"]) else {}
    try:
        crystal = rn.read(path, **options)
        if row["block"] and row["n_blocks"] not in ("", "1") and crystal.source.block != row["block"]:
            crystal = rn.read(path, block=row["block"], **options)
    except rn.errors.RecipnetError as error:
        text = str(error).replace(str(folder) + "/", "")
        if row["verdict"] == "structure":
            return "wrong", text, ""
        return ("clear error" if row["file"] in text else "wrong"), text, ""
    codes = " ".join(sorted({warning.code for warning in crystal.warnings}))
    found = f"{crystal.formula}; {len(crystal)} rows"
    if row["verdict"] == "error":
        return "wrong", found, codes
    if row["verdict"] == "disputed":
        return ("right" if codes else "wrong"), found, codes
    amount, volume = float(crystal.occupancies.sum()), crystal.volume
    good = not row["n_images"].isdigit() or len(crystal) == int(row["n_images"])
    good = good and (not row["formula"] or row["formula"].endswith("*") or crystal.reduced_formula == row["formula"])
    good = good and (not row["occ_sum"] or abs(amount - float(row["occ_sum"])) <= 2e-3 * float(row["occ_sum"]))
    good = good and (not row["volume"] or abs(volume - float(row["volume"])) <= 2e-4 * float(row["volume"]) + 2e-3)
    good = good and (not row["caution"] or bool(codes))
    return ("right" if good else "wrong"), found, codes


def main() -> int:
    """Read all, write the table, print the tally."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT.parent / "shared" / "cif-corpus")
    folder = parser.parse_args().folder
    rows: list[dict[str, object]] = []
    tally: Counter[tuple[str, str]] = Counter()
    unexplained = 0
    with (folder / "index.csv").open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            judgement, ours, codes = outcome(row, folder)
            reason = ""
            if judgement == "wrong":
                reason = EXPLAINED.get(row["file"], "")
                judgement = "explained" if reason else "wrong"
                unexplained += not reason
            verdict = f"{row['verdict']} {row['confidence']}"
            tally[verdict, judgement] += 1
            rows.append({
                "file": row["file"],
                "class": row["class"],
                "verdict": verdict,
                "expected": row["formula"] or row["error_class"],
                "judgement": judgement,
                "ours": ours[:300],
                "warnings": codes,
                "reason": reason,
            })  # fmt: skip
    for (verdict, judgement), count in sorted(tally.items()):
        print(f"{verdict}: {count} {judgement}")
    print(write("cif_corpus", rows, versions()))
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
