//! Symmetry operations and space groups between texts, arrays and the core.

mod search;

use numpy::{IntoPyArray, PyArray2, PyArray3, PyArrayMethods};
use pyo3::prelude::*;
use recipnet_core::error::{Error, SymmetryError};
use recipnet_core::symmetry::{ChangeOfBasis, Operation, Operations, Preference, Setting, SpaceGroup, settings};

use crate::arrays::{Given2, Given3, compute, matrices, rows};
use crate::error::CoreError;

/// Rotations (n, 3, 3), translations (n, 3) as numerators, denominator.
pub type Arrays<'py> = (Bound<'py, PyArray3<i8>>, Bound<'py, PyArray2<i16>>, i16);
/// Number, Hall number, symbols, crystal system, point group, operations.
type FoundGroup<'py> = (u8, Option<u16>, String, Option<String>, String, String, Arrays<'py>);

/// The functions of this module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(parse_operations, module)?)?;
    module.add_function(wrap_pyfunction!(operations_from_floats, module)?)?;
    module.add_function(wrap_pyfunction!(operations_to_xyz, module)?)?;
    module.add_function(wrap_pyfunction!(compose_operations, module)?)?;
    module.add_function(wrap_pyfunction!(invert_operations, module)?)?;
    module.add_function(wrap_pyfunction!(group_fault, module)?)?;
    module.add_function(wrap_pyfunction!(change_basis, module)?)?;
    module.add_function(wrap_pyfunction!(space_group_of_number, module)?)?;
    module.add_function(wrap_pyfunction!(space_group_of_hall_number, module)?)?;
    module.add_function(wrap_pyfunction!(space_group_of_symbol, module)?)?;
    module.add_function(wrap_pyfunction!(space_group_of_hall, module)?)?;
    module.add_function(wrap_pyfunction!(space_group_of_operations, module)?)?;
    module.add_function(wrap_pyfunction!(space_group_symbols, module)?)?;
    module.add_function(wrap_pyfunction!(search::find_symmetry, module)?)?;
    module.add_function(wrap_pyfunction!(search::niggli_matrix, module)?)
}

/// The arrays of a list of operations.
pub fn to_arrays<'py>(py: Python<'py>, operations: &Operations) -> PyResult<Arrays<'py>> {
    let n = operations.len();
    let rotations: Vec<i8> = operations
        .as_slice()
        .iter()
        .flat_map(|one| one.rotation.into_iter().flatten())
        .collect();
    let translations: Vec<i16> = operations.as_slice().iter().flat_map(|one| one.translation).collect();
    Ok((
        rotations.into_pyarray(py).reshape([n, 3, 3])?,
        translations.into_pyarray(py).reshape([n, 3])?,
        operations.denominator(),
    ))
}

/// The list of operations of arrays.
pub fn from_arrays(
    rotations: &Given3<'_, i8>,
    translations: &Given2<'_, i16>,
    denominator: i16,
) -> PyResult<Operations> {
    let (rotations, translations) = (matrices("rotations", rotations)?, rows("translations", translations)?);
    same_length(rotations.len(), translations.len())?;
    let pairs = rotations.iter().zip(translations);
    let list = pairs.map(|(&rotation, &translation)| Operation { rotation, translation });
    Ok(Operations::new(list.collect(), denominator).map_err(refused)?)
}

fn same_length(rotations: usize, translations: usize) -> PyResult<()> {
    if rotations == translations {
        return Ok(());
    }
    let error = SymmetryError {
        message: format!("{rotations} rotations but {translations} translations: one of each is needed"),
        value: translations.to_string(),
    };
    Err(refused(error).into())
}

fn refused(error: SymmetryError) -> CoreError {
    CoreError(Error::Symmetry(error))
}

/// Operations of texts such as `x+1/2,-y,z`.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // Python's list arrives as an owned vector
fn parse_operations(py: Python<'_>, texts: Vec<String>) -> PyResult<Arrays<'_>> {
    let operations = compute(py, || Ok(Operations::from_xyz(&texts)?))?;
    to_arrays(py, &operations)
}

/// Operations of a symmetry finder, whose translations are floats.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
fn operations_from_floats<'py>(
    py: Python<'py>,
    rotations: Given3<'py, i8>,
    translations: Given2<'py, f64>,
) -> PyResult<Arrays<'py>> {
    let (rotations, translations) = (matrices("rotations", &rotations)?, rows("translations", &translations)?);
    same_length(rotations.len(), translations.len())?;
    let pairs: Vec<_> = rotations.iter().copied().zip(translations.iter().copied()).collect();
    to_arrays(py, &Operations::from_floats(&pairs).map_err(refused)?)
}

/// Canonical texts of operations.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
fn operations_to_xyz(
    rotations: Given3<'_, i8>,
    translations: Given2<'_, i16>,
    denominator: i16,
) -> PyResult<Vec<String>> {
    Ok(from_arrays(&rotations, &translations, denominator)?.to_xyz())
}

/// Row by row the left after the right.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
fn compose_operations<'py>(
    py: Python<'py>,
    rotations: Given3<'py, i8>,
    translations: Given2<'py, i16>,
    denominator: i16,
    first_rotations: Given3<'py, i8>,
    first_translations: Given2<'py, i16>,
    first_denominator: i16,
) -> PyResult<Arrays<'py>> {
    let left = from_arrays(&rotations, &translations, denominator)?;
    let right = from_arrays(&first_rotations, &first_translations, first_denominator)?;
    to_arrays(py, &left.compose(&right).map_err(refused)?)
}

/// The inverse of each operation.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
fn invert_operations<'py>(
    py: Python<'py>,
    rotations: Given3<'py, i8>,
    translations: Given2<'py, i16>,
    denominator: i16,
) -> PyResult<Arrays<'py>> {
    let operations = from_arrays(&rotations, &translations, denominator)?;
    to_arrays(py, &operations.inverse().map_err(refused)?)
}

/// Why the operations are no group; None if they are one.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
fn group_fault(rotations: Given3<'_, i8>, translations: Given2<'_, i16>, denominator: i16) -> PyResult<Option<String>> {
    let operations = from_arrays(&rotations, &translations, denominator)?;
    Ok(operations.check_group().err().map(|error| error.message))
}

/// Operations in new axes and from a new origin.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, clippy::too_many_arguments)]
fn change_basis<'py>(
    py: Python<'py>,
    rotations: Given3<'py, i8>,
    translations: Given2<'py, i16>,
    denominator: i16,
    matrix: [[i32; 3]; 3],
    matrix_denominator: i32,
    shift: [i32; 3],
    shift_denominator: i32,
) -> PyResult<Arrays<'py>> {
    let operations = from_arrays(&rotations, &translations, denominator)?;
    let moved = compute(py, || {
        let change = ChangeOfBasis::new(matrix, matrix_denominator, shift, shift_denominator)?;
        Ok(operations.change_basis(&change)?)
    })?;
    to_arrays(py, &moved)
}

fn found<'py>(py: Python<'py>, group: &SpaceGroup) -> PyResult<FoundGroup<'py>> {
    Ok((
        group.number(),
        group.hall_number(),
        group.hm_symbol().to_owned(),
        group.hall_symbol().map(str::to_owned),
        group.crystal_system(),
        group.point_group(),
        to_arrays(py, group.operations())?,
    ))
}

/// Group by number, in the standard setting or that of the smallest Hall number.
#[pyfunction]
fn space_group_of_number(py: Python<'_>, number: i64, smallest: bool) -> PyResult<FoundGroup<'_>> {
    let preference = if smallest {
        Preference::Spglib
    } else {
        Preference::Standard
    };
    let group = compute(py, || Ok(SpaceGroup::from_number(number, preference)?))?;
    found(py, &group)
}

/// Group by Hall number.
#[pyfunction]
fn space_group_of_hall_number(py: Python<'_>, hall_number: i64) -> PyResult<FoundGroup<'_>> {
    let group = compute(py, || Ok(SpaceGroup::from_hall_number(hall_number)?))?;
    found(py, &group)
}

/// Group by Hermann-Mauguin symbol.
#[pyfunction]
fn space_group_of_symbol<'py>(py: Python<'py>, symbol: &str) -> PyResult<FoundGroup<'py>> {
    let group = compute(py, || Ok(SpaceGroup::from_symbol(symbol)?))?;
    found(py, &group)
}

/// Group by Hall symbol.
#[pyfunction]
fn space_group_of_hall<'py>(py: Python<'py>, symbol: &str) -> PyResult<FoundGroup<'py>> {
    let group = compute(py, || Ok(SpaceGroup::from_hall(symbol)?))?;
    found(py, &group)
}

/// Group by its operations.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
fn space_group_of_operations<'py>(
    py: Python<'py>,
    rotations: Given3<'py, i8>,
    translations: Given2<'py, i16>,
    denominator: i16,
) -> PyResult<FoundGroup<'py>> {
    let operations = from_arrays(&rotations, &translations, denominator)?;
    let group = compute(py, || Ok(SpaceGroup::from_operations(operations)?))?;
    found(py, &group)
}

/// Names of all settings, in the order of their Hall numbers.
#[pyfunction]
fn space_group_symbols() -> Vec<String> {
    settings().iter().map(Setting::name).collect()
}
