//! Many CIFs to flat arrays in one call.

use std::path::{Path, PathBuf};

use numpy::{IntoPyArray, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyDict, PyList};
use recipnet_core::cif::{CifCrystal, CifOptions, Sources, UnknownElement, read_many};
use recipnet_core::error::Error;

use crate::error::{CoreError, to_pyerr};
use crate::symmetry::to_arrays;

/// Sources that live until the call is over.
enum Owned {
    Texts(Vec<PyBackedBytes>),
    Paths(Vec<PathBuf>),
}

/// Join one optional column over all crystals, with `absent` for those without; None where none has it.
fn column<T: Copy>(
    crystals: &[CifCrystal],
    get: impl Fn(&CifCrystal) -> Option<&Vec<T>>,
    absent: impl Fn(usize) -> T,
) -> Option<Vec<T>> {
    if crystals.iter().all(|crystal| get(crystal).is_none()) {
        return None;
    }
    let mut out = Vec::with_capacity(crystals.iter().map(|crystal| crystal.numbers.len()).sum());
    for crystal in crystals {
        match get(crystal) {
            Some(values) => out.extend_from_slice(values),
            None => out.extend((0..crystal.numbers.len()).map(&absent)),
        }
    }
    Some(out)
}

/// The columns of all crystals, made without the GIL.
struct Flat {
    lattices: Vec<f64>,
    numbers: Vec<u8>,
    frac: Vec<f64>,
    occupancies: Vec<f64>,
    offsets: Vec<i64>,
    site: Option<Vec<i32>>,
    charges: Option<Vec<f64>>,
    isotopes: Option<Vec<u16>>,
    u_iso: Option<Vec<f64>>,
    u_aniso: Option<Vec<[f64; 6]>>,
}

fn flatten(crystals: &[CifCrystal]) -> Flat {
    let mut offsets = vec![0i64];
    let mut end = 0;
    for crystal in crystals {
        end += crystal.numbers.len() as i64;
        offsets.push(end);
    }
    Flat {
        lattices: crystals
            .iter()
            .flat_map(|crystal| crystal.lattice.into_iter().flatten())
            .collect(),
        numbers: crystals
            .iter()
            .flat_map(|crystal| crystal.numbers.iter().copied())
            .collect(),
        frac: crystals
            .iter()
            .flat_map(|crystal| crystal.frac.iter().flatten().copied())
            .collect(),
        occupancies: crystals
            .iter()
            .flat_map(|crystal| crystal.occupancies.iter().copied())
            .collect(),
        offsets,
        site: column(crystals, |crystal| crystal.site.as_ref(), |row| row as i32),
        charges: column(crystals, |crystal| crystal.charges.as_ref(), |_| f64::NAN),
        isotopes: column(crystals, |crystal| crystal.isotopes.as_ref(), |_| 0),
        u_iso: column(crystals, |crystal| crystal.u_iso.as_ref(), |_| f64::NAN),
        u_aniso: column(crystals, |crystal| crystal.u_aniso.as_ref(), |_| [f64::NAN; 6]),
    }
}

/// Read CIF texts (`bytes`) or files (`are_paths`) in parallel; see `_core.pyi`.
#[pyfunction]
#[pyo3(signature = (sources, are_paths, *, index=0, block=None, strict=false, unknown_element="error", merge_tol=0.03,
                    max_sites=1_000_000, max_bytes=268_435_456, min_length=0.1, max_length=1e4, min_spacing=0.1,
                    threads=None))]
#[allow(clippy::too_many_arguments)] // one per option of the reader
pub fn read_cifs<'py>(
    py: Python<'py>,
    sources: &Bound<'py, PyAny>,
    are_paths: bool,
    index: usize,
    block: Option<String>,
    strict: bool,
    unknown_element: &str,
    merge_tol: f64,
    max_sites: usize,
    max_bytes: usize,
    min_length: f64,
    max_length: f64,
    min_spacing: f64,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyDict>> {
    let unknown_element = UnknownElement::from_name(unknown_element).map_err(CoreError)?;
    let options = CifOptions {
        index,
        block,
        strict,
        unknown_element,
        merge_tol,
        max_sites,
        max_bytes,
        min_length,
        max_length,
        min_spacing,
    };
    let owned = if are_paths {
        Owned::Paths(sources.extract()?)
    } else {
        Owned::Texts(sources.extract()?)
    };
    let (crystals, source_index, errors, flat) = py
        .detach(|| {
            let results = match &owned {
                Owned::Texts(texts) => {
                    let texts: Vec<&[u8]> = texts.iter().map(AsRef::as_ref).collect();
                    read_many(Sources::Texts(&texts), &options, threads)
                }
                Owned::Paths(paths) => {
                    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
                    read_many(Sources::Paths(&paths), &options, threads)
                }
            }?;
            let (mut crystals, mut source_index, mut errors) = (Vec::new(), Vec::new(), Vec::new());
            for (source, result) in (0i64..).zip(results) {
                match result {
                    Ok(crystal) => {
                        crystals.push(crystal);
                        source_index.push(source);
                    }
                    Err(error) => errors.push((source, error)),
                }
            }
            let flat = flatten(&crystals);
            Ok((crystals, source_index, errors, flat))
        })
        .map_err(CoreError)?;

    let (count, atoms) = (crystals.len(), flat.numbers.len());
    let out = PyDict::new(py);
    out.set_item("lattices", flat.lattices.into_pyarray(py).reshape([count, 3, 3])?)?;
    out.set_item("numbers", flat.numbers.into_pyarray(py))?;
    out.set_item("frac_coords", flat.frac.into_pyarray(py).reshape([atoms, 3])?)?;
    out.set_item("occupancies", flat.occupancies.into_pyarray(py))?;
    out.set_item("offsets", flat.offsets.into_pyarray(py))?;
    out.set_item("site", flat.site.map(|values| values.into_pyarray(py)))?;
    out.set_item("charges", flat.charges.map(|values| values.into_pyarray(py)))?;
    out.set_item("isotopes", flat.isotopes.map(|values| values.into_pyarray(py)))?;
    out.set_item("u_iso", flat.u_iso.map(|values| values.into_pyarray(py)))?;
    let u_aniso = flat
        .u_aniso
        .map(|values| values.into_flattened().into_pyarray(py).reshape([atoms, 6]));
    out.set_item("u_aniso", u_aniso.transpose()?)?;
    let labels = PyList::empty(py);
    let symmetry = PyList::empty(py);
    let warnings = PyList::empty(py);
    let blocks = PyList::empty(py);
    for crystal in &crystals {
        for label in &crystal.labels {
            labels.append(label)?;
        }
        let declared = PyDict::new(py);
        let operations = crystal
            .symmetry
            .operations
            .as_ref()
            .map(|operations| to_arrays(py, operations));
        declared.set_item("operations", operations.transpose()?)?;
        declared.set_item("hall_symbol", &crystal.symmetry.hall_symbol)?;
        declared.set_item("hm_symbol", &crystal.symmetry.hm_symbol)?;
        declared.set_item("number", crystal.symmetry.number)?;
        symmetry.append(declared)?;
        let tuples = crystal
            .warnings
            .iter()
            .map(|w| (w.code, &w.message, w.line, w.column, &w.tag, &w.value));
        warnings.append(PyList::new(py, tuples.collect::<Vec<_>>())?)?;
        blocks.append(&crystal.block)?;
    }
    out.set_item("labels", labels)?;
    out.set_item("symmetry", symmetry)?;
    out.set_item("warnings", warnings)?;
    out.set_item("blocks", blocks)?;
    out.set_item("source_index", source_index.into_pyarray(py))?;
    let failures = PyList::empty(py);
    for (source, error) in errors {
        let instance = to_pyerr(py, &Error::Read(error))?.into_value(py);
        failures.append((source, instance))?;
    }
    out.set_item("failures", failures)?;
    Ok(out)
}
