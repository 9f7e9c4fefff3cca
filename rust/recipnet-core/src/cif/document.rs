//! The document of a CIF: blocks, tags, loops and raw values with their places.
//!
//! A value is kept as the offset of its token (4 bytes); its text is read again from there when it is asked for.

use std::collections::HashMap;

use super::lexer::{Flaw, Lexer, Token, TokenKind};
use super::report::{Fault, Report, code};

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
    tag: (u32, u32),
    first: u32,
    stride: u32,
    rows: u32,
    header: Option<u32>,
}

/// One data block.
#[derive(Debug, Clone, Default)]
pub struct Block {
    name: (u32, u32),
    items: Vec<Item>,
    index: HashMap<Box<str>, u32>,
}

/// A parsed text.
#[derive(Debug, Clone)]
pub struct Document<'t> {
    text: &'t str,
    values: Vec<u32>,
    blocks: Vec<Block>,
}

/// A column: the values of one tag.
#[derive(Debug, Clone, Copy)]
pub struct Column<'d, 't> {
    document: &'d Document<'t>,
    item: &'d Item,
}

/// A block together with its document.
#[derive(Debug, Clone, Copy)]
pub struct BlockView<'d, 't> {
    document: &'d Document<'t>,
    block: &'d Block,
}

/// The key under which a tag is found: lower case, and the first point as an underscore (`_cell.length_a`).
fn key(tag: &str) -> Box<str> {
    let mut key = tag.to_lowercase();
    if let Some(point) = key.find('.') {
        key.replace_range(point..=point, "_");
    }
    key.into_boxed_str()
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

    pub(super) fn parse(text: &'t str, report: &mut Report) -> Result<Self, Fault> {
        if is_cif2(text) {
            return Err(
                Fault::new(code::CIF2, "the text declares itself as CIF 2, which is not read")
                    .at(0)
                    .hint("convert it to CIF 1.1"),
            );
        }
        let document = Self {
            text,
            values: Vec::new(),
            blocks: Vec::new(),
        };
        let mut parser = Parser {
            document,
            lexer: Lexer::new(text, 0).peekable(),
            report,
        };
        parser.run()?;
        Ok(parser.document)
    }
}

/// CIF 2 is recognised by its first line only.
fn is_cif2(text: &str) -> bool {
    text.strip_prefix("#\\#CIF_2.0")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

struct Parser<'t, 'r> {
    document: Document<'t>,
    lexer: std::iter::Peekable<Lexer<'t>>,
    report: &'r mut Report,
}

impl Parser<'_, '_> {
    fn text_of(&self, token: &Token) -> &str {
        &self.document.text[token.at..token.end]
    }

    fn syntax(&self, token: &Token, message: &str) -> Fault {
        Fault::new(code::SYNTAX, message)
            .at(token.at)
            .value(self.text_of(token))
    }

    /// The next token, with its flaws reported.
    fn next(&mut self) -> Result<Option<Token>, Fault> {
        let Some(token) = self.lexer.next() else {
            return Ok(None);
        };
        let fault = |code, message: &str| Fault::new(code, message).at(token.at).value(self.text_of(&token));
        match token.flaw {
            None => {}
            Some(Flaw::OpenText) => {
                return Err(fault(
                    code::UNCLOSED,
                    "a text field is not closed by a semicolon in column 1",
                ));
            }
            Some(Flaw::OpenQuote) => {
                let fault = fault(
                    code::UNCLOSED,
                    "a quote does not close on its line; the rest of the line was taken",
                );
                self.report.repair(fault)?;
            }
            Some(Flaw::Joined) => {
                let fault = fault(
                    code::SYNTAX,
                    "white space is missing after the semicolon that closes a text field",
                );
                self.report.repair(fault)?;
            }
            Some(Flaw::Reserved) => {
                let fault = fault(code::SYNTAX, "a value without quotes starts with a reserved character");
                self.report.repair(fault)?;
            }
        }
        Ok(Some(token))
    }

    fn peek_is_value(&mut self) -> bool {
        self.lexer.peek().is_some_and(|token| token.kind.is_value())
    }

    fn block(&mut self, token: &Token) -> Result<&mut Block, Fault> {
        if self.document.blocks.is_empty() {
            return Err(Fault::new(code::NO_BLOCK, "text before the first data block")
                .at(token.at)
                .value(self.text_of(token))
                .hint("a CIF starts with data_NAME"));
        }
        let last = self.document.blocks.len() - 1;
        Ok(&mut self.document.blocks[last])
    }

    fn run(&mut self) -> Result<(), Fault> {
        while let Some(token) = self.next()? {
            match token.kind {
                TokenKind::Data => {
                    if token.start == token.end {
                        self.report.repair(self.syntax(&token, "a data block without a name"))?;
                    }
                    self.open_block(&token);
                }
                TokenKind::Global => {
                    self.report
                        .repair(self.syntax(&token, "global_ is no part of CIF; read as a block of that name"))?;
                    self.open_block(&token);
                }
                TokenKind::Stop => {
                    self.report
                        .repair(self.syntax(&token, "stop_ is no part of CIF and was ignored"))?;
                }
                TokenKind::Save => self.skip_frame(&token)?,
                TokenKind::Tag => self.item(&token)?,
                TokenKind::Loop => self.table(&token)?,
                TokenKind::Bare | TokenKind::Quoted | TokenKind::Text => {
                    self.block(&token)?;
                    self.report
                        .repair(self.syntax(&token, "a value that belongs to no tag was ignored"))?;
                }
            }
        }
        Ok(())
    }

    fn open_block(&mut self, token: &Token) {
        let name = (token.start as u32, token.end as u32);
        self.document.blocks.push(Block {
            name,
            ..Block::default()
        });
    }

    fn skip_frame(&mut self, open: &Token) -> Result<(), Fault> {
        self.block(open)?;
        if open.start == open.end {
            return self
                .report
                .repair(self.syntax(open, "save_ without a frame that it ends"));
        }
        loop {
            match self.lexer.peek().map(|token| (token.kind, token.start == token.end)) {
                Some((TokenKind::Save, true)) => {
                    self.next()?;
                    return Ok(());
                }
                None | Some((TokenKind::Data | TokenKind::Save, _)) => {
                    return self.report.repair(self.syntax(open, "a save frame does not end"));
                }
                Some(_) => {
                    self.next()?;
                }
            }
        }
    }

    fn item(&mut self, tag: &Token) -> Result<(), Fault> {
        self.block(tag)?;
        if !self.peek_is_value() {
            let fault = Fault::new(code::NO_VALUE, "a tag has no value")
                .at(tag.at)
                .tag(self.text_of(tag));
            return self.report.repair(fault);
        }
        let first = self.document.values.len() as u32;
        if let Some(value) = self.next()? {
            self.document.values.push(value.at as u32);
        }
        self.insert(Item {
            tag: (tag.at as u32, tag.end as u32),
            first,
            stride: 1,
            rows: 1,
            header: None,
        })
    }

    fn table(&mut self, header: &Token) -> Result<(), Fault> {
        self.block(header)?;
        let mut tags = Vec::new();
        while self.lexer.peek().is_some_and(|token| token.kind == TokenKind::Tag) {
            if let Some(tag) = self.next()? {
                tags.push((tag.at as u32, tag.end as u32));
            }
        }
        if tags.is_empty() {
            return Err(Fault::new(code::LOOP, "a loop without tags").at(header.at));
        }
        let first = self.document.values.len();
        while self.peek_is_value() {
            if let Some(value) = self.next()? {
                self.document.values.push(value.at as u32);
            }
        }
        let count = self.document.values.len() - first;
        let name = &self.document.text[tags[0].0 as usize..tags[0].1 as usize];
        if count == 0 {
            let fault = Fault::new(code::LOOP, "a loop without values").at(header.at).tag(name);
            return self.report.repair(fault);
        }
        if count % tags.len() != 0 {
            let message = format!(
                "a loop of {} tags has {count} values: {} row(s) and {} value(s) left over",
                tags.len(),
                count / tags.len(),
                count % tags.len()
            );
            return Err(Fault::new(code::LOOP, message)
                .at(header.at)
                .tag(name)
                .hint("a value is missing, or one with spaces lacks its quotes"));
        }
        let stride = tags.len();
        for (offset, tag) in tags.into_iter().enumerate() {
            self.insert(Item {
                tag,
                first: (first + offset) as u32,
                stride: stride as u32,
                rows: (count / stride) as u32,
                header: Some(header.at as u32),
            })?;
        }
        Ok(())
    }

    /// Whether both columns have one text in a row; costs no more than reading the later one.
    fn same_value(&self, earlier: &Column<'_, '_>, again: &Column<'_, '_>, row: usize) -> bool {
        let offset = |column: &Column<'_, '_>| {
            self.document.values[column.item.first as usize + row * column.item.stride as usize] as usize
        };
        let (a, b) = (offset(earlier), offset(again));
        let mut lexer = Lexer::new(self.document.text, b);
        let length = lexer.next().map_or(0, |_| lexer.position() - b);
        let bytes = self.document.text.as_bytes();
        bytes[a..].starts_with(&bytes[b..b + length]) && bytes.get(a + length).is_none_or(u8::is_ascii_whitespace)
    }

    /// Add an item; of two with one tag the first is kept.
    fn insert(&mut self, item: Item) -> Result<(), Fault> {
        let Some(last) = self.document.blocks.len().checked_sub(1) else {
            return Ok(());
        };
        let tag = &self.document.text[item.tag.0 as usize..item.tag.1 as usize];
        let place = self.document.blocks[last].items.len() as u32;
        let name = key(tag);
        if let Some(&earlier) = self.document.blocks[last].index.get(&name) {
            let earlier = Column {
                document: &self.document,
                item: &self.document.blocks[last].items[earlier as usize],
            };
            let again = Column {
                document: &self.document,
                item: &item,
            };
            let same =
                earlier.len() == again.len() && (0..again.len()).all(|row| self.same_value(&earlier, &again, row));
            let fault = Fault::new(
                code::DUPLICATE,
                if same {
                    "a tag is repeated with the same value"
                } else {
                    "a tag is repeated with another value; the first was taken"
                },
            )
            .at(again.at())
            .tag(tag)
            .value(if again.is_empty() { "" } else { again.get(0).text });
            if same {
                self.report.note(fault);
                return Ok(());
            }
            return self.report.repair(fault);
        }
        self.document.blocks[last].index.insert(name, place);
        self.document.blocks[last].items.push(item);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, strict: bool) -> Result<(Document<'_>, usize), Fault> {
        let mut report = Report::new(strict);
        let document = Document::parse(text, &mut report)?;
        let warnings = report.into_warnings(&super::super::text::Locator::new(text)).len();
        Ok((document, warnings))
    }

    #[test]
    fn tags_loops_and_frames() {
        let text = "data_a _X.y 1\nloop_ _p _q 1 '2 3' 4 ?\nsave_f _x_y 9 save_\n_z\n;t\n;\ndata_b _x_y .";
        let (document, warnings) = parse(text, true).unwrap();
        let blocks: Vec<_> = document.blocks().collect();
        assert_eq!((blocks.len(), warnings), (2, 0));
        assert_eq!(blocks[0].name(), "a");
        assert_eq!(blocks[0].column("_x_Y").unwrap().get(0).text, "1");
        let q = blocks[0].column("_q").unwrap();
        assert_eq!(
            (q.len(), q.get(0).text, q.get(0).quoted, q.get(1).is_unknown()),
            (2, "2 3", true, true)
        );
        assert!(q.same_loop(&blocks[0].column("_p").unwrap()));
        assert_eq!(blocks[0].column("_z").unwrap().get(0).text, "t");
        assert!(blocks[1].column("_x.y").unwrap().get(0).is_inapplicable());
        assert!(blocks[1].value_of(&["_x_y"]).is_none());
        assert_eq!(blocks[0].columns().count(), 4);
    }

    #[test]
    fn repairs_are_errors_in_strict_mode() {
        for (text, code) in [
            ("data_a _x 1 2", code::SYNTAX),
            ("data_a _x _y 1", code::NO_VALUE),
            ("data_a _x 1 _X 2", code::DUPLICATE),
            ("data_a loop_ _x _y", code::LOOP),
            ("data_a _x 'open\n_y 1", code::UNCLOSED),
            ("data_a save_f _x 1", code::SYNTAX),
            ("data_a save_", code::SYNTAX),
            ("data_a stop_", code::SYNTAX),
            ("data_ _x 1", code::SYNTAX),
            ("data_a _x [1", code::SYNTAX),
            ("data_a _x\n;t\n;z", code::SYNTAX),
        ] {
            assert_eq!(parse(text, true).unwrap_err().code, code, "{text}");
            assert!(parse(text, false).unwrap().1 > 0, "{text}");
        }
        let (document, warnings) = parse("data_a _x 1 _X 1", true).unwrap();
        assert_eq!((document.blocks().count(), warnings), (1, 1));
    }

    #[test]
    fn refused_in_any_mode() {
        for (text, code, at) in [
            ("_x 1", code::NO_BLOCK, 0),
            ("data_a loop_ _x _y 1 2 3", code::LOOP, 7),
            ("data_a loop_ 1", code::LOOP, 7),
            ("data_a _x\n;open", code::UNCLOSED, 10),
            ("#\\#CIF_2.0\ndata_a", code::CIF2, 0),
        ] {
            let fault = parse(text, false).unwrap_err();
            assert_eq!((fault.code, fault.at), (code, Some(at)), "{text}");
        }
    }
}
