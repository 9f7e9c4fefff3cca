"""The symmetry-adapted Fourier basis: tables of all 230 groups, and values against the same sums in NumPy.

    python benches/python/fourier_basis.py [--repeats 7] [--points 4000]

A term is one atom times one plane wave that is not absent. The peer is what a user would write: the waves with one
complex exponential each, times the dense routing matrix. Everything on one thread (NumPy's product too, where its BLAS
obeys OMP_NUM_THREADS), and on two for recipnet.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from _record import median_time, table, versions, write

import recipnet as rn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--repeats", type=int, default=7)
parser.add_argument("--points", type=int, default=4000)
arguments = parser.parse_args()
rows: list[dict[str, object]] = []

groups = [rn.SpaceGroup(number).operations for number in range(1, 231)]
calls = 0


def tables() -> None:
    # Another radius each time, or the tables would come from the cache; it is the same ball.
    global calls
    calls += 1
    for operations in groups:
        rn.fourier_basis(operations, radius=5 + 1e-9 * calls)


median, fastest, slowest = median_time(tables, arguments.repeats)
row = {"what": "tables of 230 groups, R = 5", "threads": 1, "unit": "ms", "recipnet": round(median * 1e3, 2)}
rows.append(row | {"fastest": round(fastest * 1e3, 2), "slowest": round(slowest * 1e3, 2), "peer": "", "ratio": ""})

worst = {"complex": 0.0, "real": 0.0}
point = np.random.default_rng(1).random(3)
for hall_number in range(1, 531):
    operations = rn.SpaceGroup.from_hall_number(hall_number).operations
    images = operations.rotations @ point + operations.translations / operations.denominator
    basis = rn.fourier_basis(operations, radius=3)
    for kind in worst:
        change = np.abs(basis.evaluate(images, kind) - basis.evaluate(point, kind)).max()
        worst[kind] = max(worst[kind], float(change))
for kind, value in worst.items():
    row = {"what": f"largest change of a {kind} function under an operation, 530 settings, R = 3", "threads": 1}
    rows.append(row | {"unit": "", "recipnet": f"{value:.1e}", "fastest": "", "slowest": "", "peer": "", "ratio": ""})

points = np.random.default_rng(0).random((arguments.points, 3))
for symbol, radius in (("P 1", 5), ("P 4_1 2_1 2", 5), ("F m -3 m", 5), ("F m -3 m", 20), ("I a -3 d", 20)):
    basis = rn.fourier_basis(symbol, radius=radius)
    terms = len(points) * len(basis.hkl)
    matrix = basis.matrix().T

    def peer(basis: rn.FourierBasis = basis, matrix: np.ndarray = matrix) -> np.ndarray:
        return np.exp(2j * np.pi * (points @ basis.hkl.T)) @ matrix

    assert np.allclose(peer(), basis.evaluate(points), atol=1e-10)
    other = median_time(peer, 3)[0]
    for kind, dtype, threads in (
        ("complex", np.float64, 1), ("real", np.float64, 1), ("real", np.float32, 1), ("real", np.float32, 2),
    ):  # fmt: skip
        median, fastest, slowest = median_time(
            lambda kind=kind, dtype=dtype, threads=threads, basis=basis: basis.evaluate(points, kind, dtype, threads),
            arguments.repeats,
        )
        row = {"what": f"{symbol}, R = {radius}, {kind}, {np.dtype(dtype).name}", "threads": threads}
        row |= {"unit": "1e8 terms/s", "recipnet": round(terms / median / 1e8, 2)}
        row |= {"fastest": round(terms / fastest / 1e8, 2), "slowest": round(terms / slowest / 1e8, 2)}
        rows.append(row | {"peer": round(terms / other / 1e8, 3), "ratio": round(other / median, 1)})

print(table(rows))
print(write("fourier_basis", rows, versions("numpy")))
