//! Tables of the elements.

use pyo3::prelude::*;
use recipnet_core::elements;

/// Symbols by atomic number; 0 is X.
#[pyfunction]
pub fn element_symbols() -> Vec<&'static str> {
    elements::SYMBOLS.to_vec()
}

/// Atomic weights in dalton by atomic number; 0 for X.
#[pyfunction]
pub fn element_masses() -> Vec<f64> {
    elements::MASSES.to_vec()
}
