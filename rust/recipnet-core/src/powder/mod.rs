//! Powder patterns: lines of a whole batch, and profiles on a grid of angles.
//!
//! Reflections of an orbit are made once where that saves time and the crystal obeys the operations that it declares, to
//! rounding; elsewhere all are made: a group that the atoms do not obey cannot change a pattern.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

mod profile;

pub use profile::{Profile, profiles};

use std::ops::RangeInclusive;

use crate::elementary::asin;
use crate::error::{ArgumentError, Error, LimitError, Result};
use crate::machine::{Kernel, Machine, dispatch};
use crate::parallel;
use crate::reciprocal::{
    OperationsList, OperationsView, Plan, ReflectionOptions, Sorter, Unique, check_operations, expected,
};
use crate::scratch::holds;
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

/// What reflections are in a powder.
#[derive(Debug, Default)]
struct Rings {
    /// sin(theta).
    sine: Vec<f64>,
    /// Where a line ends that begins here: at the angle of [`MERGE`] more.
    end: Vec<f64>,
    /// `|F(h)|^2`, as often as it occurs, times the Lorentz and polarisation factor.
    intensity: Vec<f64>,
}

holds!(Rings: sine, end, intensity);

/// Fills in rings, with the factor `(1 + cos^2 2 theta) / (sin^2 theta cos theta)`; without polarisation its numerator
/// is 1 (International Tables C (1999) 6.2.5 and 6.2.6, the constant left out).
struct Measure<'a> {
    half_wave: f64,
    polarised: bool,
    d_spacing: &'a [f64],
    factors: &'a [[f64; 2]],
    multiplicity: &'a [i32],
    out: &'a mut Rings,
}

impl Kernel for Measure<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let share = if self.polarised { 1.0 } else { 0.0 };
        let (sin_merge, cos_merge) = (0.5 * MERGE).to_radians().sin_cos();
        let Rings { sine, end, intensity } = self.out;
        let count = self.d_spacing.len();
        for column in [&mut *sine, &mut *end, &mut *intensity] {
            column.resize(count, 0.0);
        }
        let rows = self.d_spacing.iter().zip(self.factors).zip(self.multiplicity);
        let to = sine.iter_mut().zip(end).zip(intensity);
        for (((d, f), &count), ((sine, end), intensity)) in rows.zip(to) {
            *sine = self.half_wave / d;
            let square = *sine * *sine;
            let double = 1.0 - 2.0 * square;
            let cosine = if square < 1.0 { 1.0 - square } else { 0.0 }.sqrt();
            let lorentz = (1.0 + share * (double * double)) / (square * cosine);
            *intensity = f64::from(count) * (f[0] * f[0] + f[1] * f[1]) * lorentz;
            let next = *sine * cos_merge + cosine * sin_merge;
            *end = if cosine > sin_merge { next } else { f64::INFINITY };
        }
    }
}

/// Angles 2 theta in degrees of sines of theta, in place.
struct Angles<'a>(&'a mut [f64]);

impl Kernel for Angles<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        for x in self.0 {
            *x = (2.0 * asin::<M>(*x)).to_degrees();
        }
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
        let Scratch {
            sorter,
            workspace,
            factors,
            rings,
            leaders,
            hkl,
            multiplicity,
            lines,
        } = scratch;
        let mut out = Lines {
            offsets: vec![0],
            ..Lines::default()
        };
        plan.visit(part, (sorter, hkl, multiplicity), |b, hkl, d_spacing, multiplicity| {
            factors.resize(hkl.len(), [0.0; 2]);
            let symmetry = symmetry.get(b).and_then(Option::as_deref);
            workspace.crystal((atoms, b, symmetry), (hkl, 0), (ERROR, inside), factors)?;
            dispatch(Measure {
                half_wave,
                polarised: options.polarised,
                d_spacing,
                factors,
                multiplicity,
                out: rings,
            });
            let count = lines.set(&range, hkl, d_spacing, multiplicity, (rings, leaders));
            out.add(lines, count);
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

/// Kept between crystals.
#[derive(Default)]
struct Scratch {
    sorter: Sorter,
    workspace: Workspace,
    factors: Vec<[f64; 2]>,
    rings: Rings,
    /// The reflection of each line with the largest indices.
    leaders: Vec<u32>,
    hkl: Vec<[i32; 3]>,
    multiplicity: Vec<i32>,
    lines: Lines,
}

holds!(Lines: two_theta, intensity, d_spacing, hkl, multiplicity);
holds!(Scratch: sorter, workspace, factors, rings, leaders, hkl, multiplicity, lines);

impl Lines {
    /// Write the lines of one crystal over what was here; reflections by their d, falling to 1e-12. Returns how many
    /// there are. Angles are sines still, intensities as measured.
    ///
    /// Without branches, since where lines begin cannot be foretold: each reflection writes what its line is so far.
    fn set(
        &mut self,
        range: &RangeInclusive<f64>,
        hkl: &[[i32; 3]],
        d_spacing: &[f64],
        multiplicity: &[i32],
        (rings, leaders): (&Rings, &mut Vec<u32>),
    ) -> usize {
        let most = self.hkl.len().max(hkl.len());
        self.two_theta.resize(most, 0.0);
        self.intensity.resize(most, 0.0);
        self.d_spacing.resize(most, 0.0);
        self.hkl.resize(most, [0; 3]);
        leaders.resize(most, 0);
        self.multiplicity.resize(most, 0);
        let mut line = usize::MAX;
        let (mut end, mut first, mut spacing) = (f64::NEG_INFINITY, 0.0, 0.0);
        let (mut sum, mut members) = (0.0, 0);
        let (mut largest, mut leader) = (0, 0);
        let rings = rings.sine.iter().zip(&rings.end).zip(&rings.intensity);
        let rows = hkl.iter().zip(d_spacing).zip(multiplicity).zip(rings);
        for (row, (((h, &d), count), ((&sine, &next), &intensity))) in (0..).zip(rows) {
            if !range.contains(&sine) {
                continue;
            }
            let begins = sine > end;
            line = line.wrapping_add(usize::from(begins));
            end = if begins { next } else { end };
            first = if begins { sine } else { first };
            spacing = if begins { d } else { spacing };
            sum = if begins { 0.0 } else { sum } + intensity;
            members = if begins { 0 } else { members } + count;
            // Rises with the indices, which structure factors have found to be small.
            let key = (i64::from(h[0]) << 32) + (i64::from(h[1]) << 16) + i64::from(h[2]);
            let before = if begins { i64::MIN } else { largest };
            leader = if key > before { row } else { leader };
            largest = before.max(key);
            self.two_theta[line] = first;
            self.intensity[line] = sum;
            self.d_spacing[line] = spacing;
            leaders[line] = leader;
            self.multiplicity[line] = members;
        }
        let count = line.wrapping_add(1);
        for (to, &leader) in self.hkl.iter_mut().zip(&leaders[..count]) {
            *to = hkl[leader as usize];
        }
        count
    }

    /// Append the first of what [`Lines::set`] has written, as lines of one more crystal.
    fn add(&mut self, lines: &Lines, count: usize) {
        let begin = self.intensity.len();
        self.two_theta.extend_from_slice(&lines.two_theta[..count]);
        self.intensity.extend_from_slice(&lines.intensity[..count]);
        self.d_spacing.extend_from_slice(&lines.d_spacing[..count]);
        self.hkl.extend_from_slice(&lines.hkl[..count]);
        self.multiplicity.extend_from_slice(&lines.multiplicity[..count]);
        dispatch(Angles(&mut self.two_theta[begin..]));
        let own = &mut self.intensity[begin..];
        let strongest = own.iter().copied().fold(0.0, f64::max);
        if strongest > 0.0 {
            for value in own {
                *value = *value / strongest * 100.0;
            }
        }
        self.offsets.push(self.intensity.len() as i64);
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
