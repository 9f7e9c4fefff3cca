//! What a caller may choose.

use crate::error::{ArgumentError, Result};

/// What becomes of an atom whose element is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownElement {
    /// The file is refused.
    #[default]
    Error,
    /// The atom becomes X, number 0, with a warning.
    X,
}

impl UnknownElement {
    /// The choice of a name: `error` or `X`.
    ///
    /// # Errors
    /// [`ArgumentError`](crate::error::ArgumentError) for any other name.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "error" => Ok(Self::Error),
            "X" => Ok(Self::X),
            _ => Err(ArgumentError {
                name: "unknown_element",
                value: format!("{name:?}"),
                message: "must be \"error\" or \"X\"".into(),
            }
            .into()),
        }
    }
}

/// Options of the reader; the defaults are the documented limits.
#[derive(Debug, Clone, PartialEq)]
pub struct CifOptions {
    /// Which of the file's structures, counted from 0.
    pub index: usize,
    /// Name of the data block; takes the place of `index`.
    pub block: Option<String>,
    /// Refuse what would otherwise be repaired with a warning.
    pub strict: bool,
    /// What becomes of unknown elements.
    pub unknown_element: UnknownElement,
    /// Images of one row closer than this are one atom, angstrom.
    pub merge_tol: f64,
    /// Largest number of atoms in the cell.
    pub max_sites: usize,
    /// Largest text, bytes.
    pub max_bytes: usize,
    /// Shortest cell edge, angstrom.
    pub min_length: f64,
    /// Longest cell edge, angstrom.
    pub max_length: f64,
    /// Smallest distance of lattice planes (100), (010), (001), angstrom.
    pub min_spacing: f64,
}

impl Default for CifOptions {
    fn default() -> Self {
        Self {
            index: 0,
            block: None,
            strict: false,
            unknown_element: UnknownElement::Error,
            merge_tol: 0.03,
            max_sites: 1_000_000,
            max_bytes: 256 * 1024 * 1024,
            min_length: 0.1,
            max_length: 1e4,
            min_spacing: 0.1,
        }
    }
}
