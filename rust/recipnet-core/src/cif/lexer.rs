//! Tokens of CIF 1.1 and CIF 2, one at a time from any offset: linear, without recursion, without memory of its own.

use super::window::{Window, is_space};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// `data_NAME`; the content is NAME.
    Data,
    /// `save_NAME`, or `save_` alone (empty content), which ends a frame.
    Save,
    /// `loop_`.
    Loop,
    /// `global_`.
    Global,
    /// `stop_`.
    Stop,
    /// `_tag`.
    Tag,
    /// A value without quotes.
    Bare,
    /// A value in quotes.
    Quoted,
    /// A text field between semicolons in column 1.
    Text,
    /// A list or table of CIF 2, from bracket to bracket.
    Nested,
}

impl TokenKind {
    /// Whether the token is a value.
    #[must_use]
    pub fn is_value(self) -> bool {
        matches!(self, Self::Bare | Self::Quoted | Self::Text | Self::Nested)
    }
}

/// What is wrong with a token; the document decides what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A quote that does not close on its line: the rest of the line was taken.
    OpenQuote,
    /// A text field, triple quote, list or table that runs to the end of the text.
    OpenText,
    /// No white space after the token.
    Joined,
    /// A bare value that starts with a reserved character.
    Reserved,
    /// Lists and tables nested deeper than [`MAX_NESTING`].
    Deep,
}

/// One token: offsets of itself and of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// What is wrong with it.
    pub flaw: Option<Flaw>,
    /// Where it starts.
    pub at: usize,
    /// Where its content starts.
    pub start: usize,
    /// Where its content ends.
    pub end: usize,
}

/// The grammar that a text follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// CIF 1.1.
    Cif1,
    /// CIF 2, which a text announces in its first line.
    Cif2,
}

/// Deepest nesting of lists and tables.
pub const MAX_NESTING: usize = 64;

/// Reads tokens from a text.
#[derive(Debug, Clone)]
pub struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    syntax: Syntax,
    window: Window,
}

/// What a byte that is no white space can start.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Comment,
    Semicolon,
    Quote,
    Tag,
    /// First letters of the keywords.
    Keyword,
    Reserved,
    Bracket,
    Plain,
}

const CLASSES: [Class; 256] = {
    let mut table = [Class::Plain; 256];
    let mut i = 0;
    while i < 8 {
        table[b"dDsSlLgG"[i] as usize] = Class::Keyword;
        i += 1;
    }
    table[b'#' as usize] = Class::Comment;
    table[b';' as usize] = Class::Semicolon;
    table[b'\'' as usize] = Class::Quote;
    table[b'"' as usize] = Class::Quote;
    table[b'_' as usize] = Class::Tag;
    table[b'$' as usize] = Class::Reserved;
    table[b']' as usize] = Class::Reserved;
    table[b'[' as usize] = Class::Bracket;
    table[b'{' as usize] = Class::Bracket;
    table[b'}' as usize] = Class::Bracket;
    table
};

fn class(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn starts_with_word(text: &[u8], word: &[u8]) -> bool {
    text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word)
}

/// Where the content of the CIF 1 quotes that open at `at` ends, and whether they close on their line.
#[inline]
pub(super) fn quoted_end(text: &[u8], at: usize) -> (usize, bool) {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const ONES: u64 = 0x0101_0101_0101_0101;
    let quote = text[at];
    let mut end = at + 1;
    loop {
        // Most quoted values are short: eight bytes at a time beat a search that has to be set up.
        while let Some((chunk, _)) = text.get(end..).and_then(|rest| rest.split_first_chunk::<8>()) {
            let word = u64::from_le_bytes(*chunk);
            let quotes = word ^ (ONES * u64::from(quote));
            // The lowest bit set is that of the first quote or control character; borrows reach only bytes behind.
            let found = (quotes.wrapping_sub(ONES) & !quotes | word.wrapping_sub(0x20 * ONES) & !word) & HIGH;
            if found != 0 {
                end += found.trailing_zeros() as usize / 8;
                break;
            }
            end += 8;
        }
        let Some(&byte) = text.get(end) else {
            return (end, false);
        };
        if byte == quote {
            if text.get(end + 1).is_none_or(|&next| is_space(next)) {
                return (end, true);
            }
        } else if is_line_end(byte) {
            return (end, false);
        }
        end += 1;
    }
}

impl<'t> Lexer<'t> {
    /// A lexer that starts at an offset, which must be that of a token or of white space.
    #[must_use]
    pub fn new(text: &'t str, at: usize, syntax: Syntax) -> Self {
        Self {
            text: text.as_bytes(),
            at,
            syntax,
            window: Window::new(),
        }
    }

    /// Offset behind the last token.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// What the next token is, without taking it.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<TokenKind> {
        loop {
            self.at = self.window.word_start(self.text, self.at);
            let byte = *self.text.get(self.at)?;
            return Some(match class(byte) {
                Class::Tag => TokenKind::Tag,
                Class::Plain => TokenKind::Bare,
                Class::Quote => TokenKind::Quoted,
                Class::Comment => {
                    self.at = self.line_end();
                    continue;
                }
                // The others are rare enough to be read twice.
                _ => self.clone().next()?.kind,
            });
        }
    }

    /// Take values as long as they are plain words, and keep their offsets.
    pub(super) fn plain_words(&mut self, offsets: &mut Vec<u32>) {
        if self.syntax == Syntax::Cif2 {
            return;
        }
        let mut base = self.at & !(Window::SIZE - 1);
        // What lies before the first offset is no word.
        let mut wanted = u64::MAX << (self.at % Window::SIZE);
        let mut before = 0;
        while base < self.text.len() {
            let words = !self.window.from(self.text, base) & wanted;
            let mut starts = words & !(words << 1 | before);
            while starts != 0 {
                let place = starts.trailing_zeros();
                let at = base + place as usize;
                match class(self.text[at]) {
                    Class::Plain => {}
                    // Keywords have five letters and more: this is an element, or a label of one.
                    Class::Keyword if (words >> place).trailing_ones() < 5 && place < 60 => {}
                    _ => {
                        self.at = at;
                        return;
                    }
                }
                offsets.push(at as u32);
                starts &= starts - 1;
            }
            before = words >> (Window::SIZE - 1);
            wanted = u64::MAX;
            base += Window::SIZE;
        }
        self.at = self.text.len();
    }

    /// Take a tag, if that is what comes next: where it starts and ends.
    #[inline]
    pub(super) fn tag(&mut self) -> Option<(usize, usize)> {
        let at = self.window.word_start(self.text, self.at);
        self.at = at;
        if self.text.get(at) != Some(&b'_') {
            return None;
        }
        self.at = self.window.word_end(self.text, at);
        Some((at, self.at))
    }

    /// Take a value, if a plain word or a well-formed quoted one comes next: where it starts.
    #[inline]
    pub(super) fn plain_value(&mut self) -> Option<usize> {
        let at = self.window.word_start(self.text, self.at);
        self.at = at;
        if self.syntax == Syntax::Cif2 {
            return None;
        }
        self.at = match class(*self.text.get(at)?) {
            Class::Plain => self.window.word_end(self.text, at),
            Class::Quote => match quoted_end(self.text, at) {
                (end, true) => end + 1,
                _ => return None,
            },
            _ => return None,
        };
        Some(at)
    }

    fn line_end(&self) -> usize {
        memchr::memchr2(b'\n', b'\r', &self.text[self.at..]).map_or(self.text.len(), |n| self.at + n)
    }

    #[inline]
    fn token(&mut self, kind: TokenKind, range: [usize; 3], after: usize, flaw: Option<Flaw>) -> Token {
        self.at = after;
        Token {
            kind,
            flaw,
            at: range[0],
            start: range[1],
            end: range[2],
        }
    }

    fn joined(&self, after: usize) -> Option<Flaw> {
        self.text
            .get(after)
            .is_some_and(|&byte| !is_space(byte))
            .then_some(Flaw::Joined)
    }

    /// Where the text field that opens at `at` closes: its last semicolon; None where it never does.
    fn text_field_end(&self, at: usize) -> Option<usize> {
        memchr::memchr_iter(b';', &self.text[at + 1..])
            .map(|found| at + 1 + found)
            .find(|&close| is_line_end(self.text[close - 1]))
    }

    fn text_field(&mut self, at: usize) -> Token {
        let body = at + 1;
        let Some(close) = self.text_field_end(at) else {
            let end = self.text.len();
            return self.token(TokenKind::Text, [at, body, end], end, Some(Flaw::OpenText));
        };
        let mut end = close - 1;
        if self.text[end] == b'\n' && end > body && self.text[end - 1] == b'\r' {
            end -= 1;
        }
        let flaw = self.joined(close + 1);
        self.token(TokenKind::Text, [at, body, end.max(body)], close + 1, flaw)
    }

    fn quoted(&mut self, at: usize) -> Token {
        if self.syntax == Syntax::Cif2 {
            return self.quoted_in_cif2(at);
        }
        match quoted_end(self.text, at) {
            (end, true) => self.token(TokenKind::Quoted, [at, at + 1, end], end + 1, None),
            (end, false) => self.token(TokenKind::Quoted, [at, at + 1, end], end, Some(Flaw::OpenQuote)),
        }
    }

    fn quoted_in_cif2(&mut self, at: usize) -> Token {
        let (body, end, after) = self.quotes_of_cif2(at);
        let flaw = match after {
            None if body == at + 3 => Some(Flaw::OpenText),
            None => Some(Flaw::OpenQuote),
            Some(after) => self.joined(after),
        };
        self.token(TokenKind::Quoted, [at, body, end], after.unwrap_or(end), flaw)
    }

    /// Start and end of what stands in the quotes at `at`, and the offset behind them; None where they do not close.
    fn quotes_of_cif2(&self, at: usize) -> (usize, usize, Option<usize>) {
        let quote = self.text[at];
        let triple = [quote; 3];
        if self.text[at..].starts_with(&triple) {
            let body = at + 3;
            return match memchr::memmem::find(&self.text[body..], &triple) {
                Some(length) => (body, body + length, Some(body + length + 3)),
                None => (body, self.text.len(), None),
            };
        }
        let body = at + 1;
        match memchr::memchr3(quote, b'\n', b'\r', &self.text[body..]) {
            Some(length) if self.text[body + length] == quote => (body, body + length, Some(body + length + 1)),
            Some(length) => (body, body + length, None),
            None => (body, self.text.len(), None),
        }
    }

    /// A list or table: everything up to the bracket that closes it.
    fn nested(&mut self, at: usize) -> Token {
        let text = self.text;
        let mut open = Vec::with_capacity(MAX_NESTING);
        let mut place = at;
        while let Some(&byte) = text.get(place) {
            match byte {
                b'[' | b'{' => {
                    if open.len() == MAX_NESTING {
                        return self.token(TokenKind::Nested, [at, at, place], text.len(), Some(Flaw::Deep));
                    }
                    open.push(byte);
                }
                b']' | b'}' => {
                    // The wrong closing bracket ends the value; the document reports what follows it.
                    let fits = open.pop() == Some(if byte == b']' { b'[' } else { b'{' });
                    if open.is_empty() || !fits {
                        let flaw = if fits {
                            self.joined(place + 1)
                        } else {
                            Some(Flaw::Joined)
                        };
                        return self.token(TokenKind::Nested, [at, at, place + 1], place + 1, flaw);
                    }
                }
                b'\'' | b'"' => {
                    let (_, end, after) = self.quotes_of_cif2(place);
                    place = after.unwrap_or(end);
                    continue;
                }
                b'#' if is_space(text[place - 1]) => {
                    place = memchr::memchr2(b'\n', b'\r', &text[place..]).map_or(text.len(), |n| place + n);
                    continue;
                }
                b';' if is_line_end(text[place - 1]) => match self.text_field_end(place) {
                    Some(close) => place = close,
                    None => break,
                },
                _ => {}
            }
            place += 1;
        }
        self.token(
            TokenKind::Nested,
            [at, at, text.len()],
            text.len(),
            Some(Flaw::OpenText),
        )
    }

    #[inline]
    fn bare(&mut self, at: usize, flaw: Option<Flaw>) -> Token {
        let mut end = self.window.word_end(self.text, at);
        if self.syntax == Syntax::Cif2 {
            let bracket = self.text[at + 1..end]
                .iter()
                .position(|byte| matches!(byte, b'[' | b']' | b'{' | b'}'));
            if let Some(length) = bracket {
                end = at + 1 + length;
                return self.token(TokenKind::Bare, [at, at, end], end, Some(Flaw::Joined));
            }
        }
        self.token(TokenKind::Bare, [at, at, end], end, flaw)
    }

    fn keyword_or_bare(&mut self, at: usize) -> Token {
        let end = self.window.word_end(self.text, at);
        let word = &self.text[at..end];
        if word.len() < 5 {
            return self.bare(at, None);
        }
        let (kind, skip) = match word[0] | 0x20 {
            b'd' if starts_with_word(word, b"data_") => (TokenKind::Data, 5),
            b's' if starts_with_word(word, b"save_") => (TokenKind::Save, 5),
            b'l' if word.eq_ignore_ascii_case(b"loop_") => (TokenKind::Loop, 0),
            b'g' if word.eq_ignore_ascii_case(b"global_") => (TokenKind::Global, 0),
            b's' if word.eq_ignore_ascii_case(b"stop_") => (TokenKind::Stop, 0),
            _ => return self.bare(at, None),
        };
        self.token(kind, [at, at + skip, end], end, None)
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    #[inline]
    fn next(&mut self) -> Option<Token> {
        loop {
            self.at = self.window.word_start(self.text, self.at);
            let at = self.at;
            let byte = *self.text.get(at)?;
            return Some(match class(byte) {
                Class::Comment => {
                    self.at = self.line_end();
                    continue;
                }
                Class::Tag => {
                    let end = self.window.word_end(self.text, at);
                    self.token(TokenKind::Tag, [at, at, end], end, None)
                }
                Class::Quote => self.quoted(at),
                Class::Keyword => self.keyword_or_bare(at),
                Class::Semicolon if at == 0 || is_line_end(self.text[at - 1]) => self.text_field(at),
                Class::Plain | Class::Semicolon => self.bare(at, None),
                Class::Bracket if self.syntax == Syntax::Cif2 && byte != b'}' => self.nested(at),
                Class::Bracket if byte != b'[' && self.syntax == Syntax::Cif1 => self.bare(at, None),
                Class::Bracket | Class::Reserved => self.bare(at, Some(Flaw::Reserved)),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(TokenKind, &str)> {
        Lexer::new(text, 0, Syntax::Cif1)
            .map(|token| (token.kind, &text[token.start..token.end]))
            .collect()
    }

    #[test]
    fn kinds() {
        use TokenKind::{Bare, Data, Global, Loop, Quoted, Save, Stop, Tag, Text};
        let text =
            "# c\nDATA_x_1 _Tag 'it's'\t\"a b\"\nLoop_ STOP_ global_ save_f save_ 1.2(3) a;b\n;one\r\ntwo\r\n; z";
        assert_eq!(
            tokens(text),
            [
                (Data, "x_1"),
                (Tag, "_Tag"),
                (Quoted, "it's"),
                (Quoted, "a b"),
                (Loop, "Loop_"),
                (Stop, "STOP_"),
                (Global, "global_"),
                (Save, "f"),
                (Save, ""),
                (Bare, "1.2(3)"),
                (Bare, "a;b"),
                (Text, "one\r\ntwo"),
                (Bare, "z"),
            ]
        );
    }

    #[test]
    fn flaws() {
        let flaw = |text: &str| Lexer::new(text, 0, Syntax::Cif1).next().unwrap().flaw;
        assert_eq!(flaw("'open\nnext"), Some(Flaw::OpenQuote));
        assert_eq!(flaw("'open"), Some(Flaw::OpenQuote));
        assert_eq!(flaw(";open\n ;"), Some(Flaw::OpenText));
        assert_eq!(flaw(";a\n;b"), Some(Flaw::Joined));
        assert_eq!(flaw("[1"), Some(Flaw::Reserved));
        assert_eq!(flaw(";a\r;"), None);
        assert_eq!(tokens(";\n;"), [(TokenKind::Text, "")]);
        assert_eq!(tokens(";\r\n;"), [(TokenKind::Text, "")]);
    }

    #[test]
    fn a_token_reads_the_same_from_its_own_offset() {
        let text = "data_a\n_b 'c d' ;x\n;text\n more\n;\n_e f\n";
        for token in Lexer::new(text, 0, Syntax::Cif1) {
            assert_eq!(Lexer::new(text, token.at, Syntax::Cif1).next(), Some(token));
        }
    }

    #[test]
    fn lists_tables_and_triple_quotes_of_cif2() {
        use TokenKind::{Bare, Nested, Quoted, Tag};
        let text = "_a [1 [2 'x]' ] {'k':\"}\"}] _b '''it's\ntwo''' 'x' a]b";
        let found: Vec<_> = Lexer::new(text, 0, Syntax::Cif2)
            .map(|token| (token.kind, &text[token.start..token.end], token.flaw))
            .collect();
        assert_eq!(
            found,
            [
                (Tag, "_a", None),
                (Nested, "[1 [2 'x]' ] {'k':\"}\"}]", None),
                (Tag, "_b", None),
                (Quoted, "it's\ntwo", None),
                (Quoted, "x", None),
                (Bare, "a", Some(Flaw::Joined)),
                (Bare, "]b", Some(Flaw::Reserved)),
            ]
        );
        let flaw = |text: &str| Lexer::new(text, 0, Syntax::Cif2).next().unwrap().flaw;
        assert_eq!(flaw("[1 2"), Some(Flaw::OpenText));
        assert_eq!(flaw("[1 2}"), Some(Flaw::Joined));
        assert_eq!(flaw("'''a"), Some(Flaw::OpenText));
        assert_eq!(flaw(&("[".repeat(64) + &"]".repeat(64))), None);
        assert_eq!(flaw(&("[".repeat(65) + &"]".repeat(65))), Some(Flaw::Deep));
    }
}
