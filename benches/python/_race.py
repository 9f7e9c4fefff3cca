"""One task, many programs: made ready, compared, timed in turns, and written as rows of a CSV.

recipnet runs a batch of all crystals and a batch of 64, with one thread and with two, and one crystal after the other.
A peer runs crystal by crystal: all of them, or the 64 where it is slow. What each program needs is made ready before
it is timed. A timing is as many calls as fill 20 ms; programs take turns, so that a busy machine slows all alike.

A peer that is not installed, raises or finds something else has a row that says so, and no time.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from _crystals import small, source
from _record import RESULTS, processor

import recipnet as rn

FEW = 64
#: Seconds that a timing takes at least, and a program in all at most.
SHORTEST, LONGEST = 0.02, 4.0
COLUMNS = (
    "task", "data", "program", "call", "threads", "crystals", "size", "us (median)", "min", "max", "runs",
    "times recipnet", "goal", "note", "date", "machine", "versions",
)  # fmt: skip

Call = Callable[[], Any]


@dataclass(frozen=True)
class Peer:
    """A program to compare with: ``make(crystals)`` gives the call that is timed, and returns what it finds.

    ``slow``: runs the 64. ``tolerance``: accepted relative difference of sizes. ``threads``: those that it uses.
    """

    name: str
    package: str
    make: Callable[[Sequence[Any]], Call]
    slow: bool = False
    tolerance: float = 1e-3
    threads: int = 1
    note: str = ""


def options(description: str | None, crystals: int = 500) -> argparse.ArgumentParser:
    """The options that all scripts have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", help="Parquet file of crystals (default: mp_20_partial.parquet, else embedded)")
    parser.add_argument("--crystals", type=int, default=crystals, help=f"how many (default: {crystals})")
    parser.add_argument("--repeats", type=int, default=7, help="timings of each program (default: 7)")
    return parser


def installed(package: str) -> str:
    """Version of a package, empty where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def size_of(found: Any) -> int:
    """How much a program found: a number as it is, else the length."""
    return int(found) if isinstance(found, (int, np.integer)) else len(found)


class Race:
    """The rows of one script. The CSV is begun anew, and written after each task."""

    def __init__(self, name: str, arguments: argparse.Namespace) -> None:
        self.path = RESULTS / f"{name}.csv"
        self.rows: list[dict[str, object]] = []
        self.repeats = arguments.repeats
        self.source = source(arguments.source)
        self.small = small(self.source, arguments.crystals)
        self.few = np.linspace(0, len(self.small) - 1, min(FEW, len(self.small))).astype(int)
        # Memory that a process touches for the first time is slow on virtual machines. One array of 31 MiB is taken
        # and freed, as any real program does: glibc then keeps freed memory, for every program here.
        np.empty(31 << 17)
        self.write()

    def run(
        self,
        task: str,
        ours: Callable[[Any], Callable[[int], Any]],
        peers: Sequence[Peer],
        *,
        goal: float | None,
        crystals: Any = None,
        data: str | None = None,
        agree: Callable[[Any, Any], tuple[bool, str]] | None = None,
        note: str = "",
    ) -> None:
        """Time ``ours(crystals)(threads)`` and its peers.

        ``crystals`` is a `CrystalBatch` or a list; one element is a task of a single call. ``agree(ours, theirs)``
        tells whether a peer's answer is right, and how it differs; without it the sizes are compared. ``note`` is put
        into recipnet's rows. A task may have no goal.
        """
        everything = self.small if crystals is None else crystals
        few = everything if len(everything) <= FEW else pick(everything, self.few)
        singles, few_singles = list(everything), list(few)
        call, call_few = ours(everything), ours(few)
        found, found_few = call(1), call_few(1)
        entries: list[tuple[dict[str, object], Call | None]] = []

        def enter(program: str, how: str, threads: int, count: int, run: Call | None, note: str = "") -> None:
            row = {"program": program, "call": how, "threads": threads, "crystals": count, "note": note}
            entries.append((row, run))

        batches = [(everything, call)] + ([(few, call_few)] if len(few) < len(everything) else [])
        for given, function in batches:
            how = f"batch of {len(given)}" if len(given) > 1 else "one call"
            for threads in (1, 2):
                enter("recipnet", how, threads, len(given), lambda f=function, t=threads: f(t), note)
        if len(singles) > 1:
            alone = [ours(one if isinstance(one, rn.Crystal) else [one]) for one in singles]
            for threads in (1, 2):
                enter("recipnet", "one by one", threads, len(singles), lambda t=threads: [f(t) for f in alone], note)
        for peer in peers:
            given, reference = (few_singles, found_few) if peer.slow else (singles, found)
            how = "one by one" if len(given) > 1 else "one call"
            enter(peer.name, how, peer.threads, len(given), *ready(peer, given, reference, agree))

        times = in_turns([run for _, run in entries], self.repeats)
        base: dict[int, float] = {}
        packages = sorted({peer.package for peer in peers} | {"numpy"})
        common = {
            "date": date.today().isoformat(),
            "machine": processor(),
            "versions": "; ".join(f"{name} {installed(name) or 'not installed'}" for name in ("recipnet", *packages)),
        }
        for (row, _), runs in zip(entries, times, strict=True):
            count = int(str(row["crystals"]))
            row |= {"task": task, "data": data or self.source.name, "goal": "" if goal is None else f"{goal:g}"}
            row["size"] = f"{size_of(found_few if count == len(few) else found) / count:.0f}"
            if isinstance(runs, str):
                row["note"] = runs
            elif runs:
                middle = statistics.median(runs)
                base.setdefault(count, middle)
                for key, value in (("us (median)", middle), ("min", min(runs)), ("max", max(runs))):
                    row[key] = f"{1e6 * value / count:.2f}"
                row |= {"runs": len(runs), "times recipnet": f"{middle / base[count]:.2f}"}
            self.rows.append({key: (row | common).get(key, "") for key in COLUMNS})
        self.write()
        best = min((float(str(r["us (median)"])) for r in self.rows if fair(r, task)), default=math.nan)
        own = float(str(next(r["us (median)"] for r in self.rows if r["task"] == task)))
        wanted = "" if goal is None else f", goal {goal:g}x"
        print(f"{task}: recipnet {own:.1f} us, best peer {best:.1f} us{wanted}", flush=True)
        for row in self.rows:
            if row["task"] == task and row["note"] and row["program"] != "recipnet":
                print(f"    {row['program']}: {row['note']}", flush=True)

    def write(self) -> None:
        """Write the rows so far."""
        RESULTS.mkdir(exist_ok=True)
        with self.path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)


def fair(row: dict[str, object], task: str) -> bool:
    """Whether a row is a peer's time for the task, one thread."""
    own = row["program"] == "recipnet"
    return row["task"] == task and not own and row["threads"] == 1 and bool(row["us (median)"])


def pick(everything: Any, places: np.ndarray) -> Any:
    """Some of a batch or of a list."""
    return everything[places] if isinstance(everything, rn.CrystalBatch) else [everything[i] for i in places]


def ready(
    peer: Peer, crystals: Sequence[Any], found: Any, agree: Callable[[Any, Any], tuple[bool, str]] | None
) -> tuple[Call | None, str]:
    """The peer's call, or none and why; it has run once."""
    try:
        run = peer.make(crystals)
        theirs = run()
        if agree is not None:
            right, difference = agree(found, theirs)
        else:
            a, b = size_of(found), size_of(theirs)
            right, difference = abs(a - b) <= peer.tolerance * a, f"finds {b}, recipnet {a}" if a != b else ""
    except ImportError as error:
        return None, f"not installed: {error}" if not installed(peer.package) else f"cannot be imported: {error}"
    except Exception as error:  # whatever a peer does, the other rows are worth having
        return None, f"raises {type(error).__name__}: {str(error)[:200]}"
    if not right:
        return None, f"another answer: {difference}"
    return run, "; ".join(filter(None, (peer.note, difference)))


def in_turns(calls: Sequence[Call | None], repeats: int) -> list[list[float] | str]:
    """Seconds of one call, ``repeats`` times for each program; fewer, at least three, for slow ones."""
    loops, wanted = [], []
    for call in calls:
        once = 1.0
        if call is not None:
            call()
            began = time.perf_counter()
            call()
            once = time.perf_counter() - began
        loops.append(max(1, math.ceil(SHORTEST / max(once, 1e-9))))
        wanted.append(min(repeats, max(3, int(LONGEST / max(once, 1e-9)))))
    times: list[list[float] | str] = [[] for _ in calls]
    for turn, place in itertools.product(range(max(wanted)), range(len(calls))):
        call, own = calls[place], times[place]
        if call is None or turn >= wanted[place] or isinstance(own, str):
            continue
        try:
            began = time.perf_counter()
            for _ in range(loops[place]):
                call()
            own.append((time.perf_counter() - began) / loops[place])
        except Exception as error:
            times[place] = f"raises {type(error).__name__}: {str(error)[:200]}"
    return times


if __name__ == "__main__":
    sys.exit("a part of the other scripts")
