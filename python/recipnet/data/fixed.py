"""Reflections by a list of indices that every crystal shares: what some published models take."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recipnet import _core
from recipnet.errors import LimitError


def fixed_reflections(
    triples: npt.NDArray[np.int32],
    lattices: npt.NDArray[np.float64],
    real: np.dtype,
    max_reflections: int,
    *,
    reduced: bool = False,
) -> dict[str, np.ndarray]:
    """``hkl``, ``hkl_offsets`` and ``inverse_d`` of the same triples in every cell.

    Parameters
    ----------
    triples : (K, 3)
    lattices : (B, 3, 3)
        Rows a, b, c in angstrom.
    real
        Type of ``inverse_d``; it is computed in double.
    max_reflections
        Largest B K.
    reduced
        The triples are indices in the Niggli-reduced cells; ``hkl`` has those of the given cells.

    Raises
    ------
    LimitError
        Before memory is taken.

    Examples
    --------
    >>> cell = np.diag([2.0, 4.0, 5.0])[None]
    >>> fixed_reflections(np.array([[1, 0, 0], [0, 1, 0]], np.int32), cell, np.dtype(float), 10)["inverse_d"]
    array([0.5 , 0.25])
    """
    count, crystals = len(triples), len(lattices)
    if count * crystals > max_reflections:
        message = (
            f"{crystals} crystals with {count} reflections each are more than max_reflections = {max_reflections}; "
            "take smaller batches"
        )
        raise LimitError(message, name="max_reflections", limit=max_reflections, needed=count * crystals)
    hkl = np.repeat(triples[None], crystals, axis=0)
    if reduced:
        # axes (a' b' c') = (a b c) T and a plane wave is the same wave in both: h' = h T
        axes = np.array([_core.niggli_matrix(lattice.tolist()) for lattice in lattices], dtype=np.float64)
        hkl = np.rint(hkl @ np.linalg.inv(axes.reshape(-1, 3, 3))).astype(np.int32)
    # rows a*, b*, c* are the columns of the inverse
    vectors = hkl.astype(np.float64) @ np.linalg.inv(lattices).transpose(0, 2, 1)
    return {
        "hkl": hkl.reshape(-1, 3),
        "hkl_offsets": np.arange(crystals + 1, dtype=np.int64) * count,
        "inverse_d": np.linalg.norm(vectors, axis=2).reshape(-1).astype(real),
    }
