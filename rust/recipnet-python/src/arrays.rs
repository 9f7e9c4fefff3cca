//! `NumPy` arrays in and out, and the one place where Python's lock is let go.

use std::panic::{AssertUnwindSafe, catch_unwind};

use numpy::ndarray::{Array2, Array3, ArrayView, Dimension, IntoDimension};
use numpy::{
    Element, IntoPyArray, PyArray, PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray, PyReadonlyArray1,
    PyReadonlyArray2, PyReadonlyArray3, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError};
use pyo3::prelude::*;
use recipnet_core::batch::BatchView;
use recipnet_core::error::{CrystalError, Error, Result};
use recipnet_core::math::{Mat3, Vec3};

use crate::error::CoreError;
use crate::memory::{LARGE, Memory};

/// Run core code without Python's lock. A panic, which would be a bug, becomes a `RuntimeError`.
pub fn compute<R: Send>(py: Python<'_>, work: impl FnOnce() -> Result<R> + Send) -> PyResult<R> {
    match py.detach(|| catch_unwind(AssertUnwindSafe(work))) {
        Ok(result) => result.map_err(|error| CoreError(error).into()),
        Err(payload) => {
            let text = payload
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| payload.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            Err(PyRuntimeError::new_err(format!(
                "internal error in recipnet's core, please report it: {text}"
            )))
        }
    }
}

fn shape_error(field: &'static str, message: String) -> PyErr {
    CoreError(Error::Crystal(CrystalError {
        message,
        field,
        crystal: None,
        row: None,
        value: None,
    }))
    .into()
}

/// The values of an array, in C order.
fn contiguous<'a, T: Element, D: Dimension>(
    field: &'static str,
    array: &'a PyReadonlyArray<'_, T, D>,
) -> PyResult<&'a [T]> {
    // `as_slice` alone would take Fortran order too.
    match array.as_slice() {
        Ok(flat) if array.is_c_contiguous() => Ok(flat),
        _ => Err(shape_error(field, format!("{field} is not C-contiguous"))),
    }
}

/// The values of a C-contiguous array.
pub fn slice<'a, T: Element>(field: &'static str, array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    contiguous(field, array)
}

/// The rows of a C-contiguous (N, 3) array.
pub fn rows<'a, T: Element>(field: &'static str, array: &'a PyReadonlyArray2<'_, T>) -> PyResult<&'a [[T; 3]]> {
    let flat = contiguous(field, array)?;
    match flat.as_chunks::<3>() {
        (rows, []) if array.as_array().ncols() == 3 => Ok(rows),
        _ => Err(shape_error(
            field,
            format!("{field} has shape {:?}, (N, 3) is needed", array.as_array().shape()),
        )),
    }
}

/// The matrices of a C-contiguous (N, 3, 3) array.
pub fn matrices<'a, T: Element>(
    field: &'static str,
    array: &'a PyReadonlyArray3<'_, T>,
) -> PyResult<&'a [[[T; 3]; 3]]> {
    let flat = contiguous(field, array)?;
    let shape = array.as_array().shape().to_vec();
    match flat.as_chunks::<3>().0.as_chunks::<3>() {
        (matrices, []) if shape[1..] == [3, 3] => Ok(matrices),
        _ => Err(shape_error(
            field,
            format!("{field} has shape {shape:?}, (N, 3, 3) is needed"),
        )),
    }
}

/// Borrowed arrays of a batch, as they come from Python.
pub struct BatchArrays<'py> {
    pub lattices: PyReadonlyArray3<'py, f64>,
    pub numbers: Option<PyReadonlyArray1<'py, u8>>,
    pub frac: PyReadonlyArray2<'py, f64>,
    pub offsets: PyReadonlyArray1<'py, i64>,
    pub site: Option<PyReadonlyArray1<'py, i32>>,
}

/// Plain slices of a batch, not checked yet.
pub struct BatchSlices<'a> {
    lattices: &'a [Mat3],
    numbers: Option<&'a [u8]>,
    frac: &'a [Vec3],
    offsets: &'a [i64],
    site: Option<&'a [i32]>,
}

impl BatchArrays<'_> {
    /// Slices that can be read without Python's lock.
    pub fn slices(&self) -> PyResult<BatchSlices<'_>> {
        Ok(BatchSlices {
            lattices: matrices("lattices", &self.lattices)?,
            numbers: self.numbers.as_ref().map(|array| slice("numbers", array)).transpose()?,
            frac: rows("frac_coords", &self.frac)?,
            offsets: slice("offsets", &self.offsets)?,
            site: self.site.as_ref().map(|array| slice("site", array)).transpose()?,
        })
    }
}

impl<'a> BatchSlices<'a> {
    /// Check.
    pub fn view(&self) -> Result<BatchView<'a>> {
        BatchView::new(self.lattices, self.numbers, self.frac, self.offsets, self.site)
    }
}

/// An array that nobody else has yet, so that nobody needs to be asked before it is written.
pub struct Fresh<'py, T, D>(Bound<'py, PyArray<T, D>>);

impl<'py, T: Element, D: Dimension> Fresh<'py, T, D> {
    /// For the core to write whole: nothing is cleared first, and the memory of a long one is used again.
    pub fn empty(py: Python<'py>, shape: impl IntoDimension<Dim = D>) -> PyResult<Self>
    where
        T: Number,
    {
        let shape = shape.into_dimension();
        let size = shape.size() * size_of::<T>();
        if size < LARGE {
            // SAFETY: what is not written yet is some number.
            return Ok(Self(unsafe { PyArray::new(py, shape, false) }));
        }
        let memory = Memory::new(size).ok_or_else(|| PyMemoryError::new_err(format!("{size} bytes for a result")))?;
        // SAFETY: the memory is large enough, aligned, and holds some numbers.
        let view = unsafe { ArrayView::from_shape_ptr(shape, memory.start().cast::<T>()) };
        let owner = Bound::new(py, memory)?.into_any();
        // SAFETY: the owner, which the array keeps, has the memory and does not touch it.
        Ok(Self(unsafe { PyArray::borrow_from_array(&view, owner) }))
    }

    /// Zeros, or what stands for them.
    pub fn zeros(py: Python<'py>, shape: impl IntoDimension<Dim = D>) -> Self {
        Self(PyArray::zeros(py, shape, false))
    }

    /// Its values, in C order.
    pub fn as_slice_mut(&mut self) -> PyResult<&mut [T]> {
        // SAFETY: it was made here, and is handed out only whole.
        Ok(unsafe { self.0.as_slice_mut() }?)
    }

    /// Hand it over.
    pub fn done(self) -> Bound<'py, PyArray<T, D>> {
        self.0
    }
}

/// Types of which any bytes are a value.
pub trait Number: Element {}
impl Number for f32 {}
impl Number for f64 {}
impl Number for i32 {}
impl Number for i64 {}
impl Number for u8 {}

/// A vector handed over without a copy.
pub fn vector<T: Element>(py: Python<'_>, data: Vec<T>) -> Bound<'_, PyArray1<T>> {
    data.into_pyarray(py)
}

/// Rows as an (N, 3) array, handed over without a copy.
pub fn table<T: Element>(py: Python<'_>, data: Vec<[T; 3]>) -> PyResult<Bound<'_, PyArray2<T>>> {
    let shape = (data.len(), 3);
    let array = Array2::from_shape_vec(shape, data.into_flattened());
    Ok(array
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))?
        .into_pyarray(py))
}

/// Matrices as an (N, 3, 3) array, handed over without a copy.
pub fn cube<T: Element>(py: Python<'_>, data: Vec<[[T; 3]; 3]>) -> PyResult<Bound<'_, PyArray3<T>>> {
    let shape = (data.len(), 3, 3);
    let array = Array3::from_shape_vec(shape, data.into_flattened().into_flattened());
    Ok(array
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))?
        .into_pyarray(py))
}

/// A vector of two stacked halves as a (2, N) array, handed over without a copy.
pub fn halves<T: Element>(py: Python<'_>, data: Vec<T>) -> PyResult<Bound<'_, PyArray2<T>>> {
    let shape = (2, data.len() / 2);
    let array = Array2::from_shape_vec(shape, data);
    Ok(array
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))?
        .into_pyarray(py))
}
