//! Core errors become the Python exceptions of `recipnet.errors`, values as attributes.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use recipnet_core::error::{Error, Format};

/// Wrapper that lets binding code use `?` on core results.
pub struct CoreError(pub Error);

impl From<Error> for CoreError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<CoreError> for PyErr {
    fn from(error: CoreError) -> Self {
        Python::attach(|py| to_pyerr(py, &error.0).unwrap_or_else(|error| error))
    }
}

/// The Python exception of one core error.
pub fn to_pyerr(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let values = PyDict::new(py);
    let class = match error {
        Error::Read(e) => {
            values.set_item("code", e.code)?;
            values.set_item("path", &e.path)?;
            values.set_item("line", e.line)?;
            values.set_item("column", e.column)?;
            values.set_item("block", &e.block)?;
            values.set_item("tag", &e.tag)?;
            values.set_item("value", &e.value)?;
            values.set_item("hint", &e.hint)?;
            match e.format {
                Format::Cif => "CifError",
                Format::Poscar => "PoscarError",
                Format::Extxyz => "ExtxyzError",
            }
        }
        Error::Crystal(e) => {
            values.set_item("field", e.field)?;
            values.set_item("crystal", e.crystal)?;
            values.set_item("row", e.row)?;
            values.set_item("value", &e.value)?;
            "CrystalError"
        }
        Error::Symmetry(e) => {
            values.set_item("value", &e.value)?;
            "SymmetryError"
        }
        Error::CrystalSymmetry { crystal, error } => {
            values.set_item("value", &error.value)?;
            values.set_item("crystal", crystal)?;
            "SymmetryError"
        }
        Error::Limit(e) => {
            values.set_item("name", e.name)?;
            values.set_item("limit", e.limit)?;
            values.set_item("needed", e.needed)?;
            values.set_item("crystal", e.crystal)?;
            "LimitError"
        }
        Error::Argument(e) => {
            values.set_item("name", e.name)?;
            values.set_item("value", &e.value)?;
            "ArgumentError"
        }
        Error::Write(e) => {
            values.set_item("format", e.format)?;
            values.set_item("field", e.field)?;
            values.set_item("crystal", e.crystal)?;
            values.set_item("row", e.row)?;
            values.set_item("value", &e.value)?;
            "WriteError"
        }
    };
    let class = py.import("recipnet.errors")?.getattr(class)?;
    let instance = class.call((error.to_string(),), Some(&values))?;
    Ok(PyErr::from_value(instance))
}
