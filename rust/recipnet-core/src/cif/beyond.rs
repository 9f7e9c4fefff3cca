//! Symmetry beyond space groups: magnetic groups give the nuclear structure, superspace groups the average structure.

use std::collections::HashSet;

use super::document::{BlockView, Column};
use super::listed::tidied;
use super::number::parse_number;
use super::report::{Fault, Report, code};
use super::tags::{self, Tag};
use crate::symmetry::{MAX_OPERATIONS, Operations, ParsedOperation, parse_xyz};

/// Operations with time reversal.
const MAGNETIC: [Tag; 4] = [tags::MAGNETIC_A, tags::MAGNETIC_B, tags::MAGNETIC_C, tags::MAGNETIC_D];
/// Translations that go with them.
const CENTERINGS: [Tag; 4] = [
    tags::CENTERING_A,
    tags::CENTERING_B,
    tags::CENTERING_C,
    tags::CENTERING_D,
];
/// Operations on three coordinates and the phases of modulations.
const SUPERSPACE: [Tag; 2] = [tags::SSG_A, tags::SSG_B];
/// The same with time reversal.
const MAGNETIC_SUPERSPACE: [Tag; 2] = [tags::MAGNETIC_SSG_A, tags::MAGNETIC_SSG_B];
const SUPERSPACE_CENTERINGS: [Tag; 2] = [tags::SSG_CENTERING_A, tags::SSG_CENTERING_B];

/// How an operation is written.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Spelling {
    magnetic: bool,
    superspace: bool,
}

/// The part of an operation that moves atoms: `-x,y+1/2,z` of `-x,y+1/2,z,-1` and of `-x1,x2+1/2,x3,x4+1/2`.
fn spatial(text: &str, spelling: Spelling) -> Result<ParsedOperation, String> {
    let mut parts: Vec<&str> = text.split(',').map(str::trim).collect();
    if spelling.magnetic {
        match parts.pop() {
            Some("+1" | "1" | "-1") => {}
            _ => return Err("a magnetic operation ends with the time reversal +1 or -1".into()),
        }
    }
    if spelling.superspace {
        // Beside the three coordinates there are one to three phases.
        if !(4..=6).contains(&parts.len()) {
            return Err(format!("{} part(s) between commas, 4 to 6 are needed", parts.len()));
        }
        parts.truncate(3);
        let phases = ["x4", "x5", "x6"];
        if parts.iter().any(|part| phases.iter().any(|phase| part.contains(phase))) {
            return Err("a coordinate depends on the phase of a modulation".into());
        }
        let plain = parts.join(",").replace("x1", "x").replace("x2", "y").replace("x3", "z");
        return parse_xyz(&plain).map_err(|error| error.message);
    }
    parse_xyz(&parts.join(",")).map_err(|error| error.message)
}

/// All operations of a column.
fn column_of(column: &Column<'_, '_>, spelling: Spelling) -> Result<Vec<ParsedOperation>, Fault> {
    let mut parsed = Vec::new();
    let mut known = HashSet::new();
    for value in column.iter().filter(|value| !value.is_absent()) {
        let fault = |code, message: String| {
            Fault::new(code, message)
                .at(value.at)
                .tag(column.tag())
                .value(value.text)
        };
        let operation = spatial(value.text, spelling).map_err(|message| fault(code::OPERATION, message))?;
        // With and without time reversal, or with several phases, an operation moves the atoms alike.
        if known.insert((operation.rotation, operation.translation)) {
            if parsed.len() == MAX_OPERATIONS {
                return Err(fault(code::LIMIT, format!("more than {MAX_OPERATIONS} operations")));
            }
            parsed.push(operation);
        }
    }
    Ok(parsed)
}

/// The operations of a magnetic or superspace group as they act on the atoms; None where none are listed.
pub(super) fn read(block: &BlockView<'_, '_>, report: &mut Report) -> Result<Option<Operations>, Fault> {
    let kinds: [(&[Tag], &[Tag], bool, bool); 3] = [
        (&MAGNETIC, &CENTERINGS, true, false),
        (&SUPERSPACE, &[], false, true),
        (&MAGNETIC_SUPERSPACE, &SUPERSPACE_CENTERINGS, true, true),
    ];
    for (operation_tags, centering_tags, magnetic, superspace) in kinds {
        let Some(column) = block.first_of(operation_tags) else {
            continue;
        };
        let spelling = Spelling { magnetic, superspace };
        let mut parsed = column_of(&column, spelling)?;
        if parsed.is_empty() {
            continue;
        }
        let fault = |code, message: String| Fault::new(code, message).at(column.at()).tag(column.tag());
        if let Some(centerings) = block.first_of(centering_tags) {
            let shifts = column_of(&centerings, spelling)?;
            if parsed.len() * shifts.len().max(1) > 4 * MAX_OPERATIONS {
                return Err(fault(
                    code::LIMIT,
                    format!(
                        "{} operations with {} centrings are too many",
                        parsed.len(),
                        shifts.len()
                    ),
                ));
            }
            parsed = with_centerings(&parsed, &shifts)
                .ok_or_else(|| fault(code::OPERATION, "a centring is no translation of ordinary size".into()))?;
        }
        let all = Operations::from_parsed(&parsed).map_err(|error| fault(code::OPERATION, error.message))?;
        let (tidy, _) = tidied(&all, &column, report)?;
        if !superspace {
            report.note(fault(
                code::LEFT_OUT,
                "the structure is magnetic: the atoms are those of the nuclear structure, without moments".into(),
            ));
        }
        return Ok(Some(tidy));
    }
    Ok(None)
}

/// Warn of a modulation, which the average structure leaves out.
pub(super) fn warn(block: &BlockView<'_, '_>, report: &mut Report) -> Result<(), Fault> {
    let dimension = block
        .value_of(&[tags::MODULATION_A, tags::MODULATION_B])
        .filter(|(_, value)| parse_number(value.text).is_some_and(|number| number.value > 0.0))
        .map(|(column, _)| column);
    let column = dimension
        .or_else(|| block.first_of(&SUPERSPACE))
        .or_else(|| block.first_of(&MAGNETIC_SUPERSPACE));
    let Some(column) = column else { return Ok(()) };
    report.repair(
        Fault::new(
            code::LEFT_OUT,
            "the structure is modulated: the average structure was taken, without the modulation",
        )
        .at(column.at())
        .tag(column.tag()),
    )
}

/// Every operation after every centring; None where fractions grow out of bounds or a centring turns.
fn with_centerings(operations: &[ParsedOperation], centerings: &[ParsedOperation]) -> Option<Vec<ParsedOperation>> {
    const IDENTITY: [[i8; 3]; 3] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
    let mut all = Vec::with_capacity(operations.len() * centerings.len().max(1));
    // The identity leads, so that rows keep their own places.
    let none = [(0, 1); 3];
    let own = centerings
        .iter()
        .map(|centering| centering.translation)
        .filter(|&shift| shift != none);
    for shift in std::iter::once(none).chain(own) {
        for operation in operations {
            let mut moved = operation.clone();
            for (sum, add) in moved.translation.iter_mut().zip(shift) {
                let denominator = sum.1.checked_mul(add.1)?;
                let numerator = sum.0.checked_mul(add.1)?.checked_add(add.0.checked_mul(sum.1)?)?;
                *sum = reduced(numerator, denominator);
            }
            all.push(moved);
        }
    }
    centerings
        .iter()
        .all(|centering| centering.rotation == IDENTITY)
        .then_some(all)
}

fn reduced(numerator: i32, denominator: i32) -> (i32, i32) {
    let (mut a, mut b) = (numerator.unsigned_abs(), denominator.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let common = a.max(1) as i32;
    (numerator / common, denominator / common)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spatial_parts() {
        let magnetic = Spelling {
            magnetic: true,
            superspace: false,
        };
        let modulated = Spelling {
            magnetic: false,
            superspace: true,
        };
        assert_eq!(
            spatial("-x, y+1/2,-z,-1", magnetic),
            Ok(parse_xyz("-x,y+1/2,-z").unwrap())
        );
        assert_eq!(
            spatial("1/2-x1,1/2+x2,x3,-x5,-x4", modulated),
            Ok(parse_xyz("1/2-x,1/2+y,z").unwrap())
        );
        for bad in ["x,y,z", "x,y,z,2", "x,y,+1", ""] {
            assert!(spatial(bad, magnetic).is_err(), "{bad}");
        }
        for bad in ["x1,x2,x3", "x1+x4,x2,x3,x4", "x1,x2,x3,x4,x5,x6,x7", "x4,x5,x6,x1"] {
            assert!(spatial(bad, modulated).is_err(), "{bad}");
        }
    }

    #[test]
    fn centerings_multiply() {
        let operations = [parse_xyz("x,y,z").unwrap(), parse_xyz("-x,y+1/3,z").unwrap()];
        let centerings = [parse_xyz("x,y,z").unwrap(), parse_xyz("x,y+1/2,z").unwrap()];
        let all = with_centerings(&operations, &centerings).unwrap();
        assert_eq!(all.len(), 4);
        assert_eq!(all[3].translation, [(0, 1), (5, 6), (0, 1)]);
        assert!(with_centerings(&operations, &operations).is_none());
    }
}
