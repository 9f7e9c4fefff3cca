//! What a block declares about its symmetry, and the operations that follow from it.

use super::document::{BlockView, Value};
use super::number::parse_number;
use super::report::{Fault, Report, code};
use crate::symmetry::{MAX_OPERATIONS, Operations, parse_xyz};

const OPERATION_TAGS: [&str; 2] = ["_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz"];
const HALL_TAGS: [&str; 2] = ["_space_group_name_hall", "_symmetry_space_group_name_hall"];
const HM_TAGS: [&str; 4] = [
    "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m_full",
    "_space_group_name_h-m_ref",
];
const NUMBER_TAGS: [&str; 2] = ["_space_group_it_number", "_symmetry_int_tables_number"];
/// Tags that say that there is symmetry which this reader does not expand.
const OTHER_TAGS: [&str; 8] = [
    "_space_group_symop_magn_operation_xyz",
    "_space_group_magn_symop_operation_xyz",
    "_space_group_symop_magn_operation_mxmymz",
    "_space_group_magn_number_bns",
    "_space_group_magn_name_bns",
    "_parent_space_group_name_h-m_alt",
    "_space_group_ssg_name",
    "_space_group_symop_ssg_operation_algebraic",
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
pub(super) fn read(block: &BlockView<'_, '_>, report: &mut Report) -> Result<(DeclaredSymmetry, Operations), Fault> {
    let hall = block.value_of(&HALL_TAGS);
    let hm = block.value_of(&HM_TAGS);
    let number = block.value_of(&NUMBER_TAGS);
    let text = |value: &Option<(_, Value<'_>)>| value.as_ref().map(|(_, value)| tidy(value.text));
    let mut declared = DeclaredSymmetry {
        operations: None,
        hall_symbol: text(&hall),
        hm_symbol: text(&hm),
        number: number.as_ref().and_then(|(_, value)| parse_group_number(value.text)),
    };
    if let (Some((column, value)), None) = (&number, declared.number) {
        report.repair(
            Fault::new(
                code::SYMMETRY,
                "the number of a space group is a whole number from 1 to 230",
            )
            .at(value.at)
            .tag(column.tag())
            .value(value.text),
        )?;
    }
    let operations = match listed(block, report)? {
        Some(operations) => operations,
        None => from_declaration(block, &declared, report)?,
    };
    if declared != DeclaredSymmetry::default() || block.first_of(&OPERATION_TAGS).is_some() {
        declared.operations = Some(operations.clone());
    }
    Ok((declared, operations))
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

/// Operations where none are listed.
fn from_declaration(
    block: &BlockView<'_, '_>,
    declared: &DeclaredSymmetry,
    report: &mut Report,
) -> Result<Operations, Fault> {
    let squeezed = |text: &Option<String>| {
        text.as_ref()
            .map(|text| text.replace([' ', '_'], "").to_ascii_uppercase())
    };
    let hall = squeezed(&declared.hall_symbol);
    let hm = squeezed(&declared.hm_symbol);
    let says: Vec<bool> = [
        hall.map(|hall| hall == "P1"),
        hm.map(|hm| hm == "P1"),
        block.value_of(&NUMBER_TAGS).map(|_| declared.number == Some(1)),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Some(column) = block.first_of(&OTHER_TAGS) {
        return Err(Fault::new(
            code::SYMMETRY,
            "the symmetry is that of a magnetic or modulated structure, and no ordinary operations are listed",
        )
        .at(column.at())
        .tag(column.tag())
        .hint("add the operations as _space_group_symop_operation_xyz"));
    }
    if says.is_empty() {
        report.repair(
            Fault::new(code::SYMMETRY, "no symmetry is declared; P 1 was taken")
                .hint("list the operations, or declare P 1"),
        )?;
        return Ok(Operations::identity());
    }
    if says.iter().all(|&trivial| trivial) {
        return Ok(Operations::identity());
    }
    let (column, value) = block
        .value_of(&HALL_TAGS)
        .or_else(|| block.value_of(&HM_TAGS))
        .or_else(|| block.value_of(&NUMBER_TAGS))
        .map_or((None, None), |(column, value)| (Some(column), Some(value)));
    let mut fault = Fault::new(
        code::SYMMETRY,
        "a space group is declared, but its operations are not listed",
    )
    .hint("add them as _space_group_symop_operation_xyz: without them only the asymmetric unit is known");
    if let (Some(column), Some(value)) = (column, value) {
        fault = fault.at(value.at).tag(column.tag()).value(value.text);
    }
    Err(fault)
}
