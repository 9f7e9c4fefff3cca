"""Reflections against gemmi: half sphere in scan order, full sorted lists, unique ones under the Laue class.

    python benches/python/reflections.py [--source FILE.parquet] [--crystals 500] [--repeats 7]

gemmi makes indices only, crystal by crystal, from cells and groups that are ready-made. Unique reflections are those
of the conventional cells that the symmetry search finds, absences left out. Sizes are compared first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from _crystals import parameters
from _race import Call, Peer, Race, options

import recipnet as rn


def xyz(crystal: rn.Crystal) -> list[str]:
    """The declared operations; of a crystal of the file (which declares none) the identity."""
    return crystal.symmetry.operations.to_xyz() if crystal.symmetry is not None else ["x,y,z"]


def gemmi(crystals: Sequence[rn.Crystal], d_min: float) -> Call:
    import gemmi

    def group(crystal: rn.Crystal) -> Any:
        return gemmi.find_spacegroup_by_ops(gemmi.GroupOps([gemmi.Op(text) for text in xyz(crystal)]))

    given = [(gemmi.UnitCell(*parameters(crystal)), group(crystal)) for crystal in crystals]
    return lambda: sum(len(gemmi.make_miller_array(cell, own, d_min)) for cell, own in given)


def ours(d_min: float, settings: dict[str, Any], crystals: rn.CrystalBatch) -> Callable[[int], rn.Reflections]:
    return lambda threads: rn.reflections(crystals, d_min, threads=threads, **settings)


def race_all(race: Race, peer: Callable[[float], Peer]) -> None:
    """All tasks, against the peer for each d_min."""
    standard = rn.CrystalBatch.from_crystals([found.standard for found in rn.find_symmetry(race.small)])
    for kind, crystals, settings, goals in (
        ("half sphere, scan order, hkl only", race.small, {"order": "scan"}, (15, 15)),
        ("half sphere, sorted, all arrays", race.small, {}, (4, 3)),
        ("unique, scan order, hkl only", standard, {"order": "scan", "unique": "laue", "absences": "drop"}, (10, 10)),
    ):
        for d_min, goal in zip((0.8, 0.5), goals, strict=True):
            task = f"reflections, {d_min:g} angstrom, {kind}"
            race.run(task, partial(ours, d_min, settings), [peer(d_min)], goal=goal, crystals=crystals)


def main() -> None:
    race = Race("reflections", options(__doc__).parse_args())
    # The two keep cells with rounded parameters apart at the rim in their own ways: sizes differ a little.
    race_all(race, lambda d_min: Peer("gemmi", "gemmi", partial(gemmi, d_min=d_min), tolerance=2e-3))


if __name__ == "__main__":
    main()
