"""Powder patterns: lines, profiles, plots, and what is refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import recipnet as rn
from recipnet.errors import ArgumentError, LimitError
from scattering_twin import structure_factors as twin


def test_lines_are_sums_over_the_sphere():
    crystal = rn.sample("quartz")
    pattern = rn.powder_pattern(crystal, wavelength=1.2, two_theta=(10.0, 70.0))
    full = rn.reflections(crystal, 1.2 / (2 * np.sin(np.radians(35.0))), unique="none")
    theta = np.arcsin(1.2 * full.stol)
    lorentz = (1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
    intensity = np.abs(twin(crystal, full.hkl)) ** 2 * lorentz
    expected = np.zeros(len(pattern))
    multiplicity = np.zeros(len(pattern), dtype=int)
    for angle, value in zip(np.degrees(2 * theta), intensity, strict=True):
        line = np.abs(pattern.two_theta - angle).argmin()
        if angle >= 10.0:
            assert abs(pattern.two_theta[line] - angle) < 1e-5
            expected[line] += value
            multiplicity[line] += 1
    np.testing.assert_allclose(pattern.intensity, 100 * expected / expected.max(), atol=1e-9)
    np.testing.assert_array_equal(pattern.multiplicity, multiplicity)
    assert pattern.intensity.max() == 100.0
    np.testing.assert_allclose(2 * pattern.d_spacing * np.sin(np.radians(pattern.two_theta / 2)), 1.2)
    assert (np.diff(pattern.two_theta) > 0).all()


def test_neutrons_have_no_polarisation():
    crystal = rn.sample("halite")
    xray = rn.powder_pattern(crystal, radiation="neutron", displacement=False)
    f = twin(crystal, xray.hkl, radiation="neutron", displacement=False)
    theta = np.radians(xray.two_theta / 2)
    expected = xray.multiplicity * np.abs(f) ** 2 / (np.sin(theta) ** 2 * np.cos(theta))
    # One orbit in each of the first lines.
    np.testing.assert_allclose(xray.intensity[:6], 100 * expected[:6] / expected.max(), atol=1e-9)


def test_batches_are_their_crystals():
    crystals = [rn.sample(name) for name in ("quartz", "silicon", "rutile")] * 30
    together = rn.powder_pattern(crystals)
    assert together.ids[:3] == ["0", "1", "2"]
    for b in (0, 1, 2, 89):
        rows = slice(together.offsets[b], together.offsets[b + 1])
        alone = rn.powder_pattern(crystals[b], threads=1)
        for name in ("two_theta", "intensity", "d_spacing", "hkl", "multiplicity"):
            assert getattr(together, name)[rows].tobytes() == getattr(alone, name).tobytes()
    grid = np.linspace(10, 80, 50)
    assert together.profile(grid)[1].tobytes() == rn.powder_pattern(crystals[1]).profile(grid)[0].tobytes()
    assert len(rn.powder_pattern([])) == 0
    empty = rn.Crystal(np.eye(3) * 4, [], np.zeros((0, 3)))
    assert (rn.powder_pattern(empty).intensity == 0).all()
    single = rn.powder_pattern(crystals[0], dtype=np.float32)
    assert single.intensity.dtype == single.profile(grid).dtype == np.float32


def test_the_object_is_frozen_and_copies():
    pattern = rn.powder_pattern(rn.sample("silicon"))
    with pytest.raises(AttributeError, match="frozen"):
        pattern.intensity = None
    assert pickle.loads(pickle.dumps(pattern)) == pattern == copy.deepcopy(pattern)
    assert "1.54184" in repr(pattern)
    with pytest.raises(TypeError):
        rn.PowderPattern()


def test_profiles():
    pattern = rn.powder_pattern(rn.sample("silicon"), two_theta=(20, 60))
    grid = np.arange(0.0, 90.0, 0.004)
    for eta in (0.0, 1.0):
        profile = pattern.profile(grid, fwhm=0.2, eta=eta)[0]
        # Unit areas: what is missing lies in the tails of the Lorentzians.
        assert abs(profile.sum() * 0.004 / pattern.intensity.sum() - 1) < (1e-9 if eta == 0 else 0.01)
    assert np.array_equal(pattern.profile(grid), pattern.profile(grid, fwhm=0.1))
    # Scherrer: the width of a line is 0.9 lambda / (L cos theta).
    line = pattern.intensity.argmax()
    theta = np.radians(pattern.two_theta[line] / 2)
    width = np.degrees(0.9 * 1.54184 / (150.0 * np.cos(theta)))
    narrow = np.array([pattern.two_theta[line], pattern.two_theta[line] + width / 2])
    top, half = pattern.profile(narrow, size=150.0, eta=0.0)[0]
    assert abs(half / top - 0.5) < 1e-6


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"wavelength": "CuKb"}, "CuKa, MoKa"),
        ({"wavelength": 0.0}, "above 0"),
        ({"two_theta": (10.0, 5.0)}, "first < second"),
        ({"two_theta": 90.0}, "two angles"),
        ({"two_theta": (0.0, 181.0)}, "180"),
        ({"radiation": "light"}, "radiation"),
    ],
)
def test_bad_arguments_are_refused(options, text):
    with pytest.raises(ArgumentError, match=text):
        rn.powder_pattern(rn.sample("silicon"), **options)


def test_bad_profiles_are_refused():
    pattern = rn.powder_pattern(rn.sample("silicon"))
    for options in ({"fwhm": 0.0}, {"size": -1.0}, {"eta": 2.0}, {"fwhm": 0.1, "size": 10.0}):
        with pytest.raises(ArgumentError, match=next(iter(options))):
            pattern.profile([10.0, 20.0], **options)
    for grid in ([[1.0]], ["a"], [np.nan]):
        with pytest.raises(ArgumentError, match="grid"):
            pattern.profile(grid)


def test_too_many_reflections_are_refused_before_memory_is_taken():
    with pytest.raises(LimitError, match="powder lines"):
        rn.powder_pattern(rn.sample("quartz"), max_reflections=100)
    with pytest.raises(ArgumentError, match=r"down to d = 0\.25"):
        rn.powder_pattern(rn.sample("silicon"), wavelength=0.2, radiation="electron")


def test_plots_are_written(tmp_path):
    pytest.importorskip("matplotlib")
    pattern = rn.powder_pattern([rn.sample("quartz"), rn.sample("halite")])
    pattern.plot(tmp_path / "both.png", fwhm=0.3)
    assert (tmp_path / "both.png").read_bytes()[:4] == b"\x89PNG"
    nothing = rn.powder_pattern(rn.Crystal(np.eye(3) * 4, [], np.zeros((0, 3))))
    nothing.plot(tmp_path / "nothing.png", size=100.0)
    with pytest.raises(ArgumentError, match="12 crystals"):
        rn.powder_pattern([rn.sample("halite")] * 13).plot(tmp_path / "many.png")
