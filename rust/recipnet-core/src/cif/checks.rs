//! Does the crystal hold what the file says it holds? Doubts are warnings with both numbers.

use super::cell::Cell;
use super::crystal::CifCrystal;
use super::document::{BlockView, Column, Value};
use super::number::parse_number;
use super::report::{Fault, Report, code};
use super::species::parse_formula;
use super::tags;
use crate::elements::MASSES;

/// Dalton per cubic angstrom to g/cm^3.
const DENSITY: f64 = 1.660_539_066_6;
/// Atomic numbers of which a file may hold any amount without a doubt: hydrogen is often not placed.
const HYDROGEN: usize = 1;

/// Compare contents with the formula, and the density with the declared one and with what exists.
pub(super) fn contents(block: &BlockView<'_, '_>, cell: &Cell, crystal: &CifCrystal, report: &mut Report) {
    let mut contents = Contents::default();
    for (&number, &occupancy) in crystal.numbers.iter().zip(&crystal.occupancies) {
        contents.add(number, occupancy);
    }
    formula(block, &contents, report);
    let mass: f64 = contents.iter().map(|(number, amount)| amount * MASSES[number]).sum();
    let density = mass * DENSITY / cell.volume;
    if !(0.1..=25.0).contains(&density) {
        report.note(Fault::new(
            code::DENSITY,
            format!("the density is {density:.3} g/cm^3, outside 0.1 to 25"),
        ));
    }
    let declared = block.value_of(&[tags::DENSITY, tags::DENSITY_MEASURED]);
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

/// Amounts of elements, those that occur in order of their first mention.
struct Contents {
    amounts: [f64; 119],
    found: [u8; 119],
    count: usize,
}

impl Default for Contents {
    fn default() -> Self {
        // An element that was never mentioned has no amount, not even none.
        Self {
            amounts: [-1.0; 119],
            found: [0; 119],
            count: 0,
        }
    }
}

impl Contents {
    fn add(&mut self, number: u8, amount: f64) {
        let slot = &mut self.amounts[usize::from(number)];
        if *slot < 0.0 {
            *slot = 0.0;
            self.found[self.count] = number;
            self.count += 1;
        }
        *slot += amount;
    }

    fn of(&self, number: usize) -> f64 {
        self.amounts[number].max(0.0)
    }

    fn iter(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.found[..self.count]
            .iter()
            .map(|&number| (usize::from(number), self.of(usize::from(number))))
    }

    /// Of everything but hydrogen.
    fn total(&self) -> f64 {
        self.iter()
            .filter(|&(number, _)| number != HYDROGEN)
            .map(|(_, amount)| amount)
            .sum()
    }
}

fn formula(block: &BlockView<'_, '_>, contents: &Contents, report: &mut Report) {
    let Some((column, value)) = block.value_of(&[tags::FORMULA]) else {
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
    let mut expected = Contents::default();
    for (number, count) in declared {
        expected.add(number, count);
    }
    // One factor joins both: that of everything but hydrogen. Without such atoms there is nothing to compare.
    let (found, wanted) = (contents.total(), expected.total());
    if !(found > 0.0 && wanted > 0.0) {
        return;
    }
    let factor = found / wanted;
    let differs = |number: usize| {
        (contents.of(number) - factor * expected.of(number)).abs() > 0.03 * factor * expected.of(number)
    };
    let mut elements = contents.iter().chain(expected.iter()).map(|(number, _)| number);
    if elements.any(|number| number != HYDROGEN && differs(number)) {
        report.note(doubt(
            code::FORMULA,
            "the contents are not in the ratios of the formula".into(),
            &column,
            &value,
        ));
    } else if differs(HYDROGEN) {
        let message = format!(
            "the cell holds {:.2} H where the formula asks for {:.2}",
            contents.of(HYDROGEN),
            factor * expected.of(HYDROGEN)
        );
        report.note(doubt(code::FORMULA, message, &column, &value));
    }
    let units = block
        .value_of(&[tags::CELL_Z])
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
