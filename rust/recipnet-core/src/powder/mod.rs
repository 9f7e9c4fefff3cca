//! Powder patterns: lines of a whole batch, and profiles on a grid of angles.
//!
//! All reflections inside the range of angles are summed, none by symmetry and none left out: a declared group that
//! the atoms do not obey cannot change a pattern.

mod profile;

pub use profile::{Profile, profiles};

use crate::error::{ArgumentError, Error, LimitError, Result};
use crate::parallel;
use crate::reciprocal::{Plan, ReflectionOptions, Unique};
use crate::structure_factor::{Scatterers, structure_factors};

/// Reflections whose angles 2 theta differ by less, in degrees, are one line.
pub const MERGE: f64 = 1e-5;
/// Error of structure factors: what strong lines leave of weak ones.
const ERROR: f64 = 1e-13;
/// A hair of slack, in degrees, at both ends of the range.
const SLACK: f64 = 1e-7;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowderOptions {
    /// Angstrom.
    pub wavelength: f64,
    /// Least and largest 2 theta, degrees, within 0 to 180.
    pub two_theta: (f64, f64),
    /// Whether the beam is polarised by scattering, as X-rays are.
    pub polarised: bool,
    /// More reflections in all are refused.
    pub max_reflections: u64,
}

/// Lines of B crystals, by 2 theta rising.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lines {
    /// Degrees; that of the reflection with the largest d.
    pub two_theta: Vec<f64>,
    /// Strongest line of each crystal = 100; all 0 where nothing scatters.
    pub intensity: Vec<f64>,
    /// Angstrom, of the same reflection.
    pub d_spacing: Vec<f64>,
    /// Lexicographically largest indices.
    pub hkl: Vec<[i32; 3]>,
    /// Reflections of the full sphere.
    pub multiplicity: Vec<i32>,
    /// Lines of crystal b are `offsets[b]..offsets[b + 1]`.
    pub offsets: Vec<i64>,
}

impl PowderOptions {
    fn check(&self) -> Result<()> {
        let refuse = |name, value: String, message: &str| {
            Err(Error::Argument(ArgumentError {
                name,
                value,
                message: message.into(),
            }))
        };
        if !(self.wavelength.is_finite() && self.wavelength > 0.0) {
            return refuse(
                "wavelength",
                self.wavelength.to_string(),
                "must be a finite number above 0, in angstrom",
            );
        }
        let (low, high) = self.two_theta;
        if !(0.0 <= low && low < high && high <= 180.0) {
            let message = "must be two angles in degrees, 0 <= first < second <= 180";
            return refuse("two_theta", format!("({low}, {high})"), message);
        }
        Ok(())
    }
}

/// Lorentz and polarisation factor of a powder line, `(1 + cos^2 2 theta) / (sin^2 theta cos theta)`; without
/// polarisation the numerator is 1 (International Tables C (1999) 6.2.5 and 6.2.6, the constant left out).
fn lorentz(sine: f64, polarised: bool) -> f64 {
    let square = sine * sine;
    let cosine = (1.0 - square).sqrt();
    let double = 1.0 - 2.0 * square;
    (if polarised { 1.0 + double * double } else { 1.0 }) / (square * cosine)
}

/// The lines of each crystal of a batch.
///
/// # Errors
/// `ArgumentError` for options outside their domain; `LimitError` for too many reflections; as [`structure_factors`].
pub fn lines(atoms: &Scatterers, options: &PowderOptions, threads: Option<usize>) -> Result<Lines> {
    options.check()?;
    let (low, high) = options.two_theta;
    let half_wave = 0.5 * options.wavelength;
    let wanted = ReflectionOptions {
        d_min: half_wave / (0.5 * (high + SLACK).min(180.0)).to_radians().sin(),
        unique: Unique::Friedel,
        drop_absent: false,
        max_reflections: options.max_reflections,
    };
    let plan = Plan::new(atoms.lattices, &[], &wanted, threads).map_err(|error| match error {
        Error::Limit(e) => Error::Limit(LimitError {
            message: format!("powder lines up to {high} degrees: {}", e.message),
            ..e
        }),
        other => other,
    })?;
    let (mut hkl, mut d_spacing) = (vec![[0; 3]; plan.len()], vec![0.0; plan.len()]);
    plan.sorted(&mut hkl, &mut d_spacing)?;
    let offsets = plan.offsets();
    let factors = structure_factors(atoms, &hkl, offsets, ERROR, threads)?;
    let workers = parallel::workers(threads, 20.0 * hkl.len() as f64)?;
    let step = if workers > 1 { 64 } else { atoms.lattices.len().max(1) };
    let parts = parallel::try_map(atoms.lattices.len().div_ceil(step), workers, |part| {
        let mut out = Lines {
            offsets: vec![0],
            ..Lines::default()
        };
        for b in part * step..((part + 1) * step).min(atoms.lattices.len()) {
            let rows = offsets[b] as usize..offsets[b + 1] as usize;
            let begin = out.intensity.len();
            let mut first = f64::NEG_INFINITY;
            for ((h, d), f) in hkl[rows.clone()]
                .iter()
                .zip(&d_spacing[rows.clone()])
                .zip(&factors[rows])
            {
                let sine = half_wave / d;
                let angle = 2.0 * sine.min(1.0).asin().to_degrees();
                // At 180 degrees the Lorentz factor has no value.
                if angle < low - SLACK || angle > high + SLACK || sine > 1.0 - 1e-14 {
                    continue;
                }
                let intensity = 2.0 * (f[0] * f[0] + f[1] * f[1]) * lorentz(sine, options.polarised);
                if angle - first <= MERGE {
                    let last = out.intensity.len() - 1;
                    out.intensity[last] += intensity;
                    out.multiplicity[last] += 2;
                    out.hkl[last] = out.hkl[last].max(*h);
                } else {
                    first = angle;
                    out.two_theta.push(angle);
                    out.intensity.push(intensity);
                    out.d_spacing.push(*d);
                    out.hkl.push(*h);
                    out.multiplicity.push(2);
                }
            }
            let own = &mut out.intensity[begin..];
            let strongest = own.iter().copied().fold(0.0, f64::max);
            if strongest > 0.0 {
                for value in own {
                    *value = *value / strongest * 100.0;
                }
            }
            out.offsets.push(out.intensity.len() as i64);
        }
        Ok(out)
    })?;
    let mut joined = Lines {
        offsets: vec![0],
        ..Lines::default()
    };
    for part in parts {
        let base = joined.intensity.len() as i64;
        joined.offsets.extend(part.offsets[1..].iter().map(|end| base + end));
        joined.two_theta.extend(part.two_theta);
        joined.intensity.extend(part.intensity);
        joined.d_spacing.extend(part.d_spacing);
        joined.hkl.extend(part.hkl);
        joined.multiplicity.extend(part.multiplicity);
    }
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form_factor::Radiation;
    use crate::lattice::Lattice;
    use crate::structure_factor::resolve;

    fn pattern(two_theta: (f64, f64)) -> Result<Lines> {
        let cell = Lattice::from_parameters(3.6, 3.6, 3.6, 90.0, 90.0, 90.0)?;
        let frac = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]];
        let known = resolve(Radiation::Xray, &[29; 4], None, None, &[])?;
        let atoms = Scatterers {
            lattices: &[cell],
            frac: &frac,
            offsets: &[0, 4],
            amplitudes: &[1.0; 4],
            kinds: &known.kinds,
            species: &known.species,
            u_iso: None,
            u_aniso: None,
            max_stol: 6.0,
        };
        let options = PowderOptions {
            wavelength: 1.54184,
            two_theta,
            polarised: true,
            max_reflections: 1_000_000,
        };
        lines(&atoms, &options, None)
    }

    #[test]
    fn copper_has_its_lines() {
        let found = pattern((0.0, 100.0)).unwrap();
        let strong: Vec<_> = (0..found.hkl.len()).filter(|&i| found.intensity[i] > 1e-9).collect();
        let hkl: Vec<_> = strong.iter().map(|&i| found.hkl[i]).collect();
        assert_eq!(hkl, [[1, 1, 1], [2, 0, 0], [2, 2, 0], [3, 1, 1], [2, 2, 2]]);
        let multiplicity: Vec<_> = strong.iter().map(|&i| found.multiplicity[i]).collect();
        assert_eq!(multiplicity, [8, 6, 12, 24, 8]);
        // Absent lines stay, with no intensity.
        assert_eq!(found.hkl[0], [1, 0, 0]);
        assert!(found.intensity[0] < 1e-20 && found.intensity[strong[0]] == 100.0);
        assert!((found.two_theta[strong[0]] - 43.5434).abs() < 1e-4);
    }

    #[test]
    fn the_range_is_kept() {
        let found = pattern((50.0, 75.0)).unwrap();
        assert!(found.two_theta.iter().all(|t| (50.0..=75.0).contains(t)));
        assert!(!found.hkl.is_empty() && pattern((0.0, 180.0)).unwrap().intensity.iter().all(|v| v.is_finite()));
        for bad in [(10.0, 10.0), (-1.0, 10.0), (0.0, 181.0), (f64::NAN, 10.0)] {
            assert!(pattern(bad).unwrap_err().to_string().contains("two_theta"));
        }
    }
}
