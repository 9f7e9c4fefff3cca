//! A batch to all arrays that a model reads, in one call.

use numpy::Element;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use recipnet_core::featurize::{EdgeSpec, FeatureOptions, Features, featurize as core_featurize};
use recipnet_core::math::Real;
use recipnet_core::neighbors::{NearestOptions, RadiusOptions};
use recipnet_core::reciprocal::{ReflectionOptions, Unique};

use crate::arrays::{BatchArrays, Given1, Given2, Given3, compute, cube, halves, table, vector};
use crate::geometry::keyword;

/// `("radius", cutoff)` or `("nearest", k, shell_tol, mode)`.
fn edge_spec(spec: &Bound<'_, PyTuple>, max_edges: u64) -> PyResult<EdgeSpec> {
    let kind: String = spec.get_item(0)?.extract()?;
    match kind.as_str() {
        "radius" => {
            let (_, cutoff): (String, f64) = spec.extract()?;
            Ok(EdgeSpec::Radius(RadiusOptions {
                cutoff,
                half: false,
                self_images: true,
                max_edges,
            }))
        }
        "nearest" => {
            let (_, k, shell_tol, mode): (String, usize, f64, String) = spec.extract()?;
            Ok(EdgeSpec::Nearest(NearestOptions {
                k,
                shell_tol,
                mode: keyword(&mode)?,
                max_edges,
            }))
        }
        _ => Err(PyTypeError::new_err(format!(
            "edges: {kind:?} is neither \"radius\" nor \"nearest\""
        ))),
    }
}

fn features_dict<T: Real + Element>(py: Python<'_>, features: Features<T>) -> PyResult<Bound<'_, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("numbers", vector(py, features.numbers))?;
    out.set_item("frac", table(py, features.frac)?)?;
    out.set_item("lattice", cube(py, features.lattice)?)?;
    out.set_item("atom_offsets", vector(py, features.atom_offsets))?;
    if let Some((edges, vectors)) = features.edges {
        out.set_item("edge_index", halves(py, edges.index)?)?;
        out.set_item("edge_vector", table(py, vectors)?)?;
        out.set_item("edge_distance", vector(py, edges.distance))?;
        out.set_item("edge_offsets", vector(py, edges.offsets))?;
    }
    if let Some((indices, inverse_d)) = features.reflections {
        out.set_item("hkl", table(py, indices.hkl)?)?;
        out.set_item("hkl_offsets", vector(py, indices.offsets))?;
        out.set_item("inverse_d", vector(py, inverse_d))?;
    }
    Ok(out)
}

/// Arrays that a model reads: always `numbers, frac, lattice, atom_offsets`; with `edges` also `edge_index, edge_vector,
/// edge_distance, edge_offsets`; with `d_min` also `hkl, hkl_offsets, inverse_d` (one of each +-h, scan order).
#[pyfunction]
#[pyo3(signature = (lattices, numbers, frac, offsets, site, edges, d_min, max_edges, max_reflections, threads, single))]
#[allow(clippy::too_many_arguments)] // Flat arrays and scalars are the contract with Python.
pub fn featurize<'py>(
    py: Python<'py>,
    lattices: Given3<'py, f64>,
    numbers: Given1<'py, u8>,
    frac: Given2<'py, f64>,
    offsets: Given1<'py, i64>,
    site: Option<Given1<'py, i32>>,
    edges: Option<Bound<'py, PyTuple>>,
    d_min: Option<f64>,
    max_edges: u64,
    max_reflections: u64,
    threads: Option<usize>,
    single: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let arrays = BatchArrays {
        lattices,
        numbers: Some(numbers),
        frac,
        offsets,
        site,
    };
    let slices = arrays.slices()?;
    let options = FeatureOptions {
        edges: edges.map(|spec| edge_spec(&spec, max_edges)).transpose()?,
        reflections: d_min.map(|d_min| ReflectionOptions {
            d_min,
            unique: Unique::Friedel,
            drop_absent: false,
            max_reflections,
        }),
    };
    if single {
        features_dict(
            py,
            compute(py, || core_featurize::<f32>(&slices.view()?, &options, threads))?,
        )
    } else {
        features_dict(
            py,
            compute(py, || core_featurize::<f64>(&slices.view()?, &options, threads))?,
        )
    }
}

/// Add what this file offers.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(featurize, module)?)
}
