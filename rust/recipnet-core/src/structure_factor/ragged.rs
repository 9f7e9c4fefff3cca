//! Atoms and reflections of many crystals, checked, and how their sums are cut into tasks.

use std::ops::Range;

use crate::batch::check_offsets;
use crate::error::{ArgumentError, Error, Result};
use crate::lattice::Lattice;
use crate::machine::{Kernel, Machine, dispatch};
use crate::scalar::Scalar;

/// Largest index that is taken: up to it the stated errors hold, and tables of phases stay small.
pub const MAX_INDEX: i32 = 4095;

/// Borrowed, checked: atoms and reflections of B crystals, concatenated.
#[derive(Debug, Clone, Copy)]
pub struct Ragged<'a, T> {
    pub(super) frac: &'a [[T; 3]],
    pub(super) hkl: &'a [[i32; 3]],
    pub(super) atom_offsets: &'a [i64],
    pub(super) hkl_offsets: &'a [i64],
}

/// Rows of one crystal: all its atoms and reflections, and where its terms begin in an atom-major ragged block.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub atoms: Range<usize>,
    pub reflections: Range<usize>,
    pub first_term: usize,
}

/// Part of a crystal that one task works on: all reflections of some atoms, or all atoms of some reflections.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub part: Part,
    /// Rows that the task owns, numbered through the batch.
    pub rows: Range<usize>,
}

fn refuse(name: &'static str, value: String, message: String) -> Error {
    Error::Argument(ArgumentError { name, value, message })
}

impl<'a, T: Scalar> Ragged<'a, T> {
    /// Check and borrow `frac` (N), `hkl` (H) and the offsets (B+1) of both.
    ///
    /// # Errors
    /// Offsets that do not start at 0, fall, or do not end at N and H; a coordinate that is not finite; an index beyond
    /// [`MAX_INDEX`].
    pub fn new(
        frac: &'a [[T; 3]],
        hkl: &'a [[i32; 3]],
        atom_offsets: &'a [i64],
        hkl_offsets: &'a [i64],
    ) -> Result<Self> {
        let crystals = atom_offsets.len().saturating_sub(1);
        for (name, offsets, rows) in [
            ("atom_offsets", atom_offsets, frac.len()),
            ("hkl_offsets", hkl_offsets, hkl.len()),
        ] {
            check_offsets_of(name, offsets, crystals, rows)?;
        }
        // A sum is not finite if a term is not; then the row is looked for.
        let sound = frac.as_flattened().iter().fold(0.0, |sum, &x| sum + 0.0 * x.into()) == 0.0;
        if let Some(row) = (!sound)
            .then(|| frac.iter().position(|x| x.iter().any(|&v| !v.into().is_finite())))
            .flatten()
        {
            return Err(refuse(
                "frac",
                format!("{:?}", frac[row]),
                format!("coordinates must be finite, row {row} is not"),
            ));
        }
        check_indices(hkl)?;
        Ok(Self {
            frac,
            hkl,
            atom_offsets,
            hkl_offsets,
        })
    }

    /// Number of atoms.
    #[must_use]
    pub fn num_atoms(&self) -> usize {
        self.frac.len()
    }

    /// Number of reflections.
    #[must_use]
    pub fn num_reflections(&self) -> usize {
        self.hkl.len()
    }

    /// Number of (atom, reflection) pairs of one crystal, summed over crystals.
    #[must_use]
    pub fn num_terms(&self) -> usize {
        self.parts().map(|part| part.atoms.len() * part.reflections.len()).sum()
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = Part> {
        let mut first_term = 0;
        self.atom_offsets
            .windows(2)
            .zip(self.hkl_offsets.windows(2))
            .map(move |(atoms, reflections)| {
                let part = Part {
                    atoms: atoms[0] as usize..atoms[1] as usize,
                    reflections: reflections[0] as usize..reflections[1] as usize,
                    first_term,
                };
                first_term += part.atoms.len() * part.reflections.len();
                part
            })
    }

    /// Tasks that own reflections, or atoms: whole crystals, and of large ones pieces of `step` rows or a multiple.
    ///
    /// The cut does not depend on the number of threads and changes no result.
    pub(super) fn pieces(&self, by_reflection: bool, step: usize) -> Vec<Piece> {
        const TERMS: usize = 1 << 17;
        let mut pieces = Vec::new();
        for part in self.parts() {
            let (owned, other) = if by_reflection {
                (part.reflections.clone(), part.atoms.len())
            } else {
                (part.atoms.clone(), part.reflections.len())
            };
            let length = (TERMS / other.max(1)).next_multiple_of(step).max(step);
            for begin in owned.clone().step_by(length) {
                pieces.push(Piece {
                    part: part.clone(),
                    rows: begin..(begin + length).min(owned.end),
                });
            }
        }
        pieces
    }
}

/// Refuse an index beyond [`MAX_INDEX`].
fn check_indices(hkl: &[[i32; 3]]) -> Result<()> {
    let mut largest = 0;
    dispatch(Largest {
        values: hkl.as_flattened(),
        largest: &mut largest,
    });
    if largest > MAX_INDEX.unsigned_abs() {
        refuse_largest(hkl, 0)
    } else {
        Ok(())
    }
}

/// The same where `1/d` is at most `radius`, which mostly tells without a look at the indices.
pub(super) fn check_ball((hkl, first): (&[[i32; 3]], usize), lattice: &Lattice, radius: f64) -> Result<()> {
    // |h| = |h* . a| is at most |h*| |a|, and half of the limit is far from rounding.
    if lattice
        .lengths()
        .iter()
        .all(|a| radius * a < 0.5 * f64::from(MAX_INDEX))
    {
        Ok(())
    } else {
        refuse_largest(hkl, first)
    }
}

/// Refuse the first row beyond [`MAX_INDEX`]; `first` is the number of the first one there is.
fn refuse_largest(hkl: &[[i32; 3]], first: usize) -> Result<()> {
    let limit = MAX_INDEX.unsigned_abs();
    let bad = |h: &[i32; 3]| h.iter().any(|v| v.unsigned_abs() > limit);
    match hkl.iter().position(bad) {
        None => Ok(()),
        Some(row) => Err(refuse(
            "hkl",
            format!("{:?}", hkl[row]),
            format!("indices must be within +-{MAX_INDEX}, row {} is not", first + row),
        )),
    }
}

/// The largest size of an index.
struct Largest<'a> {
    values: &'a [i32],
    largest: &'a mut u32,
}

impl Kernel for Largest<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let mut largest = 0;
        for v in self.values {
            largest = v.unsigned_abs().max(largest);
        }
        *self.largest = largest;
    }
}

/// Refuse offsets that do not start at 0, fall, or do not end at `rows`.
pub(super) fn check_offsets_of(name: &'static str, offsets: &[i64], crystals: usize, rows: usize) -> Result<()> {
    check_offsets(name, offsets, crystals, rows)
        .map_err(|error| refuse(name, format!("{} entries", offsets.len()), error.to_string()))
}

/// Refuse an array of the wrong length.
pub(super) fn check_length(name: &'static str, found: usize, expected: usize, what: &str) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(refuse(
        name,
        format!("{found} values"),
        format!("{expected} are needed, {what}"),
    ))
}
