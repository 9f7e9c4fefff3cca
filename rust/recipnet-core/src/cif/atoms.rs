//! Rows of the atom loop: what is in them, before any symmetry.

use super::document::{BlockView, Column, NONE, is_absent_at};
use super::number::{parse_fraction, parse_number, plain_number_at};
use super::options::{CifOptions, UnknownElement};
use super::report::{Fault, Report, code};
use super::species::{Doubt, Species, from_label, from_type_symbol, parse_formula, plain_element_at};
use super::tags::{self, Tag};
use std::cell::OnceCell;
use std::collections::HashMap;

pub(super) const FRACT_TAGS: [Tag; 3] = [tags::X, tags::Y, tags::Z];
const U_TAGS: [Tag; 6] = [tags::U_11, tags::U_22, tags::U_33, tags::U_23, tags::U_13, tags::U_12];
const B_TAGS: [Tag; 6] = [tags::B_11, tags::B_22, tags::B_33, tags::B_23, tags::B_13, tags::B_12];
/// An occupancy may pass 1 by this much without being an error.
const OCCUPANCY_SLACK: f64 = 0.02;

/// Longest label: it is kept once for every image of its row.
const MAX_LABEL: usize = 255;

/// The start of a label that is too long.
pub(super) fn shortened(label: &str) -> &str {
    let mut end = label.len().min(MAX_LABEL);
    while !label.is_char_boundary(end) {
        end -= 1;
    }
    &label[..end]
}

/// One row of the atom loop. What the file does not say is NaN.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row<'t> {
    pub label: &'t str,
    pub number: u8,
    pub isotope: u16,
    pub charge: f64,
    pub frac: [f64; 3],
    pub occupancy: f64,
    pub u_iso: f64,
    /// Place in [`Atoms::tensors`], `NONE` without one.
    pub tensor: u32,
    pub multiplicity: f64,
    /// Order of the site symmetry.
    pub order: f64,
    /// Place in the loop.
    pub place: u32,
    /// Offset of the row's first coordinate.
    pub at: usize,
}

/// The rows that have a place in the crystal, and what belongs to them.
pub(super) struct Atoms<'d, 't> {
    pub rows: Vec<Row<'t>>,
    /// U11 U22 U33 U23 U13 U12.
    pub tensors: Vec<[f64; 6]>,
    /// Disorder assembly and group, where the file has them.
    pub disorder: [Option<Column<'d, 't>>; 2],
}

/// Whether the block has a coordinate that is a number.
pub(super) fn has_coordinates(block: &BlockView<'_, '_>) -> bool {
    FRACT_TAGS.iter().all(|&tag| block.find(tag).is_some())
        && block
            .find(FRACT_TAGS[0])
            .is_some_and(|column| (0..column.len()).any(|row| column.number(row).is_some()))
}

/// A number without exponent, as almost all are written.
#[inline]
fn plain(column: &Column<'_, '_>, row: usize) -> Option<f64> {
    plain_number_at(column.document.text.as_bytes(), column.offset(row))
}

#[inline]
fn number_in(column: &Column<'_, '_>, row: usize) -> Result<Option<f64>, Fault> {
    match plain(column, row) {
        Some(number) => Ok(Some(number)),
        None => other_number_in(column, row),
    }
}

fn other_number_in(column: &Column<'_, '_>, row: usize) -> Result<Option<f64>, Fault> {
    if is_absent_at(column.document.text.as_bytes(), column.offset(row)) {
        return Ok(None);
    }
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
    order: Option<Column<'d, 't>>,
    calculated: Option<Column<'d, 't>>,
    hydrogens: Option<Column<'d, 't>>,
    disorder: [Option<Column<'d, 't>>; 2],
}

impl<'d, 't> Columns<'d, 't> {
    fn of(block: &BlockView<'d, 't>) -> Result<Self, Fault> {
        let needed = |tag: Tag| {
            block
                .find(tag)
                .ok_or_else(|| Fault::new(code::NO_ATOMS, "a coordinate column is missing").tag(tag.name()))
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
        let beside = |tags: &[Tag]| {
            tags.iter()
                .find_map(|&tag| block.find(tag).filter(|column| column.same_loop(&fract[0])))
        };
        Ok(Self {
            label: beside(&[tags::LABEL, tags::SITE_ID]),
            symbol: beside(&[tags::SYMBOL]),
            occupancy: beside(&[tags::OCCUPANCY]),
            u_iso: beside(&[tags::U_ISO]),
            b_iso: beside(&[tags::B_ISO]),
            multiplicity: beside(&[tags::MULTIPLICITY, tags::MULTIPLICITY_LATER]),
            order: beside(&[tags::SITE_ORDER]),
            calculated: beside(&[tags::CALC_FLAG]),
            hydrogens: beside(&[tags::HYDROGENS]),
            disorder: [beside(&[tags::DISORDER_ASSEMBLY]), beside(&[tags::DISORDER_GROUP])],
            fract,
        })
    }

    #[inline]
    fn species(
        &self,
        row: usize,
        formula: &Formula<'_, '_, '_>,
        options: &CifOptions,
        report: &mut Report,
    ) -> Result<Species, Fault> {
        if let Some(column) = &self.symbol
            && let Some(number) = plain_element_at(column.document.text.as_bytes(), column.offset(row))
        {
            return Ok(Species {
                number,
                isotope: 0,
                charge: None,
                doubt: Doubt::None,
            });
        }
        self.other_species(row, formula, options, report)
    }

    fn other_species(
        &self,
        row: usize,
        formula: &Formula<'_, '_, '_>,
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
            (None, Some((_, value)), _) => from_label(value.text, formula.elements()).map(|found| Species {
                doubt: Doubt::Prefix.or(found.doubt),
                ..found
            }),
            (None, None, Some((_, value))) => from_label(value.text, formula.elements()),
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
        let number = number_in(column, row)?;
        if let Some(occupancy @ 0.0..=1.0) = number {
            return Ok(occupancy);
        }
        let value = column.get(row);
        let fault = |message: String| {
            Fault::new(code::OCCUPANCY, message)
                .at(value.at)
                .tag(column.tag())
                .value(value.text)
        };
        let Some(occupancy) = number else {
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

/// Isotropic displacement: U, or B / (8 pi^2); NaN where there is none.
fn isotropic(columns: &Columns<'_, '_>, row: usize, report: &mut Report) -> Result<f64, Fault> {
    let scale = 8.0 * std::f64::consts::PI * std::f64::consts::PI;
    for (column, factor) in [(&columns.u_iso, 1.0), (&columns.b_iso, scale)] {
        let Some(column) = column else { continue };
        match number_in(column, row) {
            Ok(Some(value)) => return Ok(value / factor),
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
    Ok(f64::NAN)
}

/// Anisotropic displacements, and their places by label.
type Tensors<'t> = (Vec<[f64; 6]>, HashMap<&'t str, u32>);

/// Read the loop of anisotropic displacements.
fn anisotropic<'t>(block: &BlockView<'_, 't>, report: &mut Report) -> Result<Tensors<'t>, Fault> {
    let (mut tensors, mut places) = (Vec::new(), HashMap::new());
    let Some(labels) = block.find(tags::ANISO_LABEL) else {
        return Ok((tensors, places));
    };
    let scale = 8.0 * std::f64::consts::PI * std::f64::consts::PI;
    for (tags, factor) in [(U_TAGS, 1.0), (B_TAGS, scale)] {
        let columns = tags.map(|tag| block.find(tag).filter(|column| column.same_loop(&labels)));
        if columns.iter().any(Option::is_none) {
            continue;
        }
        for row in 0..labels.len() {
            let mut tensor = [0.0; 6];
            let mut complete = true;
            for (slot, column) in tensor.iter_mut().zip(columns.iter().flatten()) {
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
                places.entry(labels.get(row).text).or_insert_with(|| {
                    tensors.push(tensor);
                    tensors.len() as u32 - 1
                });
            }
        }
    }
    Ok((tensors, places))
}

/// A number that is only compared with what comes out; NaN where it is missing or none.
fn declared(column: Option<Column<'_, '_>>, row: usize) -> f64 {
    column
        .and_then(|column| number_in(&column, row).ok().flatten())
        .unwrap_or(f64::NAN)
}

/// Oxidation numbers by type symbol.
fn oxidation<'t>(block: &BlockView<'_, 't>) -> HashMap<&'t str, f64> {
    let mut found = HashMap::new();
    let (Some(symbols), Some(numbers)) = (block.find(tags::TYPE_SYMBOL), block.find(tags::OXIDATION)) else {
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

/// The elements of the declared formula, read when a label leaves something open.
struct Formula<'b, 'd, 't> {
    block: &'b BlockView<'d, 't>,
    elements: OnceCell<Option<Vec<u8>>>,
}

impl Formula<'_, '_, '_> {
    fn elements(&self) -> Option<&[u8]> {
        self.elements
            .get_or_init(|| {
                let (_, value) = self.block.value_of(&[tags::FORMULA])?;
                let contents = parse_formula(value.text)?;
                Some(contents.into_iter().map(|(number, _)| number).collect())
            })
            .as_deref()
    }
}

/// Read all rows that have a place in the crystal.
pub(super) fn read<'d, 't>(
    block: &BlockView<'d, 't>,
    options: &CifOptions,
    report: &mut Report,
) -> Result<Atoms<'d, 't>, Fault> {
    let columns = Columns::of(block)?;
    let formula = Formula {
        block,
        elements: OnceCell::new(),
    };
    let (tensors, places) = anisotropic(block, report)?;
    let charges = oxidation(block);
    let count = columns.fract[0].len();
    let named = columns.label.or(columns.symbol);
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
            if let Some(number) = plain(column, row) {
                *slot = number;
                continue;
            }
            match coordinate(column, row, report)? {
                Some(value) => *slot = value,
                None => placed = false,
            }
        }
        if !placed {
            without += 1;
            continue;
        }
        let at = columns.fract[0].offset(row);
        if frac.iter().any(|value| value.abs() > 1e6) {
            return Err(
                Fault::new(code::NUMBER, "a fractional coordinate is beyond a million cells")
                    .at(at)
                    .tag(columns.fract[0].tag())
                    .value(columns.fract[0].get(row).text),
            );
        }
        if rows.len() >= options.max_sites {
            return Err(
                Fault::new(code::LIMIT, format!("more than {} atoms", options.max_sites))
                    .at(at)
                    .hint("the limit is the option max_sites"),
            );
        }
        let species = columns.species(row, &formula, options, report)?;
        let mut label = named.map_or("", |column| column.text(row));
        if label.len() > MAX_LABEL {
            report.repair(
                Fault::new(code::LIMIT, format!("a label of more than {MAX_LABEL} bytes was cut"))
                    .at(at)
                    .value(label),
            )?;
            label = shortened(label);
        }
        let typed = if charges.is_empty() {
            None
        } else {
            columns
                .symbol
                .and_then(|column| charges.get(column.get(row).text))
                .copied()
        };
        if let Some(column) = &columns.hydrogens {
            hydrogens += number_in(column, row).ok().flatten().unwrap_or(0.0);
        }
        rows.push(Row {
            label,
            number: species.number,
            isotope: species.isotope,
            charge: typed.or(species.charge).unwrap_or(f64::NAN),
            frac,
            occupancy: columns.occupancy(row, report)?,
            u_iso: isotropic(&columns, row, report)?,
            tensor: if places.is_empty() {
                NONE
            } else {
                places.get(label).copied().unwrap_or(NONE)
            },
            multiplicity: declared(columns.multiplicity, row),
            order: declared(columns.order, row),
            place: row as u32,
            at,
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
    Ok(Atoms {
        rows,
        tensors,
        disorder: columns.disorder,
    })
}
