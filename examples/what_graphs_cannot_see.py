"""Crystals that no network of neighbours can tell apart, and a diffraction stream that can.

python examples/what_graphs_cannot_see.py docs/figures
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

import recipnet as rn
from recipnet.data import collate
from recipnet.models import build

NEAREST = 2.8
"""Distance of neighbours in angstrom."""
RADIUS = 3.8
"""Between the first shell, 12 neighbours at 2.8, and the second at 3.96 angstrom."""

FCC, HCP = "+++", "+-"
PAIRS = {
    1: ("----+-+", "---+--+"),
    2: ("----+--+-++", "----+--++-+"),
    3: ("-----+----+-++", "-----+----++-+"),
    4: ("------+-----++-+++", "------+-----+++-++"),
}
"""Two stackings by depth L: equal counts of all words of 2L signs, and different crystals."""

SIZES: dict[str, dict[str, Any]] = {
    "prdnet": {"channels": 16, "heads": 2, "cutoff": RADIUS, "num_radial": 16, "num_angle_radial": 4},
    "regnet": {"channels": 16, "cutoff": RADIUS, "num_radial": 32},
    "schnet": {"channels": 16, "cutoff": RADIUS},
}
DIFFRACTION = {"d_min": 0.35 * NEAREST, "form_factors": 8, "shells": 48}


def positions(word: str) -> list[int]:
    """Place of each layer, 0 to 2 for A to C: each sign is the step to the layer above."""
    places = np.cumsum([0] + [1 if sign == "+" else -1 for sign in word]) % 3
    assert places[-1] == 0, f"{word}: the steps of a whole cell must add up to a multiple of 3"
    return places[:-1].tolist()


def stacking(word: str, number: int = 29) -> rn.Crystal:
    """Close-packed layers of one element, one atom in each."""
    lattice = NEAREST * np.array([[1, 0, 0], [-0.5, 0.75**0.5, 0], [0, 0, len(word) * (2 / 3) ** 0.5]])
    frac = [[place / 3, 2 * place / 3, layer / len(word)] for layer, place in enumerate(positions(word))]
    return rn.Crystal(lattice, np.full(len(word), number, np.uint8), frac)


def difference(words: tuple[str, str], name: str, seed: int = 0, **options: Any) -> float:
    """Difference of the eight outputs for two stackings by a network with random weights, relative to their size."""
    torch.manual_seed(seed)
    model = build(name, targets=8, **{**SIZES[name], **options}).double().eval()
    with torch.no_grad():
        one, two = model(collate([stacking(word) for word in words], model.spec, dtype=torch.float64))
    return float((one - two).norm() / one.norm())


def table() -> dict[str, Any]:
    """Everything that the figure shows, and what a test looks at."""
    return {
        "distances alone": {
            (name, depth): difference((FCC, HCP), name, **{layers: depth}, **without)
            for name, layers, without in (
                ("schnet", "blocks", {}),
                ("regnet", "blocks", {"reciprocal_blocks": 0}),
                ("prdnet", "layers", {"angles": False, "diffraction": False}),
            )
            for depth in (1, 3)
        },
        "distances and reciprocal": {
            ("regnet", 1): difference((FCC, HCP), "regnet", blocks=1),
            ("prdnet", 1): difference((FCC, HCP), "prdnet", layers=1, angles=False, **DIFFRACTION),
        },
        "angles": {
            (pair, depth): difference(PAIRS[pair], "prdnet", layers=depth, diffraction=False)
            for pair in PAIRS
            for depth in range(1, 6)
        },
        "angles and diffraction": {
            (pair, depth): difference(PAIRS[pair], "prdnet", layers=depth, **DIFFRACTION)
            for pair in PAIRS
            for depth in range(1, 6)
        },
        "regnet": {pair: difference(PAIRS[pair], "regnet", blocks=pair) for pair in PAIRS},
        "regnet without": {pair: difference(PAIRS[pair], "regnet", blocks=pair, reciprocal_blocks=0) for pair in PAIRS},
    }


def spelled(word: str) -> str:
    """The signs apart from each other."""
    return " ".join(word).replace("-", "\N{MINUS SIGN}")


def lines(word: str) -> tuple[np.ndarray, np.ndarray]:
    """1/d of each shell of reflections and its sum of |F/N|^2, to d_min = 0.35 of a neighbour's distance."""
    crystal = stacking(word)
    found = rn.reflections(crystal, d_min=0.35 * NEAREST, unique="none")
    factor = np.exp(2j * np.pi * found.hkl @ crystal.frac_coords.T).mean(1)
    inverse, shell = np.unique((1 / found.d_spacing).round(6), return_inverse=True)
    return inverse, np.bincount(shell, np.abs(factor) ** 2)


def figure(values: dict[str, Any], path: Path) -> None:
    """The stackings, their powder lines, and what the networks make of them."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    fig, (left, middle, right) = plt.subplots(
        1, 3, figsize=(13, 4.2), width_ratios=(0.75, 1.2, 1.3), layout="constrained"
    )
    one, two = PAIRS[1]
    for shift, word, color in ((0.0, one, "C0"), (4.5, two, "C1")):
        places = positions(word)
        for layer, place in enumerate([*places, places[0]]):
            x = shift + np.array([place - 1, place - 1]) * 0.9
            left.scatter(x[:1], [layer], s=260, color=color, edgecolor="k", zorder=2, alpha=1 if layer < 7 else 0.4)
            left.annotate("ABC"[place], (x[0], layer), ha="center", va="center", color="w", zorder=3, fontsize=9)
        steps = [*places, places[0]]
        left.plot(shift + (np.array(steps) - 1) * 0.9, range(len(steps)), color=color, lw=1, zorder=1)
        left.annotate(spelled(word), (shift, -0.9), ha="center")
    left.set(xlim=(-1.8, 6.3), ylim=(-1.4, 7.7), ylabel="layer", title="two stackings")
    left.set_xticks([])
    (x, first), (_, second) = lines(one), lines(two)
    middle.vlines(x, 0, first, color="C0", lw=1.6, label=spelled(one))
    middle.vlines(x, -second, 0, color="C1", lw=1.6, label=spelled(two))
    middle.axhline(0, color="k", lw=0.6)
    middle.set(xlabel="1/d (1/angstrom)", ylabel="sum of |F/N|$^2$, second one downwards", title="powder lines")
    middle.set_xlim(0.2, 1.0)
    middle.legend(frameon=False, loc="upper left")
    for number, pair in enumerate(PAIRS):
        depths = sorted(depth for p, depth in values["angles"] if p == pair)
        for kind, marker, fill in (("angles", "o", "none"), ("angles and diffraction", "s", f"C{number}")):
            y = [max(values[kind][pair, depth], 1e-17) for depth in depths]
            right.plot(
                depths, y, marker=marker, color=f"C{number}", mfc=fill, lw=1, ls=":" if fill == "none" else "-",
                label=f"pair L = {pair}" if fill != "none" else None,
            )  # fmt: skip
    right.axhline(1e-10, color="0.6", lw=0.8, ls="--")
    right.set(
        yscale="log", xlabel="layers of the graph stream", ylabel="relative difference of the outputs",
        title="PRDNet: angles (open), and diffraction (full)", xticks=depths,
    )  # fmt: skip
    right.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.14), columnspacing=1.0)
    fig.savefig(path, dpi=130)
    plt.close(fig)


def main(folder: str) -> None:
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    values = table()
    for kind in ("distances alone", "distances and reciprocal"):
        for (name, depth), value in values[kind].items():
            print(f"fcc / hcp, {kind}, {name} with {depth} layers: {value:.1e}")
    for pair, words in PAIRS.items():
        apart = values["angles"][pair, pair], values["angles and diffraction"][pair, pair]
        print(
            f"{words[0]} / {words[1]}, PRDNet with {pair} layers: angles {apart[0]:.1e}, and diffraction {apart[1]:.1e}"
        )
        more = values["regnet without"][pair], values["regnet"][pair]
        print(f"  ReGNet with {pair} blocks: local {more[0]:.1e}, and reciprocal {more[1]:.1e}")
    figure(values, out / "what-graphs-cannot-see.png")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "figures")
