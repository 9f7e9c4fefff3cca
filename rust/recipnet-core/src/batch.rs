//! Many crystals as flat arrays: the form in which everything past reading works.

use crate::crystal::{Crystal, check_rows};
use crate::error::{ArgumentError, CrystalError, Error, Result};
use crate::lattice::Lattice;
use crate::math::{Mat3, Vec3};

/// Checked borrowed arrays of B crystals with N atom rows in all.
///
/// Batches of no crystals and crystals of no atoms are legal.
#[derive(Debug, Clone)]
pub struct BatchView<'a> {
    lattices: Vec<Lattice>,
    numbers: Option<&'a [u8]>,
    frac: &'a [Vec3],
    offsets: std::borrow::Cow<'a, [i64]>,
    site: Option<&'a [i32]>,
}

impl<'a> BatchView<'a> {
    /// Check and borrow: `lattices` (B), `numbers` (N) or None where they do not matter, `frac` (N), `offsets` (B+1)
    /// starting at 0, and `site` (N) or None.
    ///
    /// # Errors
    /// [`CrystalError`] naming crystal, array, row and value.
    pub fn new(
        lattices: &[Mat3],
        numbers: Option<&'a [u8]>,
        frac: &'a [Vec3],
        offsets: &'a [i64],
        site: Option<&'a [i32]>,
    ) -> Result<Self> {
        check_offsets("offsets", offsets, lattices.len(), frac.len())?;
        let zeros;
        let checked_numbers = if let Some(numbers) = numbers {
            numbers
        } else {
            zeros = vec![0; frac.len()];
            &zeros
        };
        check_rows(checked_numbers, frac, site, offsets)?;
        let lattices = check_lattices(lattices)?;
        Ok(Self {
            lattices,
            numbers,
            frac,
            offsets: offsets.into(),
            site,
        })
    }

    /// A batch of one.
    #[must_use]
    pub fn of_one(crystal: &'a Crystal) -> Self {
        Self {
            lattices: vec![crystal.lattice],
            numbers: Some(&crystal.numbers),
            frac: &crystal.frac_coords,
            offsets: vec![0, crystal.len() as i64].into(),
            site: crystal.site.as_deref(),
        }
    }

    /// Number of crystals.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lattices.len()
    }

    /// Whether there are no crystals.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lattices.is_empty()
    }

    /// Atom rows in all.
    #[must_use]
    pub fn num_atoms(&self) -> usize {
        self.frac.len()
    }

    /// Checked cells.
    #[must_use]
    pub fn lattices(&self) -> &[Lattice] {
        &self.lattices
    }

    /// Fractional coordinates as given.
    #[must_use]
    pub fn frac_coords(&self) -> &'a [Vec3] {
        self.frac
    }

    /// Atomic numbers, if they were given.
    #[must_use]
    pub fn numbers(&self) -> Option<&'a [u8]> {
        self.numbers
    }

    /// Rows of crystal b are `offsets[b]..offsets[b + 1]`.
    #[must_use]
    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// Rows of crystal b.
    #[must_use]
    #[inline]
    pub fn atoms(&self, crystal: usize) -> std::ops::Range<usize> {
        self.offsets[crystal] as usize..self.offsets[crystal + 1] as usize
    }

    /// Site labels of crystal b, if the batch has any.
    #[must_use]
    #[inline]
    pub fn site(&self, crystal: usize) -> Option<&'a [i32]> {
        self.site.map(|site| &site[self.atoms(crystal)])
    }
}

impl<'a> From<&'a Crystal> for BatchView<'a> {
    fn from(crystal: &'a Crystal) -> Self {
        BatchView::of_one(crystal)
    }
}

/// Check all cells of a batch.
///
/// # Errors
/// [`CrystalError`] naming the first bad crystal.
pub fn check_lattices(lattices: &[Mat3]) -> Result<Vec<Lattice>> {
    lattices
        .iter()
        .enumerate()
        .map(|(b, rows)| Lattice::in_batch(*rows, Some(b)))
        .collect()
}

/// Check that `offsets` has `count + 1` entries, starts at 0, never falls and ends at `total`.
///
/// # Errors
/// [`CrystalError`] with the field's name.
pub fn check_offsets(field: &'static str, offsets: &[i64], count: usize, total: usize) -> Result<()> {
    let refuse = |message: String, row: Option<usize>, value: Option<i64>| {
        Err(Error::Crystal(CrystalError {
            message,
            field,
            crystal: row,
            row: None,
            value: value.map(|v| v.to_string()),
        }))
    };
    if offsets.len() != count + 1 {
        return refuse(
            format!("{field} has {} entries, {} are needed", offsets.len(), count + 1),
            None,
            None,
        );
    }
    if offsets[0] != 0 {
        return refuse(
            format!("{field} starts at {}, not at 0", offsets[0]),
            Some(0),
            Some(offsets[0]),
        );
    }
    if let Some(b) = offsets.windows(2).position(|pair| pair[1] < pair[0]) {
        let message = format!("{field} falls from {} to {} at crystal {b}", offsets[b], offsets[b + 1]);
        return refuse(message, Some(b), Some(offsets[b + 1]));
    }
    if offsets[count] != total as i64 {
        return refuse(
            format!("{field} ends at {}, but there are {total} rows", offsets[count]),
            None,
            None,
        );
    }
    Ok(())
}

/// Require a finite number above zero.
pub(crate) fn check_positive(name: &'static str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(ArgumentError {
        name,
        value: value.to_string(),
        message: "must be a finite number above 0".into(),
    }
    .into())
}

/// An owned batch, put together crystal by crystal.
#[derive(Debug, Clone, PartialEq)]
pub struct CrystalBatch {
    /// Cells, B.
    pub lattices: Vec<Lattice>,
    /// Atomic numbers, N.
    pub numbers: Vec<u8>,
    /// Fractional coordinates, N.
    pub frac_coords: Vec<Vec3>,
    /// Where each crystal's rows begin, B+1.
    pub offsets: Vec<i64>,
    /// Site labels, N, if any crystal has them; rows without a label of their own get fresh ones.
    pub site: Option<Vec<i32>>,
}

impl CrystalBatch {
    /// Put crystals one after the other.
    #[must_use]
    pub fn from_crystals<'c>(crystals: impl IntoIterator<Item = &'c Crystal>) -> Self {
        let mut batch = Self {
            lattices: vec![],
            numbers: vec![],
            frac_coords: vec![],
            offsets: vec![0],
            site: None,
        };
        let mut site = Vec::new();
        let mut labelled = false;
        for crystal in crystals {
            batch.lattices.push(crystal.lattice);
            batch.numbers.extend_from_slice(&crystal.numbers);
            batch.frac_coords.extend_from_slice(&crystal.frac_coords);
            batch.offsets.push(batch.frac_coords.len() as i64);
            if let Some(labels) = &crystal.site {
                labelled = true;
                site.extend_from_slice(labels);
            } else {
                site.extend(0..crystal.len() as i32);
            }
        }
        batch.site = labelled.then_some(site);
        batch
    }

    /// Borrow for computing; the parts were checked when the crystals were made.
    #[must_use]
    pub fn view(&self) -> BatchView<'_> {
        BatchView {
            lattices: self.lattices.clone(),
            numbers: Some(&self.numbers),
            frac: &self.frac_coords,
            offsets: self.offsets.as_slice().into(),
            site: self.site.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: Mat3 = [[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]];

    #[test]
    fn empty_batches_and_crystals_are_legal() {
        assert!(BatchView::new(&[], None, &[], &[0], None).unwrap().is_empty());
        assert_eq!(BatchView::new(&[CELL], None, &[], &[0, 0], None).unwrap().len(), 1);
    }

    #[test]
    fn bad_offsets_are_refused() {
        let frac = [[0.0; 3]; 2];
        for offsets in [&[0, 2][..], &[0, 1, 3], &[1, 1, 2], &[0, 2, 1], &[]] {
            assert!(
                BatchView::new(&[CELL, CELL], None, &frac, offsets, None).is_err(),
                "{offsets:?}"
            );
        }
    }

    #[test]
    fn errors_name_the_crystal_and_its_row() {
        let frac = [[0.0; 3], [0.0; 3], [f64::INFINITY, 0.0, 0.0]];
        let error = BatchView::new(&[CELL, CELL], None, &frac, &[0, 1, 3], None).unwrap_err();
        let Error::Crystal(error) = error else {
            panic!("{error}")
        };
        assert_eq!(
            (error.crystal, error.row, error.field),
            (Some(1), Some(1), "frac_coords")
        );
        let error = BatchView::new(&[CELL, [[0.0; 3]; 3]], None, &[], &[0, 0, 0], None).unwrap_err();
        assert!(error.to_string().contains("crystal 1"), "{error}");
    }
}
