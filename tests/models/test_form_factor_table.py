"""Interpolated form factors keep within 1e-6 f(0) of the exact ones, in float32 and through the operator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import recipnet as rn
from recipnet.errors import ArgumentError
from recipnet.ops import form_factor_table, structure_factor
from recipnet.ops.form_factors import ERROR
from recipnet.ops.table import interpolate


@pytest.mark.parametrize(("radiation", "stol_max"), [("xray", 0.7), ("xray", 6.0), ("electron", 1.0)])
def test_every_element(radiation, stol_max):
    numbers = list(range(1, 99))
    table = form_factor_table(numbers, stol_max, radiation=radiation)
    assert table.dtype == torch.float32
    assert table.shape[1] < 10_000
    inverse_d = torch.rand(4000, generator=torch.Generator().manual_seed(1)) * 2 * stol_max
    place = inverse_d * ((table.shape[1] - 1) / (2.0 * stol_max))
    exact = rn.form_factors(numbers, inverse_d.double().numpy() / 2, radiation=radiation)
    error = np.abs(interpolate(table, place).T.numpy() - exact) / exact.max(1, keepdims=True)
    assert error.max() < ERROR


def test_the_operator_gives_the_structure_factors():
    crystal = rn.sample("perovskite")
    refl = rn.reflections(crystal, 0.8)
    kinds, species = np.unique(crystal.numbers, return_inverse=True)
    table = form_factor_table(kinds, 0.625)
    found = structure_factor(
        torch.from_numpy(crystal.frac_coords).float(),
        None,
        torch.from_numpy(refl.hkl),
        torch.tensor([0, len(crystal)]),
        torch.tensor([0, len(refl)]),
        species=torch.from_numpy(species),
        table=table,
        stol_max=0.625,
        inverse_d=torch.from_numpy(1 / refl.d_spacing).float(),
    )
    exact = rn.structure_factors(crystal, refl, displacement=False)
    size = rn.form_factors(crystal.numbers, [0.0]).sum()
    assert np.abs(found.numpy() - exact).max() < 2e-6 * size


def test_ions_and_bad_arguments():
    assert abs(form_factor_table([26], 0.5, charges=[3])[0, 0] - 23) < 0.1
    for arguments, text in [(([26], 0.0), "stol_max"), (([26], 7.0), "0 to 6"), (([0], 1.0), "no X")]:
        with pytest.raises(ArgumentError, match=text):
            form_factor_table(*arguments)
    with pytest.raises(ArgumentError, match="dtype"):
        form_factor_table([26], 1.0, dtype=torch.int64)
