//! Powder patterns: lines of a whole batch, and profiles on a grid of angles.
//!
//! Reflections of an orbit are made once where that saves time and the crystal obeys the operations that it declares, to
//! rounding; elsewhere all are made: a group that the atoms do not obey cannot change a pattern.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

mod profile;

pub use profile::{Profile, profiles};

use std::ops::RangeInclusive;

use crate::error::{ArgumentError, Error, LimitError, Result};
use crate::machine::{Kernel, Machine, dispatch};
use crate::parallel;
use crate::reciprocal::{
    OperationsList, OperationsView, Plan, ReflectionOptions, Sorter, Unique, check_operations, expected,
};
use crate::structure_factor::{ORBIT_TERMS, Scatterers, Workspace, nanos, obeyed};

/// Reflections whose angles 2 theta differ by less, in degrees, are one line.
pub const MERGE: f64 = 1e-5;
/// Error of structure factors: what strong lines leave of weak ones.
const ERROR: f64 = 1e-13;
/// A hair of slack, in degrees, at both ends of the range.
const SLACK: f64 = 1e-7;
/// What a crystal without symmetry has.
const NOTHING: OperationsView = OperationsView {
    rotations: &[[[1, 0, 0], [0, 1, 0], [0, 0, 1]]],
    translations: &[[0; 3]],
    denominator: 1,
};

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

/// sin(theta), and `|F(h)|^2`, as often as it occurs, times the Lorentz and polarisation factor of a powder line,
/// `(1 + cos^2 2 theta) / (sin^2 theta cos theta)`; without polarisation the numerator is 1 (International Tables C
/// (1999) 6.2.5 and 6.2.6, the constant left out).
struct Intensities<'a> {
    half_wave: f64,
    polarised: bool,
    d_spacing: &'a [f64],
    factors: &'a [[f64; 2]],
    multiplicity: &'a [i32],
    out: &'a mut Vec<[f64; 2]>,
}

impl Kernel for Intensities<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let share = if self.polarised { 1.0 } else { 0.0 };
        self.out.clear();
        let rows = self.d_spacing.iter().zip(self.factors).zip(self.multiplicity);
        self.out.extend(rows.map(|((d, f), &count)| {
            let sine = self.half_wave / d;
            let square = sine * sine;
            let double = 1.0 - 2.0 * square;
            let lorentz = (1.0 + share * (double * double)) / (square * (1.0 - square).sqrt());
            [sine, f64::from(count) * (f[0] * f[0] + f[1] * f[1]) * lorentz]
        }));
    }
}

/// Where the lines of one crystal end that begins with this sine: at the angle of [`MERGE`] more.
fn line_end(sine: f64) -> f64 {
    let (sin_merge, cos_merge) = (0.5 * MERGE).to_radians().sin_cos();
    let cosine = (1.0 - sine * sine).max(0.0).sqrt();
    if cosine <= sin_merge {
        f64::INFINITY
    } else {
        sine * cos_merge + cosine * sin_merge
    }
}

/// The lines of each crystal of a batch; `operations` are those that each declares, or nothing.
///
/// # Errors
/// `ArgumentError` for options outside their domain; `LimitError` for too many reflections; as
/// [`structure_factors`](crate::structure_factor::structure_factors).
pub fn lines(
    atoms: &Scatterers,
    operations: &OperationsList,
    options: &PowderOptions,
    threads: Option<usize>,
) -> Result<Lines> {
    lines_by(atoms, operations, options, threads, ORBIT_TERMS)
}

/// [`lines`], by symmetry in crystals of this many terms.
fn lines_by(
    atoms: &Scatterers,
    operations: &OperationsList,
    options: &PowderOptions,
    threads: Option<usize>,
    least_terms: f64,
) -> Result<Lines> {
    options.check()?;
    atoms.check()?;
    check_operations(atoms.lattices.len(), operations)?;
    let (low, high) = options.two_theta;
    let half_wave = 0.5 * options.wavelength;
    let d_min = half_wave / (0.5 * (high + SLACK).min(180.0)).to_radians().sin();
    let symmetry = obeyed(atoms, operations, |b, symmetry| {
        let own = (atoms.offsets[b + 1] - atoms.offsets[b]) as f64;
        // What is saved are reflections: none where mates alone are equal.
        own * 0.5 * expected(&atoms.lattices[b], d_min) >= least_terms
            && symmetry.is_none_or(|found| found.half_order() > 1 || least_terms == 0.0)
    });
    let declared = symmetry.iter().zip(operations);
    let obeyed: Vec<_> = declared
        .map(|(own, view)| view.filter(|_| own.is_some()).or(Some(NOTHING)))
        .collect();
    let wanted = ReflectionOptions {
        d_min,
        unique: if obeyed.is_empty() {
            Unique::Friedel
        } else {
            Unique::Laue
        },
        drop_absent: false,
        max_reflections: options.max_reflections,
    };
    let plan = Plan::new(atoms.lattices, &obeyed, &wanted, threads).map_err(|error| match error {
        Error::Limit(e) => Error::Limit(LimitError {
            message: format!("powder lines up to {high} degrees: {}", e.message),
            ..e
        }),
        other => other,
    })?;
    let nanos: Vec<f64> = (plan.offsets().windows(2).enumerate())
        .map(|(b, rows)| {
            let reflections = (rows[1] - rows[0]) as f64;
            nanos(atoms, b, reflections) + 40.0 * reflections
        })
        .collect();
    // Threads share the crystals, or each crystal where one is most of the work.
    let total: f64 = nanos.iter().sum();
    let workers = parallel::workers(threads, total)?;
    let is_shared = nanos.iter().any(|&own| own * workers as f64 > total);
    let (outside, inside) = if is_shared { (1, workers) } else { (workers, 1) };
    // At 180 degrees the Lorentz factor has no value.
    let sine_of = |angle: f64| (0.5 * angle).to_radians().sin();
    let range = sine_of(low - SLACK)..=sine_of((high + SLACK).min(180.0)).min(1.0 - 1e-14);
    let mut parts = parallel::try_map_with(plan.parts(), outside, |scratch: &mut Scratch, part| {
        let (sorter, workspace, [factors, intensities], hkl, multiplicity) = scratch;
        let mut out = Lines {
            offsets: vec![0],
            ..Lines::default()
        };
        plan.visit(part, (sorter, hkl, multiplicity), |b, hkl, d_spacing, multiplicity| {
            factors.resize(hkl.len(), [0.0; 2]);
            let symmetry = symmetry.get(b).and_then(Option::as_deref);
            workspace.crystal((atoms, b, symmetry), (hkl, 0), (ERROR, inside), factors)?;
            dispatch(Intensities {
                half_wave,
                polarised: options.polarised,
                d_spacing,
                factors,
                multiplicity,
                out: intensities,
            });
            out.add(&range, hkl, d_spacing, multiplicity, intensities);
            Ok(())
        })?;
        Ok(out)
    })?;
    if parts.len() == 1 {
        return Ok(parts.swap_remove(0));
    }
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

/// Sorter, sums, factors and intensities, indices, multiplicities.
type Scratch = (Sorter, Workspace, [Vec<[f64; 2]>; 2], Vec<[i32; 3]>, Vec<i32>);

impl Lines {
    /// Add the lines of one crystal; reflections with sin(theta) and intensity in the order of their d, falling.
    fn add(
        &mut self,
        range: &RangeInclusive<f64>,
        hkl: &[[i32; 3]],
        d_spacing: &[f64],
        multiplicity: &[i32],
        intensities: &[[f64; 2]],
    ) {
        let begin = self.intensity.len();
        let mut end = f64::NEG_INFINITY;
        let (mut sum, mut largest, mut members) = (0.0, [0; 3], 0);
        let rows = hkl.iter().zip(d_spacing).zip(multiplicity).zip(intensities);
        for (((h, d), count), &[sine, intensity]) in rows {
            if !range.contains(&sine) {
                continue;
            }
            if sine > end {
                if members > 0 {
                    self.close(sum, largest, members);
                }
                end = line_end(sine);
                self.two_theta.push(2.0 * sine.asin().to_degrees());
                self.d_spacing.push(*d);
                (sum, largest, members) = (0.0, *h, 0);
            }
            sum += intensity;
            largest = largest.max(*h);
            members += count;
        }
        if members > 0 {
            self.close(sum, largest, members);
        }
        let own = &mut self.intensity[begin..];
        let strongest = own.iter().copied().fold(0.0, f64::max);
        if strongest > 0.0 {
            for value in own {
                *value = *value / strongest * 100.0;
            }
        }
        self.offsets.push(self.intensity.len() as i64);
    }

    fn close(&mut self, intensity: f64, hkl: [i32; 3], multiplicity: i32) {
        self.intensity.push(intensity);
        self.hkl.push(hkl);
        self.multiplicity.push(multiplicity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form_factor::Radiation;
    use crate::lattice::Lattice;
    use crate::structure_factor::{Setting, resolve};

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
        lines(&atoms, &[], &options, None)
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

    #[test]
    fn all_settings_by_symmetry_equal_the_sum_over_all_reflections() {
        for setting in Setting::all(&[]) {
            let hall = setting.hall;
            let options = PowderOptions {
                wavelength: 1.54184,
                two_theta: (0.0, 70.0),
                polarised: true,
                max_reflections: 1_000_000,
            };
            let by = |least| {
                lines_by(
                    &setting.atoms(),
                    &[Some(setting.operations())],
                    &options,
                    Some(1),
                    least,
                )
                .unwrap()
            };
            let (few, all) = (by(0.0), by(f64::INFINITY));
            assert_eq!((&few.hkl, &few.multiplicity), (&all.hkl, &all.multiplicity), "{hall}");
            for (one, other) in few.intensity.iter().zip(&all.intensity) {
                assert!((one - other).abs() < 1e-9, "{hall}: {one} {other}");
            }
            for (one, other) in few.two_theta.iter().zip(&all.two_theta) {
                assert!((one - other).abs() < 1e-10, "{hall}: {one} {other}");
            }
        }
    }
}
