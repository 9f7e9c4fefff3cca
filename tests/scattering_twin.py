"""Structure factors term by term, as the textbook writes them."""

from __future__ import annotations

import numpy as np

import recipnet as rn


def structure_factors(crystal, hkl, radiation="xray", weights=None, displacement=True, anomalous=None):
    """F(h) of one crystal, (M,), with every phase from its own sine and cosine."""
    hkl = np.asarray(hkl, dtype=float)
    reciprocal = np.linalg.inv(crystal.lattice).T
    stol = 0.5 * np.linalg.norm(hkl @ reciprocal, axis=1)
    if weights is None:
        charges = crystal.charges if radiation == "xray" else None
        factors = rn.form_factors(
            crystal.numbers, stol, radiation=radiation, charges=charges, isotopes=crystal.isotopes
        ).astype(complex)
        for number, pair in (anomalous or {}).items():
            factors[crystal.numbers == number] += complex(*pair)
    else:
        factors = np.repeat(np.asarray(weights, dtype=complex)[:, None], len(hkl), 1)
    factors *= crystal.occupancies[:, None]
    if displacement:
        factors *= debye_waller(crystal, hkl, reciprocal, stol)
    turns = crystal.frac_coords @ hkl.T
    turns -= np.round(turns)
    return (factors * np.exp(2j * np.pi * turns)).sum(0)


def debye_waller(crystal, hkl, reciprocal, stol):
    """T (N, M): isotropic from s, anisotropic from the tensor U in Cartesian axes."""
    out = np.ones((len(crystal), len(hkl)))
    lengths = np.linalg.norm(reciprocal, axis=1)
    for atom in range(len(crystal)):
        aniso = None if crystal.u_aniso is None else crystal.u_aniso[atom]
        if aniso is not None and not np.isnan(aniso).any():
            u11, u22, u33, u23, u13, u12 = aniso
            tensor = np.array([[u11, u12, u13], [u12, u22, u23], [u13, u23, u33]])
            scaled = hkl * lengths
            out[atom] = np.exp(-2 * np.pi**2 * np.einsum("mi,ij,mj->m", scaled, tensor, scaled))
        elif crystal.u_iso is not None and not np.isnan(crystal.u_iso[atom]):
            b = 8 * np.pi**2 * crystal.u_iso[atom]
            out[atom] = np.exp(-b * stol**2)
    return out


def cell_of(operations, size=5.0):
    """Some lattice that the rotations keep: the metric is the mean of W^T W."""
    rotations = operations.rotations.astype(float)
    return np.linalg.cholesky(np.einsum("gij,gik->jk", rotations, rotations) / len(rotations)) * size


def general_crystal(operations, seed, atoms=2, size=5.0, **fields):
    """A few atoms in general positions with all their images."""
    generator = np.random.default_rng(seed)
    frac, numbers = [], []
    shifts = operations.translations / operations.denominator
    for number, x in zip((14, 8, 26, 37), generator.random((atoms, 3)), strict=False):
        frac.append(operations.rotations @ x + shifts)
        numbers += [number] * len(operations)
    return rn.Crystal(cell_of(operations, size), numbers, np.concatenate(frac) % 1.0, symmetry=operations, **fields)
