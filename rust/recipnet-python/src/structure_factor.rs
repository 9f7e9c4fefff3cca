//! Fourier sums of ragged batches, on the memory of the arrays that come in.
//!
//! All arrays but coordinates and indices are flat; complex numbers are pairs. Real arrays have the type of `frac`.

use numpy::{Element, PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use recipnet_core::error::{ArgumentError, Error, Result};
use recipnet_core::structure_factor::{self as sums, Keep, Ragged, Scalar, Weights};

use crate::arrays::{compute, rows, slice, vector};
use crate::error::CoreError;

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

/// Run a sum on a batch that is checked without Python's lock, and hand over what it made.
fn on_batch<'py, T: Scalar + Element>(
    py: Python<'py>,
    arrays: &Arrays<'py, T>,
    work: impl FnOnce(&Ragged<T>) -> Result<Vec<T>> + Send,
) -> PyResult<Bound<'py, PyAny>> {
    let (frac, hkl) = (rows("frac", &arrays.0)?, rows("hkl", &arrays.1)?);
    let (atoms, reflections) = (slice("atom_offsets", &arrays.2)?, slice("hkl_offsets", &arrays.3)?);
    let made = compute(py, || work(&Ragged::new(frac, hkl, atoms, reflections)?))?;
    let array: Bound<'py, PyArray1<T>> = vector(py, made);
    Ok(array.into_any())
}

/// Weights by their layout, "atom", "term" or "kind".
fn weights_of<'a, T: Scalar>(
    layout: &str,
    values: &'a [T],
    kinds: &'a [i64],
    count: usize,
) -> PyResult<Weights<'a, T>> {
    match layout {
        "atom" => Ok(Weights::Atom(values)),
        "term" => Ok(Weights::Term(values)),
        "kind" => Ok(Weights::Kind { values, kinds, count }),
        _ => Err(refuse("layout", layout, "must be atom, term or kind")),
    }
}

type Kinds<'py> = Option<(PyReadonlyArray1<'py, i64>, usize)>;

fn kinds_of<'a>(kinds: &'a Kinds<'_>) -> PyResult<(&'a [i64], usize)> {
    kinds
        .as_ref()
        .map_or(Ok((&[][..], 0)), |(kinds, count)| Ok((slice("kinds", kinds)?, *count)))
}

fn forward<'py, T: Scalar + Element>(
    py: Python<'py>,
    arrays: &Arrays<'py, T>,
    weights: &Bound<'py, PyAny>,
    layout: &str,
    kinds: &Kinds<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let (weights, (kinds, count)) = (weights.extract::<PyReadonlyArray1<T>>()?, kinds_of(kinds)?);
    let weights = weights_of(layout, slice("weights", &weights)?, kinds, count)?;
    on_batch(py, arrays, |batch| {
        sums::forward(batch, &weights, None).map(Vec::into_flattened)
    })
}

/// `F` of weights, as pairs; see `recipnet.ops`.
#[pyfunction]
#[pyo3(signature = (batch, weights, layout, kinds))]
#[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn weighted_forward<'py>(
    py: Python<'py>,
    batch: Batch<'py>,
    weights: Bound<'py, PyAny>,
    layout: &str,
    kinds: Kinds<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    match batch {
        Batch::Single(arrays) => forward(py, &arrays, &weights, layout, &kinds),
        Batch::Double(arrays) => forward(py, &arrays, &weights, layout, &kinds),
    }
}

fn adjoint<'py, T: Scalar + Element>(
    py: Python<'py>,
    arrays: &Arrays<'py, T>,
    g: &Bound<'py, PyAny>,
    layout: &str,
    kinds: &Kinds<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let (g, (kinds, count)) = (g.extract::<PyReadonlyArray1<T>>()?, kinds_of(kinds)?);
    let g = pairs("g", &g)?;
    let keep = match layout {
        "atom" => Keep::Atom,
        "term" => Keep::Term,
        "kind" => Keep::Kind { kinds, count },
        _ => return Err(refuse("layout", layout, "must be atom, term or kind")),
    };
    on_batch(py, arrays, |batch| sums::adjoint(batch, g, &keep, None))
}

/// Gradient of `weighted_forward` in the weights; see `recipnet.ops`.
#[pyfunction]
#[pyo3(signature = (batch, g, layout, kinds))]
#[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn weighted_adjoint<'py>(
    py: Python<'py>,
    batch: Batch<'py>,
    g: Bound<'py, PyAny>,
    layout: &str,
    kinds: Kinds<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    match batch {
        Batch::Single(arrays) => adjoint(py, &arrays, &g, layout, &kinds),
        Batch::Double(arrays) => adjoint(py, &arrays, &g, layout, &kinds),
    }
}

fn position_gradient<'py, T: Scalar + Element>(
    py: Python<'py>,
    arrays: &Arrays<'py, T>,
    weights: &Bound<'py, PyAny>,
    g: &Bound<'py, PyAny>,
    layout: &str,
    kinds: &Kinds<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let (weights, g) = (
        weights.extract::<PyReadonlyArray1<T>>()?,
        g.extract::<PyReadonlyArray1<T>>()?,
    );
    let (g, (kinds, count)) = (pairs("g", &g)?, kinds_of(kinds)?);
    let weights = weights_of(layout, slice("weights", &weights)?, kinds, count)?;
    on_batch(py, arrays, |batch| {
        sums::position_gradient(batch, &weights, g, None).map(Vec::into_flattened)
    })
}

/// Gradient of `weighted_forward` in the coordinates; see `recipnet.ops`.
#[pyfunction]
#[pyo3(signature = (batch, weights, g, layout, kinds))]
#[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn weighted_position_gradient<'py>(
    py: Python<'py>,
    batch: Batch<'py>,
    weights: Bound<'py, PyAny>,
    g: Bound<'py, PyAny>,
    layout: &str,
    kinds: Kinds<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    match batch {
        Batch::Single(arrays) => position_gradient(py, &arrays, &weights, &g, layout, &kinds),
        Batch::Double(arrays) => position_gradient(py, &arrays, &weights, &g, layout, &kinds),
    }
}

fn channels<'py, T: Scalar + Element>(
    py: Python<'py>,
    arrays: &Arrays<'py, T>,
    operation: &str,
    inputs: &[Bound<'py, PyAny>],
    channels: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let inputs: Vec<PyReadonlyArray1<T>> = inputs.iter().map(PyAnyMethods::extract).collect::<PyResult<_>>()?;
    match (operation, inputs.as_slice()) {
        ("forward", [q]) => {
            let q = slice("q", q)?;
            on_batch(py, arrays, |batch| {
                sums::channels_forward(batch, q, channels, None).map(Vec::into_flattened)
            })
        }
        ("adjoint", [t]) => {
            let t = pairs("t", t)?;
            on_batch(py, arrays, |batch| sums::channels_adjoint(batch, t, channels, None))
        }
        ("position_gradient", [q, t]) => {
            let (q, t) = (slice("q", q)?, pairs("t", t)?);
            on_batch(py, arrays, |batch| {
                sums::channels_position_gradient(batch, q, t, channels, None).map(Vec::into_flattened)
            })
        }
        ("convolve", [q, weight]) => {
            let (q, weight) = (slice("q", q)?, slice("weight", weight)?);
            on_batch(py, arrays, |batch| {
                sums::channels_convolve(batch, q, weight, channels, None)
            })
        }
        ("correlate", [q, p]) => {
            let (q, p) = (slice("q", q)?, slice("p", p)?);
            on_batch(py, arrays, |batch| {
                sums::channels_correlate(batch, q, p, channels, None)
            })
        }
        _ => Err(refuse("operation", operation, "not one of these, or with other inputs")),
    }
}

/// One of the sums with C channels; see `recipnet.ops`.
#[pyfunction]
#[pyo3(signature = (operation, batch, inputs, count))]
#[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn channel_sums<'py>(
    py: Python<'py>,
    operation: &str,
    batch: Batch<'py>,
    inputs: Vec<Bound<'py, PyAny>>,
    count: usize,
) -> PyResult<Bound<'py, PyAny>> {
    match batch {
        Batch::Single(arrays) => channels(py, &arrays, operation, &inputs, count),
        Batch::Double(arrays) => channels(py, &arrays, operation, &inputs, count),
    }
}

/// Add what this file offers.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(weighted_forward, module)?)?;
    module.add_function(wrap_pyfunction!(weighted_adjoint, module)?)?;
    module.add_function(wrap_pyfunction!(weighted_position_gradient, module)?)?;
    module.add_function(wrap_pyfunction!(channel_sums, module)?)
}
