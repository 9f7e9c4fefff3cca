//! Tokens of CIF 1.1, one at a time from any offset: linear, without recursion, without memory of its own.

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
    /// A value in single or double quotes.
    Quoted,
    /// A text field between semicolons in column 1.
    Text,
}

impl TokenKind {
    /// Whether the token is a value.
    #[must_use]
    pub fn is_value(self) -> bool {
        matches!(self, Self::Bare | Self::Quoted | Self::Text)
    }
}

/// What is wrong with a token; the document decides what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A quote that does not close on its line: the rest of the line was taken.
    OpenQuote,
    /// A text field that runs to the end of the text.
    OpenText,
    /// No white space after the token.
    Joined,
    /// A bare value that starts with a reserved character.
    Reserved,
}

/// One token: offsets of itself and of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it starts.
    pub at: usize,
    /// Where its content starts.
    pub start: usize,
    /// Where its content ends.
    pub end: usize,
    /// What is wrong with it.
    pub flaw: Option<Flaw>,
}

/// Reads tokens from a text.
#[derive(Debug, Clone)]
pub struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
}

const fn is_space(byte: u8) -> bool {
    // ^Z, vertical tab and form feed stand for white space too; the decoder has reported the first.
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0x1a)
}

const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn starts_with_word(text: &[u8], word: &[u8]) -> bool {
    text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word)
}

impl<'t> Lexer<'t> {
    /// A lexer that starts at an offset, which must be that of a token or of white space.
    #[must_use]
    pub fn new(text: &'t str, at: usize) -> Self {
        Self {
            text: text.as_bytes(),
            at,
        }
    }

    /// Offset behind the last token.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    fn token(&mut self, kind: TokenKind, range: [usize; 3], after: usize, flaw: Option<Flaw>) -> Token {
        self.at = after;
        Token {
            kind,
            at: range[0],
            start: range[1],
            end: range[2],
            flaw,
        }
    }

    fn joined(&self, after: usize) -> Option<Flaw> {
        self.text
            .get(after)
            .is_some_and(|&byte| !is_space(byte))
            .then_some(Flaw::Joined)
    }

    fn text_field(&mut self, at: usize) -> Token {
        let body = at + 1;
        for found in memchr::memchr_iter(b';', &self.text[body..]) {
            let close = body + found;
            if is_line_end(self.text[close - 1]) {
                let mut end = close - 1;
                if self.text[end] == b'\n' && end > body && self.text[end - 1] == b'\r' {
                    end -= 1;
                }
                let flaw = self.joined(close + 1);
                return self.token(TokenKind::Text, [at, body, end.max(body)], close + 1, flaw);
            }
        }
        let end = self.text.len();
        self.token(TokenKind::Text, [at, body, end], end, Some(Flaw::OpenText))
    }

    fn quoted(&mut self, at: usize) -> Token {
        let quote = self.text[at];
        let body = at + 1;
        for found in memchr::memchr3_iter(quote, b'\n', b'\r', &self.text[body..]) {
            let end = body + found;
            if self.text[end] != quote {
                return self.token(TokenKind::Quoted, [at, body, end], end, Some(Flaw::OpenQuote));
            }
            if self.text.get(end + 1).is_none_or(|&byte| is_space(byte)) {
                return self.token(TokenKind::Quoted, [at, body, end], end + 1, None);
            }
        }
        let end = self.text.len();
        self.token(TokenKind::Quoted, [at, body, end], end, Some(Flaw::OpenQuote))
    }

    fn word(&mut self, at: usize) -> Token {
        let mut end = at + 1;
        while self.text.get(end).is_some_and(|&byte| !is_space(byte)) {
            end += 1;
        }
        let word = &self.text[at..end];
        let (kind, skip) = match word[0] {
            b'_' => (TokenKind::Tag, 0),
            b'd' | b'D' if starts_with_word(word, b"data_") => (TokenKind::Data, 5),
            b's' | b'S' if starts_with_word(word, b"save_") => (TokenKind::Save, 5),
            b'l' | b'L' if word.eq_ignore_ascii_case(b"loop_") => (TokenKind::Loop, 0),
            b'g' | b'G' if word.eq_ignore_ascii_case(b"global_") => (TokenKind::Global, 0),
            b's' | b'S' if word.eq_ignore_ascii_case(b"stop_") => (TokenKind::Stop, 0),
            _ => (TokenKind::Bare, 0),
        };
        let flaw = (kind == TokenKind::Bare && matches!(word[0], b'[' | b']' | b'$')).then_some(Flaw::Reserved);
        self.token(kind, [at, at + skip, end], end, flaw)
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let byte = *self.text.get(self.at)?;
            if is_space(byte) {
                self.at += 1;
                continue;
            }
            let at = self.at;
            return Some(match byte {
                b'#' => {
                    self.at = memchr::memchr2(b'\n', b'\r', &self.text[at..]).map_or(self.text.len(), |n| at + n);
                    continue;
                }
                b';' if at == 0 || is_line_end(self.text[at - 1]) => self.text_field(at),
                b'\'' | b'"' => self.quoted(at),
                _ => self.word(at),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(TokenKind, &str)> {
        Lexer::new(text, 0)
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
        let flaw = |text: &str| Lexer::new(text, 0).next().unwrap().flaw;
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
        for token in Lexer::new(text, 0) {
            assert_eq!(Lexer::new(text, token.at).next(), Some(token));
        }
    }
}
