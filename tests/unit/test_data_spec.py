"""FeatureSpec: values, checks, and the way to JSON and TOML and back."""

from __future__ import annotations

import json
import pickle
import tomllib

import pytest

from recipnet.data import Ball, FeatureSpec, IndexBox, Indices, Nearest, Radius
from recipnet.errors import ArgumentError

SPECS = [
    FeatureSpec(),
    FeatureSpec(edges=Radius(5)),
    FeatureSpec(edges=Nearest(12), reflections=Ball(2.094)),
    FeatureSpec(edges=Nearest(16, shell_tol=0.0), reflections=Ball(1.0)),
    FeatureSpec(reflections=Indices(((1, 0, 0), (0, -1, 2)))),
    FeatureSpec(reflections=IndexBox(2)),
    FeatureSpec(edges=Nearest(4), angles=True),
    FeatureSpec(reflections=IndexBox(5, 300, half=True, reduced=True)),
]


@pytest.mark.parametrize("spec", SPECS)
def test_round_trip(spec: FeatureSpec) -> None:
    assert FeatureSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert json.loads(json.dumps(spec.to_dict())) == spec.to_dict()
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert hash(FeatureSpec.from_dict(spec.to_dict())) == hash(spec)


def test_toml() -> None:
    text = '[edges]\nkind = "nearest"\nk = 12\nedges = "directed"\n[reflections]\nkind = "ball"\nd_min = 2\n'
    assert FeatureSpec.from_dict(tomllib.loads(text)) == FeatureSpec(edges=Nearest(12), reflections=Ball(2.0))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Radius(0), "cutoff"),
        (lambda: Radius(-1.0), "cutoff"),
        (lambda: Radius(float("nan")), "cutoff"),
        (lambda: Radius(float("inf")), "cutoff"),
        (lambda: Radius("5"), "cutoff"),
        (lambda: Radius(True), "cutoff"),
        (lambda: Nearest(0), "k"),
        (lambda: Nearest(1.5), "k"),
        (lambda: Nearest(True), "k"),
        (lambda: Nearest(4, shell_tol=-1e-9), "shell_tol"),
        (lambda: Nearest(4, shell_tol=float("nan")), "shell_tol"),
        (lambda: Nearest(4, edges="both"), "edges"),
        (lambda: Ball(0.0), "d_min"),
        (lambda: Indices(()), "hkl"),
        (lambda: Indices(((0, 0, 0),)), "hkl"),
        (lambda: Indices(((1, 0),)), "hkl"),
        (lambda: Indices(((1, 0, 0.5),)), "hkl"),
        (lambda: Indices(((1, 0, 40000),)), "hkl"),
        (lambda: Indices((1, 0, 0)), "hkl"),
        (lambda: IndexBox(0), "m"),
        (lambda: IndexBox(65), "m"),
        (lambda: IndexBox(5, 0), "n"),
        (lambda: IndexBox(5, True), "n"),
        (lambda: IndexBox(5, half=1), "half"),
        (lambda: IndexBox(5, reduced="no"), "reduced"),
        (lambda: FeatureSpec(edges=5.0), "edges"),
        (lambda: FeatureSpec(reflections=Radius(5.0)), "reflections"),
        (lambda: FeatureSpec(angles=True), "angles"),
        (lambda: FeatureSpec(edges=Radius(3), angles=1), "angles"),
        (lambda: FeatureSpec.from_dict({"angels": True}), "angels"),
        (lambda: FeatureSpec.from_dict({"edges": {"kind": "voronoi"}}), "edges"),
        (lambda: FeatureSpec.from_dict({"edges": 5}), "edges"),
        (lambda: FeatureSpec.from_dict({"edges": {"kind": "radius", "k": 3}}), "edges"),
    ],
)
def test_refused(make: object, name: str) -> None:
    with pytest.raises(ArgumentError, match=name) as caught:
        make()  # type: ignore[operator]
    assert caught.value.name == name


def test_numbers_are_plain() -> None:
    np = pytest.importorskip("numpy")
    spec = FeatureSpec(edges=Nearest(np.int64(12)), reflections=Ball(np.float32(2.0)))
    assert type(spec.edges.k) is int
    assert json.loads(json.dumps(spec.to_dict()))["reflections"]["d_min"] == 2.0


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("m", "n"), [(1, None), (2, 40), (5, 300), (5, 150), (4, None)])
def test_index_box_against_plain_loops(m: int, n: int | None, half: bool) -> None:
    side = range(-m, m + 1)
    cube = [(h, k, l) for h in side for k in side for l in side if (h, k, l) != (0, 0, 0)]  # noqa: E741
    if half:
        cube = [t for t in cube if next(i for i in t if i) > 0]
    cube.sort(key=lambda t: (t[0] ** 2 + t[1] ** 2 + t[2] ** 2, t))
    if n is not None and len(cube) > n:
        cube = cube[:: len(cube) // n][:n]
    got = IndexBox(m, n, half=half).triples()
    assert got.tolist() == [list(t) for t in cube]
    assert len(got) == (n or ((2 * m + 1) ** 3 - 1) // (2 if half else 1))
