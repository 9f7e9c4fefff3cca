"""Pictures of a basis: what is refused, and that shapes follow the cell."""

from __future__ import annotations

import numpy as np
import pytest

import recipnet as rn

pytest.importorskip("matplotlib")


def test_slices_and_orbits_are_drawn(tmp_path):
    from recipnet.plot import invariant_functions, orbits

    hexagonal = np.array([[5.0, 0, 0], [-2.5, 5 * 0.75**0.5, 0], [0, 0, 8]])
    basis = rn.fourier_basis("P 3 2 1", radius=2)
    invariant_functions(basis, tmp_path / "a.png", lattice=hexagonal, title="P 3 2 1", points=21)
    invariant_functions(basis, tmp_path / "b.png", functions=[0], at=(0, 0, 0.25), points=5)
    orbits(basis, tmp_path / "c.png", l=1)
    orbits(rn.fourier_basis("I 4_1/a m d", radius=4), tmp_path / "d.png", title="absences")
    for name in "abcd":
        assert (tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("functions", [[], [-1], [99]])
def test_functions_that_are_not_there(functions, tmp_path):
    from recipnet.plot import invariant_functions

    with pytest.raises(rn.errors.ArgumentError, match="counted from 0"):
        invariant_functions(rn.fourier_basis(2, radius=1), tmp_path / "a.png", functions=functions)
    assert not list(tmp_path.iterdir())
