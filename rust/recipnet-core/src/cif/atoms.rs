//! Rows of the atom loop: what is in them, before any symmetry.

use super::document::{BlockView, Column, Value};
use super::number::{parse_fraction, parse_number};
use super::options::{CifOptions, UnknownElement};
use super::report::{Fault, Report, code};
use super::species::{Doubt, Species, from_label, from_type_symbol, parse_formula};
use std::collections::HashMap;

pub(super) const FRACT_TAGS: [&str; 3] = ["_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z"];
const LABEL_TAGS: [&str; 2] = ["_atom_site_label", "_atom_site_id"];
const MULTIPLICITY_TAGS: [&str; 2] = [
    "_atom_site_symmetry_multiplicity",
    "_atom_site_site_symmetry_multiplicity",
];
/// An occupancy may pass 1 by this much without being an error.
const OCCUPANCY_SLACK: f64 = 0.02;

/// One row of the atom loop.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row<'t> {
    pub label: &'t str,
    pub number: u8,
    pub isotope: u16,
    pub charge: Option<f64>,
    pub frac: [f64; 3],
    pub occupancy: f64,
    pub u_iso: Option<f64>,
    /// U11 U22 U33 U23 U13 U12.
    pub u_aniso: Option<[f64; 6]>,
    pub multiplicity: Option<f64>,
    /// Offset of the row's first coordinate.
    pub at: usize,
}

/// Whether the block has a coordinate that is a number.
pub(super) fn has_coordinates(block: &BlockView<'_, '_>) -> bool {
    let usable = |value: Value<'_>| parse_number(value.text).or(None).is_some();
    FRACT_TAGS.iter().all(|tag| block.column(tag).is_some())
        && block
            .column(FRACT_TAGS[0])
            .is_some_and(|column| column.iter().any(usable))
}

fn number_in(column: &Column<'_, '_>, row: usize) -> Result<Option<f64>, Fault> {
    let value = column.get(row);
    if value.is_absent() {
        return Ok(None);
    }
    match parse_number(value.text) {
        Some(number) => Ok(Some(number.value)),
        None => Err(Fault::new(code::NUMBER, "this is no number")
            .at(value.at)
            .tag(column.tag())
            .value(value.text)),
    }
}

fn coordinate(column: &Column<'_, '_>, row: usize, report: &mut Report) -> Result<Option<f64>, Fault> {
    number_in(column, row).or_else(|fault| {
        let value = column.get(row);
        let Some(fraction) = parse_fraction(value.text) else {
            return Err(fault);
        };
        report.repair(fault.message("a fraction was read as a number"))?;
        Ok(Some(fraction))
    })
}

struct Columns<'d, 't> {
    fract: [Column<'d, 't>; 3],
    label: Option<Column<'d, 't>>,
    symbol: Option<Column<'d, 't>>,
    occupancy: Option<Column<'d, 't>>,
    u_iso: Option<Column<'d, 't>>,
    b_iso: Option<Column<'d, 't>>,
    multiplicity: Option<Column<'d, 't>>,
    calculated: Option<Column<'d, 't>>,
    hydrogens: Option<Column<'d, 't>>,
}

impl<'d, 't> Columns<'d, 't> {
    fn of(block: &BlockView<'d, 't>) -> Result<Self, Fault> {
        let needed = |tag: &str| {
            block
                .column(tag)
                .ok_or_else(|| Fault::new(code::NO_ATOMS, "a coordinate column is missing").tag(tag))
        };
        let fract = [needed(FRACT_TAGS[0])?, needed(FRACT_TAGS[1])?, needed(FRACT_TAGS[2])?];
        for column in &fract[1..] {
            if !column.same_loop(&fract[0]) {
                return Err(Fault::new(code::LOOP, "the coordinates stand in different loops")
                    .at(column.at())
                    .tag(column.tag()));
            }
        }
        // A column of another loop has rows of its own: it says nothing about these.
        let beside = |tags: &[&str]| {
            tags.iter()
                .find_map(|tag| block.column(tag).filter(|column| column.same_loop(&fract[0])))
        };
        Ok(Self {
            label: beside(&LABEL_TAGS),
            symbol: beside(&["_atom_site_type_symbol"]),
            occupancy: beside(&["_atom_site_occupancy"]),
            u_iso: beside(&["_atom_site_u_iso_or_equiv"]),
            b_iso: beside(&["_atom_site_b_iso_or_equiv"]),
            multiplicity: beside(&MULTIPLICITY_TAGS),
            calculated: beside(&["_atom_site_calc_flag"]),
            hydrogens: beside(&["_atom_site_attached_hydrogens"]),
            fract,
        })
    }

    fn species(
        &self,
        row: usize,
        formula: Option<&[u8]>,
        options: &CifOptions,
        report: &mut Report,
    ) -> Result<Species, Fault> {
        let given = |column: &Option<Column<'d, 't>>| {
            column
                .map(|column| (column, column.get(row)))
                .filter(|(_, value)| !value.is_absent())
        };
        let (symbol, label) = (given(&self.symbol), given(&self.label));
        let from_symbol = symbol.and_then(|(_, value)| from_type_symbol(value.text));
        let found = match (from_symbol, symbol, label) {
            (Some(found), ..) => Some(found),
            // A type symbol that is no element is not overruled by the label in silence: it is only read like one.
            (None, Some((_, value)), _) => from_label(value.text, formula).map(|found| Species {
                doubt: Doubt::Prefix.or(found.doubt),
                ..found
            }),
            (None, None, Some((_, value))) => from_label(value.text, formula),
            (None, None, None) => None,
        };
        let (tag, value) = match symbol.or(label) {
            Some((column, value)) => (column.tag(), value),
            None => (self.fract[0].tag(), self.fract[0].get(row)),
        };
        let fault = |message: &str| {
            Fault::new(code::ELEMENT, message)
                .at(value.at)
                .tag(tag)
                .value(value.text)
        };
        let Some(found) = found else {
            let fault = fault("this names no element");
            return match options.unknown_element {
                UnknownElement::Error => {
                    Err(fault.hint("the option unknown_element=\"X\" keeps such atoms as X, number 0"))
                }
                UnknownElement::X => {
                    report.note(fault.message("this names no element; X was taken"));
                    Ok(Species {
                        number: 0,
                        isotope: 0,
                        charge: None,
                        doubt: Doubt::None,
                    })
                }
            };
        };
        match found.doubt {
            Doubt::None => {}
            Doubt::Prefix => report.repair(fault("only the start of this symbol is an element"))?,
            Doubt::Case => report.repair(fault("this could name two elements; the longer name was taken"))?,
            Doubt::Water => report.repair(fault("this is water, of which the oxygen was taken"))?,
        }
        Ok(found)
    }

    fn occupancy(&self, row: usize, report: &mut Report) -> Result<f64, Fault> {
        let Some(column) = &self.occupancy else { return Ok(1.0) };
        let value = column.get(row);
        let fault = |message: String| {
            Fault::new(code::OCCUPANCY, message)
                .at(value.at)
                .tag(column.tag())
                .value(value.text)
        };
        let Some(occupancy) = number_in(column, row)? else {
            let message = "an occupancy that is not given was taken as 1".into();
            if value.is_unknown() {
                report.repair(fault(message))?;
            } else {
                report.note(fault(message));
            }
            return Ok(1.0);
        };
        if occupancy < 0.0 {
            return Err(fault("an occupancy is negative".into()));
        }
        if occupancy > 1.0 {
            if occupancy <= 1.0 + OCCUPANCY_SLACK {
                report.note(fault("an occupancy above 1 was taken as 1".into()));
                return Ok(1.0);
            }
            report.repair(fault("an occupancy above 1 was kept".into()))?;
        }
        Ok(occupancy)
    }
}

impl Doubt {
    fn or(self, other: Self) -> Self {
        if other == Self::Water { other } else { self }
    }
}

/// Isotropic displacement: U, or B / (8 pi^2).
fn isotropic(columns: &Columns<'_, '_>, row: usize, report: &mut Report) -> Result<Option<f64>, Fault> {
    let scale = 8.0 * std::f64::consts::PI * std::f64::consts::PI;
    for (column, factor) in [(&columns.u_iso, 1.0), (&columns.b_iso, scale)] {
        let Some(column) = column else { continue };
        match number_in(column, row) {
            Ok(Some(value)) => return Ok(Some(value / factor)),
            Ok(None) => {}
            Err(fault) => {
                report.repair(
                    fault
                        .code(code::DISPLACEMENT)
                        .message("a displacement parameter is no number and was left out"),
                )?;
            }
        }
    }
    Ok(None)
}

/// Anisotropic displacements by label.
fn anisotropic<'t>(block: &BlockView<'_, 't>, report: &mut Report) -> Result<HashMap<&'t str, [f64; 6]>, Fault> {
    let mut found = HashMap::new();
    let Some(labels) = block.column("_atom_site_aniso_label") else {
        return Ok(found);
    };
    let scale = 8.0 * std::f64::consts::PI * std::f64::consts::PI;
    for (kind, factor) in [("u", 1.0), ("b", scale)] {
        let columns: Vec<_> = ["11", "22", "33", "23", "13", "12"]
            .iter()
            .filter_map(|pair| block.column(&format!("_atom_site_aniso_{kind}_{pair}")))
            .filter(|column| column.same_loop(&labels))
            .collect();
        if columns.len() != 6 {
            continue;
        }
        for row in 0..labels.len() {
            let mut tensor = [0.0; 6];
            let mut complete = true;
            for (slot, column) in tensor.iter_mut().zip(&columns) {
                match number_in(column, row) {
                    Ok(Some(value)) => *slot = value / factor,
                    Ok(None) => complete = false,
                    Err(fault) => {
                        complete = false;
                        report.repair(
                            fault
                                .code(code::DISPLACEMENT)
                                .message("a displacement parameter is no number; the atom's tensor was left out"),
                        )?;
                    }
                }
            }
            if complete {
                found.entry(labels.get(row).text).or_insert(tensor);
            }
        }
    }
    Ok(found)
}

/// Oxidation numbers by type symbol.
fn oxidation<'t>(block: &BlockView<'_, 't>) -> HashMap<&'t str, f64> {
    let mut found = HashMap::new();
    let (Some(symbols), Some(numbers)) = (
        block.column("_atom_type_symbol"),
        block.column("_atom_type_oxidation_number"),
    ) else {
        return found;
    };
    if symbols.same_loop(&numbers) {
        for row in 0..symbols.len() {
            if let Some(number) = parse_number(numbers.get(row).text) {
                found.entry(symbols.get(row).text).or_insert(number.value);
            }
        }
    }
    found
}

/// Elements of the declared formula.
fn formula_elements(block: &BlockView<'_, '_>) -> Option<Vec<u8>> {
    let (_, value) = block.value_of(&["_chemical_formula_sum"])?;
    Some(
        parse_formula(value.text)?
            .into_iter()
            .map(|(number, _)| number)
            .collect(),
    )
}

/// Read all rows that have a place in the crystal.
pub(super) fn read<'t>(
    block: &BlockView<'_, 't>,
    options: &CifOptions,
    report: &mut Report,
) -> Result<Vec<Row<'t>>, Fault> {
    let columns = Columns::of(block)?;
    let formula = formula_elements(block);
    let tensors = anisotropic(block, report)?;
    let charges = oxidation(block);
    let count = columns.fract[0].len();
    let mut rows = Vec::with_capacity(count.min(options.max_sites));
    let (mut without, mut dummies, mut hydrogens) = (0usize, 0usize, 0.0f64);
    for row in 0..count {
        if columns
            .calculated
            .is_some_and(|column| column.get(row).text.eq_ignore_ascii_case("dum"))
        {
            dummies += 1;
            continue;
        }
        let mut frac = [0.0; 3];
        let mut placed = true;
        for (slot, column) in frac.iter_mut().zip(&columns.fract) {
            match coordinate(column, row, report)? {
                Some(value) => *slot = value,
                None => placed = false,
            }
        }
        if !placed {
            without += 1;
            continue;
        }
        let first = columns.fract[0].get(row);
        if frac.iter().any(|value| value.abs() > 1e6) {
            return Err(
                Fault::new(code::NUMBER, "a fractional coordinate is beyond a million cells")
                    .at(first.at)
                    .tag(columns.fract[0].tag())
                    .value(first.text),
            );
        }
        if rows.len() >= options.max_sites {
            return Err(
                Fault::new(code::LIMIT, format!("more than {} atoms", options.max_sites))
                    .at(first.at)
                    .hint("the limit is the option max_sites"),
            );
        }
        let species = columns.species(row, formula.as_deref(), options, report)?;
        let label = columns
            .label
            .or(columns.symbol)
            .map_or("", |column| column.get(row).text);
        let typed = columns
            .symbol
            .and_then(|column| charges.get(column.get(row).text))
            .copied();
        if let Some(column) = &columns.hydrogens {
            hydrogens += number_in(column, row).ok().flatten().unwrap_or(0.0);
        }
        rows.push(Row {
            label,
            number: species.number,
            isotope: species.isotope,
            charge: typed.or(species.charge),
            frac,
            occupancy: columns.occupancy(row, report)?,
            u_iso: isotropic(&columns, row, report)?,
            u_aniso: tensors.get(label).copied(),
            multiplicity: columns
                .multiplicity
                .and_then(|column| number_in(&column, row).ok().flatten()),
            at: first.at,
        });
    }
    let fault = |code, message: String| {
        Fault::new(code, message)
            .at(columns.fract[0].at())
            .tag(columns.fract[0].tag())
    };
    if without > 0 {
        report.note(fault(
            code::NOT_PLACED,
            format!("{without} row(s) without coordinates are not in the crystal"),
        ));
    }
    if dummies > 0 {
        report.note(fault(
            code::NOT_PLACED,
            format!("{dummies} dummy row(s) are not in the crystal"),
        ));
    }
    if hydrogens > 0.0 {
        report.note(fault(
            code::HYDROGENS,
            format!("{hydrogens} attached hydrogen atom(s) have no coordinates and are not in the crystal"),
        ));
    }
    if rows.is_empty() {
        return Err(fault(code::NO_ATOMS, "no row has coordinates".into()));
    }
    Ok(rows)
}
