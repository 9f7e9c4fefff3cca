//! Does the crystal hold what the file says it holds? Doubts are warnings with both numbers.

use super::cell::Cell;
use super::crystal::CifCrystal;
use super::document::{BlockView, Column, Value};
use super::number::parse_number;
use super::report::{Fault, Report, code};
use super::species::parse_formula;
use crate::elements::MASSES;

/// Dalton per cubic angstrom to g/cm^3.
const DENSITY: f64 = 1.660_539_066_6;
/// Atomic numbers of which a file may hold any amount without a doubt: hydrogen is often not placed.
const HYDROGEN: usize = 1;

/// Compare contents with the formula, and the density with the declared one and with what exists.
pub(super) fn contents(block: &BlockView<'_, '_>, cell: &Cell, crystal: &CifCrystal, report: &mut Report) {
    let mut amounts = [0.0; 119];
    for (&number, &occupancy) in crystal.numbers.iter().zip(&crystal.occupancies) {
        amounts[usize::from(number)] += occupancy;
    }
    formula(block, &amounts, report);
    let mass: f64 = amounts.iter().zip(MASSES).map(|(amount, mass)| amount * mass).sum();
    let density = mass * DENSITY / cell.volume;
    if !(0.1..=25.0).contains(&density) {
        report.note(Fault::new(
            code::DENSITY,
            format!("the density is {density:.3} g/cm^3, outside 0.1 to 25"),
        ));
    }
    let declared = block.value_of(&["_exptl_crystal_density_diffrn", "_exptl_crystal_density_meas"]);
    if let Some((column, value)) = declared
        && let Some(number) = parse_number(value.text)
        && number.value > 0.0
        && (number.value - density).abs() > 0.03 * number.value
    {
        let message = format!(
            "the contents have {density:.3} g/cm^3, the file declares {}",
            number.value
        );
        report.note(doubt(code::DENSITY, message, &column, &value));
    }
}

fn doubt(code: super::report::Code, message: String, column: &Column<'_, '_>, value: &Value<'_>) -> Fault {
    Fault::new(code, message)
        .at(value.at)
        .tag(column.tag())
        .value(value.text)
}

fn formula(block: &BlockView<'_, '_>, amounts: &[f64; 119], report: &mut Report) {
    let Some((column, value)) = block.value_of(&["_chemical_formula_sum"]) else {
        return;
    };
    let Some(declared) = parse_formula(value.text) else {
        report.note(doubt(
            code::FORMULA,
            "the formula could not be read and was not compared".into(),
            &column,
            &value,
        ));
        return;
    };
    let mut expected = [0.0; 119];
    for (number, count) in declared {
        expected[usize::from(number)] += count;
    }
    // One factor joins both: that of everything but hydrogen. Without such atoms there is nothing to compare.
    let total = |all: &[f64; 119]| {
        all.iter()
            .enumerate()
            .filter(|entry| entry.0 != HYDROGEN)
            .map(|entry| entry.1)
            .sum()
    };
    let (found, wanted): (f64, f64) = (total(amounts), total(&expected));
    if !(found > 0.0 && wanted > 0.0) {
        return;
    }
    let factor = found / wanted;
    let differs =
        |number: usize| (amounts[number] - factor * expected[number]).abs() > 0.03 * factor * expected[number];
    if (0..119).any(|number| number != HYDROGEN && differs(number)) {
        report.note(doubt(
            code::FORMULA,
            "the contents are not in the ratios of the formula".into(),
            &column,
            &value,
        ));
    } else if differs(HYDROGEN) {
        let message = format!(
            "the cell holds {:.2} H where the formula asks for {:.2}",
            amounts[HYDROGEN],
            factor * expected[HYDROGEN]
        );
        report.note(doubt(code::FORMULA, message, &column, &value));
    }
    let units = block
        .value_of(&["_cell_formula_units_z"])
        .and_then(|(_, value)| parse_number(value.text));
    if let Some(units) = units {
        // Some programs write the formula of the whole cell beside the number of units.
        let whole_cell = (factor - 1.0).abs() < 0.03;
        if units.value > 0.0 && !whole_cell && (factor - units.value).abs() > 0.03 * units.value {
            let message = format!(
                "the cell holds {factor:.3} formula units, the file declares {}",
                units.value
            );
            report.note(doubt(code::FORMULA, message, &column, &value));
        }
    }
}
