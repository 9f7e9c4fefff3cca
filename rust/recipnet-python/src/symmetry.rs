//! Symmetry operations between texts and arrays.

use numpy::{IntoPyArray, PyArray2, PyArray3, PyArrayMethods};
use pyo3::prelude::*;
use recipnet_core::error::{Error, SymmetryError};
use recipnet_core::symmetry::{Operation, Operations};

use crate::error::CoreError;

/// Rotations (n, 3, 3), translations (n, 3) as numerators, denominator.
pub type Arrays<'py> = (Bound<'py, PyArray3<i8>>, Bound<'py, PyArray2<i16>>, i16);

/// The arrays of a list of operations.
pub fn to_arrays<'py>(py: Python<'py>, operations: &Operations) -> PyResult<Arrays<'py>> {
    let n = operations.len();
    let rotations: Vec<i8> = operations
        .as_slice()
        .iter()
        .flat_map(|one| one.rotation.into_iter().flatten())
        .collect();
    let translations: Vec<i16> = operations.as_slice().iter().flat_map(|one| one.translation).collect();
    Ok((
        rotations.into_pyarray(py).reshape([n, 3, 3])?,
        translations.into_pyarray(py).reshape([n, 3])?,
        operations.denominator(),
    ))
}

/// Operations of texts such as `x+1/2,-y,z`.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // Python's list arrives as an owned vector
pub fn parse_operations(py: Python<'_>, texts: Vec<String>) -> PyResult<Arrays<'_>> {
    let operations = py
        .detach(|| Operations::from_xyz(&texts))
        .map_err(|error| CoreError(Error::Symmetry(error)))?;
    to_arrays(py, &operations)
}

/// Canonical texts of operations.
#[pyfunction]
pub fn operations_to_xyz(
    rotations: &Bound<'_, PyArray3<i8>>,
    translations: &Bound<'_, PyArray2<i16>>,
    denominator: i16,
) -> PyResult<Vec<String>> {
    let (rotations, translations) = (rotations.readonly(), translations.readonly());
    let (rotations, translations) = (rotations.as_array(), translations.as_array());
    let n = rotations.shape()[0];
    if rotations.shape() != [n, 3, 3] || translations.shape() != [n, 3] {
        let error = SymmetryError {
            message: "rotations must have the shape (n, 3, 3) and translations (n, 3)".into(),
            value: format!("{:?} and {:?}", rotations.shape(), translations.shape()),
        };
        return Err(CoreError(Error::Symmetry(error)).into());
    }
    let list = (0..n)
        .map(|k| Operation {
            rotation: std::array::from_fn(|i| std::array::from_fn(|j| rotations[[k, i, j]])),
            translation: std::array::from_fn(|i| translations[[k, i]]),
        })
        .collect();
    let operations = Operations::new(list, denominator).map_err(|error| CoreError(Error::Symmetry(error)))?;
    Ok(operations.to_xyz())
}
