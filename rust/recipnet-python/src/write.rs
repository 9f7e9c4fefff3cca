//! Batches of crystals to texts of CIF, POSCAR or extended XYZ.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use recipnet_core::cif_write::write_cif;
use recipnet_core::error::{ArgumentError, CrystalError, Error, Result, SymmetryError};
use recipnet_core::extxyz::write_extxyz;
use recipnet_core::parallel;
use recipnet_core::poscar::write_poscar;
use recipnet_core::structure::{Column, Structure};
use recipnet_core::symmetry::{Operation, Operations};

use crate::arrays::{Given1, Given2, Given3, compute, matrices, rows, slice};
use crate::error::CoreError;

/// Rotations (n, 3, 3), translations (n, 3), denominator, Hall symbol, H-M symbol, number.
type Declared<'py> = (
    Option<(Given3<'py, i8>, Given2<'py, i16>, i16)>,
    Option<String>,
    Option<String>,
    Option<u8>,
);

fn item<'py, T>(batch: &Bound<'py, PyDict>, name: &str) -> PyResult<Option<T>>
where
    T: for<'a> FromPyObject<'a, 'py, Error: Into<PyErr>>,
{
    match batch.get_item(name)? {
        Some(value) if !value.is_none() => value.extract::<T>().map(Some).map_err(Into::into),
        _ => Ok(None),
    }
}

fn needed<'py, T>(batch: &Bound<'py, PyDict>, name: &'static str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py, Error: Into<PyErr>>,
{
    item(batch, name)?.ok_or_else(|| {
        CoreError(Error::Crystal(CrystalError {
            message: format!("{name} is missing"),
            field: name,
            crystal: None,
            row: None,
            value: None,
        }))
        .into()
    })
}

fn operations(rotations: &Given3<'_, i8>, translations: &Given2<'_, i16>, denominator: i16) -> PyResult<Operations> {
    let rotations = matrices("rotations", rotations)?;
    let translations = rows("translations", translations)?;
    if rotations.len() != translations.len() {
        let error = SymmetryError {
            message: "rotations and translations differ in number".into(),
            value: format!("{} and {}", rotations.len(), translations.len()),
        };
        return Err(CoreError(Error::Symmetry(error)).into());
    }
    let list = rotations
        .iter()
        .zip(translations)
        .map(|(&rotation, &translation)| Operation { rotation, translation })
        .collect();
    Operations::new(list, denominator).map_err(|error| CoreError(Error::Symmetry(error)).into())
}

/// One column of a batch, cut to the rows of each crystal.
struct Ragged<T> {
    values: Option<Vec<T>>,
}

impl<T: Clone> Ragged<T> {
    fn cut(&self, range: &std::ops::Range<usize>) -> Option<Vec<T>> {
        self.values.as_ref().map(|values| values[range.clone()].to_vec())
    }
}

fn column<'py, T: numpy::Element + Copy + 'static>(
    batch: &Bound<'py, PyDict>,
    name: &'static str,
) -> PyResult<Ragged<T>> {
    let array: Option<Given1<'py, T>> = item(batch, name)?;
    let values = array.map(|array| slice(name, &array).map(<[T]>::to_vec)).transpose()?;
    Ok(Ragged { values })
}

/// The crystals of a batch as the core's structures.
fn structures(batch: &Bound<'_, PyDict>) -> PyResult<Vec<Structure>> {
    let lattices: Given3<'_, f64> = needed(batch, "lattices")?;
    let lattices = matrices("lattices", &lattices)?;
    let frac: Given2<'_, f64> = needed(batch, "frac_coords")?;
    let frac = rows("frac_coords", &frac)?;
    let numbers: Given1<'_, u8> = needed(batch, "numbers")?;
    let numbers = slice("numbers", &numbers)?;
    let offsets: Given1<'_, i64> = needed(batch, "offsets")?;
    let offsets = slice("offsets", &offsets)?;
    let occupancies = column::<f64>(batch, "occupancies")?;
    let charges = column::<f64>(batch, "charges")?;
    let u_iso = column::<f64>(batch, "u_iso")?;
    let site = column::<i32>(batch, "site")?;
    let isotopes = column::<u16>(batch, "isotopes")?;
    let labels = Ragged {
        values: item::<Vec<String>>(batch, "labels")?,
    };
    let u_aniso: Option<Given2<'_, f64>> = item(batch, "u_aniso")?;
    let u_aniso = Ragged {
        values: u_aniso
            .map(|array| slice("u_aniso", &array).map(|flat| flat.as_chunks::<6>().0.to_vec()))
            .transpose()?,
    };
    recipnet_core::batch::check_offsets("offsets", offsets, lattices.len(), numbers.len()).map_err(CoreError)?;
    let titles: Vec<String> = needed(batch, "titles")?;
    let symmetry: Vec<Option<Declared<'_>>> = needed(batch, "symmetry")?;
    let info: Vec<Vec<(String, String, bool)>> = needed(batch, "info")?;
    let columns: Vec<Vec<(String, Given2<'_, f64>)>> = needed(batch, "columns")?;
    let disorder: Vec<Option<Vec<[String; 2]>>> = needed(batch, "disorder")?;
    let mut out = Vec::with_capacity(lattices.len());
    for (place, ((((title, declared), info), columns), disorder)) in titles
        .into_iter()
        .zip(symmetry)
        .zip(info)
        .zip(columns)
        .zip(disorder)
        .enumerate()
    {
        let range = offsets[place] as usize..offsets[place + 1] as usize;
        let (listed, hall_symbol, hm_symbol, number) = declared.unwrap_or_default();
        let listed =
            listed.map(|(rotations, translations, denominator)| operations(&rotations, &translations, denominator));
        let columns = columns.into_iter().map(|(name, values)| {
            Ok(Column {
                width: values.shape()[1],
                values: slice("columns", &values)?.to_vec(),
                name,
            })
        });
        let one = Structure {
            title,
            lattice: lattices[place],
            numbers: numbers[range.clone()].to_vec(),
            frac: frac[range.clone()].to_vec(),
            occupancies: occupancies.cut(&range),
            site: site.cut(&range),
            charges: charges.cut(&range),
            isotopes: isotopes.cut(&range),
            labels: labels.cut(&range),
            u_iso: u_iso.cut(&range),
            u_aniso: u_aniso.cut(&range),
            disorder: disorder.filter(|rows| rows.len() == range.len()),
            operations: listed.transpose()?,
            hall_symbol,
            hm_symbol,
            number,
            info,
            columns: columns.collect::<PyResult<_>>()?,
        };
        out.push(one.without_defaults());
    }
    Ok(out)
}

/// One text, and why declared operations were not kept.
type Written = (String, Option<String>);

/// Write the crystals of a batch, in parallel; see `_core.pyi`.
#[pyfunction]
#[pyo3(signature = (format, batch, *, symmetry=true, digits=15, threads=None))]
pub fn write_texts<'py>(
    py: Python<'py>,
    format: &str,
    batch: &Bound<'py, PyDict>,
    symmetry: bool,
    digits: usize,
    threads: Option<usize>,
) -> PyResult<Vec<(Bound<'py, PyBytes>, Option<String>)>> {
    let structures = structures(batch)?;
    let write = |place: usize| -> Result<Written> {
        let one = &structures[place];
        let written = match format {
            "cif" => write_cif(one, symmetry, digits).map(|written| (written.text, written.lost)),
            "poscar" => write_poscar(one, digits).map(|text| (text, None)),
            "extxyz" => write_extxyz(one, digits).map(|text| (text, None)),
            _ => {
                return Err(ArgumentError {
                    name: "format",
                    value: format!("{format:?}"),
                    message: "must be \"cif\", \"poscar\" or \"extxyz\"".into(),
                }
                .into());
            }
        };
        written.map_err(|mut error| {
            error.crystal = Some(place);
            Error::Write(error)
        })
    };
    let texts = compute(py, || {
        let workers = parallel::workers(threads, structures.len() as f64 * 20_000.0)?;
        parallel::try_map(structures.len(), workers, write)
    })?;
    Ok(texts
        .into_iter()
        .map(|(text, lost)| (PyBytes::new(py, text.as_bytes()), lost))
        .collect())
}
