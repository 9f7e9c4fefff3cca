"""Draw the invariant functions of any space group on a slice of the cell.

python examples/invariant_functions.py "F m -3 m" --radius 5 --height 0.0 --output fm3m.png
python examples/invariant_functions.py "P 6 m m" --radius 3 --hexagonal
"""

from __future__ import annotations

import argparse

import numpy as np

import recipnet as rn
from recipnet.plot import invariant_functions

HEXAGONAL = np.array([[1.0, 0.0, 0.0], [-0.5, 0.75**0.5, 0.0], [0.0, 0.0, 1.0]])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Invariant functions of a space group on the slice z = height.")
    parser.add_argument("group", help="Hermann-Mauguin symbol, Hall symbol or number")
    parser.add_argument("--radius", type=float, default=4.0, help="integer ball of the basis (default 4)")
    parser.add_argument("--height", type=float, default=0.0, help="z of the slice (default 0)")
    parser.add_argument("--hexagonal", action="store_true", help="draw the slice with a 120 degree angle")
    parser.add_argument("--output", default="invariant_functions.png", help="a PNG file")
    given = parser.parse_args(arguments)
    group = int(given.group) if given.group.isdigit() else given.group
    basis = rn.fourier_basis(group, radius=given.radius)
    lattice = HEXAGONAL if given.hexagonal else None
    title = f"{given.group}, z = {given.height:g}"
    invariant_functions(basis, given.output, at=(0.0, 0.0, given.height), lattice=lattice, title=title)
    print(f"{basis}: wrote {given.output}")


if __name__ == "__main__":
    main()
