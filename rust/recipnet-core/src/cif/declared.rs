//! What a block declares about its symmetry, and the operations that follow from it.

use std::borrow::Cow;
use std::sync::Arc;

use super::beyond;
use super::cell::Cell;
use super::document::{BlockView, Column, Value};
use super::group::{Group, fits};
use super::listed::{self, Key};
use super::number::parse_number;
use super::report::{Fault, Report, code};
use super::tags::{self, Tag};
use crate::symmetry::{Operations, Setting, parse_hall, settings_of_number, settings_of_symbol};

const HALL_TAGS: [Tag; 4] = [tags::HALL, tags::HALL_OLD, tags::POINTED_HALL, tags::POINTED_HALL_OLD];
const HM_TAGS: [Tag; 6] = [
    tags::HM,
    tags::HM_OLD,
    tags::HM_FULL,
    tags::HM_REF,
    tags::POINTED_HM,
    tags::POINTED_HM_OLD,
];
const NUMBER_TAGS: [Tag; 4] = [
    tags::NUMBER,
    tags::NUMBER_OLD,
    tags::POINTED_NUMBER,
    tags::POINTED_NUMBER_OLD,
];
/// Tags that say that there is symmetry, of which the operations must be listed.
const OTHER_TAGS: [Tag; 14] = [
    tags::MAGNETIC_A,
    tags::MAGNETIC_B,
    tags::MAGNETIC_C,
    tags::MAGNETIC_D,
    tags::MAGNETIC_BNS_A,
    tags::MAGNETIC_BNS_B,
    tags::MAGNETIC_BNS_C,
    tags::PARENT_HM_A,
    tags::PARENT_HM_B,
    tags::SSG_NAME,
    tags::SSG_A,
    tags::SSG_B,
    tags::MAGNETIC_SSG_A,
    tags::MAGNETIC_SSG_B,
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

/// What a block declares, and the operations to expand it with.
#[derive(Debug, Clone)]
pub(super) struct Symmetry {
    pub declared: Arc<DeclaredSymmetry>,
    pub group: Arc<Group>,
}

/// Read the declaration; the operations are those to expand with.
pub(super) fn read(block: &BlockView<'_, '_>, cell: &Cell, report: &mut Report) -> Result<Symmetry, Fault> {
    beyond::warn(block, report)?;
    let items = Items {
        hall: block.value_of(&HALL_TAGS),
        hm: block.value_of(&HM_TAGS),
        number: block.value_of(&NUMBER_TAGS),
    };
    let names = [&items.hall, &items.hm, &items.number].map(|item| item.as_ref().map(|(_, value)| value.text));
    let key = listed::only_column(block).map(|column| Key::new(&column, names));
    let known = key.as_ref().and_then(Key::find);
    let symmetry = if let Some(known) = known {
        known
    } else {
        let before = report.count();
        let listed = match listed::read(block, report)? {
            Some(operations) => Some(operations),
            None => beyond::read(block, report)?,
        };
        let is_listed = listed.is_some();
        let operations = match listed {
            Some(operations) => {
                compare(&items, &operations, report);
                Some(operations)
            }
            None => from_names(block, &items, cell, report)?,
        };
        let text = |item: &Option<Item<'_, '_>>| item.as_ref().map(|(_, value)| tidy(value.text));
        let declared = DeclaredSymmetry {
            // Without any declaration P 1 is this reader's guess, not the file's word.
            operations: operations.clone(),
            hall_symbol: text(&items.hall),
            hm_symbol: text(&items.hm),
            number: items.number.and_then(|(_, value)| parse_group_number(value.text)),
        };
        let symmetry = Symmetry {
            declared: Arc::new(declared),
            group: Arc::new(Group::new(operations.unwrap_or_else(Operations::identity))),
        };
        if !is_listed {
            return Ok(symmetry);
        }
        // What was read without a doubt is the same the next time, whatever else the next file says.
        if let Some(key) = key
            && report.count() == before
        {
            key.keep(symmetry.clone());
        }
        symmetry
    };
    if !symmetry.group.is_rigid(cell) && !fits(symmetry.group.operations(), cell) {
        report.note(Fault::new(
            code::SYMMETRY,
            "the listed operations do not fit the lengths and angles of the cell",
        ));
    }
    Ok(symmetry)
}

fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn parse_group_number(text: &str) -> Option<u8> {
    let number = parse_number(text.trim())?.value;
    (number.fract() == 0.0 && (1.0..=230.0).contains(&number)).then_some(number as u8)
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
        // A centring that the rotations do not keep (`A 4n`) gives no group: such a symbol means nothing.
        let group = parse_hall(item.1.text).ok().filter(Operations::is_group);
        let sets = group.map(Cow::Owned).into_iter().collect();
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

/// Compare listed operations with the names: operations win, every contradiction is told.
fn compare(items: &Items<'_, '_>, operations: &Operations, report: &mut Report) {
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
            "the symmetry is that of a magnetic or modulated structure, and no operations are listed",
        )
        .at(column.at())
        .tag(column.tag())
        .hint("add them as _space_group_symop_operation_xyz"));
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
