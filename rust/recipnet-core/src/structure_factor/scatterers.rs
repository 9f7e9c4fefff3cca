//! Atoms as scatterers: what each contributes, and which atoms contribute alike.

use std::f64::consts::PI;
use std::ops::Range;

use crate::batch::check_offsets;
use crate::error::{ArgumentError, Error, Result};
use crate::form_factor::{self, Factor, Missing, Radiation};
use crate::lattice::Lattice;
use crate::math::{Vec3, norm};
use crate::scratch::holds;

/// A kind of atom: `f(s) + f' + i f''`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Species {
    /// Form factor or scattering length.
    pub factor: Factor,
    /// `f'` and `f''`, the same for every s.
    pub dispersion: [f64; 2],
}

/// Borrowed atoms of B crystals.
#[derive(Debug, Clone, Copy)]
pub struct Scatterers<'a> {
    /// Cells (B).
    pub lattices: &'a [Lattice],
    /// Fractional coordinates (N).
    pub frac: &'a [Vec3],
    /// Rows of crystal b are `offsets[b]..offsets[b + 1]`.
    pub offsets: &'a [i64],
    /// What multiplies a species' factor: occupancies (N).
    pub amplitudes: &'a [f64],
    /// Which species (N).
    pub kinds: &'a [u32],
    /// The species.
    pub species: &'a [Species],
    /// Isotropic displacements U in square angstrom (N); NaN where there is none.
    pub u_iso: Option<&'a [f64]>,
    /// U11, U22, U33, U23, U13, U12 on the axes of International Tables (N); NaN where there is none. They win over
    /// `u_iso`.
    pub u_aniso: Option<&'a [[f64; 6]]>,
    /// Largest s for which the factors hold.
    pub max_stol: f64,
}

impl Scatterers<'_> {
    /// Refuse arrays that do not fit.
    pub(crate) fn check(&self) -> Result<()> {
        let atoms = self.frac.len();
        check_offsets("offsets", self.offsets, self.lattices.len(), atoms)?;
        for (name, length) in [
            ("amplitudes", self.amplitudes.len()),
            ("kinds", self.kinds.len()),
            ("u_iso", self.u_iso.map_or(atoms, <[f64]>::len)),
            ("u_aniso", self.u_aniso.map_or(atoms, <[[f64; 6]]>::len)),
        ] {
            super::ragged::check_length(name, length, atoms, "one for each atom")?;
        }
        let refuse =
            |name, value: String, message: String| Err(Error::Argument(ArgumentError { name, value, message }));
        if let Some(row) = self.kinds.iter().position(|&k| k as usize >= self.species.len()) {
            let message = format!("below {} are needed, row {row} is not", self.species.len());
            return refuse("kinds", self.kinds[row].to_string(), message);
        }
        if let Some(row) = self.frac.iter().position(|x| !x.iter().all(|v| v.is_finite())) {
            let value = format!("{:?}", self.frac[row]);
            return refuse("frac", value, format!("coordinates must be finite, row {row} is not"));
        }
        if let Some(row) = self.amplitudes.iter().position(|w| !w.is_finite()) {
            let value = self.amplitudes[row].to_string();
            return refuse("weights", value, format!("must be finite, row {row} is not"));
        }
        Ok(())
    }
}

/// How far atoms are smeared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Displacement {
    None,
    /// `T = exp(-x s^2)` with `x = 8 pi^2 U`.
    Isotropic(f64),
    /// `T = exp(-sum x_ij h_i h_j)` over hh, kk, ll, kl, hl, hk.
    Anisotropic([f64; 6]),
}

/// Atoms of one species and one displacement.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    pub species: u32,
    pub displacement: Displacement,
}

/// The atoms of one crystal, those of a kind together.
#[derive(Default)]
pub(super) struct Grouped {
    pub kinds: Vec<Kind>,
    pub ranges: Vec<Range<usize>>,
    pub frac: Vec<Vec3>,
    pub amplitudes: Vec<f64>,
    order: Vec<(u32, u64, u32)>,
}

holds!(Grouped: kinds, ranges, frac, amplitudes, order);

impl Grouped {
    /// Sort the atoms of crystal `b`; `stands_for` says for how many atoms each one stands, and 0 leaves it out.
    pub fn set(&mut self, all: &Scatterers, b: usize, stands_for: Option<&[f64]>) {
        let atoms = all.offsets[b] as usize..all.offsets[b + 1] as usize;
        let aniso = |j: usize| all.u_aniso.map(|u| u[j]).filter(|u| !u.iter().any(|v| v.is_nan()));
        let iso = |j: usize| all.u_iso.map_or(0.0, |u| if u[j].is_nan() { 0.0 } else { u[j] });
        let count = |j: usize| stands_for.map_or(1.0, |counts| counts[j - atoms.start]);
        self.order.clear();
        self.order.extend(atoms.clone().filter(|&j| count(j) > 0.0).map(|j| {
            // Each anisotropic atom is a kind: no value of U has this bit pattern plus its row.
            let shape = match aniso(j) {
                Some(_) => u64::MAX - j as u64,
                None => (iso(j) + 0.0).to_bits(),
            };
            (all.kinds[j], shape, j as u32)
        }));
        self.order.sort_unstable();
        self.kinds.clear();
        self.ranges.clear();
        self.frac.clear();
        self.amplitudes.clear();
        let lengths = all.lattices[b].reciprocal().map(norm);
        let mut last = None;
        for (place, &(species, shape, j)) in self.order.iter().enumerate() {
            let j = j as usize;
            if last != Some((species, shape)) {
                last = Some((species, shape));
                let displacement = match (aniso(j), iso(j)) {
                    (Some(u), _) => Displacement::Anisotropic(anisotropic(u, lengths)),
                    (None, 0.0) => Displacement::None,
                    (None, u) => Displacement::Isotropic(8.0 * PI * PI * u),
                };
                self.kinds.push(Kind { species, displacement });
                self.ranges.push(place..place);
            }
            if let Some(range) = self.ranges.last_mut() {
                range.end = place + 1;
            }
            self.frac.push(all.frac[j]);
            self.amplitudes.push(count(j) * all.amplitudes[j]);
        }
    }
}

/// `T = exp(-2 pi^2 sum U_ij a*_i a*_j h_i h_j)`, International Tables D (2003) 1.9, equation 1.9.2.3.
fn anisotropic(u: [f64; 6], lengths: Vec3) -> [f64; 6] {
    let mut out = [0.0; 6];
    for (to, (value, (i, j))) in out
        .iter_mut()
        .zip(u.into_iter().zip([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]))
    {
        let twice = if i == j { 1.0 } else { 2.0 };
        *to = twice * 2.0 * PI * PI * value * lengths[i] * lengths[j];
    }
    out
}

/// What the atoms of a batch are.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    /// Which species each atom is.
    pub kinds: Vec<u32>,
    /// The species.
    pub species: Vec<Species>,
    /// Ions that the table does not have, with what it has: the neutral atom stands for them.
    pub replaced: Vec<String>,
}

/// Find the species of a batch; `dispersion` holds f', f'' by atomic number, or nothing.
///
/// An ion that the table does not have is taken as the neutral atom and listed.
///
/// # Errors
/// `ArgumentError` for an atom or an isotope that the table does not have.
pub fn resolve(
    radiation: Radiation,
    numbers: &[u8],
    charges: Option<&[f64]>,
    isotopes: Option<&[u16]>,
    dispersion: &[[f64; 2]],
) -> Result<Resolved> {
    let mut out = Resolved::default();
    let mut known: Vec<(u8, u64, u16)> = Vec::new();
    let mut neutral = [u32::MAX; 256];
    for (row, &number) in numbers.iter().enumerate() {
        let charge = match charges {
            Some(q) if radiation == Radiation::Xray && !q[row].is_nan() => q[row] + 0.0,
            _ => 0.0,
        };
        let isotope = isotopes.map_or(0, |mass| if radiation == Radiation::Neutron { mass[row] } else { 0 });
        let plain = charge == 0.0 && isotope == 0;
        if plain && neutral[usize::from(number)] != u32::MAX {
            out.kinds.push(neutral[usize::from(number)]);
            continue;
        }
        let key = (number, charge.to_bits(), isotope);
        let kind = if let Some(kind) = known.iter().position(|&k| k == key) {
            kind
        } else {
            let found = match Factor::find(radiation, number, charge, isotope) {
                Err(missing @ Missing::Ion(_)) => {
                    out.replaced
                        .push(form_factor::explain(radiation, number, charge, isotope, &missing));
                    Factor::find(radiation, number, 0.0, isotope)
                }
                found => found,
            };
            let factor = found.map_err(|missing| {
                Error::Argument(ArgumentError {
                    name: "numbers",
                    value: number.to_string(),
                    message: format!(
                        "row {row}: {}",
                        form_factor::explain(radiation, number, charge, isotope, &missing)
                    ),
                })
            })?;
            let dispersion = dispersion.get(usize::from(number)).copied().unwrap_or_default();
            out.species.push(Species { factor, dispersion });
            known.push(key);
            known.len() - 1
        };
        if plain {
            neutral[usize::from(number)] = kind as u32;
        }
        out.kinds.push(kind as u32);
    }
    // By element, whatever stands first in the batch: sums of a crystal are rounded as if it were alone.
    let mut order: Vec<usize> = (0..known.len()).collect();
    order.sort_unstable_by_key(|&kind| known[kind]);
    if !order.is_sorted() {
        let mut rank = vec![0; known.len()];
        for (&kind, place) in order.iter().zip(0..) {
            rank[kind] = place;
        }
        for kind in &mut out.kinds {
            *kind = rank[*kind as usize];
        }
        out.species = order.into_iter().map(|kind| out.species[kind]).collect();
    }
    Ok(out)
}
