"""One Markdown table of the last run: benches/results/table.md, and the same in README.md between two markers.

    python benches/python/readme_table.py [--results FOLDER] [--readme FILE] [--unfinished SCRIPT …]

Tasks come in the order of `SCRIPTS`, from the CSVs that these scripts wrote. A task's best peer is the fastest one on
one thread; the ratio is against recipnet on the same crystals in the same process, one thread.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("neighbors", "reflections", "structure_factors", "against_cctbx", "powder", "cif_to_graph")
BEGIN = "<!-- make bench: begin -->"
END = "<!-- make bench: end -->"
HEAD = ("task", "best peer", "its time", "recipnet, 1 thread", "2 threads", "one by one", "times faster", "goal")

Row = dict[str, str]


def read(results: Path) -> list[list[Row]]:
    """The rows of each script that has a CSV."""
    found = []
    for name in SCRIPTS:
        path = results / f"{name}.csv"
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                found.append([row for row in csv.DictReader(file) if row.get("call")])
    return found


def shown(microseconds: str) -> str:
    """A time in the unit in which it is easily read."""
    value = float(microseconds)
    if value >= 10_000:
        return f"{value / 1000:.1f} ms"
    return f"{value:,.0f} us" if value >= 100 else f"{value:.1f} us"


def factor(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def line(task: str, scripts: Sequence[Sequence[Row]]) -> str:
    """The row of a task. Its peers may stand in more than one script: shown is the one with the fastest."""
    peers: list[tuple[float, list[Row], Row]] = []
    timed: list[Row] = []
    for rows in scripts:
        own = [row for row in rows if row["task"] == task and row["program"] == "recipnet" and row["us (median)"]]
        timed = timed or own
        for row in rows:
            if row["task"] == task and row["program"] != "recipnet" and row["threads"] == "1" and row["us (median)"]:
                peers.append((float(row["us (median)"]), own, row))
    if not timed:
        return f"| {task} |" + " |" * (len(HEAD) - 1)
    time, ours, best = min(peers, key=lambda peer: peer[0]) if peers else (0.0, timed, None)

    def find(call: str, threads: str, crystals: str) -> str:
        found = (r for r in ours if (r["call"], r["threads"], r["crystals"]) == (call, threads, crystals))
        return next((row["us (median)"] for row in found), "")

    # Batches of all crystals come first.
    call, crystals = ours[0]["call"], ours[0]["crystals"]
    own_times = [find(call, "1", crystals), find(call, "2", crystals), find("one by one", "1", crystals)]
    cells = [task, "none was measured", "", *(shown(each) if each else "" for each in own_times), "", ours[0]["goal"]]
    if best is not None:
        same = next(r for r in ours if r["crystals"] == best["crystals"])
        cells[1], cells[2] = best["program"], shown(best["us (median)"])
        cells[6] = factor(time / float(same["us (median)"]))
    return "| " + " | ".join(cells) + " |"


def missing(scripts: Sequence[Sequence[Row]]) -> list[str]:
    """What has no time, and why; each peer and reason once."""
    return list(dict.fromkeys(f"{r['program']}: {r['note']}" for rows in scripts for r in rows if not r["us (median)"]))


def table(scripts: Sequence[Sequence[Row]], unfinished: Sequence[str] = ()) -> str:
    """The table and what is to be known about it."""
    tasks = list(dict.fromkeys(row["task"] for rows in scripts for row in rows))
    lines = ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    lines += [line(task, scripts) for task in tasks]
    everything = [row for rows in scripts for row in rows]
    if everything:
        most = max(everything, key=lambda row: int(row["crystals"]))
        versions = dict.fromkeys(v for row in everything for v in row["versions"].split("; "))
        dates = sorted({row["date"] for row in everything})
        machines = dict.fromkeys(row["machine"] for row in everything)
        lines += [
            "",
            f"Time per crystal, medians; {most['crystals']} crystals of {most['data']}, at most 20 atoms each, where "
            "the task names no others. Slow peers run 64 of them, and are compared with recipnet on the same 64. "
            f"{', '.join(machines)}; {' to '.join(dict.fromkeys((dates[0], dates[-1])))}; {', '.join(versions)}.",
        ]
    absent = missing(scripts) + [f"{name}.py did not finish" for name in unfinished]
    if absent:
        lines += ["", "Not measured:", "", *(f"- {text}" for text in absent)]
    return "\n".join(lines) + "\n"


def put(text: str, page: str) -> str:
    """The page with the text between its two markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{BEGIN} and {END} are not on the page")
    return f"{before}{BEGIN}\n{text}{END}{after}"


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "benches" / "results")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    parser.add_argument("--unfinished", nargs="*", default=[], help="scripts that the table says did not finish")
    arguments = parser.parse_args(given)
    text = table(read(arguments.results), arguments.unfinished)
    (arguments.results / "table.md").write_text(text, encoding="utf-8")
    page = arguments.readme.read_text(encoding="utf-8")
    arguments.readme.write_text(put(text, page), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
