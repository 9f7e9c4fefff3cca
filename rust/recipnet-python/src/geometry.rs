//! Neighbours, reflections and threads.

use numpy::Element;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use recipnet_core::batch::check_lattices;
use recipnet_core::error::Error;
use recipnet_core::lattice;
use recipnet_core::math::{Mat3, Real};
use recipnet_core::neighbors::{self, NearestOptions, RadiusOptions};
use recipnet_core::parallel;
use recipnet_core::reciprocal::{self, Details, OperationsView, Order, Plan, ReflectionOptions};

use crate::arrays::{
    BatchArrays, Fresh, Given1, Given2, Given3, Number, compute, halves, matrices, rows, slice, table, vector,
};
use crate::edges::edges_tuple;
use crate::error::CoreError;

/// A keyword given as text.
pub fn keyword<K: std::str::FromStr>(text: &str) -> PyResult<K>
where
    Error: From<K::Err>,
{
    text.parse()
        .map_err(|error: K::Err| CoreError(Error::from(error)).into())
}

/// All neighbours within a cut-off; see `recipnet.neighbors`.
#[pyfunction(name = "neighbors")]
#[pyo3(signature = (lattices, frac, offsets, site, cutoff, half, self_images, max_edges, threads, single))]
#[allow(clippy::too_many_arguments)] // Flat arrays and scalars are the contract with Python.
pub fn radius<'py>(
    py: Python<'py>,
    lattices: Given3<'py, f64>,
    frac: Given2<'py, f64>,
    offsets: Given1<'py, i64>,
    site: Option<Given1<'py, i32>>,
    cutoff: f64,
    half: bool,
    self_images: bool,
    max_edges: u64,
    threads: Option<usize>,
    single: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let arrays = BatchArrays {
        lattices,
        numbers: None,
        frac,
        offsets,
        site,
    };
    let slices = arrays.slices()?;
    let options = RadiusOptions {
        cutoff,
        half,
        self_images,
        max_edges,
    };
    let batch = slices.checked(py)?;
    if single {
        let plan = compute(py, || neighbors::plan_neighbors::<f32>(&batch, &options, threads))?;
        edges_tuple(py, (&batch, threads), plan)
    } else {
        let plan = compute(py, || neighbors::plan_neighbors::<f64>(&batch, &options, threads))?;
        edges_tuple(py, (&batch, threads), plan)
    }
}

/// The k nearest neighbours; see `recipnet.nearest_neighbors`.
#[pyfunction(name = "nearest_neighbors")]
#[pyo3(signature = (lattices, frac, offsets, site, k, shell_tol, edges, max_edges, threads, single))]
#[allow(clippy::too_many_arguments)] // Flat arrays and scalars are the contract with Python.
pub fn nearest<'py>(
    py: Python<'py>,
    lattices: Given3<'py, f64>,
    frac: Given2<'py, f64>,
    offsets: Given1<'py, i64>,
    site: Option<Given1<'py, i32>>,
    k: usize,
    shell_tol: f64,
    edges: &str,
    max_edges: u64,
    threads: Option<usize>,
    single: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let arrays = BatchArrays {
        lattices,
        numbers: None,
        frac,
        offsets,
        site,
    };
    let slices = arrays.slices()?;
    let options = NearestOptions {
        k,
        shell_tol,
        mode: keyword(edges)?,
        max_edges,
    };
    let batch = slices.checked(py)?;
    if single {
        let plan = compute(py, || {
            neighbors::plan_nearest_neighbors::<f32>(&batch, &options, threads)
        })?;
        edges_tuple(py, (&batch, threads), plan)
    } else {
        let plan = compute(py, || {
            neighbors::plan_nearest_neighbors::<f64>(&batch, &options, threads)
        })?;
        edges_tuple(py, (&batch, threads), plan)
    }
}

/// `(index, angle, offsets)`.
fn triplets_of<'py, T: Real + Element>(
    vectors: &Given2<'py, T>,
    (edge_offsets, atom_offsets): (&Given1<'py, i64>, &Given1<'py, i64>),
    max_triplets: u64,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyTuple>> {
    let py = vectors.py();
    let rows = rows("vector", vectors)?;
    let (edge_offsets, atom_offsets) = (slice("offsets", edge_offsets)?, slice("atom_offsets", atom_offsets)?);
    let found = compute(py, || {
        neighbors::triplets(rows, edge_offsets, atom_offsets, max_triplets, threads)
    })?;
    (
        halves(py, found.index)?,
        vector(py, found.angle),
        vector(py, found.offsets),
    )
        .into_pyobject(py)
}

/// Pairs of edges that share their centre; see `recipnet.triplets`.
#[pyfunction]
#[pyo3(signature = (vectors, edge_offsets, atom_offsets, max_triplets, threads))]
#[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn triplets<'py>(
    vectors: &Bound<'py, PyAny>,
    edge_offsets: Given1<'py, i64>,
    atom_offsets: Given1<'py, i64>,
    max_triplets: u64,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyTuple>> {
    let offsets = (&edge_offsets, &atom_offsets);
    if let Ok(single) = vectors.extract::<Given2<'py, f32>>() {
        triplets_of(&single, offsets, max_triplets, threads)
    } else {
        triplets_of(&vectors.extract::<Given2<'py, f64>>()?, offsets, max_triplets, threads)
    }
}

/// `(index, vector, length, area, offsets)`.
fn voronoi_tuple<'py, T: Real + Element>(
    py: Python<'py>,
    cells: &[Mat3],
    tol: f64,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyTuple>> {
    let found = compute(py, || {
        lattice::voronoi_vectors::<T>(&check_lattices(cells)?, tol, threads)
    })?;
    (
        table(py, found.index)?,
        table(py, found.vector)?,
        vector(py, found.length),
        vector(py, found.area),
        vector(py, found.offsets),
    )
        .into_pyobject(py)
}

/// Strictly relevant lattice vectors; see `recipnet.voronoi_vectors`.
#[pyfunction]
#[pyo3(signature = (lattices, tol, threads, single))]
#[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn voronoi_vectors<'py>(
    py: Python<'py>,
    lattices: Given3<'py, f64>,
    tol: f64,
    threads: Option<usize>,
    single: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let cells = matrices("lattices", &lattices)?;
    if single {
        voronoi_tuple::<f32>(py, cells, tol, threads)
    } else {
        voronoi_tuple::<f64>(py, cells, tol, threads)
    }
}

pub type OperationsArrays<'py> = (Given3<'py, i8>, Given2<'py, i16>, i32);

pub fn operations_views<'a>(
    operations: &'a [Option<OperationsArrays<'_>>],
) -> PyResult<Vec<Option<OperationsView<'a>>>> {
    operations
        .iter()
        .map(|entry| {
            let Some((rotations, translations, denominator)) = entry else {
                return Ok(None);
            };
            Ok(Some(OperationsView {
                rotations: matrices("rotations", rotations)?,
                translations: rows("translations", translations)?,
                denominator: *denominator,
            }))
        })
        .collect()
}

/// `(d_spacing, multiplicity, absent)`.
fn details_tuple<T: Real + Element>(py: Python<'_>, details: Details<T>) -> PyResult<Bound<'_, PyTuple>> {
    (
        vector(py, details.d_spacing),
        vector(py, details.multiplicity),
        vector(py, details.absent),
    )
        .into_pyobject(py)
}

/// `(d_spacing, multiplicity, absent)` of reflections, which are written first, d falling.
fn sorted_details<'py, T: Real + Number>(
    py: Python<'py>,
    plan: &Plan,
    hkl: &mut [[i32; 3]],
) -> PyResult<Bound<'py, PyTuple>> {
    let mut d_spacing = Fresh::<T, _>::empty(py, [plan.len()])?;
    let mut multiplicity = Fresh::<i32, _>::empty(py, [plan.len()])?;
    let mut absent = Fresh::<bool, _>::zeros(py, [plan.len()]);
    let (d, m, a) = (
        d_spacing.as_slice_mut()?,
        multiplicity.as_slice_mut()?,
        absent.as_slice_mut()?,
    );
    compute(py, || {
        plan.sorted(hkl, d)?;
        plan.describe(hkl, m, a)
    })?;
    (d_spacing.done(), multiplicity.done(), absent.done()).into_pyobject(py)
}

/// `(hkl, offsets, details)` of all reflections of a ball; see `recipnet.reflections`.
///
/// Details are None in scan order, else `(d_spacing, multiplicity, absent)`.
#[pyfunction]
#[pyo3(signature = (lattices, d_min, unique, order, operations, drop_absent, max_reflections, threads, single))]
#[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn reflections<'py>(
    py: Python<'py>,
    lattices: Given3<'py, f64>,
    d_min: f64,
    unique: &str,
    order: &str,
    operations: Option<Vec<Option<OperationsArrays<'py>>>>,
    drop_absent: bool,
    max_reflections: u64,
    threads: Option<usize>,
    single: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let cells = matrices("lattices", &lattices)?;
    let operations = operations.unwrap_or_default();
    let views = operations_views(&operations)?;
    let options = ReflectionOptions {
        d_min,
        unique: keyword(unique)?,
        drop_absent,
        max_reflections,
    };
    let order: Order = keyword(order)?;
    let cells = compute(py, || check_lattices(cells))?;
    let plan = compute(py, || Plan::new(&cells, &views, &options, threads))?;
    let mut hkl = Fresh::<i32, _>::empty(py, [plan.len(), 3])?;
    let rows = hkl.as_slice_mut()?.as_chunks_mut::<3>().0;
    let details = match (order, single) {
        (Order::Scan, _) => {
            compute(py, || plan.scan(rows))?;
            None
        }
        (Order::D, true) => Some(sorted_details::<f32>(py, &plan, rows)?),
        (Order::D, false) => Some(sorted_details::<f64>(py, &plan, rows)?),
    };
    (hkl.done(), vector(py, plan.offsets().to_vec()), details).into_pyobject(py)
}

/// `(d_spacing, multiplicity, absent)` of given reflections.
#[pyfunction]
#[pyo3(signature = (lattices, hkl, offsets, unique, operations, threads, single))]
#[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn reflection_details<'py>(
    py: Python<'py>,
    lattices: Given3<'py, f64>,
    hkl: Given2<'py, i32>,
    offsets: Given1<'py, i64>,
    unique: &str,
    operations: Option<Vec<Option<OperationsArrays<'py>>>>,
    threads: Option<usize>,
    single: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let (cells, hkl, offsets) = (
        matrices("lattices", &lattices)?,
        rows("hkl", &hkl)?,
        slice("offsets", &offsets)?,
    );
    let operations = operations.unwrap_or_default();
    let views = operations_views(&operations)?;
    let unique = keyword(unique)?;
    if single {
        let work = || reciprocal::details::<f32>(&check_lattices(cells)?, &views, hkl, offsets, unique, threads);
        details_tuple(py, compute(py, work)?)
    } else {
        let work = || reciprocal::details::<f64>(&check_lattices(cells)?, &views, hkl, offsets, unique, threads);
        details_tuple(py, compute(py, work)?)
    }
}

/// Threads that a call without `threads=` may use.
#[pyfunction]
pub fn num_threads() -> PyResult<usize> {
    parallel::num_threads().map_err(|error| CoreError(error).into())
}

/// `{"threads": pool size, "forked": whether this process is a forked child and works serially}`.
#[pyfunction]
pub fn parallelism(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("threads", num_threads()?)?;
    out.set_item("forked", parallel::is_forked())?;
    Ok(out)
}

/// Add what this file offers.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    parallel::remember_process();
    module.add_function(wrap_pyfunction!(radius, module)?)?;
    module.add_function(wrap_pyfunction!(nearest, module)?)?;
    module.add_function(wrap_pyfunction!(triplets, module)?)?;
    module.add_function(wrap_pyfunction!(voronoi_vectors, module)?)?;
    module.add_function(wrap_pyfunction!(reflections, module)?)?;
    module.add_function(wrap_pyfunction!(reflection_details, module)?)?;
    module.add_function(wrap_pyfunction!(num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(parallelism, module)?)?;
    Ok(())
}
