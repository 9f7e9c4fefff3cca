//! CIF: from bytes to crystals, with every repair named and every refusal placed.
//!
//! The way is bytes -> text (`text`) -> tokens ([`Lexer`]) -> [`Document`] (`parser`) -> cell, operations, rows (`cell`,
//! `declared`, `atoms`) -> images (`expand`) -> crystal. Each step knows only the one before it.

mod atoms;
mod cell;
mod checks;
mod crystal;
mod declared;
mod document;
mod expand;
mod lexer;
mod number;
mod options;
mod parser;
mod report;
mod species;
mod text;

pub use crystal::CifCrystal;
pub use declared::DeclaredSymmetry;
pub use document::{BlockView, Column, Document, Item, Value};
pub use lexer::{Flaw, Lexer, Token, TokenKind};
pub use number::{Number, parse_fraction, parse_number};
pub use options::{CifOptions, UnknownElement};
pub use report::{Code, code};

use crate::error::Format;
use crate::error::{Error, ReadError, Result};
use crate::parallel;
use report::{Fault, Report};
use text::{Locator, decode};

/// Read one crystal from the bytes of a CIF.
///
/// # Errors
/// [`ReadError`] with line, column, block, tag and value of what cannot be read. A file whose symmetry cannot be
/// expanded is such an error; an asymmetric unit is never returned as a crystal.
pub fn read_crystal(bytes: &[u8], options: &CifOptions) -> Result<CifCrystal> {
    read(bytes, options).map_err(Error::Read)
}

fn read(bytes: &[u8], options: &CifOptions) -> std::result::Result<CifCrystal, Box<ReadError>> {
    let nowhere = Locator::new("");
    if bytes.len() > options.max_bytes {
        let message = format!("{} bytes, more than max_bytes = {}", bytes.len(), options.max_bytes);
        return Err(Fault::new(code::LIMIT, message).into_error(&nowhere, None));
    }
    let mut report = Report::new(options.strict);
    let text = match decode(bytes, &mut report) {
        Ok(text) => text,
        Err(fault) => {
            // The places of these faults are counted in the raw bytes.
            let raw: String = bytes[..fault.at.unwrap_or(0).min(bytes.len())]
                .iter()
                .map(|&b| char::from(b))
                .collect();
            return Err(fault.into_error(&Locator::new(&raw), None));
        }
    };
    let locator = Locator::new(&text);
    let document = parser::parse(&text, &mut report).map_err(|fault| fault.into_error(&locator, None))?;
    let block =
        crystal::choose(&document, options, &mut report).map_err(|(fault, name)| fault.into_error(&locator, name))?;
    let mut crystal =
        crystal::build(&block, options, &mut report).map_err(|fault| fault.into_error(&locator, Some(block.name())))?;
    crystal.warnings = report.into_warnings(&locator);
    Ok(crystal)
}

/// Where texts come from.
#[derive(Debug, Clone, Copy)]
pub enum Sources<'s> {
    /// Bytes in memory.
    Texts(&'s [&'s [u8]]),
    /// Paths of plain files.
    Paths(&'s [&'s std::path::Path]),
}

impl Sources<'_> {
    /// Number of sources.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Paths(paths) => paths.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Read many crystals on all threads; results are in the order of the sources, one bad source stops no other.
///
/// # Errors
/// The outer error is about `threads` only; each source has a result of its own.
pub fn read_many(
    sources: Sources<'_>,
    options: &CifOptions,
    threads: Option<usize>,
) -> Result<Vec<std::result::Result<CifCrystal, Box<ReadError>>>> {
    // A small CIF takes some 50 microseconds.
    let workers = parallel::workers(threads, sources.len() as f64 * 50_000.0)?;
    parallel::try_map(sources.len(), workers, |index| {
        Ok(match sources {
            Sources::Texts(texts) => read(texts[index], options),
            Sources::Paths(paths) => read_path(paths[index], options),
        })
    })
}

fn read_path(path: &std::path::Path, options: &CifOptions) -> std::result::Result<CifCrystal, Box<ReadError>> {
    let named = |mut error: Box<ReadError>| {
        error.path = Some(path.display().to_string());
        error
    };
    let failed = |error: std::io::Error| {
        named(Box::new(ReadError::new(
            Format::Cif,
            "E-IO",
            format!("the file cannot be read: {error}"),
        )))
    };
    let bytes = read_limited(path, options.max_bytes).map_err(failed)?;
    read(&bytes, options).map_err(named)
}

/// The bytes of a regular file; one more than `limit` at most, so that a larger file is refused without reading it all.
fn read_limited(path: &std::path::Path, limit: usize) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    // Opening a FIFO would wait for a writer, so look at the kind first.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    let file = std::fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
