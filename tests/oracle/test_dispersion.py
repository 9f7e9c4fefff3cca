"""f' and f'' at a wavelength against gemmi and against printed tables."""

from __future__ import annotations

import numpy as np
import pytest

from recipnet.wavelengths import dispersion

gemmi = pytest.importorskip("gemmi")

HC = 12398.419843320026


def test_cromer_liberman_to_the_stated_accuracy():
    elements = np.arange(1, 93, dtype=np.uint8)
    for wavelength in (0.4, 0.560868, 0.71073, 0.97, 1.3, 1.54184, 1.79026, 2.291, 2.95):
        found = dispersion(elements, wavelength)
        exact = [gemmi.cromer_liberman(z, HC / wavelength) for z in range(3, 93)]
        np.testing.assert_allclose(found[3:93], exact, atol=0.025)
        assert not found[:3].any()
        assert not found[93:].any()


# International Tables C (1999), tables 4.2.6.8 and 6.1.1.4, as crystallographic programs print them.
PRINTED = {
    (6, "Cu"): (0.0181, 0.0091), (16, "Cu"): (0.3331, 0.5567), (17, "Cu"): (0.3639, 0.7018),
    (26, "Cu"): (-1.1336, 3.1974), (29, "Cu"): (-1.9646, 0.5888), (35, "Cu"): (-0.6763, 1.2805),
    (53, "Cu"): (-0.3257, 6.8362), (26, "Mo"): (0.3463, 0.8444), (29, "Mo"): (0.3201, 1.2651),
    (35, "Mo"): (-0.2901, 2.4595), (53, "Mo"): (-0.4742, 1.8119),
}  # fmt: skip


@pytest.mark.parametrize(("element", "anode"), PRINTED)
def test_printed_values(element, anode):
    found = dispersion(np.array([element], np.uint8), {"Cu": 1.54184, "Mo": 0.71073}[anode])[element]
    # Printed values are of another calculation with the same physics.
    np.testing.assert_allclose(found, PRINTED[element, anode], atol=0.1, rtol=0.02)
