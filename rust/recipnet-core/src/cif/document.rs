//! The document of a CIF: blocks, tags, loops and raw values with their places.
//!
//! A value is kept as the offset of its token (4 bytes); its text is read again from there when it is asked for.

use super::lexer::{Lexer, Syntax, TokenKind, quoted_end};
use super::number::{parse_number, plain_number_at};
use super::tags::{self, Tag};
use super::text::Locator;
use super::window::{is_space, word_end};

/// Marks the absence of a number.
pub(super) const NONE: u32 = u32::MAX;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Without quotes.
    Bare,
    /// In quotes.
    Quoted,
    /// In a text field.
    Text,
    /// As a list or table of CIF 2.
    Nested,
}

/// A value as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'t> {
    /// Content, without quotes or semicolons.
    pub text: &'t str,
    /// How it is written.
    pub form: Form,
    /// Offset in the text.
    pub at: usize,
}

impl Value<'_> {
    /// `?` without quotes: not known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.form == Form::Bare && self.text == "?"
    }

    /// `.` without quotes: does not apply, or the default.
    #[must_use]
    pub fn is_inapplicable(&self) -> bool {
        self.form == Form::Bare && self.text == "."
    }

    /// `?`, `.` or nothing at all.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        match self.text.as_bytes() {
            [] => true,
            [b'?' | b'.'] => self.form == Form::Bare,
            [first, ..] => !first.is_ascii_graphic() && self.text.trim().is_empty(),
        }
    }
}

/// One tag with its values: one, or a column of a loop.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Offset of the tag.
    pub at: u32,
    /// Place of its first value.
    pub first: u32,
    /// Places from one of its values to the next.
    pub stride: u32,
    /// Number of its values.
    pub rows: u32,
    /// Offset of the loop's header, `NONE` outside loops.
    pub header: u32,
    /// Number of the tag, where the reader knows it.
    pub known: Option<Tag>,
}

/// One data block: its name and its items.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub name: (u32, u32),
    pub items: (u32, u32),
}

/// A parsed text.
#[derive(Debug, Clone)]
pub struct Document<'t> {
    pub(super) text: &'t str,
    pub(super) syntax: Syntax,
    pub(super) store: Store,
}

/// What a document holds beside its text; kept from one text to the next, so that memory is taken once.
#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    pub values: Vec<u32>,
    pub items: Vec<Item>,
    pub blocks: Vec<Block>,
    /// The first tags of the text before, in their order.
    pub order: Vec<Option<Tag>>,
}

/// A column: the values of one tag.
#[derive(Debug, Clone, Copy)]
pub struct Column<'d, 't> {
    pub(super) document: &'d Document<'t>,
    pub(super) item: &'d Item,
    /// The offsets of the values from the first on, `stride` apart.
    offsets: &'d [u32],
    stride: usize,
    rows: usize,
}

/// A block together with its document.
#[derive(Debug, Clone)]
pub struct BlockView<'d, 't> {
    document: &'d Document<'t>,
    block: &'d Block,
    known: [u32; tags::COUNT],
}

impl<'d, 't> Column<'d, 't> {
    #[inline]
    pub(super) fn new(document: &'d Document<'t>, item: &'d Item) -> Self {
        Self {
            document,
            item,
            offsets: &document.store.values[item.first as usize..],
            stride: item.stride as usize,
            rows: item.rows as usize,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Offset of the value in a row.
    ///
    /// # Panics
    /// If the row does not exist.
    #[must_use]
    #[inline]
    pub fn offset(&self, row: usize) -> usize {
        assert!(row < self.len(), "row {row} of {}", self.len());
        self.offsets[row * self.stride] as usize
    }

    /// The value in a row.
    ///
    /// # Panics
    /// If the row does not exist.
    #[must_use]
    #[inline]
    pub fn get(&self, row: usize) -> Value<'t> {
        self.document.value(self.offset(row))
    }

    /// The text of the value in a row.
    ///
    /// # Panics
    /// If the row does not exist.
    #[must_use]
    #[inline]
    pub fn text(&self, row: usize) -> &'t str {
        self.document
            .word(self.offset(row))
            .unwrap_or_else(|| self.get(row).text)
    }

    /// The number in a row, where there is one; quotes around it do not matter.
    ///
    /// # Panics
    /// If the row does not exist.
    #[must_use]
    #[inline]
    pub fn number(&self, row: usize) -> Option<f64> {
        plain_number_at(self.document.text.as_bytes(), self.offset(row))
            .or_else(|| parse_number(self.get(row).text).map(|number| number.value))
    }

    /// All values in order.
    pub fn iter(self) -> impl Iterator<Item = Value<'t>> + use<'d, 't> {
        (0..self.len()).map(move |row| self.get(row))
    }

    /// The tag as written.
    #[must_use]
    pub fn tag(&self) -> &'t str {
        let text = self.document.text;
        &text[self.at()..word_end(text.as_bytes(), self.at())]
    }

    /// Offset of the tag.
    #[must_use]
    pub fn at(&self) -> usize {
        self.item.at as usize
    }

    /// Offset of the header of its loop; None for a single value.
    #[must_use]
    pub fn loop_at(&self) -> Option<usize> {
        (self.item.header != NONE).then_some(self.item.header as usize)
    }

    /// Whether both are columns of one loop, or both single values.
    #[must_use]
    pub fn same_loop(&self, other: &Self) -> bool {
        self.item.header == other.item.header
    }

    /// The text from the first to the last row of its loop, with everything between.
    pub(super) fn loop_text(&self) -> &'t [u8] {
        let text = self.document.text.as_bytes();
        let (start, end) = (self.offset(0), self.offset(self.len().max(1) - 1));
        let mut lexer = Lexer::new(self.document.text, end, self.document.syntax);
        lexer.next();
        &text[start..lexer.position()]
    }
}

impl<'d, 't> BlockView<'d, 't> {
    fn new(document: &'d Document<'t>, block: &'d Block) -> Self {
        let mut known = [NONE; tags::COUNT];
        for place in block.items.0..block.items.1 {
            if let Some(tag) = document.store.items[place as usize].known {
                known[usize::from(tag.0)] = place;
            }
        }
        Self { document, block, known }
    }

    /// Name after `data_`.
    #[must_use]
    pub fn name(&self) -> &'t str {
        &self.document.text[self.block.name.0 as usize..self.block.name.1 as usize]
    }

    /// The column of a tag that the reader knows.
    #[inline]
    pub(super) fn find(&self, tag: Tag) -> Option<Column<'d, 't>> {
        let place = self.known[usize::from(tag.0)];
        (place != NONE).then(|| Column::new(self.document, &self.document.store.items[place as usize]))
    }

    /// The column of a tag, whatever its case. Tags that the reader has no use for are searched one by one.
    #[must_use]
    pub fn column(&self, tag: &str) -> Option<Column<'d, 't>> {
        match tags::index().find(tag.as_bytes()) {
            Some(known) => self.find(known),
            None => self.columns().find(|column| same_tag(column.tag(), tag)),
        }
    }

    /// The first of several tags that stands in the block.
    pub(super) fn first_of(&self, tags: &[Tag]) -> Option<Column<'d, 't>> {
        tags.iter().find_map(|&tag| self.find(tag))
    }

    /// The single value of the first tag that has one which is not absent.
    pub(super) fn value_of(&self, tags: &[Tag]) -> Option<(Column<'d, 't>, Value<'t>)> {
        tags.iter().find_map(|&tag| {
            let column = self.find(tag)?;
            let value = (column.len() == 1).then(|| column.get(0))?;
            (!value.is_absent()).then_some((column, value))
        })
    }

    /// All tags in file order.
    pub fn columns(&self) -> impl Iterator<Item = Column<'d, 't>> {
        let document = self.document;
        document.store.items[self.block.items.0 as usize..self.block.items.1 as usize]
            .iter()
            .map(move |item| Column::new(document, item))
    }
}

/// Whether two tags are one, whatever their case.
pub(super) fn same_tag(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || (!a.is_ascii() && !b.is_ascii() && a.to_lowercase() == b.to_lowercase())
}

impl<'t> Document<'t> {
    /// The text that offsets refer to.
    #[must_use]
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// The grammar that the text follows.
    #[must_use]
    pub fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// Number of blocks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.blocks.len()
    }

    /// Whether there is no block.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.store.blocks.is_empty()
    }

    /// Blocks in file order.
    pub fn blocks(&self) -> impl Iterator<Item = BlockView<'_, 't>> {
        self.store.blocks.iter().map(move |block| BlockView::new(self, block))
    }

    /// Lines and columns of offsets, both from 1; LF, CRLF and CR end lines, columns are characters.
    #[must_use]
    pub fn places(&self, offsets: &[usize]) -> Vec<(u32, u32)> {
        Locator::new(self.text).places(offsets)
    }

    /// The commonest value, letters and digits up to white space, if that is what starts at an offset.
    #[inline]
    fn word(&self, at: usize) -> Option<&'t str> {
        let bytes = self.text.as_bytes();
        let plain = self.syntax == Syntax::Cif1 && bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
        plain.then(|| &self.text[at..word_end(bytes, at)])
    }

    /// The value whose token starts at an offset.
    #[inline]
    fn value(&self, at: usize) -> Value<'t> {
        let bytes = self.text.as_bytes();
        if let Some(text) = self.word(at) {
            let form = Form::Bare;
            return Value { text, form, at };
        }
        if self.syntax == Syntax::Cif1 && matches!(bytes.get(at), Some(b'\'' | b'"')) {
            return Value {
                text: &self.text[at + 1..quoted_end(bytes, at).0],
                form: Form::Quoted,
                at,
            };
        }
        // The offset is that of a token which was read once before.
        let token = Lexer::new(self.text, at, self.syntax).next();
        let (start, end, kind) = token.map_or((at, at, TokenKind::Bare), |token| (token.start, token.end, token.kind));
        let text = &self.text[start..end];
        match kind {
            TokenKind::Text => Value {
                text: text.trim_matches(['\r', '\n']),
                form: Form::Text,
                at,
            },
            TokenKind::Quoted => Value {
                text,
                form: Form::Quoted,
                at,
            },
            TokenKind::Nested => Value {
                text,
                form: Form::Nested,
                at,
            },
            _ => Value {
                text,
                form: Form::Bare,
                at,
            },
        }
    }
}

/// Whether the token at `at` is a bare `?` or `.`.
#[inline]
pub(super) fn is_absent_at(text: &[u8], at: usize) -> bool {
    matches!(text.get(at), Some(b'?' | b'.')) && text.get(at + 1).is_none_or(|&byte| is_space(byte))
}
