"""Powder lines against pymatgen's XRDCalculator.

Differences that are not mistakes, and what the test does about them:

- pymatgen has a fit of its own for the form factor, `Z - 41.78214 s^2 sum a_i exp(-b_i s^2)`; here its table is made
  to give recipnet's values, so that everything else is compared exactly;
- it leaves out lines below 1e-3 of the strongest, and merges those within 1e-5 degrees one by one;
- its CuKa is 1.54184 angstrom, as here.
"""

from __future__ import annotations

import numpy as np
import pytest

import recipnet as rn
from recipnet._core import element_symbols

pytest.importorskip("pymatgen.analysis.diffraction.xrd")
from pymatgen.analysis.diffraction import xrd

NAMES = ["quartz", "silicon", "rutile", "perovskite", "graphite", "halite", "magnesium", "caesium_chloride"]


class Numpy:
    """numpy, but where pymatgen forms `exp(-b_i s^2)` of two coefficients b = Z, 1, the first term is given the value
    that makes its form factor recipnet's; the second has a_i = 0."""

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def exp(value):
        if np.ndim(value) == 2 and value.shape[1] == 2 and np.isrealobj(value):
            s2 = -value[:, 1]
            number = round(float(value[0, 0] / value[0, 1]))
            value = np.zeros_like(value)
            value[:, 0] = (number - rn.form_factors([number], np.sqrt(s2))[0]) / (41.78214 * s2)
            return value
        return np.exp(value)


def pymatgen_lines(crystal, monkeypatch, two_theta):
    table = {symbol: [[1.0, z], [0.0, 1.0]] for z, symbol in enumerate(element_symbols()) if z}
    monkeypatch.setattr(xrd, "ATOMIC_SCATTERING_PARAMS", table)
    monkeypatch.setattr(xrd, "np", Numpy())
    calculator = xrd.XRDCalculator(wavelength="CuKa", symprec=0)
    return calculator.get_pattern(crystal.to_pymatgen(), scaled=True, two_theta_range=two_theta)


@pytest.mark.parametrize("name", NAMES)
def test_lines_agree(name, monkeypatch):
    crystal = rn.sample(name)
    found = rn.powder_pattern(crystal, two_theta=(5.0, 90.0), displacement=False)
    expected = pymatgen_lines(crystal, monkeypatch, (5.0, 90.0))
    strong = found.intensity > 2e-3
    places = np.searchsorted(expected.x, found.two_theta[strong])
    near = np.minimum(
        np.abs(expected.x[np.minimum(places, len(expected.x) - 1)] - found.two_theta[strong]),
        np.abs(expected.x[np.maximum(places - 1, 0)] - found.two_theta[strong]),
    )
    assert near.max() < 1e-4
    for angle, intensity, family in zip(expected.x, expected.y, expected.hkls, strict=True):
        line = np.abs(found.two_theta - angle).argmin()
        assert abs(found.two_theta[line] - angle) < 1e-4
        assert abs(found.intensity[line] - intensity) < 0.1, (name, angle)
        assert found.multiplicity[line] == sum(entry["multiplicity"] for entry in family)


def test_lines_are_near_with_pymatgens_own_table():
    crystal = rn.sample("quartz")
    found = rn.powder_pattern(crystal, displacement=False)
    expected = xrd.XRDCalculator(symprec=0).get_pattern(crystal.to_pymatgen(), two_theta_range=(0, 90))
    for angle, intensity in zip(expected.x, expected.y, strict=True):
        line = np.abs(found.two_theta - angle).argmin()
        assert abs(found.intensity[line] - intensity) < 1.0, angle
