//! The symmetry operations that a block lists, and a memory of the lists that were read before.
//!
//! Many files of a set list the same operations in the same words. A list that was read without any doubt is known by
//! its text, and so is the outcome of comparing it with the names beside it.

use std::cell::RefCell;

use super::declared::Symmetry;
use super::document::{BlockView, Column, Value};
use super::report::{Fault, Report, code};
use super::tags::{self, Tag};
use crate::symmetry::{MAX_OPERATIONS, Operations, parse_xyz};

const OPERATION_TAGS: [Tag; 4] = [
    tags::OPERATION,
    tags::OPERATION_OLD,
    tags::POINTED_OPERATION,
    tags::POINTED_OPERATION_OLD,
];

/// The column of operations, where there is just one.
pub(super) fn only_column<'d, 't>(block: &BlockView<'d, 't>) -> Option<Column<'d, 't>> {
    let mut columns = OPERATION_TAGS.iter().filter_map(|&tag| block.find(tag));
    let column = columns.next()?;
    columns.next().is_none().then_some(column)
}

/// The listed operations, tidied; None where there are none.
pub(super) fn read(block: &BlockView<'_, '_>, report: &mut Report) -> Result<Option<Operations>, Fault> {
    let mut found: Option<Operations> = None;
    for tag in OPERATION_TAGS {
        let Some(column) = block.find(tag) else { continue };
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
        let (tidy, repeated) = tidied(&all, &column, report)?;
        if repeated > 0 {
            report.repair(fault(
                code::OPERATIONS,
                format!("{repeated} operation(s) are listed twice"),
            ))?;
        }
        match &found {
            None => found = Some(tidy),
            Some(first) if !first.same_set(&tidy) => report.repair(fault(
                code::OPERATIONS,
                format!(
                    "these operations differ from those of {}, which were used",
                    OPERATION_TAGS[0].name()
                ),
            ))?,
            Some(_) => {}
        }
    }
    Ok(found)
}

/// A list without repeats, which are counted, and with the identity; a list that is no group is used as it stands.
pub(super) fn tidied(
    all: &Operations,
    column: &Column<'_, '_>,
    report: &mut Report,
) -> Result<(Operations, usize), Fault> {
    let fault = |code, message: String| Fault::new(code, message).at(column.at()).tag(column.tag());
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
    if !tidy.is_group() {
        report.repair(fault(
            code::OPERATIONS,
            format!(
                "the {} listed operations are no group; they were used as they stand",
                tidy.len()
            ),
        ))?;
    }
    Ok((tidy, change.duplicates))
}

/// Lists longer than this, in bytes, are not remembered.
const MAX_KEY: usize = 32 * 1024;
/// Lists that one thread remembers at most.
const SLOTS: usize = 512;
/// Lists of one place that are remembered side by side.
const WAYS: usize = 4;

/// By what a list of operations and the names beside it are known again.
pub(super) struct Key<'t> {
    text: &'t [u8],
    /// Places from one operation to the next, their number, and the grammar: how the text is cut.
    shape: [usize; 3],
    names: [Option<&'t str>; 3],
}

struct Known {
    text: Box<[u8]>,
    shape: [usize; 3],
    names: [Option<Box<str>>; 3],
    symmetry: Symmetry,
}

thread_local! {
    static KNOWN: RefCell<Vec<Option<Known>>> = const { RefCell::new(Vec::new()) };
}

impl<'t> Key<'t> {
    pub fn new(column: &Column<'_, 't>, names: [Option<&'t str>; 3]) -> Self {
        Self {
            text: column.loop_text(),
            shape: [
                column.item.stride as usize,
                column.len(),
                column.document.syntax as usize,
            ],
            names,
        }
    }

    /// Place among those remembered. Samples of the text suffice, since it is compared as a whole before it is used.
    fn slot(&self) -> usize {
        let mut hash = 0u64;
        let mut mix = |word: u64| {
            hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 32;
        };
        mix((self.text.len() + (self.shape[0] << 32) + (self.shape[1] << 40)) as u64);
        let (middle, end) = (self.text.len() / 2, self.text.len());
        let names = self.names.iter().flatten().map(|name| name.as_bytes());
        for sample in [
            &self.text[middle..end.min(middle + 32)],
            &self.text[end.saturating_sub(32)..],
        ]
        .into_iter()
        .chain(names)
        {
            for chunk in sample.chunks(8) {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                mix(u64::from_le_bytes(word));
            }
        }
        (hash >> 40) as usize % (SLOTS / WAYS) * WAYS
    }

    /// What the list meant when it was read before.
    pub fn find(&self) -> Option<Symmetry> {
        KNOWN.with_borrow(|known| {
            let slot = self.slot();
            let mut ways = known.get(slot..slot + WAYS)?.iter().flatten();
            let found = ways.find(|known| {
                known.shape == self.shape
                    && known.names.iter().map(Option::as_deref).eq(self.names)
                    && *known.text == *self.text
            })?;
            Some(found.symmetry.clone())
        })
    }

    /// Remember what the list means, if need be in place of another one.
    pub fn keep(self, symmetry: Symmetry) {
        if self.text.len() > MAX_KEY {
            return;
        }
        KNOWN.with_borrow_mut(|known| {
            if known.is_empty() {
                known.resize_with(SLOTS, || None);
            }
            let slot = self.slot();
            let way = known[slot..slot + WAYS].iter().position(Option::is_none).unwrap_or(0);
            known[slot + way] = Some(Known {
                text: self.text.into(),
                shape: self.shape,
                names: self.names.map(|name| name.map(Into::into)),
                symmetry,
            });
        });
    }
}
