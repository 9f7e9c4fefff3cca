//! The symmetry-adapted Fourier basis.

use std::sync::Arc;

use numpy::{Element, PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use recipnet_core::error::Result;
use recipnet_core::fourier::{
    self as core, AlignedRouting, CrystalGroup, FeatureOptions, FourierBasis as Basis, FourierFeatures, Kind, Lane,
    Truncation,
};
use recipnet_core::lattice::Lattice;
use recipnet_core::symmetry::{self, Operations};

use crate::arrays::{BatchArrays, Given1, Given2, Given3, compute, matrices, rows, slice, table, vector};
use crate::geometry::keyword;
use crate::symmetry::{Arrays, from_arrays, to_arrays};

/// Rotations, translations and denominator, as Python holds them.
pub type OperationsArrays<'py> = (Given3<'py, i8>, Given2<'py, i16>, i16);

fn operations(arrays: &OperationsArrays<'_>) -> PyResult<Operations> {
    from_arrays(&arrays.0, &arrays.1, arrays.2)
}

/// A basis that several Python objects may share.
#[pyclass(frozen, module = "recipnet._core")]
pub struct FourierBasis(Arc<Basis>);

/// Build a basis, or find it among those built before.
#[pyfunction]
#[pyo3(signature = (operations, radius, lattice, d_min, max_modes))]
#[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn fourier_basis(
    py: Python<'_>,
    operations: OperationsArrays<'_>,
    radius: Option<f64>,
    lattice: Option<[[f64; 3]; 3]>,
    d_min: f64,
    max_modes: u64,
) -> PyResult<FourierBasis> {
    let operations = self::operations(&operations)?;
    let basis = compute(py, || {
        let truncation = match (radius, lattice) {
            (Some(radius), _) => Truncation::Radius(radius),
            (None, rows) => Truncation::Spacing {
                lattice: Lattice::new(rows.unwrap_or_default())?,
                d_min,
            },
        };
        Basis::cached(&operations, truncation, max_modes)
    })?;
    Ok(FourierBasis(basis))
}

#[pymethods]
impl FourierBasis {
    #[getter]
    fn num_functions(&self) -> usize {
        self.0.num_functions()
    }

    #[getter]
    fn denominator(&self) -> i16 {
        self.0.denominator()
    }

    #[getter]
    fn shell_gap(&self) -> f64 {
        self.0.shell_gap()
    }

    fn operations<'py>(&self, py: Python<'py>) -> PyResult<Arrays<'py>> {
        to_arrays(py, self.0.operations())
    }

    fn hkl<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i32>>> {
        table(py, self.0.hkl().to_vec())
    }

    fn row_offsets<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        vector(py, self.0.row_offsets().to_vec())
    }

    fn column<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        vector(py, self.0.column().to_vec())
    }

    fn phase<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i16>> {
        vector(py, self.0.phase().to_vec())
    }

    fn centric<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        vector(py, self.0.centric().to_vec())
    }

    fn alpha<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i16>> {
        vector(py, self.0.alpha().to_vec())
    }

    fn partner<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        vector(py, self.0.partner().to_vec())
    }

    fn norm<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        vector(py, self.0.norm().to_vec())
    }

    fn size<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i32>> {
        vector(py, self.0.sizes())
    }

    fn representative<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i32>>> {
        table(py, self.0.representatives())
    }

    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = self.0.counts();
        let out = PyDict::new(py);
        for (name, value) in [
            ("n_ops", counts.n_ops),
            ("n_hkl", counts.n_hkl),
            ("n_orbits_all", counts.n_orbits_all),
            ("n_absent_hkl", counts.n_absent_hkl),
            ("n_absent_orbits", counts.n_absent_orbits),
            ("n_basis", counts.n_basis),
            ("n_centric_orbits", counts.n_centric_orbits),
            ("n_acentric_orbits", counts.n_acentric_orbits),
            ("n_centric_hkl", counts.n_centric_hkl),
            ("n_real_basis", counts.n_real_basis),
            ("sum_eps", counts.sum_eps),
            ("nnz", counts.nnz),
        ] {
            out.set_item(name, value)?;
        }
        Ok(out)
    }

    fn canonical_text(&self) -> String {
        self.0.canonical_text()
    }

    /// Numbers of values or gradients at points, flat.
    #[pyo3(signature = (frac, kind, gradient, threads, single))]
    #[allow(clippy::needless_pass_by_value)]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        frac: Given2<'py, f64>,
        kind: &str,
        gradient: bool,
        threads: Option<usize>,
        single: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let points = rows("frac", &frac)?;
        let kind: Kind = keyword(kind)?;
        if single {
            let work = || at_points::<f32>(&self.0, points, kind, gradient, threads);
            Ok(vector(py, compute(py, work)?).into_any())
        } else {
            let work = || at_points::<f64>(&self.0, points, kind, gradient, threads);
            Ok(vector(py, compute(py, work)?).into_any())
        }
    }

    #[pyo3(signature = (x, y, threads, single))]
    #[allow(clippy::needless_pass_by_value)]
    fn pair_products<'py>(
        &self,
        py: Python<'py>,
        x: Given2<'py, f64>,
        y: Given2<'py, f64>,
        threads: Option<usize>,
        single: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (x, y) = (rows("x", &x)?, rows("y", &y)?);
        if single {
            let work = || self.0.pair_products::<f32>(x, y, threads);
            Ok(vector(py, compute(py, work)?).into_any())
        } else {
            let work = || self.0.pair_products::<f64>(x, y, threads);
            Ok(vector(py, compute(py, work)?).into_any())
        }
    }

    /// `(row_offsets, column, phase, size)`.
    #[allow(clippy::needless_pass_by_value)]
    fn aligned<'py>(&self, py: Python<'py>, modes: Given2<'py, i32>) -> PyResult<Bound<'py, PyTuple>> {
        let modes = rows("modes", &modes)?;
        let AlignedRouting {
            row_offsets,
            column,
            phase,
            size,
            ..
        } = compute(py, || self.0.aligned(modes))?;
        (
            vector(py, row_offsets),
            vector(py, column),
            vector(py, phase),
            vector(py, size),
        )
            .into_pyobject(py)
    }
}

fn at_points<T: Lane>(
    basis: &Basis,
    points: &[[f64; 3]],
    kind: Kind,
    gradient: bool,
    threads: Option<usize>,
) -> Result<Vec<T>> {
    if gradient {
        basis.gradient(points, kind, threads)
    } else {
        basis.evaluate(points, kind, threads)
    }
}

/// `(values, value_offsets, function_offsets, norm, size, centric, equivalent_atoms)`.
fn features_tuple<T: Element>(py: Python<'_>, found: FourierFeatures<T>) -> PyResult<Bound<'_, PyTuple>> {
    (
        vector(py, found.values),
        vector(py, found.value_offsets),
        vector(py, found.function_offsets),
        vector(py, found.norm),
        vector(py, found.size),
        vector(py, found.centric),
        vector(py, found.equivalent_atoms),
    )
        .into_pyobject(py)
}

/// Basis values at the atoms of a batch; see `recipnet.fourier_features`.
#[pyfunction]
#[pyo3(signature = (lattices, kinds, frac, offsets, operations, origins, d_min, kind, tolerance, max_modes, threads, single))]
#[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)] // Flat arrays are the contract with Python.
pub fn fourier_features<'py>(
    py: Python<'py>,
    lattices: Given3<'py, f64>,
    kinds: Given1<'py, u32>,
    frac: Given2<'py, f64>,
    offsets: Given1<'py, i64>,
    operations: Vec<Option<OperationsArrays<'py>>>,
    origins: Given2<'py, f64>,
    d_min: f64,
    kind: &str,
    tolerance: f64,
    max_modes: u64,
    threads: Option<usize>,
    single: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let groups = operations
        .iter()
        .zip(rows("origins", &origins)?)
        .map(|(arrays, &origin)| {
            let operations = arrays
                .as_ref()
                .map_or_else(|| Ok(Operations::identity()), self::operations)?;
            Ok(CrystalGroup { operations, origin })
        })
        .collect::<PyResult<Vec<_>>>()?;
    let kinds = slice("kinds", &kinds)?;
    let arrays = BatchArrays {
        lattices,
        numbers: None,
        frac,
        offsets,
        site: None,
    };
    let slices = arrays.slices()?;
    let options = FeatureOptions {
        d_min,
        kind: keyword(kind)?,
        tolerance,
        max_modes,
    };
    if single {
        let work = || core::fourier_features::<f32>(&slices.view()?, kinds, &groups, &options, threads);
        features_tuple(py, compute(py, work)?)
    } else {
        let work = || core::fourier_features::<f64>(&slices.view()?, kinds, &groups, &options, threads);
        features_tuple(py, compute(py, work)?)
    }
}

/// For each atom row the first row that the group brings to its place; refuses atoms that the operations do not map.
#[pyfunction]
#[pyo3(signature = (lattices, kinds, frac, operations, tolerance))]
#[allow(clippy::needless_pass_by_value)]
pub fn equivalent_atoms<'py>(
    py: Python<'py>,
    lattices: Given3<'py, f64>,
    kinds: Given1<'py, u32>,
    frac: Given2<'py, f64>,
    operations: OperationsArrays<'py>,
    tolerance: f64,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let (cells, kinds, frac) = (
        matrices("lattices", &lattices)?,
        slice("kinds", &kinds)?,
        rows("frac_coords", &frac)?,
    );
    let operations = self::operations(&operations)?;
    let found = compute(py, || {
        let lattice = Lattice::new(cells.first().copied().unwrap_or_default())?;
        symmetry::equivalent_atoms(&lattice, kinds, frac, &operations, tolerance)
    })?;
    Ok(vector(py, found.into_iter().map(|row| row as i64).collect()))
}

/// Add what this file offers.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FourierBasis>()?;
    module.add_function(wrap_pyfunction!(fourier_basis, module)?)?;
    module.add_function(wrap_pyfunction!(fourier_features, module)?)?;
    module.add_function(wrap_pyfunction!(equivalent_atoms, module)?)?;
    Ok(())
}
