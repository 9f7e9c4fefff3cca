//! Many CIFs to flat arrays in one call.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use numpy::{IntoPyArray, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use recipnet_core::cif::{
    CifBatch, CifOptions, DeclaredSymmetry, Document, Form, Sources, Strings, Syntax, UnknownElement, read_many,
    with_document,
};
use recipnet_core::error::{Error, Warning};

use crate::error::{CoreError, to_pyerr};
use crate::symmetry::to_arrays;

/// A text as Python holds it, without a copy.
pub enum Text {
    Str(PyBackedStr),
    Bytes(PyBackedBytes),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Text {
    type Error = PyErr;

    // Not derived: a failed attempt at the first kind would make an exception for each text of the second.
    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match object.cast::<PyString>() {
            Ok(_) => Ok(Self::Str(object.extract()?)),
            Err(_) => Ok(Self::Bytes(object.extract::<PyBackedBytes>().map_err(PyErr::from)?)),
        }
    }
}

impl Text {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Str(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// Sources that live until the call is over.
enum Owned {
    Texts(Vec<Text>),
    Paths(Vec<PathBuf>),
}

/// Texts as one `bytes` and the offsets of their ends: the list is made where someone looks at it.
fn joined(py: Python<'_>, strings: Strings) -> PyResult<Bound<'_, PyTuple>> {
    let (text, ends) = strings.into_parts();
    let ends: Vec<i64> = ends.into_iter().map(|end| end as i64).collect();
    (PyBytes::new(py, text.as_bytes()), ends.into_pyarray(py)).into_pyobject(py)
}

/// What each crystal of a batch declares about its symmetry; Python's objects are made when someone looks at them.
#[pyclass(frozen, module = "recipnet._core")]
pub struct Declarations(Vec<Arc<DeclaredSymmetry>>);

#[pymethods]
impl Declarations {
    /// One value of each kind, and for every crystal the place of its own.
    fn lists<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyList>, Vec<usize>)> {
        let distinct = PyList::empty(py);
        let mut places: HashMap<*const DeclaredSymmetry, usize> = HashMap::new();
        let mut index = Vec::with_capacity(self.0.len());
        for symmetry in &self.0 {
            let next = places.len();
            let place = *places.entry(Arc::as_ptr(symmetry)).or_insert(next);
            index.push(place);
            if place < next {
                continue;
            }
            let operations = symmetry.operations.as_ref().map(|operations| to_arrays(py, operations));
            distinct.append((
                operations.transpose()?,
                &symmetry.hall_symbol,
                &symmetry.hm_symbol,
                symmetry.number,
            ))?;
        }
        Ok((distinct, index))
    }
}

/// Code, message, line, column, tag, value.
type WarningTuple<'w> = (
    &'w str,
    &'w str,
    Option<u32>,
    Option<u32>,
    Option<&'w str>,
    Option<&'w str>,
);

fn warning_tuple(w: &Warning) -> WarningTuple<'_> {
    (
        w.code,
        &w.message,
        w.line,
        w.column,
        w.tag.as_deref(),
        w.value.as_deref(),
    )
}

/// Read CIF texts (`str` or `bytes`) or files (`are_paths`) in parallel; see `_core.pyi`.
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
    let batch = py
        .detach(|| match &owned {
            Owned::Texts(texts) => {
                let texts: Vec<&[u8]> = texts.iter().map(Text::bytes).collect();
                read_many(Sources::Texts(&texts), &options, threads)
            }
            Owned::Paths(paths) => {
                let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
                read_many(Sources::Paths(&paths), &options, threads)
            }
        })
        .map_err(CoreError)?;
    to_dict(py, batch)
}

/// The batch as Python takes it; see `_core.pyi`.
fn to_dict(py: Python<'_>, batch: CifBatch) -> PyResult<Bound<'_, PyDict>> {
    let (count, atoms) = (batch.len(), batch.numbers.len());
    let out = PyDict::new(py);
    let lattices = batch.lattices.into_flattened().into_flattened();
    out.set_item("lattices", lattices.into_pyarray(py).reshape([count, 3, 3])?)?;
    out.set_item("numbers", batch.numbers.into_pyarray(py))?;
    out.set_item(
        "frac_coords",
        batch.frac.into_flattened().into_pyarray(py).reshape([atoms, 3])?,
    )?;
    out.set_item("occupancies", batch.occupancies.into_pyarray(py))?;
    out.set_item("offsets", batch.offsets.into_pyarray(py))?;
    out.set_item("site", batch.site.map(|values| values.into_pyarray(py)))?;
    out.set_item("charges", batch.charges.map(|values| values.into_pyarray(py)))?;
    out.set_item("isotopes", batch.isotopes.map(|values| values.into_pyarray(py)))?;
    out.set_item("u_iso", batch.u_iso.map(|values| values.into_pyarray(py)))?;
    let u_aniso = batch
        .u_aniso
        .map(|values| values.into_flattened().into_pyarray(py).reshape([atoms, 6]));
    out.set_item("u_aniso", u_aniso.transpose()?)?;
    out.set_item("labels", joined(py, batch.labels)?)?;
    out.set_item("blocks", joined(py, batch.blocks)?)?;
    out.set_item("symmetry", Declarations(batch.symmetry).into_pyobject(py)?)?;
    let warnings = PyList::empty(py);
    for (place, all) in &batch.warnings {
        let tuples: Vec<_> = all.iter().map(warning_tuple).collect();
        warnings.append((place, tuples))?;
    }
    out.set_item("warnings", warnings)?;
    let disorder = PyList::empty(py);
    for (place, [assembly, group]) in batch.disorder {
        disorder.append((place, joined(py, assembly)?, joined(py, group)?))?;
    }
    out.set_item("disorder", disorder)?;
    out.set_item("source_index", batch.source_index.into_pyarray(py))?;
    let failures = PyList::empty(py);
    for (source, error) in batch.failures {
        let instance = to_pyerr(py, &Error::Read(error))?.into_value(py);
        failures.append((source, instance))?;
    }
    out.set_item("failures", failures)?;
    Ok(out)
}

/// The blocks of a document as flat lists, made without the GIL.
#[derive(Default)]
struct Blocks {
    /// Name and number of columns of each block.
    names: Vec<(String, usize)>,
    /// Tag, line, column, number of rows, and which loop of its block (-1 outside loops) of each column.
    columns: Vec<(String, u32, u32, usize, i64)>,
    values: Strings,
    /// How each value is written: 0 bare, 1 in quotes, 2 in a text field, 3 as a list or table.
    forms: Vec<u8>,
    lines: Vec<u32>,
    places: Vec<u32>,
}

fn blocks_of(document: &Document<'_>) -> Blocks {
    let mut out = Blocks::default();
    let mut offsets = Vec::new();
    for block in document.blocks() {
        let columns: Vec<_> = block.columns().collect();
        out.names.push((block.name().to_owned(), columns.len()));
        let (mut loops, mut last) = (-1, None);
        for column in columns {
            if column.loop_at().is_some() && column.loop_at() != last {
                loops += 1;
            }
            last = column.loop_at();
            let place = if last.is_some() { loops } else { -1 };
            out.columns.push((column.tag().to_owned(), 0, 0, column.len(), place));
            offsets.push(column.at());
            for value in column.iter() {
                out.values.push(value.text);
                out.forms.push(match value.form {
                    Form::Bare => 0,
                    Form::Quoted => 1,
                    Form::Text => 2,
                    Form::Nested => 3,
                });
                offsets.push(value.at);
            }
        }
    }
    let mut places = document.places(&offsets).into_iter();
    for column in &mut out.columns {
        if let Some((line, place)) = places.next() {
            (column.1, column.2) = (line, place);
        }
        for (line, place) in places.by_ref().take(column.3) {
            out.lines.push(line);
            out.places.push(place);
        }
    }
    out
}

/// Blocks, tags and values of a CIF; see `_core.pyi`.
#[pyfunction]
#[pyo3(signature = (text, *, strict=false, max_bytes=268_435_456))]
#[allow(clippy::needless_pass_by_value)] // extracted by pyo3
pub fn read_cif_document(py: Python<'_>, text: Text, strict: bool, max_bytes: usize) -> PyResult<Bound<'_, PyDict>> {
    let options = CifOptions {
        strict,
        max_bytes,
        ..CifOptions::default()
    };
    let (blocks, warnings, cif2) = py
        .detach(|| {
            with_document(text.bytes(), &options, |document, warnings| {
                (blocks_of(document), warnings, document.syntax() == Syntax::Cif2)
            })
        })
        .map_err(CoreError)?;
    let out = PyDict::new(py);
    out.set_item("blocks", blocks.names)?;
    out.set_item("columns", blocks.columns)?;
    out.set_item("values", joined(py, blocks.values)?)?;
    out.set_item("forms", PyBytes::new(py, &blocks.forms))?;
    out.set_item("lines", blocks.lines.into_pyarray(py))?;
    out.set_item("places", blocks.places.into_pyarray(py))?;
    out.set_item("warnings", warnings.iter().map(warning_tuple).collect::<Vec<_>>())?;
    out.set_item("cif2", cif2)?;
    Ok(out)
}
