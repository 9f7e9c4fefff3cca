//! Form factors, structure factors of crystals, powder patterns.

use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use recipnet_core::batch::check_lattices;
use recipnet_core::error::{Error, Result};
use recipnet_core::form_factor::{self, Factor, Radiation};
use recipnet_core::math::{Mat3, Vec3};
use recipnet_core::powder::{self, PowderOptions, Profile};
use recipnet_core::structure_factor::{ORBIT_ATOMS, Resolved, Scatterers, Species, resolve, structure_factors};

use crate::arrays::{Fresh, Given1, Given2, Given3, compute, matrices, rows, slice, table, vector};
use crate::error::CoreError;
use crate::geometry::{OperationsArrays, keyword, operations_views};

/// `f` of atoms at values of s, flat; see `recipnet.form_factors`.
#[pyfunction]
#[pyo3(signature = (radiation, numbers, charges, isotopes, stol, threads))]
#[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn form_factors<'py>(
    py: Python<'py>,
    radiation: &str,
    numbers: Given1<'py, u8>,
    charges: Option<Given1<'py, f64>>,
    isotopes: Option<Given1<'py, u16>>,
    stol: Given1<'py, f64>,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let radiation: Radiation = keyword(radiation)?;
    let (numbers, stol) = (slice("numbers", &numbers)?, slice("stol", &stol)?);
    let charges = charges.as_ref().map(|array| slice("charges", array)).transpose()?;
    let isotopes = isotopes.as_ref().map(|array| slice("isotopes", array)).transpose()?;
    let work = || form_factor::form_factors(radiation, numbers, charges, isotopes, stol, threads);
    Ok(vector(py, compute(py, work)?))
}

/// Atoms as they come from Python: a dictionary of arrays, some of which may be None.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Atoms<'py> {
    lattices: Given3<'py, f64>,
    frac: Given2<'py, f64>,
    offsets: Given1<'py, i64>,
    numbers: Given1<'py, u8>,
    amplitudes: Given1<'py, f64>,
    charges: Option<Given1<'py, f64>>,
    isotopes: Given1<'py, u16>,
    u_iso: Option<Given1<'py, f64>>,
    u_aniso: Option<Given2<'py, f64>>,
    dispersion: Option<Given2<'py, f64>>,
    /// None where the amplitudes say all.
    radiation: Option<String>,
}

/// The same as slices.
struct Slices<'a> {
    lattices: &'a [Mat3],
    frac: &'a [Vec3],
    offsets: &'a [i64],
    numbers: &'a [u8],
    amplitudes: &'a [f64],
    charges: Option<&'a [f64]>,
    isotopes: &'a [u16],
    u_iso: Option<&'a [f64]>,
    u_aniso: Option<&'a [[f64; 6]]>,
    dispersion: &'a [[f64; 2]],
    radiation: Option<Radiation>,
}

impl Atoms<'_> {
    fn slices(&self) -> PyResult<Slices<'_>> {
        Ok(Slices {
            lattices: matrices("lattices", &self.lattices)?,
            frac: rows("frac_coords", &self.frac)?,
            offsets: slice("offsets", &self.offsets)?,
            numbers: slice("numbers", &self.numbers)?,
            amplitudes: slice("amplitudes", &self.amplitudes)?,
            charges: self.charges.as_ref().map(|a| slice("charges", a)).transpose()?,
            isotopes: slice("isotopes", &self.isotopes)?,
            u_iso: self.u_iso.as_ref().map(|a| slice("u_iso", a)).transpose()?,
            u_aniso: self.u_aniso.as_ref().map(|a| groups("u_aniso", a)).transpose()?,
            dispersion: self
                .dispersion
                .as_ref()
                .map_or(Ok(&[][..]), |a| groups("dispersion", a))?,
            radiation: self.radiation.as_deref().map(keyword).transpose()?,
        })
    }
}

/// The rows of a C-contiguous (N, K) array.
fn groups<'a, const K: usize>(name: &'static str, array: &'a Given2<'_, f64>) -> PyResult<&'a [[f64; K]]> {
    let refuse = || {
        CoreError(Error::Argument(recipnet_core::error::ArgumentError {
            name,
            value: format!("shape {:?}", array.shape()),
            message: format!("must be C-contiguous with rows of {K}"),
        }))
    };
    match array.as_slice().map(<[f64]>::as_chunks::<K>) {
        Some((rows, [])) if array.shape()[1] == K => Ok(rows),
        _ => Err(refuse().into()),
    }
}

impl Slices<'_> {
    /// Check, resolve and hand to `work`, which also gets the ions that the table does not have.
    fn with<R>(&self, work: impl FnOnce(&Scatterers) -> Result<R>) -> Result<(R, Vec<String>)> {
        let lattices = check_lattices(self.lattices)?;
        let known = match self.radiation {
            Some(radiation) => resolve(
                radiation,
                self.numbers,
                self.charges,
                Some(self.isotopes),
                self.dispersion,
            )?,
            None => Resolved {
                kinds: vec![0; self.numbers.len()],
                species: vec![Species {
                    factor: Factor::constant(1.0),
                    dispersion: [0.0; 2],
                }],
                replaced: vec![],
            },
        };
        let atoms = Scatterers {
            lattices: &lattices,
            frac: self.frac,
            offsets: self.offsets,
            amplitudes: self.amplitudes,
            kinds: &known.kinds,
            species: &known.species,
            u_iso: self.u_iso,
            u_aniso: self.u_aniso,
            max_stol: self.radiation.map_or(f64::INFINITY, Radiation::max_stol),
        };
        Ok((work(&atoms)?, known.replaced))
    }
}

/// `(F as pairs, ions replaced by atoms)`; see `recipnet.structure_factors`.
#[pyfunction(name = "structure_factors")]
#[pyo3(signature = (atoms, operations, hkl, hkl_offsets, error, threads))]
#[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn structure_factors_of<'py>(
    py: Python<'py>,
    atoms: Atoms<'py>,
    operations: Option<Vec<Option<OperationsArrays<'py>>>>,
    hkl: Given2<'py, i32>,
    hkl_offsets: Given1<'py, i64>,
    error: f64,
    threads: Option<usize>,
) -> PyResult<(Bound<'py, PyArray1<f64>>, Vec<String>)> {
    let slices = atoms.slices()?;
    let operations = operations.unwrap_or_default();
    let views = operations_views(&operations)?;
    let (hkl, offsets) = (rows("hkl", &hkl)?, slice("hkl_offsets", &hkl_offsets)?);
    let mut factors = Fresh::<f64, _>::empty(py, [2 * hkl.len()])?;
    let out = factors.as_slice_mut()?.as_chunks_mut::<2>().0;
    let ((), replaced) = compute(py, || {
        slices.with(|atoms| structure_factors(atoms, &views, (hkl, offsets), error, threads, out))
    })?;
    Ok((factors.done(), replaced))
}

/// `(two_theta, intensity, d_spacing, hkl, multiplicity, offsets, ions replaced by atoms)`; see
/// `recipnet.powder_pattern`.
#[pyfunction]
#[pyo3(signature = (atoms, operations, wavelength, two_theta, max_reflections, threads))]
#[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
pub fn powder_lines<'py>(
    py: Python<'py>,
    atoms: Atoms<'py>,
    operations: Option<Vec<Option<OperationsArrays<'py>>>>,
    wavelength: f64,
    two_theta: (f64, f64),
    max_reflections: u64,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyTuple>> {
    let slices = atoms.slices()?;
    let operations = operations.unwrap_or_default();
    let views = operations_views(&operations)?;
    let options = PowderOptions {
        wavelength,
        two_theta,
        polarised: slices.radiation == Some(Radiation::Xray),
        max_reflections,
    };
    let (found, replaced) = compute(py, || {
        slices.with(|atoms| powder::lines(atoms, &views, &options, threads))
    })?;
    (
        vector(py, found.two_theta),
        vector(py, found.intensity),
        vector(py, found.d_spacing),
        table(py, found.hkl)?,
        vector(py, found.multiplicity),
        vector(py, found.offsets),
        replaced,
    )
        .into_pyobject(py)
}

/// Patterns on a grid, flat; see `recipnet.PowderPattern.profile`.
#[pyfunction]
#[pyo3(signature = (two_theta, intensity, fwhm, offsets, eta, grid, threads))]
#[allow(clippy::needless_pass_by_value)] // Arrays from Python are extracted by value.
#[allow(clippy::too_many_arguments)] // Flat arrays and scalars are the contract with Python.
pub fn powder_profiles<'py>(
    py: Python<'py>,
    two_theta: Given1<'py, f64>,
    intensity: Given1<'py, f64>,
    fwhm: Given1<'py, f64>,
    offsets: Given1<'py, i64>,
    eta: f64,
    grid: Given1<'py, f64>,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let lines = Profile {
        two_theta: slice("two_theta", &two_theta)?,
        intensity: slice("intensity", &intensity)?,
        fwhm: slice("fwhm", &fwhm)?,
        offsets: slice("offsets", &offsets)?,
        eta,
    };
    let grid = slice("grid", &grid)?;
    Ok(vector(py, compute(py, || powder::profiles(&lines, grid, threads))?))
}

/// Add what this file offers.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(form_factors, module)?)?;
    module.add_function(wrap_pyfunction!(structure_factors_of, module)?)?;
    module.add("ORBIT_ATOMS", ORBIT_ATOMS)?;
    module.add_function(wrap_pyfunction!(powder_lines, module)?)?;
    module.add_function(wrap_pyfunction!(powder_profiles, module)?)
}
