//! CIF: from bytes to crystals, with every repair named and every refusal placed.
//!
//! The way is bytes -> text (`text`) -> tokens ([`Lexer`]) -> [`Document`] (`parser`) -> cell, operations, rows (`cell`,
//! `declared`, `atoms`) -> images (`expand`) -> crystal. Each step knows only the one before it.

mod atoms;
mod batch;
mod beyond;
mod cell;
mod checks;
mod crystal;
mod declared;
mod document;
mod expand;
mod group;
mod lexer;
mod listed;
mod nearby;
mod number;
mod options;
mod parser;
mod report;
mod species;
mod strings;
mod tags;
mod text;
mod window;

pub use batch::CifBatch;
pub use crystal::CifCrystal;
pub use declared::DeclaredSymmetry;
pub use document::{BlockView, Column, Document, Form, Value};
pub use lexer::{Flaw, Lexer, MAX_NESTING, Syntax, Token, TokenKind};
pub use number::{Number, parse_fraction, parse_number};
pub use options::{CifOptions, UnknownElement};
pub use report::{Code, code};
pub use strings::Strings;

use crate::ahead::fetch;
use crate::error::Format;
use crate::error::{Error, ReadError, Result, Warning};
use crate::parallel;
use report::{Fault, Report};
use text::{Locator, decode};

/// Read one crystal from the bytes of a CIF.
///
/// # Errors
/// [`ReadError`] with line, column, block, tag and value of what cannot be read. A file whose symmetry cannot be
/// expanded is such an error; an asymmetric unit is never returned as a crystal.
pub fn read_crystal(bytes: &[u8], options: &CifOptions) -> Result<CifCrystal> {
    let mut reader = Reader::default();
    reader.read(bytes, options).map_err(Error::Read)?;
    Ok(reader.crystal)
}

/// Look into the document of a CIF: `with` is given its blocks, tags and values, and the warnings of reading it.
///
/// # Errors
/// [`ReadError`] for what is no CIF; in strict mode for every repair.
pub fn with_document<R>(
    bytes: &[u8],
    options: &CifOptions,
    with: impl FnOnce(&Document<'_>, Vec<Warning>) -> R,
) -> Result<R> {
    in_text(bytes, options, |text, report| {
        let locator = Locator::new(text);
        let document = parser::parse(text, report, document::Store::default())
            .map_err(|fault| fault.into_error(&locator, None))?;
        let report = std::mem::replace(report, Report::new(options.strict));
        Ok(with(&document, report.into_warnings(&locator)))
    })
    .map_err(Error::Read)
}

/// Decode the bytes and go on with their text.
fn in_text<R>(
    bytes: &[u8],
    options: &CifOptions,
    with: impl FnOnce(&str, &mut Report) -> std::result::Result<R, Box<ReadError>>,
) -> std::result::Result<R, Box<ReadError>> {
    if bytes.len() > options.max_bytes {
        let message = format!("{} bytes, more than max_bytes = {}", bytes.len(), options.max_bytes);
        return Err(Fault::new(code::LIMIT, message).into_error(&Locator::new(""), None));
    }
    let mut report = Report::new(options.strict);
    match decode(bytes, &mut report) {
        Ok(text) => with(&text, &mut report),
        Err(fault) => {
            // The places of these faults are counted in the raw bytes.
            let raw: String = bytes[..fault.at.unwrap_or(0).min(bytes.len())]
                .iter()
                .map(|&b| char::from(b))
                .collect();
            Err(fault.into_error(&Locator::new(&raw), None))
        }
    }
}

/// Reads one text after the other into the same memory.
#[derive(Default)]
struct Reader {
    store: document::Store,
    space: crystal::Workspace,
    /// Memory for the bytes of files.
    bytes: Vec<u8>,
    /// What was read last.
    crystal: CifCrystal,
}

impl Reader {
    fn read(&mut self, bytes: &[u8], options: &CifOptions) -> std::result::Result<(), Box<ReadError>> {
        in_text(bytes, options, |text, report| {
            let locator = Locator::new(text);
            let document = parser::parse(text, report, std::mem::take(&mut self.store))
                .map_err(|fault| fault.into_error(&locator, None))?;
            let block = crystal::choose(&document, options, report)
                .map_err(|(fault, name)| fault.into_error(&locator, name))?;
            crystal::build(&block, options, report, &mut self.space, &mut self.crystal)
                .map_err(|fault| fault.into_error(&locator, Some(block.name())))?;
            self.store = document.store;
            if report.count() > 0 {
                let report = std::mem::replace(report, Report::new(options.strict));
                self.crystal.warnings = report.into_warnings(&locator);
            }
            Ok(())
        })
    }
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

/// Sources that one thread takes at a time: enough to make waking it worth while, few enough to share the work.
const CHUNK: usize = 64;

/// Bytes of a short P 1 text for each of its atoms; where there are more atoms, memory grows as usual.
const BYTES_OF_ATOM: usize = 100;

/// Bytes of the next text that are fetched while one is read.
const AHEAD: usize = 4096;

/// Read many crystals on all threads; results are in the order of the sources, one bad source stops no other.
///
/// # Errors
/// Only about `threads`; each source that cannot be read is a failure of its own.
pub fn read_many(sources: Sources<'_>, options: &CifOptions, threads: Option<usize>) -> Result<CifBatch> {
    // A small CIF takes some 5 microseconds.
    let workers = parallel::workers(threads, sources.len() as f64 * 5_000.0)?;
    let chunk = if workers == 1 { sources.len().max(1) } else { CHUNK };
    let parts = parallel::try_map(sources.len().div_ceil(chunk), workers, |part| {
        let mut reader = Reader::default();
        let mut out = CifBatch::default();
        let indices = part * chunk..sources.len().min((part + 1) * chunk);
        if let Sources::Texts(texts) = sources {
            let bytes: usize = texts[indices.clone()].iter().map(|text| text.len()).sum();
            out.reserve(indices.len(), bytes / BYTES_OF_ATOM);
        }
        for index in indices {
            let read = match sources {
                Sources::Texts(texts) => {
                    if let Some(next) = texts.get(index + 1) {
                        fetch([(next.as_ptr().cast(), next.len().min(AHEAD))]);
                    }
                    reader.read(texts[index], options)
                }
                Sources::Paths(paths) => read_path(&mut reader, paths[index], options),
            };
            match read {
                Ok(()) => out.push(index, &mut reader.crystal),
                Err(error) => out.failures.push((index, error)),
            }
        }
        Ok(out)
    })?;
    let mut all = CifBatch::default();
    for part in parts {
        all.append(part);
    }
    if all.offsets.is_empty() {
        all.offsets.push(0);
    }
    Ok(all)
}

fn read_path(
    reader: &mut Reader,
    path: &std::path::Path,
    options: &CifOptions,
) -> std::result::Result<(), Box<ReadError>> {
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
    let mut bytes = std::mem::take(&mut reader.bytes);
    let read = read_limited(path, options.max_bytes, &mut bytes)
        .map_err(failed)
        .and_then(|()| reader.read(&bytes, options).map_err(named));
    // The memory of a large file is not kept for many small ones.
    if bytes.capacity() <= 1 << 20 {
        reader.bytes = bytes;
    }
    read
}

/// The bytes of a regular file; one more than `limit` at most, so that a larger file is refused without reading it all.
fn read_limited(path: &std::path::Path, limit: usize, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    use std::io::Read as _;
    // Opening a FIFO would wait for a writer, so look at the kind first.
    let found = std::fs::metadata(path)?;
    if !found.is_file() {
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    let file = std::fs::File::open(path)?;
    bytes.clear();
    // Room for the file and to see its end.
    bytes.reserve(usize::try_from(found.len()).unwrap_or(limit).min(limit) + 64);
    file.take(limit as u64 + 1).read_to_end(bytes)?;
    Ok(())
}
