//! Many POSCAR or extended XYZ texts to flat arrays in one call.

use numpy::{IntoPyArray, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyDict, PyList};
use recipnet_core::error::{ArgumentError, Result, Warning};
use recipnet_core::extxyz::read_extxyz;
use recipnet_core::lines::TextOptions;
use recipnet_core::parallel;
use recipnet_core::poscar::read_poscar;
use recipnet_core::structure::Structure;

use crate::arrays::compute;
use crate::error::to_pyerr;

type Reader = fn(&[u8], &TextOptions) -> Result<(Structure, Vec<Warning>)>;

fn reader(format: &str) -> Result<Reader> {
    match format {
        "poscar" => Ok(read_poscar),
        "extxyz" => Ok(read_extxyz),
        _ => Err(ArgumentError {
            name: "format",
            value: format!("{format:?}"),
            message: "must be \"poscar\" or \"extxyz\"".into(),
        }
        .into()),
    }
}

/// Join one optional column over all structures, with `absent` for those without; None where none has it.
fn column<T: Clone>(
    structures: &[Structure],
    get: impl Fn(&Structure) -> Option<&Vec<T>>,
    absent: impl Fn(usize) -> T,
) -> Option<Vec<T>> {
    if structures.iter().all(|one| get(one).is_none()) {
        return None;
    }
    let mut out = Vec::with_capacity(structures.iter().map(Structure::len).sum());
    for one in structures {
        match get(one) {
            Some(values) => out.extend_from_slice(values),
            None => out.extend((0..one.len()).map(&absent)),
        }
    }
    Some(out)
}

/// Read texts in parallel; see `_core.pyi`.
#[pyfunction]
#[pyo3(signature = (format, texts, *, index=0, strict=false, keep_unknown=false, max_sites=1_000_000,
                    max_bytes=268_435_456, min_length=0.1, max_length=1e4, min_spacing=0.1, threads=None))]
#[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)] // one per option; Python's list comes owned
pub fn read_texts<'py>(
    py: Python<'py>,
    format: &str,
    texts: Vec<PyBackedBytes>,
    index: usize,
    strict: bool,
    keep_unknown: bool,
    max_sites: usize,
    max_bytes: usize,
    min_length: f64,
    max_length: f64,
    min_spacing: f64,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyDict>> {
    let options = TextOptions {
        index,
        strict,
        keep_unknown,
        max_sites,
        max_bytes,
        length_range: (min_length, max_length),
        min_spacing,
    };
    let results = compute(py, || {
        let read = reader(format)?;
        // A small text takes some ten microseconds.
        let workers = parallel::workers(threads, texts.len() as f64 * 10_000.0)?;
        parallel::try_map(texts.len(), workers, |place| Ok(read(&texts[place], &options)))
    })?;
    let (mut structures, mut warnings, mut source_index) = (Vec::new(), Vec::new(), Vec::new());
    let failures = PyList::empty(py);
    for (source, result) in (0i64..).zip(results) {
        match result {
            Ok((structure, found)) => {
                structures.push(structure);
                warnings.push(found);
                source_index.push(source);
            }
            Err(error) => failures.append((source, to_pyerr(py, &error)?.into_value(py)))?,
        }
    }
    let out = flat(py, &structures)?;
    let lists = PyList::empty(py);
    for found in &warnings {
        let tuples = found
            .iter()
            .map(|w| (w.code, &w.message, w.line, w.column, &w.tag, &w.value));
        lists.append(PyList::new(py, tuples.collect::<Vec<_>>())?)?;
    }
    out.set_item("warnings", lists)?;
    out.set_item("source_index", source_index.into_pyarray(py))?;
    out.set_item("failures", failures)?;
    Ok(out)
}

/// The columns of all structures as arrays.
fn flat<'py>(py: Python<'py>, structures: &[Structure]) -> PyResult<Bound<'py, PyDict>> {
    let mut offsets = vec![0i64];
    offsets.extend(structures.iter().scan(0i64, |end, one| {
        *end += one.len() as i64;
        Some(*end)
    }));
    let (count, atoms) = (structures.len(), structures.iter().map(Structure::len).sum::<usize>());
    let lattices: Vec<f64> = structures
        .iter()
        .flat_map(|one| one.lattice.into_iter().flatten())
        .collect();
    let numbers: Vec<u8> = structures.iter().flat_map(|one| one.numbers.iter().copied()).collect();
    let frac: Vec<f64> = structures
        .iter()
        .flat_map(|one| one.frac.iter().flatten().copied())
        .collect();
    let out = PyDict::new(py);
    out.set_item("lattices", lattices.into_pyarray(py).reshape([count, 3, 3])?)?;
    out.set_item("numbers", numbers.into_pyarray(py))?;
    out.set_item("frac_coords", frac.into_pyarray(py).reshape([atoms, 3])?)?;
    out.set_item("offsets", offsets.into_pyarray(py))?;
    let real = |get: fn(&Structure) -> Option<&Vec<f64>>, absent: f64| {
        column(structures, get, |_| absent).map(|values| values.into_pyarray(py))
    };
    out.set_item("occupancies", real(|one| one.occupancies.as_ref(), 1.0))?;
    out.set_item("charges", real(|one| one.charges.as_ref(), f64::NAN))?;
    out.set_item("u_iso", real(|one| one.u_iso.as_ref(), f64::NAN))?;
    let site = column(structures, |one| one.site.as_ref(), |row| row as i32);
    out.set_item("site", site.map(|values| values.into_pyarray(py)))?;
    let isotopes = column(structures, |one| one.isotopes.as_ref(), |_| 0);
    out.set_item("isotopes", isotopes.map(|values| values.into_pyarray(py)))?;
    let u_aniso = column(structures, |one| one.u_aniso.as_ref(), |_| [f64::NAN; 6])
        .map(|values| values.into_flattened().into_pyarray(py).reshape([atoms, 6]));
    out.set_item("u_aniso", u_aniso.transpose()?)?;
    let labels = column(structures, |one| one.labels.as_ref(), |_| String::new());
    out.set_item("labels", labels)?;
    let titles: Vec<&str> = structures.iter().map(|one| one.title.as_str()).collect();
    out.set_item("titles", titles)?;
    let info: Vec<_> = structures.iter().map(|one| one.info.clone()).collect();
    out.set_item("info", info)?;
    let columns = PyList::empty(py);
    for one in structures {
        let own = PyList::empty(py);
        for column in &one.columns {
            let values = column.values.clone().into_pyarray(py);
            own.append((&column.name, values.reshape([one.len(), column.width])?))?;
        }
        columns.append(own)?;
    }
    out.set_item("columns", columns)?;
    Ok(out)
}
