//! What a block declares about its symmetry, and the operations that follow from it.

use std::borrow::Cow;

use super::cell::Cell;
use super::document::{BlockView, Column, Value};
use super::number::parse_number;
use super::report::{Fault, Report, code};
use crate::math::{Mat3, dot};
use crate::symmetry::{
    MAX_OPERATIONS, Operations, Setting, parse_hall, parse_xyz, settings_of_number, settings_of_symbol,
};

// Names with points are those of later dictionaries; symmetry under such a name must not be overlooked.
const OPERATION_TAGS: [&str; 4] = [
    "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
    "_space_group_symop.operation_xyz",
    "_symmetry_equiv.pos_as_xyz",
];
const HALL_TAGS: [&str; 4] = [
    "_space_group_name_hall",
    "_symmetry_space_group_name_hall",
    "_space_group.name_hall",
    "_symmetry.space_group_name_hall",
];
const HM_TAGS: [&str; 6] = [
    "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m_full",
    "_space_group_name_h-m_ref",
    "_space_group.name_h-m_alt",
    "_symmetry.space_group_name_h-m",
];
const NUMBER_TAGS: [&str; 4] = [
    "_space_group_it_number",
    "_symmetry_int_tables_number",
    "_space_group.it_number",
    "_symmetry.int_tables_number",
];
/// Tags that say that there is symmetry which this reader does not expand.
const OTHER_TAGS: [&str; 12] = [
    "_space_group_symop_magn_operation_xyz",
    "_space_group_symop_magn_operation.xyz",
    "_space_group_magn_symop_operation_xyz",
    "_space_group_symop.magn_operation_xyz",
    "_space_group_magn.number_bns",
    "_space_group_magn_number_bns",
    "_space_group.magn_number_bns",
    "_parent_space_group.name_h-m_alt",
    "_parent_space_group_name_h-m_alt",
    "_space_group_ssg_name",
    "_space_group_symop_ssg_operation_algebraic",
    "_space_group_symop_ssg_operation.algebraic",
];

/// Symmetry as the source declares it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeclaredSymmetry {
    /// Operations that the crystal was expanded with; None where nothing was declared.
    pub operations: Option<Operations>,
    /// Hall symbol as written.
    pub hall_symbol: Option<String>,
    /// Hermann-Mauguin symbol as written.
    pub hm_symbol: Option<String>,
    /// Number of International Tables as written.
    pub number: Option<u8>,
}

/// Read the declaration; the operations are those to expand with.
pub(super) fn read(
    block: &BlockView<'_, '_>,
    cell: &Cell,
    report: &mut Report,
) -> Result<(DeclaredSymmetry, Operations), Fault> {
    let items = Items {
        hall: block.value_of(&HALL_TAGS),
        hm: block.value_of(&HM_TAGS),
        number: block.value_of(&NUMBER_TAGS),
    };
    let text = |item: &Option<Item<'_, '_>>| item.as_ref().map(|(_, value)| tidy(value.text));
    let mut declared = DeclaredSymmetry {
        operations: None,
        hall_symbol: text(&items.hall),
        hm_symbol: text(&items.hm),
        number: items.number.and_then(|(_, value)| parse_group_number(value.text)),
    };
    let operations = match listed(block, report)? {
        Some(operations) => {
            compare(&items, &operations, cell, report);
            Some(operations)
        }
        None => from_names(block, &items, cell, report)?,
    };
    // Without any declaration P 1 is this reader's guess, not the file's word.
    declared.operations.clone_from(&operations);
    Ok((declared, operations.unwrap_or_else(Operations::identity)))
}

fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn parse_group_number(text: &str) -> Option<u8> {
    let number = parse_number(text.trim())?.value;
    (number.fract() == 0.0 && (1.0..=230.0).contains(&number)).then_some(number as u8)
}

/// The listed operations, tidied; None where there are none.
fn listed(block: &BlockView<'_, '_>, report: &mut Report) -> Result<Option<Operations>, Fault> {
    let mut found: Option<Operations> = None;
    for tag in OPERATION_TAGS {
        let Some(column) = block.column(tag) else { continue };
        let values: Vec<Value<'_>> = column.iter().filter(|value| !value.is_absent()).collect();
        if values.is_empty() {
            continue;
        }
        let mut parsed = Vec::with_capacity(values.len().min(MAX_OPERATIONS));
        for value in &values {
            let fault = |code, message: String| {
                Fault::new(code, message)
                    .at(value.at)
                    .tag(column.tag())
                    .value(value.text)
            };
            let operation = parse_xyz(value.text).map_err(|error| fault(code::OPERATION, error.message))?;
            if operation.unusual {
                report.note(fault(
                    code::OPERATION,
                    "an operation has a factor other than -1, 0 and 1".into(),
                ));
            }
            // A hostile list is cut off before it takes memory; repeats within the first thousands are harmless.
            if parsed.len() >= 64 * MAX_OPERATIONS {
                return Err(fault(
                    code::LIMIT,
                    format!("more than {} listed operations", 64 * MAX_OPERATIONS),
                ));
            }
            parsed.push(operation);
        }
        let fault = |code, message: String| Fault::new(code, message).at(column.at()).tag(column.tag());
        let all = Operations::from_parsed(&parsed).map_err(|error| fault(code::OPERATION, error.message))?;
        let (tidy, change) = all.tidied();
        if tidy.len() > MAX_OPERATIONS {
            return Err(fault(
                code::LIMIT,
                format!("{} distinct operations, more than {MAX_OPERATIONS}", tidy.len()),
            ));
        }
        if change.identity_added {
            report.repair(fault(
                code::OPERATIONS,
                "the identity is not listed and was added".into(),
            ))?;
        }
        if change.duplicates > 0 {
            report.repair(fault(
                code::OPERATIONS,
                format!("{} operation(s) are listed twice", change.duplicates),
            ))?;
        }
        if !tidy.is_group() {
            report.repair(fault(
                code::OPERATIONS,
                format!(
                    "the {} listed operations are no group; they were used as they stand",
                    tidy.len()
                ),
            ))?;
        }
        match &found {
            None => found = Some(tidy),
            Some(first) if !first.same_set(&tidy) => report.repair(fault(
                code::OPERATIONS,
                format!(
                    "these operations differ from those of {}, which were used",
                    OPERATION_TAGS[0]
                ),
            ))?,
            Some(_) => {}
        }
    }
    Ok(found)
}

/// The names that a block gives its group.
struct Items<'d, 't> {
    hall: Option<Item<'d, 't>>,
    hm: Option<Item<'d, 't>>,
    number: Option<Item<'d, 't>>,
}

type Item<'d, 't> = (Column<'d, 't>, Value<'t>);

/// What one name means: the sets of operations that it can stand for, the likeliest first.
struct Meaning<'d, 't> {
    item: Item<'d, 't>,
    kind: &'static str,
    sets: Vec<Cow<'static, Operations>>,
}

fn fault_of((column, value): &Item<'_, '_>, message: String) -> Fault {
    Fault::new(code::SYMMETRY, message)
        .at(value.at)
        .tag(column.tag())
        .value(value.text)
}

/// Every given name with its meaning, in the order in which they are trusted; a name that means nothing has no sets.
fn meanings<'d, 't>(items: &Items<'d, 't>) -> Vec<Meaning<'d, 't>> {
    let tabulated =
        |found: Vec<&'static Setting>| found.into_iter().map(|one| Cow::Borrowed(one.operations())).collect();
    let mut out = Vec::new();
    if let Some(item) = items.hall {
        let sets = parse_hall(item.1.text).map(Cow::Owned).into_iter().collect();
        out.push(Meaning {
            item,
            kind: "Hall symbol",
            sets,
        });
    }
    if let Some(item) = items.hm {
        let sets = tabulated(settings_of_symbol(item.1.text));
        out.push(Meaning {
            item,
            kind: "Hermann-Mauguin symbol",
            sets,
        });
    }
    if let Some(item) = items.number {
        let sets = parse_group_number(item.1.text)
            .map(settings_of_number)
            .map(tabulated)
            .unwrap_or_default();
        out.push(Meaning {
            item,
            kind: "number",
            sets,
        });
    }
    out
}

/// Whether every rotation keeps the lengths and angles of the cell, within 2 %.
fn fits(operations: &Operations, cell: &Cell) -> bool {
    let rows = &cell.vectors;
    let metric: Mat3 = std::array::from_fn(|i| std::array::from_fn(|j| dot(rows[i], rows[j])));
    let scale = |i: usize, j: usize| (metric[i][i] * metric[j][j]).sqrt();
    operations.as_slice().iter().all(|operation| {
        let w = operation.rotation.map(|row| row.map(f64::from));
        (0..3).all(|i| {
            (i..3).all(|j| {
                let mut moved = 0.0;
                for k in 0..3 {
                    for l in 0..3 {
                        moved += w[k][i] * metric[k][l] * w[l][j];
                    }
                }
                (moved - metric[i][j]).abs() <= 0.02 * scale(i, j)
            })
        })
    })
}

/// Compare listed operations with the names: operations win, every contradiction is told.
fn compare(items: &Items<'_, '_>, operations: &Operations, cell: &Cell, report: &mut Report) {
    if !fits(operations, cell) {
        report.note(Fault::new(
            code::SYMMETRY,
            "the listed operations do not fit the lengths and angles of the cell",
        ));
    }
    for meaning in meanings(items) {
        let text = meaning.item.1.text.trim();
        if meaning.sets.is_empty() {
            report.note(fault_of(
                &meaning.item,
                format!("the {} {text} is not known; the operations were used", meaning.kind),
            ));
        } else if !meaning.sets.iter().any(|set| set.same_set(operations)) {
            report.note(fault_of(
                &meaning.item,
                format!(
                    "the {} {text} stands for other operations than the listed ones, which were used",
                    meaning.kind
                ),
            ));
        }
    }
}

/// Operations of the names where none are listed: Hall, else Hermann-Mauguin, else number. None where nothing is
/// declared; what is declared and not understood is refused, never taken as P 1.
fn from_names(
    block: &BlockView<'_, '_>,
    items: &Items<'_, '_>,
    cell: &Cell,
    report: &mut Report,
) -> Result<Option<Operations>, Fault> {
    if let Some(column) = block.first_of(&OTHER_TAGS) {
        return Err(Fault::new(
            code::SYMMETRY,
            "the symmetry is that of a magnetic or modulated structure, and no ordinary operations are listed",
        )
        .at(column.at())
        .tag(column.tag())
        .hint("add the operations as _space_group_symop_operation_xyz"));
    }
    let meanings = meanings(items);
    let Some(first) = meanings.first() else {
        report.repair(
            Fault::new(code::SYMMETRY, "no symmetry is declared; P 1 was taken")
                .hint("list the operations, or declare P 1"),
        )?;
        return Ok(None);
    };
    let hint = "list the operations as _space_group_symop_operation_xyz";
    let Some(chosen) = meanings.iter().position(|meaning| !meaning.sets.is_empty()) else {
        return Err(fault_of(
            &first.item,
            "a space group is declared, but its name is not known".into(),
        )
        .hint(hint));
    };
    for unknown in &meanings[..chosen] {
        report.repair(fault_of(
            &unknown.item,
            format!("the {} is not known and was passed over", unknown.kind),
        ))?;
    }
    let meaning = &meanings[chosen];
    let text = meaning.item.1.text.trim();
    let fitting: Vec<&Operations> = meaning
        .sets
        .iter()
        .map(AsRef::as_ref)
        .filter(|set| fits(set, cell))
        .collect();
    let Some(&operations) = fitting.first() else {
        let message = format!(
            "the {} {text} contradicts the lengths and angles of the cell",
            meaning.kind
        );
        return Err(fault_of(&meaning.item, message).hint(hint));
    };
    if fitting.iter().any(|set| !set.same_set(operations)) {
        report.repair(fault_of(
            &meaning.item,
            format!(
                "the {} {text} leaves the origin or the axes open; the default setting was taken",
                meaning.kind
            ),
        ))?;
    } else if fitting.len() < meaning.sets.len() {
        report.note(fault_of(
            &meaning.item,
            format!(
                "the {} {text} leaves the axes open; the one setting that fits the cell was taken",
                meaning.kind
            ),
        ));
    }
    for other in &meanings[chosen + 1..] {
        if other.sets.iter().any(|set| set.same_set(operations)) {
            continue;
        }
        let what = if other.sets.is_empty() {
            "is not known"
        } else {
            "stands for another group or setting"
        };
        let message = format!(
            "the {} {} {what} beside the {} {text}",
            other.kind,
            other.item.1.text.trim(),
            meaning.kind
        );
        if operations.len() == 1 {
            // P 1 on one side and something else on the other: never an asymmetric unit in silence.
            return Err(fault_of(&other.item, message).hint(hint));
        }
        report.repair(fault_of(&other.item, message))?;
    }
    Ok(Some(operations.clone()))
}
