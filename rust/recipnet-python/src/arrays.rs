//! `NumPy` arrays in and out, and the one place where Python's lock is let go.

use std::panic::{AssertUnwindSafe, catch_unwind};

use numpy::ndarray::{Array2, Array3, ArrayView, Dimension, IntoDimension, Ix1, Ix2, Ix3};
use numpy::{
    Element, IntoPyArray, PyArray, PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError};
use pyo3::prelude::*;
use recipnet_core::batch::BatchView;
use recipnet_core::error::{CrystalError, Error, Result};
use recipnet_core::math::{Mat3, Vec3};

use crate::error::CoreError;
use crate::memory::{LARGE, Memory};

/// Rows from which on it pays to let Python's lock go while they are looked at.
const MANY: usize = 4096;

/// Run core code without Python's lock. A panic, which would be a bug, becomes a `RuntimeError`.
pub fn compute<R: Send>(py: Python<'_>, work: impl FnOnce() -> Result<R> + Send) -> PyResult<R> {
    result(py.detach(|| catch_unwind(AssertUnwindSafe(work))))
}

/// [`compute`] for what passes once over so many rows: with few of them the lock is kept.
pub fn compute_rows<R: Send>(py: Python<'_>, rows: usize, work: impl FnOnce() -> Result<R> + Send) -> PyResult<R> {
    if rows < MANY {
        result(catch_unwind(AssertUnwindSafe(work)))
    } else {
        compute(py, work)
    }
}

fn result<R>(outcome: std::thread::Result<Result<R>>) -> PyResult<R> {
    match outcome {
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

/// An array from Python, to be read.
///
/// `PyReadonlyArray` would enter each one in a table that all extensions share, to tell whether one of them writes it:
/// a tenth of the time of a call for one small crystal. Whether Python code writes an array while it is read is up to
/// that code, with the table and without.
pub struct Given<'py, T, D>(Bound<'py, PyArray<T, D>>);
pub type Given1<'py, T> = Given<'py, T, Ix1>;
pub type Given2<'py, T> = Given<'py, T, Ix2>;
pub type Given3<'py, T> = Given<'py, T, Ix3>;

impl<'a, 'py, T: Element + 'a, D: Dimension + 'a> FromPyObject<'a, 'py> for Given<'py, T, D> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(object.cast::<PyArray<T, D>>()?.to_owned()))
    }
}

impl<'py, T: Element, D: Dimension> Given<'py, T, D> {
    /// Its values, in C order; None if they do not lie so.
    pub fn as_slice(&self) -> Option<&[T]> {
        if !self.0.is_c_contiguous() {
            return None;
        }
        // SAFETY: aligned and contiguous, or refused. Nothing here writes what was given to be read.
        unsafe { self.0.as_slice() }.ok()
    }

    /// Lengths of its axes.
    pub fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    pub fn py(&self) -> Python<'py> {
        self.0.py()
    }
}

/// What lies in memory as an array does.
pub trait Values<T> {
    /// The values in C order, if they lie so, and the lengths of the axes.
    fn parts(&self) -> (Option<&[T]>, &[usize]);
}

impl<T: Element, D: Dimension> Values<T> for Given<'_, T, D> {
    fn parts(&self) -> (Option<&[T]>, &[usize]) {
        (self.as_slice(), self.shape())
    }
}

impl<T: Element, D: Dimension> Values<T> for PyReadonlyArray<'_, T, D> {
    fn parts(&self) -> (Option<&[T]>, &[usize]) {
        // `as_slice` alone would take Fortran order too.
        let flat = if self.is_c_contiguous() {
            self.as_slice().ok()
        } else {
            None
        };
        (flat, self.shape())
    }
}

/// The values of an array, in C order, and the lengths of its axes.
fn contiguous<'a, T>(field: &'static str, array: &'a impl Values<T>) -> PyResult<(&'a [T], &'a [usize])> {
    let (flat, shape) = array.parts();
    match flat {
        Some(flat) => Ok((flat, shape)),
        None => Err(shape_error(field, format!("{field} is not C-contiguous"))),
    }
}

/// The values of a C-contiguous array.
pub fn slice<'a, T>(field: &'static str, array: &'a impl Values<T>) -> PyResult<&'a [T]> {
    contiguous(field, array).map(|(flat, _)| flat)
}

/// The rows of a C-contiguous (N, 3) array.
pub fn rows<'a, T>(field: &'static str, array: &'a impl Values<T>) -> PyResult<&'a [[T; 3]]> {
    let (flat, shape) = contiguous(field, array)?;
    match (flat.as_chunks::<3>(), shape) {
        ((rows, []), [_, 3]) => Ok(rows),
        _ => Err(shape_error(
            field,
            format!("{field} has shape {shape:?}, (N, 3) is needed"),
        )),
    }
}

/// Both rows of a C-contiguous (2, N) array.
pub fn two_rows<'a, T>(field: &'static str, array: &'a impl Values<T>) -> PyResult<[&'a [T]; 2]> {
    match contiguous(field, array)? {
        (flat, [2, length]) => Ok(flat.split_at(*length).into()),
        (_, shape) => Err(shape_error(
            field,
            format!("{field} has shape {shape:?}, (2, N) is needed"),
        )),
    }
}

/// The matrices of a C-contiguous (N, 3, 3) array.
pub fn matrices<'a, T>(field: &'static str, array: &'a impl Values<T>) -> PyResult<&'a [[[T; 3]; 3]]> {
    let (flat, shape) = contiguous(field, array)?;
    match (flat.as_chunks::<3>().0.as_chunks::<3>(), shape) {
        ((matrices, []), [_, 3, 3]) => Ok(matrices),
        _ => Err(shape_error(
            field,
            format!("{field} has shape {shape:?}, (N, 3, 3) is needed"),
        )),
    }
}

/// Borrowed arrays of a batch, as they come from Python.
pub struct BatchArrays<'py> {
    pub lattices: Given3<'py, f64>,
    pub numbers: Option<Given1<'py, u8>>,
    pub frac: Given2<'py, f64>,
    pub offsets: Given1<'py, i64>,
    pub site: Option<Given1<'py, i32>>,
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
    /// [`Self::view`] as Python code calls it.
    pub fn checked(&self, py: Python<'_>) -> PyResult<BatchView<'a>> {
        compute_rows(py, self.frac.len(), || self.view())
    }

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

/// Bytes of a short vector.
const SHORT: usize = 2048;

/// Types of which any bytes are a value.
pub trait Number: Element {}
impl Number for f32 {}
impl Number for f64 {}
impl Number for i32 {}
impl Number for i64 {}
impl Number for u8 {}

/// A vector as an array. A short one is copied: an object that would own its memory takes longer to make.
pub fn vector<T: Element>(py: Python<'_>, data: Vec<T>) -> Bound<'_, PyArray1<T>> {
    if size_of_val(data.as_slice()) < SHORT {
        PyArray1::from_slice(py, &data)
    } else {
        data.into_pyarray(py)
    }
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
