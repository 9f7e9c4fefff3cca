//! The document of a CIF: blocks, tags, loops and raw values with their places.
//!
//! A value is kept as the offset of its token (4 bytes); its text is read again from there when it is asked for.

use std::collections::HashMap;

use super::lexer::{Lexer, TokenKind};

/// A value as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'t> {
    /// Content, without quotes or semicolons.
    pub text: &'t str,
    /// Whether it stood in quotes or in a text field.
    pub quoted: bool,
    /// Offset in the text.
    pub at: usize,
}

impl Value<'_> {
    /// `?` without quotes: not known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        !self.quoted && self.text == "?"
    }

    /// `.` without quotes: does not apply, or the default.
    #[must_use]
    pub fn is_inapplicable(&self) -> bool {
        !self.quoted && self.text == "."
    }

    /// `?`, `.` or nothing at all.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.is_unknown() || self.is_inapplicable() || self.text.trim().is_empty()
    }
}

/// One tag with its values: one, or a column of a loop.
#[derive(Debug, Clone)]
pub struct Item {
    pub(super) tag: (u32, u32),
    pub(super) first: u32,
    pub(super) stride: u32,
    pub(super) rows: u32,
    /// Offset of the loop's header.
    pub(super) header: Option<u32>,
}

/// One data block.
#[derive(Debug, Clone, Default)]
pub struct Block {
    pub(super) name: (u32, u32),
    pub(super) items: Vec<Item>,
    pub(super) index: HashMap<Box<str>, u32>,
}

/// A parsed text.
#[derive(Debug, Clone)]
pub struct Document<'t> {
    pub(super) text: &'t str,
    pub(super) values: Vec<u32>,
    pub(super) blocks: Vec<Block>,
}

/// A column: the values of one tag.
#[derive(Debug, Clone, Copy)]
pub struct Column<'d, 't> {
    pub(super) document: &'d Document<'t>,
    pub(super) item: &'d Item,
}

/// A block together with its document.
#[derive(Debug, Clone, Copy)]
pub struct BlockView<'d, 't> {
    document: &'d Document<'t>,
    block: &'d Block,
}

/// The key under which a tag is found.
pub(super) fn key(tag: &str) -> Box<str> {
    tag.to_lowercase().into_boxed_str()
}

impl<'d, 't> Column<'d, 't> {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.item.rows as usize
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.item.rows == 0
    }

    /// The value in a row.
    ///
    /// # Panics
    /// If the row does not exist.
    #[must_use]
    pub fn get(&self, row: usize) -> Value<'t> {
        assert!(row < self.len(), "row {row} of {}", self.len());
        self.document
            .value(self.item.first as usize + row * self.item.stride as usize)
    }

    /// All values in order.
    pub fn iter(self) -> impl Iterator<Item = Value<'t>> + use<'d, 't> {
        (0..self.len()).map(move |row| self.get(row))
    }

    /// The tag as written.
    #[must_use]
    pub fn tag(&self) -> &'t str {
        &self.document.text[self.item.tag.0 as usize..self.item.tag.1 as usize]
    }

    /// Offset of the tag.
    #[must_use]
    pub fn at(&self) -> usize {
        self.item.tag.0 as usize
    }

    /// Whether both are columns of one loop, or both single values.
    #[must_use]
    pub fn same_loop(&self, other: &Self) -> bool {
        self.item.header == other.item.header
    }
}

impl<'d, 't> BlockView<'d, 't> {
    /// Name after `data_`.
    #[must_use]
    pub fn name(&self) -> &'t str {
        &self.document.text[self.block.name.0 as usize..self.block.name.1 as usize]
    }

    /// The column of a tag, whatever its case.
    #[must_use]
    pub fn column(&self, tag: &str) -> Option<Column<'d, 't>> {
        let place = match self.block.index.get(tag) {
            Some(&place) => place,
            None => *self.block.index.get(&key(tag))?,
        };
        Some(Column {
            document: self.document,
            item: &self.block.items[place as usize],
        })
    }

    /// The first of several spellings of a tag that stands in the block.
    #[must_use]
    pub fn first_of(&self, tags: &[&str]) -> Option<Column<'d, 't>> {
        tags.iter().find_map(|tag| self.column(tag))
    }

    /// The single value of a tag, where it is there and not absent.
    #[must_use]
    pub fn value_of(&self, tags: &[&str]) -> Option<(Column<'d, 't>, Value<'t>)> {
        tags.iter().find_map(|tag| {
            let column = self.column(tag)?;
            let value = (column.len() == 1).then(|| column.get(0))?;
            (!value.is_absent()).then_some((column, value))
        })
    }

    /// All tags in file order.
    pub fn columns(&self) -> impl Iterator<Item = Column<'d, 't>> {
        let document = self.document;
        self.block.items.iter().map(move |item| Column { document, item })
    }
}

impl<'t> Document<'t> {
    /// The text that offsets refer to.
    #[must_use]
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Blocks in file order.
    pub fn blocks(&self) -> impl Iterator<Item = BlockView<'_, 't>> {
        self.blocks.iter().map(move |block| BlockView { document: self, block })
    }

    fn value(&self, index: usize) -> Value<'t> {
        let at = self.values[index] as usize;
        // The offset is that of a token which was read once before.
        let token = Lexer::new(self.text, at).next();
        let (start, end, kind) = token.map_or((at, at, TokenKind::Bare), |token| (token.start, token.end, token.kind));
        Value {
            text: self.text[start..end].trim_matches(['\r', '\n']),
            quoted: kind != TokenKind::Bare,
            at,
        }
    }
}
