//! The symmetry search of a batch, as flat arrays.

use numpy::{IntoPyArray, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use recipnet_core::error::Error;
use recipnet_core::lattice::Lattice;
use recipnet_core::symmetry::{self, FoundCell, FoundSymmetry, Preference, Rows, SearchOptions};

use crate::arrays::{BatchArrays, Given1, Given2, Given3, compute, cube, slice, table, vector};

/// Symmetry of every crystal: per crystal, per row, per operation (with `operation_offsets`), and two cells.
#[pyfunction]
#[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)] // Flat arrays and scalars are the contract with Python.
pub fn find_symmetry<'py>(
    py: Python<'py>,
    lattices: Given3<'py, f64>,
    numbers: Given1<'py, u8>,
    occupancies: Given1<'py, f64>,
    frac: Given2<'py, f64>,
    offsets: Given1<'py, i64>,
    site: Given1<'py, i32>,
    symprec: f64,
    smallest: bool,
    max_sites: usize,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyDict>> {
    let arrays = BatchArrays {
        lattices,
        numbers: Some(numbers),
        frac,
        offsets,
        site: Some(site),
    };
    let slices = arrays.slices()?;
    let occupancies = slice("occupancies", &occupancies)?;
    let options = SearchOptions {
        symprec,
        preference: if smallest {
            Preference::Spglib
        } else {
            Preference::Standard
        },
        max_sites,
    };
    let found = compute(py, || {
        let view = slices.view()?;
        let rows: Vec<Rows> = (0..view.len())
            .map(|crystal| {
                let atoms = view.atoms(crystal);
                Rows {
                    lattice: &view.lattices()[crystal],
                    numbers: &view.numbers().unwrap_or_default()[atoms.clone()],
                    occupancies: occupancies.get(atoms.clone()).unwrap_or_default(),
                    frac_coords: &view.frac_coords()[atoms],
                    site: view.site(crystal),
                }
            })
            .collect();
        symmetry::find_symmetry(&rows, &options, threads)
    })?;
    to_dict(py, &found)
}

fn to_dict<'py>(py: Python<'py>, found: &[FoundSymmetry]) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    let each = |of: fn(&FoundSymmetry) -> i64| vector(py, found.iter().map(of).collect::<Vec<_>>());
    out.set_item("number", each(|one| i64::from(one.number)))?;
    out.set_item("hall_number", each(|one| i64::from(one.hall_number)))?;
    out.set_item("symprec", vector(py, found.iter().map(|one| one.symprec).collect()))?;
    out.set_item(
        "wyckoffs",
        found.iter().map(|one| one.wyckoffs.as_str()).collect::<Vec<_>>(),
    )?;
    out.set_item(
        "pearson_symbol",
        found.iter().map(|one| one.pearson_symbol.as_str()).collect::<Vec<_>>(),
    )?;
    // One text for each crystal: a Python string for every atom would take longer than the search of small cells.
    out.set_item(
        "site_symmetry",
        found.iter().map(|one| one.site_symmetry.join(" ")).collect::<Vec<_>>(),
    )?;
    out.set_item(
        "operation_offsets",
        vector(py, offsets(found.iter().map(|one| one.rotations.len()))),
    )?;
    let rotations: Vec<i32> = found
        .iter()
        .flat_map(|one| one.rotations.as_flattened().as_flattened())
        .copied()
        .collect();
    let count = rotations.len() / 9;
    out.set_item("rotations", rotations.into_pyarray(py).reshape([count, 3, 3])?)?;
    out.set_item(
        "translations",
        table(py, found.iter().flat_map(|one| &one.translations).copied().collect())?,
    )?;
    out.set_item(
        "equivalent_atoms",
        vector(py, found.iter().flat_map(|one| &one.equivalent).copied().collect()),
    )?;
    out.set_item(
        "site_multiplicity",
        vector(py, found.iter().flat_map(|one| &one.multiplicity).copied().collect()),
    )?;
    out.set_item(
        "standard",
        cells(py, &found.iter().map(|one| &one.standard).collect::<Vec<_>>())?,
    )?;
    out.set_item(
        "primitive",
        cells(py, &found.iter().map(|one| &one.primitive).collect::<Vec<_>>())?,
    )?;
    Ok(out)
}

fn cells<'py>(py: Python<'py>, found: &[&FoundCell]) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("lattices", cube(py, found.iter().map(|one| one.lattice).collect())?)?;
    out.set_item("matrix", cube(py, found.iter().map(|one| one.matrix).collect())?)?;
    out.set_item("shift", table(py, found.iter().map(|one| one.shift).collect())?)?;
    out.set_item("offsets", vector(py, offsets(found.iter().map(|one| one.source.len()))))?;
    out.set_item(
        "frac",
        table(py, found.iter().flat_map(|one| &one.frac_coords).copied().collect())?,
    )?;
    out.set_item(
        "source",
        vector(py, found.iter().flat_map(|one| &one.source).copied().collect()),
    )?;
    out.set_item(
        "site",
        vector(py, found.iter().flat_map(|one| &one.site).copied().collect()),
    )?;
    Ok(out)
}

fn offsets(counts: impl Iterator<Item = usize>) -> Vec<i64> {
    let ends = counts.scan(0, |end, count| {
        *end += count as i64;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

/// T of the Niggli-reduced cell, `(a' b' c') = (a b c) T`.
#[pyfunction]
pub fn niggli_matrix(py: Python<'_>, lattice: [[f64; 3]; 3]) -> PyResult<[[i32; 3]; 3]> {
    compute(py, || symmetry::niggli(&Lattice::new(lattice)?).map_err(Error::from))
}
