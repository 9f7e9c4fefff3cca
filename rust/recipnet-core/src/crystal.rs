//! One checked structure.

use crate::error::{CrystalError, Result};
use crate::lattice::Lattice;
use crate::math::Vec3;

/// Largest magnitude of a fractional coordinate.
pub const MAX_COORDINATE: f64 = 1e6;

/// A structure: a cell and rows of atoms. A mixed site is several rows with one value in `site`.
///
/// ```
/// use recipnet_core::{crystal::Crystal, lattice::Lattice};
/// let cell = Lattice::from_parameters(5.64, 5.64, 5.64, 60.0, 60.0, 60.0).unwrap();
/// let salt = Crystal::new(cell, vec![11, 17], vec![[0.0; 3], [0.5; 3]]).unwrap();
/// assert_eq!(salt.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Crystal {
    /// Unit cell.
    pub lattice: Lattice,
    /// Atomic numbers, 0 for unknown.
    pub numbers: Vec<u8>,
    /// Fractional coordinates as given, not wrapped.
    pub frac_coords: Vec<Vec3>,
    /// Site labels of mixed sites.
    pub site: Option<Vec<i32>>,
}

impl Crystal {
    /// Check and keep the arrays.
    ///
    /// # Errors
    /// [`CrystalError`] naming the array, row and value.
    pub fn new(lattice: Lattice, numbers: Vec<u8>, frac_coords: Vec<Vec3>) -> Result<Self> {
        let crystal = Self {
            lattice,
            numbers,
            frac_coords,
            site: None,
        };
        crystal.check()?;
        Ok(crystal)
    }

    /// The same structure with site labels.
    ///
    /// # Errors
    /// [`CrystalError`] when there is not one label per row.
    pub fn with_site(mut self, site: Vec<i32>) -> Result<Self> {
        self.site = Some(site);
        self.check()?;
        Ok(self)
    }

    fn check(&self) -> Result<()> {
        check_rows(
            &self.numbers,
            &self.frac_coords,
            self.site.as_deref(),
            &[0, self.len() as i64],
        )
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frac_coords.len()
    }

    /// Whether there are no atoms.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frac_coords.is_empty()
    }
}

/// Checks of atom rows that do not need the cell; `offsets` only serves to name the crystal.
pub(crate) fn check_rows(numbers: &[u8], frac: &[Vec3], site: Option<&[i32]>, offsets: &[i64]) -> Result<()> {
    let refuse = |field: &'static str, message: String, row: Option<usize>, value: Option<String>| {
        let crystal = row.map(|row| offsets.partition_point(|&o| o <= row as i64).saturating_sub(1));
        let place = crystal.map_or(String::new(), |b| format!("crystal {b}: "));
        // Rows are counted inside their crystal.
        let row = row.zip(crystal).map(|(row, b)| row - offsets[b] as usize);
        CrystalError {
            message: format!("{place}{message}"),
            field,
            crystal,
            row,
            value,
        }
    };
    if numbers.len() != frac.len() {
        let message = format!("numbers has {} rows, frac_coords has {}", numbers.len(), frac.len());
        return Err(refuse("numbers", message, None, None).into());
    }
    if let Some(site) = site
        && site.len() != frac.len()
    {
        let message = format!("site has {} rows, frac_coords has {}", site.len(), frac.len());
        return Err(refuse("site", message, None, None).into());
    }
    if let Some(row) = numbers.iter().position(|&z| z > crate::elements::MAX_NUMBER) {
        let message = format!("atomic number {} does not exist (0 to 118 do)", numbers[row]);
        return Err(refuse("numbers", message, Some(row), Some(numbers[row].to_string())).into());
    }
    // NaN fails the comparison too.
    if let Some(row) = frac.iter().position(|x| !x.iter().all(|x| x.abs() <= MAX_COORDINATE)) {
        let message = format!(
            "frac_coords {:?}: finite numbers up to {MAX_COORDINATE:e} are accepted",
            frac[row]
        );
        return Err(refuse("frac_coords", message, Some(row), Some(format!("{:?}", frac[row]))).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_rows_are_named() {
        let cell = Lattice::from_parameters(4.0, 4.0, 4.0, 90.0, 90.0, 90.0).unwrap();
        let error = Crystal::new(cell, vec![1, 119], vec![[0.0; 3]; 2])
            .unwrap_err()
            .to_string();
        assert!(error.contains("119"), "{error}");
        let error = Crystal::new(cell, vec![1], vec![[0.0, f64::NAN, 0.0]])
            .unwrap_err()
            .to_string();
        assert!(error.contains("frac_coords"), "{error}");
        assert!(Crystal::new(cell, vec![1], vec![]).is_err());
        assert!(
            Crystal::new(cell, vec![1], vec![[0.0; 3]])
                .unwrap()
                .with_site(vec![])
                .is_err()
        );
        assert!(Crystal::new(cell, vec![], vec![]).unwrap().is_empty());
    }
}
