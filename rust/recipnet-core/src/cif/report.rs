//! What the reader found wrong: faults with a place, refused or repaired, and the warnings that remain.

use crate::error::{Format, ReadError, Warning};

use super::text::Locator;

/// Warnings of one code kept for one crystal; the rest are counted.
const KEPT_PER_CODE: usize = 20;
/// Characters of an offending text that a report shows.
const SHOWN: usize = 200;

/// A stable code: `W-…` while it is a warning, `E-…` where it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub &'static str, pub &'static str);

/// Something wrong at a byte of the text. Boxed, since it travels in every `Result` of the reader.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault(Box<Details>);

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Details {
    pub code: Code,
    pub message: String,
    pub at: Option<usize>,
    pub tag: Option<String>,
    pub value: Option<String>,
    pub hint: Option<&'static str>,
}

impl std::ops::Deref for Fault {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl Fault {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            code,
            message: message.into(),
            at: None,
            tag: None,
            value: None,
            hint: None,
        }))
    }

    /// The same place with another message.
    pub fn message(mut self, message: &str) -> Self {
        message.clone_into(&mut self.0.message);
        self
    }

    /// The same place with another code.
    pub fn code(mut self, code: Code) -> Self {
        self.0.code = code;
        self
    }

    pub fn at(mut self, offset: usize) -> Self {
        self.0.at = Some(offset);
        self
    }

    pub fn tag(mut self, tag: &str) -> Self {
        self.0.tag = Some(shown(tag));
        self
    }

    pub fn value(mut self, value: &str) -> Self {
        self.0.value = Some(shown(value));
        self
    }

    pub fn hint(mut self, hint: &'static str) -> Self {
        self.0.hint = Some(hint);
        self
    }

    pub fn into_error(self, locator: &Locator<'_>, block: Option<&str>) -> Box<ReadError> {
        let place = self.at.map(|at| locator.place(at));
        let details = *self.0;
        Box::new(ReadError {
            line: place.map(|place| place.0),
            column: place.map(|place| place.1),
            block: block.map(shown),
            tag: details.tag,
            value: details.value,
            hint: details.hint.map(str::to_owned),
            ..ReadError::new(Format::Cif, details.code.1, details.message)
        })
    }
}

/// Collects warnings; in strict mode a repair is refused instead.
#[derive(Debug)]
pub(super) struct Report {
    strict: bool,
    faults: Vec<Fault>,
    dropped: Vec<(Code, usize)>,
}

impl Report {
    pub fn new(strict: bool) -> Self {
        Self {
            strict,
            faults: Vec::new(),
            dropped: Vec::new(),
        }
    }

    /// Something was changed or guessed: a warning, an error in strict mode.
    pub fn repair(&mut self, fault: Fault) -> Result<(), Fault> {
        if self.strict {
            return Err(fault);
        }
        self.note(fault);
        Ok(())
    }

    /// Nothing was changed, but the user should know.
    pub fn note(&mut self, fault: Fault) {
        let code = fault.code;
        if let Some(entry) = self.dropped.iter_mut().find(|entry| entry.0 == code) {
            entry.1 += 1;
        } else if self.faults.iter().filter(|kept| kept.code == code).count() < KEPT_PER_CODE {
            self.faults.push(fault);
        } else {
            self.dropped.push((code, 1));
        }
    }

    /// How much was reported so far.
    pub fn count(&self) -> usize {
        self.faults.len() + self.dropped.iter().map(|entry| entry.1).sum::<usize>()
    }

    pub fn into_warnings(self, locator: &Locator<'_>) -> Vec<Warning> {
        let offsets: Vec<usize> = self.faults.iter().filter_map(|fault| fault.at).collect();
        let mut places = locator.places(&offsets).into_iter();
        let mut warnings: Vec<Warning> = self
            .faults
            .into_iter()
            .map(|fault| {
                let fault = *fault.0;
                let place = fault.at.and_then(|_| places.next());
                Warning {
                    code: fault.code.0,
                    message: match fault.hint {
                        Some(hint) => format!("{}; {hint}", fault.message),
                        None => fault.message,
                    },
                    line: place.map(|place| place.0),
                    column: place.map(|place| place.1),
                    tag: fault.tag,
                    value: fault.value,
                }
            })
            .collect();
        warnings.extend(self.dropped.into_iter().map(|(code, count)| Warning {
            code: code.0,
            message: format!("{count} more warning(s) of this kind"),
            line: None,
            column: None,
            tag: None,
            value: None,
        }));
        warnings
    }
}

/// Text for a terminal or a table: control characters escaped, cut to 200 characters.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == SHOWN {
            out.push('…');
            break;
        }
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// Every code of the CIF reader.
        pub mod code {
            use super::Code;
            $($(#[$doc])* pub const $name: Code = Code(concat!("W-", $text), concat!("E-", $text));)*
        }
    };
}

codes! {
    /// Bytes that are no text: NUL, compressed data.
    BINARY = "BINARY";
    /// Encoding other than UTF-8.
    ENCODING = "ENCODING";
    /// A control character in the text.
    CONTROL = "CONTROL";
    /// Characters against the grammar.
    SYNTAX = "SYNTAX";
    /// A quote or text field without its end.
    UNCLOSED = "UNCLOSED";
    /// A loop whose values do not fill its rows, or without tags or values.
    LOOP = "LOOP";
    /// A tag without a value.
    NO_VALUE = "NO-VALUE";
    /// A tag that occurs twice.
    DUPLICATE = "DUPLICATE";
    /// No data block at all, or none of that name or index.
    NO_BLOCK = "NO-BLOCK";
    /// More than one structure in the file.
    SEVERAL = "SEVERAL";
    /// No cell, or no complete one.
    NO_CELL = "NO-CELL";
    /// A cell that no crystal has.
    CELL = "CELL";
    /// No atom sites with coordinates.
    NO_ATOMS = "NO-ATOMS";
    /// Rows without coordinates or with a dummy flag.
    NOT_PLACED = "NOT-PLACED";
    /// Cartesian coordinates without fractional ones.
    CARTESIAN = "CARTESIAN";
    /// Text where a number belongs.
    NUMBER = "NUMBER";
    /// Symmetry that is missing, unreadable or contradictory.
    SYMMETRY = "SYMMETRY";
    /// A symmetry operation that is none.
    OPERATION = "OPERATION";
    /// Listed operations that are repeated, incomplete or no group.
    OPERATIONS = "OPERATIONS";
    /// An element that is not known.
    ELEMENT = "ELEMENT";
    /// An occupancy outside 0 to 1.
    OCCUPANCY = "OCCUPANCY";
    /// Positions that are suspiciously close.
    CLOSE = "CLOSE";
    /// A declared multiplicity that differs.
    MULTIPLICITY = "MULTIPLICITY";
    /// Displacement parameters that are left out or guessed.
    DISPLACEMENT = "DISPLACEMENT";
    /// Contents that differ from the declared formula.
    FORMULA = "FORMULA";
    /// Density that differs from the declared one or is impossible.
    DENSITY = "DENSITY";
    /// Volume that differs from the declared one.
    VOLUME = "VOLUME";
    /// Hydrogen atoms that the file counts but does not place.
    HYDROGENS = "HYDROGENS";
    /// A limit that the file passes.
    LIMIT = "LIMIT";
    /// Disorder groups, modulation, magnetism: what the plain structure leaves out.
    LEFT_OUT = "LEFT-OUT";
}
