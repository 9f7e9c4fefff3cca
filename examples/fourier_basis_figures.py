"""Draw the figures of docs/fourier-basis.md.

python examples/fourier_basis_figures.py docs/figures
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import recipnet as rn
from recipnet.plot import invariant_functions, orbits

HEXAGONAL = np.array([[1.0, 0.0, 0.0], [-0.5, 0.75**0.5, 0.0], [0.0, 0.0, 1.0]])


def main(folder: str) -> None:
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    # The plane group p4gm is P 4 b m without its third direction.
    square = rn.fourier_basis("P 4 b m", radius=4)
    flat = [k for k in range(1, len(square)) if square.representative[k][2] == 0]
    orbits(square, out / "p4gm-orbits.png", title="p4gm: orbits and phases in turns")
    invariant_functions(square, out / "p4gm.png", functions=flat[:8], title="p4gm: the first invariant functions")
    hexagonal = rn.fourier_basis("P 6 m m", radius=4)
    flat = [k for k in range(1, len(hexagonal)) if hexagonal.representative[k][2] == 0]
    invariant_functions(hexagonal, out / "p6mm.png", functions=flat[:8], lattice=HEXAGONAL, title="p6mm")
    cubic = rn.fourier_basis("F m -3 m", radius=5.5)
    invariant_functions(cubic, out / "fm3m-z0.png", functions=range(1, 9), title="F m -3 m, z = 0")
    diagonal = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    invariant_functions(
        cubic, out / "fm3m-110.png", functions=range(1, 9), plane=diagonal, lattice=np.eye(3), points=161,
        title="F m -3 m, the plane through [110] and [001]",
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "figures")
