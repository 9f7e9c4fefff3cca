"""The benchmark scripts start, and the table is made of what they record."""

from __future__ import annotations

import csv
import importlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

BENCHES = Path(__file__).resolve().parents[2] / "benches" / "python"
SCRIPTS = sorted(path for path in BENCHES.glob("*.py") if not path.name.startswith("_"))


@pytest.fixture
def module(monkeypatch):
    """Import a script as the scripts import each other."""
    monkeypatch.syspath_prepend(str(BENCHES))

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


def start(path: Path) -> tuple[str, subprocess.CompletedProcess[str]]:
    command = [sys.executable, str(path), "--help"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
    return path.name, subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


@pytest.mark.slow
def test_every_script_starts():
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, done in pool.map(start, SCRIPTS):
            assert done.returncode == 0, f"{name}\n{done.stderr}"
            assert "usage:" in done.stdout, name


def row(module: ModuleType, task: str, program: str, median: str, **others: object) -> dict[str, object]:
    common = dict.fromkeys(module.COLUMNS, "")
    return common | {
        "task": task, "data": "few.parquet", "program": program, "call": "batch of 500", "threads": 1,
        "crystals": 500, "us (median)": median, "goal": 15, "date": "2026-01-01", "machine": "2 x one",
        "versions": "recipnet 0.1.0; peer 1.0",
    } | others  # fmt: skip


def written(folder: Path, module: ModuleType, name: str, rows: list[dict[str, object]]) -> None:
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, module.COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def recorded(tmp_path, module):
    """Rows as the scripts record them: two tasks in one script, the second also in another."""
    race = module("_race")
    first = [
        row(race, "lists", "recipnet", "10.0"),
        row(race, "lists", "recipnet", "6.0", threads=2),
        row(race, "lists", "recipnet", "8.0", call="batch of 64", crystals=64),
        row(race, "lists", "recipnet", "50.0", call="one by one"),
        row(race, "lists", "quick", "150.0", call="one by one"),
        row(race, "lists", "slow", "400.0", call="one by one", crystals=64),
        row(race, "lists", "quick", "90.0", call="one by one", threads=2),
        row(race, "lists", "absent", "", call="one by one", note="not installed: no module"),
        row(race, "F", "recipnet", "20000.0", call="one call", crystals=1),
        row(race, "F", "third", "30000.0", call="one call", crystals=1),
    ]
    second = [
        row(race, "F", "recipnet", "5000.0", call="one call", crystals=1),
        row(race, "F", "other", "20000.0", call="one call", crystals=1),
    ]
    written(tmp_path, race, "neighbors", first)
    written(tmp_path, race, "against_cctbx", second)
    return tmp_path


def cells(text: str, task: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {task} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_best_peer_is_compared_on_the_same_crystals_in_the_same_process(recorded, module):
    tables = module("readme_table")
    text = tables.table(tables.read(recorded))
    # Two threads of a peer are not its time; its 64 crystals would be compared with recipnet's 64.
    assert cells(text, "lists") == ["lists", "quick", "150 us", "10.0 us", "6.0 us", "50.0 us", "15", "15"]
    # The fastest peer stands in the second script, and is compared with what recipnet took there.
    assert cells(text, "F") == ["F", "other", "20.0 ms", "5,000 us", "", "", "4.0", "15"]
    assert "- absent: not installed: no module" in text
    assert "500 crystals of few.parquet" in text


def test_slow_peers_are_compared_with_the_64(recorded, module):
    tables = module("readme_table")
    scripts = [[r for r in rows if r["program"] != "quick"] for rows in tables.read(recorded)]
    assert cells(tables.table(scripts), "lists")[1:] == ["slow", "400 us", "10.0 us", "6.0 us", "50.0 us", "50", "15"]


def test_what_did_not_run_is_said(recorded, module):
    tables = module("readme_table")
    scripts = [[r for r in rows if r["program"] == "recipnet"] for rows in tables.read(recorded)]
    text = tables.table(scripts, unfinished=["powder"])
    assert cells(text, "lists")[1] == "none was measured"
    assert "- powder.py did not finish" in text
    assert tables.table([]).count("\n") == 2


def test_readme_gets_the_same_table_each_time(recorded, module, tmp_path):
    tables = module("readme_table")
    page = tmp_path / "README.md"
    page.write_text(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n", encoding="utf-8")
    options = ["--results", str(recorded), "--readme", str(page)]
    tables.main(options)
    once = page.read_text(encoding="utf-8")
    assert once.startswith(f"before\n{tables.BEGIN}\n| task |")
    assert once.endswith(f"{tables.END}\nafter\n")
    assert "old" not in once
    assert (recorded / "table.md").read_text(encoding="utf-8") in once
    tables.main(options)
    assert page.read_text(encoding="utf-8") == once
    with pytest.raises(SystemExit, match="not on the page"):
        tables.put("text", "no markers")


def test_readme_has_the_markers(module):
    tables = module("readme_table")
    page = (BENCHES.parents[1] / "README.md").read_text(encoding="utf-8")
    assert page.index(tables.BEGIN) < page.index(tables.END)


def test_a_race_keeps_a_row_for_what_fails(tmp_path, module, monkeypatch):
    race = module("_race")
    monkeypatch.setattr(race, "RESULTS", tmp_path)
    monkeypatch.setattr(race, "SHORTEST", 0.0)
    arguments = race.options("").parse_args(
        ["--crystals", "70", "--repeats", "2", "--source", str(module("_crystals").source())]
    )
    ran = race.Race("trial", arguments)

    def absent(crystals):
        raise ModuleNotFoundError("no module")

    def broken(crystals):
        return lambda: 1 / 0

    def atoms(crystals):
        return lambda: sum(map(len, crystals))

    peers = [
        race.Peer("absent", "no-such-package", absent),
        race.Peer("broken", "numpy", broken),
        race.Peer("other", "numpy", lambda crystals: lambda: 1),
        race.Peer("equal", "numpy", atoms),
        race.Peer("slow", "numpy", atoms, slow=True),
    ]
    ran.run("count", lambda crystals: lambda threads: len(getattr(crystals, "numbers", crystals)), peers, goal=2)
    with (tmp_path / "trial.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(r["call"], r["threads"]) for r in rows if r["program"] == "recipnet"] == [
        ("batch of 70", "1"), ("batch of 70", "2"), ("batch of 64", "1"), ("batch of 64", "2"),
        ("one by one", "1"), ("one by one", "2"),
    ]  # fmt: skip
    notes = {r["program"]: r["note"] for r in rows}
    assert notes["absent"].startswith("not installed")
    assert notes["broken"] == "raises ZeroDivisionError: division by zero"
    assert notes["other"].startswith("another answer: finds 1, recipnet ")
    times = {r["program"]: (r["us (median)"], r["crystals"]) for r in rows}
    assert [times[name][0] for name in ("absent", "broken", "other")] == ["", "", ""]
    assert times["equal"][0]
    assert times["equal"][1] == "70"
    assert times["slow"][0]
    assert times["slow"][1] == "64"
