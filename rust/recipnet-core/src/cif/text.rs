//! From bytes to text: byte order mark, UTF-8, UTF-16, Latin-1; and from offsets to lines and columns.

use std::borrow::Cow;

use multiversion::multiversion;

use super::report::{Fault, Report, code};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// The text of a file. Offsets of the reader are offsets into it.
pub(super) fn decode<'b>(bytes: &'b [u8], report: &mut Report) -> Result<Cow<'b, str>, Fault> {
    if bytes.starts_with(b"\x1f\x8b") {
        return Err(Fault::new(code::BINARY, "the data are gzip-compressed").hint("decompress them first"));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let big = bytes[0] == 0xfe;
        let units = bytes[2..].chunks(2).map(|pair| {
            let pair = [pair[0], pair.get(1).copied().unwrap_or(b'?')];
            if big {
                u16::from_be_bytes(pair)
            } else {
                u16::from_le_bytes(pair)
            }
        });
        let text: String = char::decode_utf16(units)
            .map(|unit| unit.unwrap_or('\u{fffd}'))
            .collect();
        report.repair(Fault::new(code::ENCODING, "the text is UTF-16; CIF is UTF-8 or ASCII").at(0))?;
        return check(Cow::Owned(text), report);
    }
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => check(Cow::Borrowed(text), report),
        Err(error) => {
            let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
            // Everything before the first bad byte is UTF-8; its Latin-1 reading may be longer, so count it again.
            let at = bytes[..error.valid_up_to()]
                .iter()
                .map(|&byte| char::from(byte).len_utf8())
                .sum();
            report.repair(Fault::new(code::ENCODING, "the text is not UTF-8 and was read as Latin-1").at(at))?;
            check(Cow::Owned(text), report)
        }
    }
}

fn check<'b>(text: Cow<'b, str>, report: &mut Report) -> Result<Cow<'b, str>, Fault> {
    if u32::try_from(text.len()).is_err() {
        return Err(Fault::new(code::LIMIT, "texts of 4 GiB and more are not read"));
    }
    if !any_odd(text.as_bytes()) {
        return Ok(text);
    }
    if let Some(at) = memchr::memchr(0, text.as_bytes()) {
        return Err(Fault::new(code::BINARY, "a NUL byte: this is no text").at(at));
    }
    if let Some(at) = text.bytes().position(odd) {
        let name = match text.as_bytes()[at] {
            0x1a => "^Z".into(),
            byte => format!("\\x{byte:02x}"),
        };
        report.repair(
            Fault::new(
                code::CONTROL,
                format!("a control character ({name}), read as white space"),
            )
            .at(at),
        )?;
    }
    Ok(text)
}

/// Whether a byte is a control character that no text needs.
#[inline]
fn odd(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t'..=b'\r')
}

/// Whether any byte is one; without a branch for each, so that many are looked at together.
#[multiversion(targets("x86_64+avx2"))]
fn any_odd(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |any, &byte| any | u8::from(odd(byte))) != 0
}

/// Turns offsets into lines and columns.
#[derive(Debug)]
pub(super) struct Locator<'t> {
    text: &'t str,
}

impl<'t> Locator<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text }
    }

    /// Line and column, both from 1; LF, CRLF and CR end lines, columns are characters.
    pub fn place(&self, offset: usize) -> (u32, u32) {
        self.places(&[offset])[0]
    }

    /// The same for many offsets, in one pass over the text.
    pub fn places(&self, offsets: &[usize]) -> Vec<(u32, u32)> {
        let mut order: Vec<usize> = (0..offsets.len()).collect();
        order.sort_unstable_by_key(|&index| offsets[index]);
        let text = self.text.as_bytes();
        let mut places = vec![(1, 1); offsets.len()];
        let (mut line, mut column, mut at) = (1u32, 1u32, 0);
        for index in order {
            let offset = offsets[index].min(text.len());
            let mut start = at;
            for found in memchr::memchr2_iter(b'\n', b'\r', &text[at..offset]) {
                let end = at + found;
                let paired = text[end] == b'\n' && end > 0 && text[end - 1] == b'\r';
                line += u32::from(!paired);
                column = 1;
                start = end + 1;
            }
            column += text[start..offset].iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u32;
            at = offset;
            places[index] = (line, column);
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_any_line_end_and_characters() {
        let text = "a\nb\r\nc\rdé!";
        let locator = Locator::new(text);
        let at = |what: char| locator.place(text.find(what).unwrap());
        assert_eq!(
            [at('a'), at('b'), at('c'), at('d'), at('!')],
            [(1, 1), (2, 1), (3, 1), (4, 1), (4, 3)]
        );
    }

    #[test]
    fn encodings() {
        let read = |bytes: &[u8], strict: bool| decode(bytes, &mut Report::new(strict)).map(Cow::into_owned);
        assert_eq!(read(b"\xef\xbb\xbfdata_", true).unwrap(), "data_");
        assert_eq!(read(b"d\xe9j\xe0", false).unwrap(), "d\u{e9}j\u{e0}");
        assert_eq!(read(b"d\xe9j\xe0", true).unwrap_err().at, Some(1));
        assert_eq!(read(b"\xff\xfed\0a\0", false).unwrap(), "da");
        assert_eq!(read(b"\xfe\xff\0d\0a", false).unwrap(), "da");
        assert_eq!(read(b"\x1f\x8b\x08", false).unwrap_err().code, code::BINARY);
        assert_eq!(read(b"da\0ta", false).unwrap_err().at, Some(2));
    }
}
