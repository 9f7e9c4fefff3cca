//! Fourier sums of ragged batches, on the memory of the arrays that come in.
//!
//! All arrays but coordinates and indices are flat; complex numbers are pairs. Real arrays have the type of `frac`.
//! `out` is written whole.

use numpy::{Element, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray1};
use pyo3::prelude::*;
use recipnet_core::error::{ArgumentError, Error, Result};
use recipnet_core::structure_factor::{self as sums, Keep, Lookup, Ragged, Scalar, Weights};

use crate::arrays::{compute, rows, slice};
use crate::error::CoreError;
use crate::openmp;

/// `(frac, hkl, atom_offsets, hkl_offsets)`.
type Arrays<'py, T> = (
    PyReadonlyArray2<'py, T>,
    PyReadonlyArray2<'py, i32>,
    PyReadonlyArray1<'py, i64>,
    PyReadonlyArray1<'py, i64>,
);

/// A batch in float32 or float64.
#[derive(FromPyObject)]
pub enum Batch<'py> {
    Single(Arrays<'py, f32>),
    Double(Arrays<'py, f64>),
}

fn refuse(name: &'static str, value: &str, message: &str) -> PyErr {
    CoreError(Error::Argument(ArgumentError {
        name,
        value: value.to_owned(),
        message: message.to_owned(),
    }))
    .into()
}

/// A flat array of pairs.
fn pairs<'a, T: Element>(name: &'static str, array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [[T; 2]]> {
    match slice(name, array)?.as_chunks::<2>() {
        (pairs, []) => Ok(pairs),
        _ => Err(refuse(name, "odd length", "complex numbers are pairs")),
    }
}

/// The same to write to, N numbers at a time.
fn groups<'a, T: Element, const N: usize>(array: &'a mut PyReadwriteArray1<'_, T>) -> PyResult<&'a mut [[T; N]]> {
    match array.as_slice_mut()?.as_chunks_mut::<N>() {
        (groups, []) => Ok(groups),
        _ => Err(refuse(
            "out",
            "other length",
            &format!("must hold {N} numbers for each row"),
        )),
    }
}

/// Run a sum on a batch that is checked without Python's lock.
fn on_batch<T: Scalar + Element>(
    py: Python<'_>,
    arrays: &Arrays<'_, T>,
    work: impl FnOnce(&Ragged<T>) -> Result<()> + Send,
) -> PyResult<()> {
    let (frac, hkl) = (rows("frac", &arrays.0)?, rows("hkl", &arrays.1)?);
    let (atoms, reflections) = (slice("atom_offsets", &arrays.2)?, slice("hkl_offsets", &arrays.3)?);
    compute(py, || {
        openmp::run(|| work(&Ragged::new(frac, hkl, atoms, reflections)?))
    })
}

/// Rows of the atoms, places of the reflections, numbers of rows and columns, order of differentiation.
type Table<'py> = Option<(PyReadonlyArray1<'py, i64>, Bound<'py, PyAny>, usize, usize, u32)>;

/// Arrays of a [`Table`].
type Held<'py, T> = Option<(PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, T>, usize, usize, u32)>;

fn held<'py, T: Element>(table: &Table<'py>) -> PyResult<Held<'py, T>> {
    let Some((kinds, places, rows, columns, order)) = table else {
        return Ok(None);
    };
    Ok(Some((kinds.clone(), places.extract()?, *rows, *columns, *order)))
}

fn lookup_of<'a, T: Element>(held: &'a Held<'_, T>) -> PyResult<Lookup<'a, T>> {
    let Some((kinds, places, rows, columns, order)) = held else {
        return Err(refuse("table", "None", "is needed for this layout"));
    };
    Ok(Lookup {
        kinds: slice("kinds", kinds)?,
        places: slice("places", places)?,
        rows: *rows,
        columns: *columns,
        order: *order,
    })
}

/// Weights by their layout, "atom", "term" or "table".
fn weights_of<'a, T: Scalar + Element>(
    layout: &str,
    values: &'a [T],
    held: &'a Held<'_, T>,
) -> PyResult<Weights<'a, T>> {
    match layout {
        "atom" => Ok(Weights::Atom(values)),
        "term" => Ok(Weights::Term(values)),
        "table" => Ok(Weights::Table {
            values,
            lookup: lookup_of(held)?,
        }),
        _ => Err(refuse("layout", layout, "must be atom, term or table")),
    }
}

fn forward<'py, T: Scalar + Element>(
    py: Python<'py>,
    arrays: &Arrays<'py, T>,
    weights: &Bound<'py, PyAny>,
    layout: &str,
    table: &Table<'py>,
    out: &Bound<'py, PyAny>,
) -> PyResult<()> {
    let mut out = out.extract::<PyReadwriteArray1<T>>()?;
    let out = groups(&mut out)?;
    let (weights, held) = (weights.extract::<PyReadonlyArray1<T>>()?, held(table)?);
    let weights = weights_of(layout, slice("weights", &weights)?, &held)?;
    on_batch(py, arrays, |batch| sums::forward(batch, &weights, None, out))
}

/// `F` of weights, as pairs; see `recipnet.ops`.
#[pyfunction]
#[pyo3(signature = (batch, weights, layout, table, out))]
#[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn weighted_forward<'py>(
    py: Python<'py>,
    batch: Batch<'py>,
    weights: Bound<'py, PyAny>,
    layout: &str,
    table: Table<'py>,
    out: Bound<'py, PyAny>,
) -> PyResult<()> {
    match batch {
        Batch::Single(arrays) => forward(py, &arrays, &weights, layout, &table, &out),
        Batch::Double(arrays) => forward(py, &arrays, &weights, layout, &table, &out),
    }
}

fn adjoint<'py, T: Scalar + Element>(
    py: Python<'py>,
    arrays: &Arrays<'py, T>,
    g: &Bound<'py, PyAny>,
    layout: &str,
    table: &Table<'py>,
    out: &Bound<'py, PyAny>,
) -> PyResult<()> {
    let mut out = out.extract::<PyReadwriteArray1<T>>()?;
    let out = out.as_slice_mut()?;
    let (g, held) = (g.extract::<PyReadonlyArray1<T>>()?, held(table)?);
    let g = pairs("g", &g)?;
    let keep = match layout {
        "atom" => Keep::Atom,
        "term" => Keep::Term,
        "table" => {
            let lookup = lookup_of(&held)?;
            return on_batch(py, arrays, |batch| sums::table_adjoint(batch, g, &lookup, None, out));
        }
        _ => return Err(refuse("layout", layout, "must be atom, term or table")),
    };
    on_batch(py, arrays, |batch| sums::adjoint(batch, g, keep, None, out))
}

/// Gradient of `weighted_forward` in the weights; see `recipnet.ops`.
#[pyfunction]
#[pyo3(signature = (batch, g, layout, table, out))]
#[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn weighted_adjoint<'py>(
    py: Python<'py>,
    batch: Batch<'py>,
    g: Bound<'py, PyAny>,
    layout: &str,
    table: Table<'py>,
    out: Bound<'py, PyAny>,
) -> PyResult<()> {
    match batch {
        Batch::Single(arrays) => adjoint(py, &arrays, &g, layout, &table, &out),
        Batch::Double(arrays) => adjoint(py, &arrays, &g, layout, &table, &out),
    }
}

fn position_gradient<'py, T: Scalar + Element>(
    py: Python<'py>,
    arrays: &Arrays<'py, T>,
    weights: &Bound<'py, PyAny>,
    g: &Bound<'py, PyAny>,
    layout: &str,
    table: &Table<'py>,
    out: &Bound<'py, PyAny>,
) -> PyResult<()> {
    let mut out = out.extract::<PyReadwriteArray1<T>>()?;
    let out = groups(&mut out)?;
    let (weights, g) = (
        weights.extract::<PyReadonlyArray1<T>>()?,
        g.extract::<PyReadonlyArray1<T>>()?,
    );
    let (g, held) = (pairs("g", &g)?, held(table)?);
    let weights = weights_of(layout, slice("weights", &weights)?, &held)?;
    on_batch(py, arrays, |batch| {
        sums::position_gradient(batch, &weights, g, None, out)
    })
}

/// Gradient of `weighted_forward` in the coordinates; see `recipnet.ops`.
#[pyfunction]
#[pyo3(signature = (batch, weights, g, layout, table, out))]
#[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn weighted_position_gradient<'py>(
    py: Python<'py>,
    batch: Batch<'py>,
    weights: Bound<'py, PyAny>,
    g: Bound<'py, PyAny>,
    layout: &str,
    table: Table<'py>,
    out: Bound<'py, PyAny>,
) -> PyResult<()> {
    match batch {
        Batch::Single(arrays) => position_gradient(py, &arrays, &weights, &g, layout, &table, &out),
        Batch::Double(arrays) => position_gradient(py, &arrays, &weights, &g, layout, &table, &out),
    }
}

fn channels<'py, T: Scalar + Element>(
    py: Python<'py>,
    arrays: &Arrays<'py, T>,
    operation: &str,
    inputs: &[Bound<'py, PyAny>],
    channels: usize,
    out: &Bound<'py, PyAny>,
) -> PyResult<()> {
    let inputs: Vec<PyReadonlyArray1<T>> = inputs.iter().map(PyAnyMethods::extract).collect::<PyResult<_>>()?;
    let mut out = out.extract::<PyReadwriteArray1<T>>()?;
    match (operation, inputs.as_slice()) {
        ("forward", [q]) => {
            let (q, out) = (slice("q", q)?, groups(&mut out)?);
            on_batch(py, arrays, |batch| {
                sums::channels_forward(batch, q, channels, None, out)
            })
        }
        ("adjoint", [t]) => {
            let (t, out) = (pairs("t", t)?, out.as_slice_mut()?);
            on_batch(py, arrays, |batch| {
                sums::channels_adjoint(batch, t, channels, None, out)
            })
        }
        ("position_gradient", [q, t]) => {
            let (q, t, out) = (slice("q", q)?, pairs("t", t)?, groups(&mut out)?);
            on_batch(py, arrays, |batch| {
                sums::channels_position_gradient(batch, q, t, channels, None, out)
            })
        }
        ("convolve", [q, weight]) => {
            let (q, weight, out) = (slice("q", q)?, slice("weight", weight)?, out.as_slice_mut()?);
            on_batch(py, arrays, |batch| {
                sums::channels_convolve(batch, q, weight, channels, None, out)
            })
        }
        ("correlate", [q, p]) => {
            let (q, p, out) = (slice("q", q)?, slice("p", p)?, out.as_slice_mut()?);
            on_batch(py, arrays, |batch| {
                sums::channels_correlate(batch, q, p, channels, None, out)
            })
        }
        _ => Err(refuse("operation", operation, "not one of these, or with other inputs")),
    }
}

/// One of the sums with C channels; see `recipnet.ops`.
#[pyfunction]
#[pyo3(signature = (operation, batch, inputs, count, out))]
#[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn channel_sums<'py>(
    py: Python<'py>,
    operation: &str,
    batch: Batch<'py>,
    inputs: Vec<Bound<'py, PyAny>>,
    count: usize,
    out: Bound<'py, PyAny>,
) -> PyResult<()> {
    match batch {
        Batch::Single(arrays) => channels(py, &arrays, operation, &inputs, count, &out),
        Batch::Double(arrays) => channels(py, &arrays, operation, &inputs, count, &out),
    }
}

/// Add what this file offers.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(weighted_forward, module)?)?;
    module.add_function(wrap_pyfunction!(weighted_adjoint, module)?)?;
    module.add_function(wrap_pyfunction!(weighted_position_gradient, module)?)?;
    module.add_function(wrap_pyfunction!(channel_sums, module)?)
}
