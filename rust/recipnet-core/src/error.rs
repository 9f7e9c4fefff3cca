//! Every way in which the core can refuse an input, each with the values that explain it.

use thiserror::Error;

/// Result of the core's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything the core refuses.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Error {
    /// A file or text that cannot be read as a crystal.
    #[error(transparent)]
    Read(#[from] Box<ReadError>),
    /// Arrays that do not describe a crystal.
    #[error(transparent)]
    Crystal(#[from] CrystalError),
    /// An operation or symbol of symmetry that is not one.
    #[error(transparent)]
    Symmetry(#[from] SymmetryError),
    /// The same for one crystal of a batch.
    #[error("crystal {crystal}: {error}")]
    CrystalSymmetry {
        /// Place in the batch.
        crystal: usize,
        /// What is wrong.
        error: SymmetryError,
    },
    /// A result that would be larger than the caller allows.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A parameter outside its domain.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// A crystal that a file format cannot hold.
    #[error(transparent)]
    Write(#[from] Box<WriteError>),
}

impl Error {
    /// The same of one crystal of a batch, which the message then names.
    #[must_use]
    pub fn in_crystal(self, crystal: usize) -> Self {
        match self {
            Self::Symmetry(error) => Self::CrystalSymmetry { crystal, error },
            Self::Limit(error) => Self::Limit(LimitError {
                message: format!("crystal {crystal}: {}", error.message),
                crystal: Some(crystal),
                ..error
            }),
            other => other,
        }
    }
}

/// Which reader refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Crystallographic Information File.
    Cif,
    /// POSCAR or CONTCAR of VASP.
    Poscar,
    /// Extended XYZ.
    Extxyz,
}

/// A file or text that cannot be read, with the place and the way out.
///
/// The message is what a user sees; the fields are what a report keeps.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{}", self.display())]
pub struct ReadError {
    /// Reader that refused.
    pub format: Format,
    /// Stable code such as `E-LOOP`.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// File, if the text came from one.
    pub path: Option<String>,
    /// Line, counted from 1.
    pub line: Option<u32>,
    /// Column in characters, counted from 1.
    pub column: Option<u32>,
    /// Data block.
    pub block: Option<String>,
    /// Tag whose value is at fault.
    pub tag: Option<String>,
    /// Offending text, cut to 200 characters.
    pub value: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ReadError {
    /// A refusal without a place; fields are filled in by the caller.
    pub fn new(format: Format, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            format,
            code,
            message: message.into(),
            path: None,
            line: None,
            column: None,
            block: None,
            tag: None,
            value: None,
            hint: None,
        }
    }

    fn display(&self) -> String {
        use std::fmt::Write as _;
        let mut out = String::new();
        if let Some(path) = &self.path {
            out.push_str(path);
        }
        if let Some(line) = self.line {
            let _ = write!(out, ":{line}");
            if let Some(column) = self.column {
                let _ = write!(out, ":{column}");
            }
        }
        if !out.is_empty() {
            out.push_str(": ");
        }
        let _ = write!(out, "[{}] {}", self.code, self.message);
        if let Some(block) = &self.block {
            let _ = write!(out, "; block data_{block}");
        }
        if let Some(tag) = &self.tag {
            let _ = write!(out, "; tag {tag}");
        }
        if let Some(value) = &self.value {
            let _ = write!(out, "; value \"{value}\"");
        }
        if let Some(hint) = &self.hint {
            let _ = write!(out, "; {hint}");
        }
        out
    }
}

/// A repair or doubt that a reader reports beside the crystal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Stable code such as `W-LATIN1`.
    pub code: &'static str,
    /// What was found and what was done about it.
    pub message: String,
    /// Line, counted from 1.
    pub line: Option<u32>,
    /// Column in characters, counted from 1.
    pub column: Option<u32>,
    /// Tag whose value it is about.
    pub tag: Option<String>,
    /// The text, cut to 200 characters.
    pub value: Option<String>,
}

/// Arrays that do not describe a crystal.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{message}")]
pub struct CrystalError {
    /// What is wrong and what to do.
    pub message: String,
    /// Array at fault (`lattice`, `numbers`, `frac_coords`, ...).
    pub field: &'static str,
    /// Place in the batch, if there is one.
    pub crystal: Option<usize>,
    /// Row in that array, if one is at fault.
    pub row: Option<usize>,
    /// The offending value as text.
    pub value: Option<String>,
}

/// An operation or symbol of symmetry that is not one.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{message}")]
pub struct SymmetryError {
    /// What is wrong and what to do.
    pub message: String,
    /// The offending text.
    pub value: String,
}

/// A result that would pass a limit; raised before memory is taken.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{message}")]
pub struct LimitError {
    /// What would be too large and which option raises the limit.
    pub message: String,
    /// Name of the option (`max_edges`, `max_reflections`, ...).
    pub name: &'static str,
    /// Its value.
    pub limit: u64,
    /// What was asked for (a lower bound or an estimate).
    pub needed: f64,
    /// Place in the batch, if there is one.
    pub crystal: Option<usize>,
}

/// A parameter outside its domain.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{name} = {value}: {message}")]
pub struct ArgumentError {
    /// Parameter.
    pub name: &'static str,
    /// Its value as text.
    pub value: String,
    /// What it must be.
    pub message: String,
}

/// A crystal that a file format cannot hold.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{message}")]
pub struct WriteError {
    /// What cannot be written, why, and the way out.
    pub message: String,
    /// Format that was asked for.
    pub format: &'static str,
    /// What it has no place for (`occupancies`, `isotopes`, ...).
    pub field: &'static str,
    /// Place in the batch.
    pub crystal: Option<usize>,
    /// Row in the crystal.
    pub row: Option<usize>,
    /// The offending value as text.
    pub value: Option<String>,
}

/// Require a length from 0 to 1000 angstrom, zero included.
pub(crate) fn check_tolerance(name: &'static str, value: f64) -> Result<()> {
    if (0.0..=1e3).contains(&value) {
        return Ok(());
    }
    Err(ArgumentError {
        name,
        value: value.to_string(),
        message: "must be a number from 0 to 1000 angstrom".into(),
    }
    .into())
}
