//! Lists of neighbours as arrays.

use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use recipnet_core::batch::BatchView;
use recipnet_core::math::{Mat3, Real, Vec3};
use recipnet_core::neighbors::{EdgePlan, EdgesMut, EdgesView, edge_vectors};

use crate::arrays::{
    Fresh, Given1, Given2, Number, compute, compute_rows, halves, rows, slice, table, two_rows, vector,
};

/// Cells and atoms as they were when edges were found, which their vectors are made of when these are read.
#[pyclass(frozen, module = "recipnet._core")]
pub struct Coordinates {
    lattices: Vec<Mat3>,
    frac: Vec<Vec3>,
    offsets: Vec<i64>,
    threads: Option<usize>,
    single: bool,
}

impl Coordinates {
    fn of(batch: &BatchView, threads: Option<usize>, single: bool) -> Self {
        Self {
            threads,
            single,
            lattices: batch.lattices().iter().map(|cell| *cell.rows()).collect(),
            frac: batch.frac_coords().to_vec(),
            offsets: batch.offsets().to_vec(),
        }
    }

    fn vectors<'py, T: Real + Number>(&self, py: Python<'py>, view: &EdgesView) -> PyResult<Bound<'py, PyAny>> {
        let mut vectors = Fresh::<T, _>::empty(py, [view.neighbor.len(), 3])?;
        let out = vectors.as_slice_mut()?.as_chunks_mut::<3>().0;
        compute(py, || {
            let batch = BatchView::new(&self.lattices, None, &self.frac, &self.offsets, None)?;
            edge_vectors(&batch, view, out, self.threads)
        })?;
        Ok(vectors.done().into_any())
    }
}

#[pymethods]
impl Coordinates {
    /// `r_j + shift @ lattice - r_i` of each edge.
    #[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
    fn edge_vectors<'py>(
        &self,
        py: Python<'py>,
        index: Given2<'py, i64>,
        shift: Given2<'py, i32>,
        atom_offsets: Given1<'py, i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let [_, neighbor] = two_rows("index", &index)?;
        let view = EdgesView {
            neighbor,
            shift: rows("shift", &shift)?,
            atom_offsets: slice("atom_offsets", &atom_offsets)?,
        };
        if self.single {
            self.vectors::<f32>(py, &view)
        } else {
            self.vectors::<f64>(py, &view)
        }
    }
}

/// `(index, shift, coordinates, distance, offsets, atom_offsets)`.
pub fn edges_tuple<'py, T: Real + Number>(
    py: Python<'py>,
    (batch, threads): (&BatchView, Option<usize>),
    plan: EdgePlan<'_, T>,
) -> PyResult<Bound<'py, PyTuple>> {
    let coordinates = Bound::new(py, Coordinates::of(batch, threads, size_of::<T>() == size_of::<f32>()))?;
    if plan.is_ready() {
        let edges = compute(py, || plan.finish())?;
        return (
            halves(py, edges.index)?,
            table(py, edges.shift)?,
            coordinates,
            vector(py, edges.distance),
            vector(py, edges.offsets),
            vector(py, edges.atom_offsets),
        )
            .into_pyobject(py);
    }
    let mut index = Fresh::<i64, _>::empty(py, [2, plan.len()])?;
    let mut shift = Fresh::<i32, _>::empty(py, [plan.len(), 3])?;
    let mut distance = Fresh::<T, _>::empty(py, [plan.len()])?;
    let out = EdgesMut {
        index: index.as_slice_mut()?,
        shift: shift.as_slice_mut()?.as_chunks_mut::<3>().0,
        distance: distance.as_slice_mut()?,
    };
    compute_rows(py, plan.len(), || plan.write(out))?;
    (
        index.done(),
        shift.done(),
        coordinates,
        distance.done(),
        PyArray1::from_slice(py, plan.offsets()),
        PyArray1::from_slice(py, plan.atom_offsets()),
    )
        .into_pyobject(py)
}
