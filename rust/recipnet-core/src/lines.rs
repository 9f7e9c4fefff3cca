//! Texts made of lines: places for messages, words with columns, plain numbers; what POSCAR and extended XYZ share.

use std::borrow::Cow;

use crate::error::{Error, Format, ReadError, Warning};
use crate::lattice::Lattice;
use crate::math::Mat3;

/// Characters of an offending text that a message shows.
const SHOWN: usize = 200;
/// Warnings of one code that are kept.
const KEPT: usize = 20;

/// A code as a warning and as a refusal.
pub(crate) type Code = (&'static str, &'static str);

/// What a caller of a line reader may choose; the defaults are the documented limits.
#[derive(Debug, Clone, PartialEq)]
pub struct TextOptions {
    /// Which of the text's structures, counted from 0.
    pub index: usize,
    /// Refuse what would otherwise be repaired with a warning.
    pub strict: bool,
    /// Keep atoms of no known element as X, number 0, instead of refusing them.
    pub keep_unknown: bool,
    /// Largest number of atoms in the cell.
    pub max_sites: usize,
    /// Largest text, bytes.
    pub max_bytes: usize,
    /// Shortest and longest cell edge, angstrom; [`Lattice`] has limits of its own beyond them.
    pub length_range: (f64, f64),
    /// Smallest distance of lattice planes (100), (010), (001), angstrom.
    pub min_spacing: f64,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            index: 0,
            strict: false,
            keep_unknown: false,
            max_sites: 1_000_000,
            max_bytes: 256 * 1024 * 1024,
            length_range: (0.1, 1e4),
            min_spacing: 0.1,
        }
    }
}

/// One line and its number, counted from 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'t> {
    pub number: u32,
    pub text: &'t str,
}

/// A word and its column in characters, counted from 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word<'t> {
    pub text: &'t str,
    pub column: u32,
}

/// Lines of a text in order; LF, CRLF and CR end them.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'t> {
    rest: Option<&'t str>,
    number: u32,
}

impl<'t> Lines<'t> {
    pub fn new(text: &'t str) -> Self {
        Self {
            rest: Some(text),
            number: 0,
        }
    }

    /// The number of the line that was read last.
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl<'t> Iterator for Lines<'t> {
    type Item = Line<'t>;

    fn next(&mut self) -> Option<Line<'t>> {
        let rest = self.rest?;
        let (text, after) = match memchr::memchr2(b'\n', b'\r', rest.as_bytes()) {
            None => (rest, None),
            Some(end) => {
                let skip = if rest.as_bytes()[end..].starts_with(b"\r\n") {
                    2
                } else {
                    1
                };
                (&rest[..end], Some(&rest[end + skip..]))
            }
        };
        // The end of the last line begins no new one.
        self.rest = after.filter(|after| !after.is_empty());
        self.number = self.number.saturating_add(1);
        Some(Line {
            number: self.number,
            text,
        })
    }
}

impl<'t> Line<'t> {
    /// Words between white space.
    pub fn words(self) -> impl Iterator<Item = Word<'t>> + use<'t> {
        let (mut byte, mut characters) = (0, 0u32);
        self.text.split_whitespace().map(move |word| {
            // The words are slices of the line, in order.
            let start = word.as_ptr() as usize - self.text.as_ptr() as usize;
            characters += self.text[byte..start].chars().count() as u32;
            byte = start;
            Word {
                text: word,
                column: characters + 1,
            }
        })
    }

    pub fn is_blank(self) -> bool {
        self.text.trim().is_empty()
    }
}

/// A finite decimal number, with Fortran's exponent letters; no `nan`, no `inf`.
pub(crate) fn number(text: &str) -> Option<f64> {
    let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E' | b'd' | b'D');
    if text.len() > 400 || !text.bytes().all(plain) {
        return None;
    }
    let value = if text.bytes().any(|byte| matches!(byte, b'd' | b'D')) {
        text.replace(['d', 'D'], "e").parse::<f64>()
    } else {
        text.parse::<f64>()
    };
    value.ok().filter(|value| value.is_finite())
}

/// Text for a message: control characters escaped, cut to 200 characters.
pub(crate) fn shown(text: &str) -> String {
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

/// A reader at work: whom messages are from, whether repairs are allowed, and what was repaired.
#[derive(Debug)]
pub(crate) struct Reading {
    pub format: Format,
    pub strict: bool,
    pub warnings: Vec<Warning>,
}

/// A refusal of a line reader.
pub(crate) type Refusal = Box<ReadError>;

/// Where something is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'t> {
    line: Option<u32>,
    column: Option<u32>,
    value: Option<&'t str>,
}

impl<'t> Place<'t> {
    pub const NONE: Self = Self {
        line: None,
        column: None,
        value: None,
    };

    pub fn line(line: Line<'t>) -> Self {
        Self {
            line: Some(line.number),
            column: None,
            value: Some(line.text),
        }
    }

    pub fn word(line: Line<'t>, word: Word<'t>) -> Self {
        Self {
            line: Some(line.number),
            column: Some(word.column),
            value: Some(word.text),
        }
    }

    pub fn after(lines: &Lines<'t>) -> Self {
        Self {
            line: Some(lines.number()),
            ..Self::NONE
        }
    }
}

impl Reading {
    pub fn new(format: Format, strict: bool) -> Self {
        Self {
            format,
            strict,
            warnings: Vec::new(),
        }
    }

    /// A refusal with its place and the way out.
    pub fn refuse(&self, code: Code, message: impl Into<String>, place: Place<'_>, hint: &str) -> Refusal {
        Box::new(ReadError {
            line: place.line,
            column: place.column,
            value: place.value.map(shown),
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
            ..ReadError::new(self.format, code.1, message)
        })
    }

    /// Nothing was changed, but the user should know.
    pub fn note(&mut self, code: Code, message: impl Into<String>, place: Place<'_>) {
        if self.warnings.iter().filter(|one| one.code == code.0).count() < KEPT {
            self.warnings.push(Warning {
                code: code.0,
                message: message.into(),
                line: place.line,
                column: place.column,
                tag: None,
                value: place.value.map(shown),
            });
        }
    }

    /// Something was guessed or changed: a warning, a refusal in strict mode.
    pub fn repair(&mut self, code: Code, message: impl Into<String>, place: Place<'_>) -> Result<(), Refusal> {
        if self.strict {
            return Err(self.refuse(code, message, place, "strict=False reads it with a warning"));
        }
        self.note(code, message, place);
        Ok(())
    }

    /// The text of the bytes: UTF-8, else Latin-1 with a warning; no larger than allowed.
    pub fn decode<'b>(&mut self, bytes: &'b [u8], max_bytes: usize) -> Result<Cow<'b, str>, Refusal> {
        const BINARY: Code = ("W-BINARY", "E-BINARY");
        const LIMIT: Code = ("W-LIMIT", "E-LIMIT");
        if bytes.len() > max_bytes {
            let message = format!("{} bytes, more than max_bytes = {max_bytes}", bytes.len());
            return Err(self.refuse(LIMIT, message, Place::NONE, "raise max_bytes if that is meant"));
        }
        if bytes.starts_with(b"\x1f\x8b") {
            return Err(self.refuse(
                BINARY,
                "the data are gzip-compressed",
                Place::NONE,
                "give the file a name that ends in .gz, or decompress it first",
            ));
        }
        if memchr::memchr(0, bytes).is_some() {
            return Err(self.refuse(BINARY, "a NUL byte: this is no text", Place::NONE, ""));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Ok(Cow::Borrowed(text));
        }
        self.repair(
            ("W-ENCODING", "E-ENCODING"),
            "the text is not UTF-8 and was read as Latin-1",
            Place::NONE,
        )?;
        Ok(Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()))
    }

    /// The number of a word, or a refusal that says what it should be.
    pub fn number(&self, line: Line<'_>, word: Word<'_>, what: &str) -> Result<f64, Refusal> {
        number(word.text).ok_or_else(|| {
            self.refuse(
                ("W-NUMBER", "E-NUMBER"),
                format!("{what}: this is no number"),
                Place::word(line, word),
                "",
            )
        })
    }

    /// The first three words of a line as numbers.
    pub fn triple(&self, line: Line<'_>, what: &str) -> Result<[f64; 3], Refusal> {
        let mut out = [0.0; 3];
        let mut words = line.words();
        for slot in &mut out {
            let word = words.next().ok_or_else(|| {
                self.refuse(
                    ("W-NUMBER", "E-NUMBER"),
                    format!("{what}: three numbers are needed"),
                    Place::line(line),
                    "",
                )
            })?;
            *slot = self.number(line, word, what)?;
        }
        Ok(out)
    }

    /// A checked cell.
    pub fn cell(&self, rows: Mat3, options: &TextOptions, place: Place<'_>) -> Result<Lattice, Refusal> {
        let refuse = |message: String| {
            self.refuse(
                ("W-CELL", "E-CELL"),
                format!("no crystal has this cell: {message}"),
                place,
                "cell vectors are in angstrom; the limits are the options min_length, max_length and min_spacing",
            )
        };
        let cell = Lattice::new(rows).map_err(|error| match error {
            Error::Crystal(error) => refuse(error.message),
            other => refuse(other.to_string()),
        })?;
        let (shortest, longest) = options.length_range;
        if let Some(length) = cell
            .lengths()
            .into_iter()
            .find(|length| !(shortest..=longest).contains(length))
        {
            return Err(refuse(format!("an edge of {length} angstrom")));
        }
        if let Some(spacing) = cell
            .plane_spacings()
            .into_iter()
            .find(|&spacing| spacing < options.min_spacing * (1.0 - 1e-12))
        {
            return Err(refuse(format!("lattice planes {spacing} angstrom apart")));
        }
        Ok(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_any_way_and_words_know_their_columns() {
        let lines: Vec<(u32, &str)> = Lines::new("a\r\nb\rc\n\n d")
            .map(|line| (line.number, line.text))
            .collect();
        assert_eq!(lines, [(1, "a"), (2, "b"), (3, "c"), (4, ""), (5, " d")]);
        assert_eq!(Lines::new("a\n").count(), 1);
        let line = Line {
            number: 1,
            text: " é  bc\td",
        };
        let words: Vec<(&str, u32)> = line.words().map(|word| (word.text, word.column)).collect();
        assert_eq!(words, [("é", 2), ("bc", 5), ("d", 8)]);
    }

    #[test]
    fn numbers() {
        for (text, value) in [
            ("1", 1.0),
            ("-.5", -0.5),
            ("1.0D+01", 10.0),
            ("1d-1", 0.1),
            ("+2.e1", 20.0),
        ] {
            assert_eq!(number(text), Some(value), "{text}");
        }
        for text in [
            "", "nan", "inf", "1e999", "1,5", "0x1", "1_0", "--1", "d", "e5", ".", "1/2",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
