//! What one atom scatters: form factors for X-rays and electrons, scattering lengths for neutrons.
//!
//! `s` is sin(theta)/lambda = 1/(2d) in inverse angstrom. Every kind of atom is a [`Factor`], a constant or five Gaussians
//! and a constant in s^2:
//!
//! - X-rays: Waasmaier and Kirfel's fits for atoms and ions, in electrons, s up to 6;
//! - electrons: the fits of Peng, Ren, Dudarev and Whelan for neutral atoms, in angstrom, s up to 2 (first Born
//!   approximation, without the relativistic factor);
//! - neutrons: bound coherent scattering lengths in femtometres, real part.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

mod cells;
mod electron_table;
mod neutron_table;
mod xray_table;

use std::str::FromStr;
use std::sync::OnceLock;

pub(crate) use self::cells::Steps;
use self::cells::{Cells, Evaluate};
use crate::elements;
use crate::error::{ArgumentError, Error, Result};
use crate::machine::dispatch;
use crate::parallel;

/// What is scattered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Radiation {
    /// X-rays; lengths in units of the classical electron radius.
    Xray,
    /// Fast electrons; lengths in angstrom.
    Electron,
    /// Thermal neutrons; lengths in femtometres.
    Neutron,
}

impl FromStr for Radiation {
    type Err = ArgumentError;

    fn from_str(text: &str) -> std::result::Result<Self, ArgumentError> {
        match text {
            "xray" => Ok(Self::Xray),
            "electron" => Ok(Self::Electron),
            "neutron" => Ok(Self::Neutron),
            _ => Err(ArgumentError {
                name: "radiation",
                value: format!("{text:?}"),
                message: "must be \"xray\", \"electron\" or \"neutron\"".into(),
            }),
        }
    }
}

impl Radiation {
    /// Largest s that the table is made for, inverse angstrom.
    #[must_use]
    pub fn max_stol(self) -> f64 {
        match self {
            Self::Xray => 6.0,
            Self::Electron => 2.0,
            Self::Neutron => f64::INFINITY,
        }
    }

    /// The word that names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Xray => "xray",
            Self::Electron => "electron",
            Self::Neutron => "neutron",
        }
    }

    /// Refuse an s beyond the table.
    ///
    /// # Errors
    /// `ArgumentError` with the name `stol`.
    pub fn check_stol(self, largest: f64) -> Result<()> {
        // A hair of slack for a d that was rounded.
        if largest <= self.max_stol() * (1.0 + 1e-9) {
            return Ok(());
        }
        Err(Error::Argument(ArgumentError {
            name: "stol",
            value: largest.to_string(),
            message: format!(
                "the form factors of \"{}\" are known from 0 to {} per angstrom (d from {} angstrom)",
                self.name(),
                self.max_stol(),
                0.5 / self.max_stol()
            ),
        }))
    }
}

/// `f(s) = sum a_i exp(-b_i s^2) + c`.
#[derive(Debug, Clone, Copy)]
struct Gaussians {
    a: [f64; 5],
    b: [f64; 5],
    c: f64,
}

/// Of the rows of a table, those that were asked for.
type Known<const N: usize> = [OnceLock<Box<Cells>>; N];
static XRAY: Known<{ xray_table::ROWS.len() }> = [const { OnceLock::new() }; xray_table::ROWS.len()];
static ELECTRON: Known<{ electron_table::ROWS.len() }> = [const { OnceLock::new() }; electron_table::ROWS.len()];

/// What an atom scatters, at any s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factor(Shape);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Constant(f64),
    Falling(&'static Cells),
}

/// Why there is no factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The table does not have the element, or the isotope.
    Atom,
    /// The table has the element, but only with these charges.
    Ion(Vec<i8>),
}

impl Factor {
    /// The same for every s.
    #[must_use]
    pub fn constant(c: f64) -> Self {
        Self(Shape::Constant(c))
    }

    /// Of an element; `charge` counts for X-rays, `isotope` (a mass number, 0 for the natural mixture) for neutrons.
    ///
    /// # Errors
    /// What is missing.
    pub fn find(radiation: Radiation, number: u8, charge: f64, isotope: u16) -> std::result::Result<Self, Missing> {
        match radiation {
            Radiation::Xray => {
                let first = xray_table::ROWS.partition_point(|row| row.0 < number);
                let rows = &xray_table::ROWS[first..];
                let rows = &rows[..rows.partition_point(|row| row.0 == number)];
                match rows.iter().position(|row| f64::from(row.1) == charge) {
                    Some(place) => {
                        let (_, _, a, b, c) = rows[place];
                        let cells = XRAY[first + place].get_or_init(|| Box::new(Cells::new(&Gaussians { a, b, c })));
                        Ok(Self(Shape::Falling(cells)))
                    }
                    None if rows.is_empty() => Err(Missing::Atom),
                    None => Err(Missing::Ion(rows.iter().map(|row| row.1).collect())),
                }
            }
            Radiation::Electron => match electron_table::ROWS.binary_search_by_key(&number, |row| row.0) {
                Ok(place) => {
                    let (_, a, b) = electron_table::ROWS[place];
                    let cells = ELECTRON[place].get_or_init(|| Box::new(Cells::new(&Gaussians { a, b, c: 0.0 })));
                    Ok(Self(Shape::Falling(cells)))
                }
                Err(_) => Err(Missing::Atom),
            },
            Radiation::Neutron => {
                let found = neutron_table::ROWS.binary_search_by_key(&(number, isotope), |row| (row.0, row.1));
                found.map_or(Err(Missing::Atom), |place| {
                    Ok(Self::constant(neutron_table::ROWS[place].2))
                })
            }
        }
    }

    /// `f` at each `s^2` into `out`, which has the same length; no number beyond s = 6, to which the tables go.
    ///
    /// ```
    /// use recipnet_core::form_factor::{Factor, Radiation};
    ///
    /// let silicon = Factor::find(Radiation::Xray, 14, 0.0, 0).unwrap();
    /// let mut f = [0.0];
    /// silicon.evaluate(&[0.0], &mut f);
    /// assert!((f[0] - 14.0).abs() < 0.01);
    /// ```
    pub fn evaluate(&self, square: &[f64], out: &mut [f64]) {
        let mut steps = Steps::default();
        steps.set(square);
        self.evaluate_by(&steps, square, out);
    }

    /// [`Self::evaluate`] with the steps of these `s^2`.
    pub(crate) fn evaluate_by(&self, steps: &Steps, square: &[f64], out: &mut [f64]) {
        debug_assert_eq!(square.len(), out.len());
        match self.0 {
            Shape::Constant(c) => out.fill(c),
            Shape::Falling(cells) => dispatch(Evaluate {
                cells,
                square,
                steps,
                out,
            }),
        }
    }
}

/// As chemists write it.
///
/// ```
/// assert_eq!(recipnet_core::form_factor::ion_name(26, 3.0), "Fe3+");
/// ```
#[must_use]
pub fn ion_name(number: u8, charge: f64) -> String {
    let symbol = elements::symbol(number).unwrap_or("?");
    if charge == 0.0 || charge.is_nan() {
        symbol.to_owned()
    } else {
        format!("{symbol}{}{}", charge.abs(), if charge < 0.0 { '-' } else { '+' })
    }
}

/// What to say about a missing factor.
#[must_use]
pub fn explain(radiation: Radiation, number: u8, charge: f64, isotope: u16, missing: &Missing) -> String {
    match missing {
        Missing::Ion(charges) => {
            let names: Vec<String> = charges.iter().map(|&q| ion_name(number, f64::from(q))).collect();
            format!("the table has {}, not {}", names.join(", "), ion_name(number, charge))
        }
        Missing::Atom => {
            let mass = if isotope == 0 {
                String::new()
            } else {
                isotope.to_string()
            };
            format!(
                "the table of \"{}\" has no {}{}",
                radiation.name(),
                mass,
                ion_name(number, 0.0)
            )
        }
    }
}

/// `f` of N atoms at S values of `s`, (N, S) row-major; `charges` and `isotopes` (N) or None.
///
/// # Errors
/// `ArgumentError` for an atom, ion or isotope that is not in the table, naming the ions that are; for an s that is
/// negative, not a number or beyond the table.
pub fn form_factors(
    radiation: Radiation,
    numbers: &[u8],
    charges: Option<&[f64]>,
    isotopes: Option<&[u16]>,
    stol: &[f64],
    threads: Option<usize>,
) -> Result<Vec<f64>> {
    let refuse = |name, value: String, message: String| Err(Error::Argument(ArgumentError { name, value, message }));
    for (name, length) in [
        ("charges", charges.map(<[f64]>::len)),
        ("isotopes", isotopes.map(<[u16]>::len)),
    ] {
        if let Some(length) = length.filter(|&length| length != numbers.len()) {
            return refuse(
                name,
                format!("{length} values"),
                format!("{} are needed", numbers.len()),
            );
        }
    }
    if let Some(bad) = stol.iter().find(|s| !(s.is_finite() && **s >= 0.0)) {
        return refuse("stol", bad.to_string(), "must be finite numbers, 0 or more".into());
    }
    radiation.check_stol(stol.iter().copied().fold(0.0, f64::max))?;
    let mut factors = Vec::with_capacity(numbers.len());
    for (row, &number) in numbers.iter().enumerate() {
        let charge = charges.map_or(0.0, |q| if q[row].is_nan() { 0.0 } else { q[row] });
        let isotope = isotopes.map_or(0, |mass| mass[row]);
        match Factor::find(radiation, number, charge, isotope) {
            Ok(factor) => factors.push(factor),
            Err(missing) => {
                let name = if matches!(missing, Missing::Ion(_)) {
                    "charges"
                } else {
                    "numbers"
                };
                let what = explain(radiation, number, charge, isotope, &missing);
                return refuse(name, ion_name(number, charge), format!("row {row}: {what}"));
            }
        }
    }
    let square: Vec<f64> = stol.iter().map(|s| s * s).collect();
    let mut steps = Steps::default();
    steps.set(&square);
    let mut out = vec![0.0; numbers.len() * stol.len()];
    if !stol.is_empty() {
        let rows: Vec<_> = factors.into_iter().zip(out.chunks_exact_mut(stol.len())).collect();
        let nanos = (rows.len() * stol.len()) as f64;
        parallel::for_each(rows, parallel::workers(threads, nanos)?, |(factor, row)| {
            factor.evaluate_by(&steps, &square, row);
        })?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
