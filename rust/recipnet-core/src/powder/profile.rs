//! Broadened patterns: a pseudo-Voigt function of unit area at each line.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

use std::f64::consts::{LN_2, PI};

use crate::batch::check_offsets;
use crate::elementary::exp;
use crate::error::{ArgumentError, Error, Result};
use crate::machine::{Kernel, Machine, dispatch};
use crate::parallel;

/// Lines and how wide each is.
#[derive(Debug, Clone, Copy)]
pub struct Profile<'a> {
    /// Centres (L), degrees.
    pub two_theta: &'a [f64],
    /// Areas (L).
    pub intensity: &'a [f64],
    /// Full widths at half maximum (L), degrees.
    pub fwhm: &'a [f64],
    /// Lines of pattern b are `offsets[b]..offsets[b + 1]`.
    pub offsets: &'a [i64],
    /// Share of the Lorentzian, 0 to 1.
    pub eta: f64,
}

/// Patterns on a grid (G) of angles, (B, G) row-major:
/// `sum I [eta L(x) + (1 - eta) G(x)]`, `L = 2 / (pi w) / (1 + 4 x^2 / w^2)`,
/// `G = 2 sqrt(ln 2 / pi) / w exp(-4 ln 2 x^2 / w^2)` (Wertheim, Butler, West and Buchanan, Rev. Sci. Instrum. 45
/// (1974) 1369).
///
/// # Errors
/// Arrays that do not fit, a width that is not above 0, an `eta` outside 0 to 1, a grid that is not finite.
pub fn profiles(lines: &Profile, grid: &[f64], threads: Option<usize>) -> Result<Vec<f64>> {
    let refuse = |name, value: String, message: &str| {
        Err(Error::Argument(ArgumentError {
            name,
            value,
            message: message.into(),
        }))
    };
    let patterns = lines.offsets.len().saturating_sub(1);
    check_offsets("offsets", lines.offsets, patterns, lines.two_theta.len())?;
    if lines.intensity.len() != lines.two_theta.len() || lines.fwhm.len() != lines.two_theta.len() {
        let message = "as many as there are lines are needed";
        return refuse("fwhm", format!("{} values", lines.fwhm.len()), message);
    }
    if !(0.0..=1.0).contains(&lines.eta) {
        return refuse(
            "eta",
            lines.eta.to_string(),
            "must be from 0 (Gaussian) to 1 (Lorentzian)",
        );
    }
    if let Some(width) = lines.fwhm.iter().find(|w| !(w.is_finite() && **w > 0.0)) {
        return refuse("fwhm", width.to_string(), "must be a finite number above 0, in degrees");
    }
    if let Some(angle) = grid.iter().find(|x| !x.is_finite()) {
        return refuse("grid", angle.to_string(), "must be finite angles in degrees");
    }
    let mut out = vec![0.0; patterns * grid.len()];
    if grid.is_empty() {
        return Ok(out);
    }
    let workers = parallel::workers(threads, 2.0 * (lines.two_theta.len() * grid.len()) as f64)?;
    let tasks: Vec<_> = out.chunks_exact_mut(grid.len()).enumerate().collect();
    parallel::for_each(tasks, workers, |(b, out)| {
        for line in lines.offsets[b] as usize..lines.offsets[b + 1] as usize {
            dispatch(Add {
                centre: lines.two_theta[line],
                intensity: lines.intensity[line],
                fwhm: lines.fwhm[line],
                eta: lines.eta,
                grid,
                out,
            });
        }
    })?;
    Ok(out)
}

/// Adds one line.
struct Add<'a> {
    centre: f64,
    intensity: f64,
    fwhm: f64,
    eta: f64,
    grid: &'a [f64],
    out: &'a mut [f64],
}

impl Kernel for Add<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let lorentzian = self.intensity * self.eta * 2.0 / (PI * self.fwhm);
        let gaussian = self.intensity * (1.0 - self.eta) * 2.0 * (LN_2 / PI).sqrt() / self.fwhm;
        let scale = 2.0 / self.fwhm;
        for (&angle, to) in self.grid.iter().zip(self.out) {
            let x = (angle - self.centre) * scale;
            let square = x * x;
            *to += lorentzian / (1.0 + square) + gaussian * exp::<M>(-LN_2 * square);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(eta: f64, fwhm: f64, grid: &[f64]) -> Result<Vec<f64>> {
        let lines = Profile {
            two_theta: &[30.0],
            intensity: &[100.0],
            fwhm: &[fwhm],
            offsets: &[0, 1],
            eta,
        };
        profiles(&lines, grid, None)
    }

    #[test]
    fn area_and_width_are_what_they_should_be() {
        let grid: Vec<f64> = (0..60_001).map(|i| f64::from(i) * 1e-3).collect();
        for (eta, tail) in [(0.0, 1e-9), (0.5, 0.2), (1.0, 0.3)] {
            let found = one(eta, 0.2, &grid).unwrap();
            assert!((found.iter().sum::<f64>() * 1e-3 - 100.0).abs() < tail, "{eta}");
            assert!((found[30_100] / found[30_000] - 0.5).abs() < 1e-9);
        }
    }

    #[test]
    fn bad_shapes_are_refused() {
        for (eta, fwhm, grid, name) in [
            (1.5, 0.1, 1.0, "eta"),
            (0.5, 0.0, 1.0, "fwhm"),
            (0.5, 0.1, f64::NAN, "grid"),
        ] {
            assert!(one(eta, fwhm, &[grid]).unwrap_err().to_string().contains(name));
        }
        assert!(one(0.5, 0.1, &[]).unwrap().is_empty());
    }
}
