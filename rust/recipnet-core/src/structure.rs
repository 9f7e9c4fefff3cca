//! One crystal with everything that a structure file can hold: what line readers give and writers take.

use crate::math::{Mat3, Vec3};
use crate::symmetry::Operations;

/// A crystal as a file holds it; arrays have one entry per atom row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Structure {
    /// Name of the data block, or comment.
    pub title: String,
    /// Rows a, b, c in angstrom.
    pub lattice: Mat3,
    /// Atomic numbers, 0 = X.
    pub numbers: Vec<u8>,
    /// Fractional coordinates.
    pub frac: Vec<Vec3>,
    /// Occupancies; None where all are 1.
    pub occupancies: Option<Vec<f64>>,
    /// Equal for rows of one site; None where every row is its own.
    pub site: Option<Vec<i32>>,
    /// Charges, NaN = unknown.
    pub charges: Option<Vec<f64>>,
    /// Mass numbers, 0 = natural.
    pub isotopes: Option<Vec<u16>>,
    /// Names of the rows.
    pub labels: Option<Vec<String>>,
    /// Isotropic displacement U in square angstrom, NaN = unknown.
    pub u_iso: Option<Vec<f64>>,
    /// U11 U22 U33 U23 U13 U12 in square angstrom, NaN = unknown.
    pub u_aniso: Option<Vec<[f64; 6]>>,
    /// Disorder assembly and group of the rows as a CIF names them, empty where there is none.
    pub disorder: Option<Vec<[String; 2]>>,
    /// Declared operations.
    pub operations: Option<Operations>,
    /// Declared Hall symbol.
    pub hall_symbol: Option<String>,
    /// Declared Hermann-Mauguin symbol.
    pub hm_symbol: Option<String>,
    /// Declared number in International Tables.
    pub number: Option<u8>,
    /// Names and values of an extended XYZ comment; true where the value was quoted.
    pub info: Vec<(String, String, bool)>,
    /// Further numeric columns of an extended XYZ file.
    pub columns: Vec<Column>,
}

/// A numeric column of `width` values per row.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Values per row.
    pub width: usize,
    /// Rows one after the other.
    pub values: Vec<f64>,
}

impl Structure {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there are no atoms.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The same with None for columns that say nothing: all 1, all NaN, all natural, every row its own site.
    #[must_use]
    pub fn without_defaults(mut self) -> Self {
        let unknown = |values: &Vec<f64>| values.iter().all(|value| value.is_nan());
        self.occupancies = self
            .occupancies
            .filter(|values| values.iter().any(|&value| value != 1.0));
        self.site = self
            .site
            .filter(|site| site.iter().zip(0i32..).any(|(&own, row)| own != row));
        self.charges = self.charges.filter(|values| !unknown(values));
        self.isotopes = self.isotopes.filter(|masses| masses.iter().any(|&mass| mass > 0));
        self.labels = self
            .labels
            .filter(|labels| labels.iter().any(|label| !label.is_empty()));
        self.u_iso = self.u_iso.filter(|values| !unknown(values));
        self.u_aniso = self
            .u_aniso
            .filter(|tensors| tensors.iter().flatten().any(|value| !value.is_nan()));
        self
    }

    /// Occupancy of a row.
    #[must_use]
    pub fn occupancy(&self, row: usize) -> f64 {
        self.occupancies.as_ref().map_or(1.0, |values| values[row])
    }

    /// Mass number of a row, 0 = natural.
    #[must_use]
    pub fn isotope(&self, row: usize) -> u16 {
        self.isotopes.as_ref().map_or(0, |values| values[row])
    }

    /// Charge of a row, where it is known.
    #[must_use]
    pub fn charge(&self, row: usize) -> Option<f64> {
        self.charges
            .as_ref()
            .map(|values| values[row])
            .filter(|charge| !charge.is_nan())
    }

    /// Symbol of a row: D and T are hydrogen of mass 2 and 3, X is unknown; None for other isotopes.
    #[must_use]
    pub fn symbol(&self, row: usize) -> Option<&'static str> {
        match (self.numbers[row], self.isotope(row)) {
            (1, 2) => Some("D"),
            (1, 3) => Some("T"),
            (number, 0) => crate::elements::symbol(number),
            _ => None,
        }
    }
}
