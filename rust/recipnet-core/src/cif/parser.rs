//! Tokens to a document: tags, loops and frames, with every repair reported.

use super::document::{Block, Column, Document, Item, key};
use super::lexer::{Flaw, Lexer, Token, TokenKind};
use super::report::{Fault, Report, code};

/// Parse a text; in strict mode the first repair is refused.
pub(super) fn parse<'t>(text: &'t str, report: &mut Report) -> Result<Document<'t>, Fault> {
    if is_cif2(text) {
        return Err(
            Fault::new(code::CIF2, "the text declares itself as CIF 2, which is not read")
                .at(0)
                .hint("convert it to CIF 1.1"),
        );
    }
    let document = Document {
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
        if !count.is_multiple_of(tags.len()) {
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
        let document = super::parse(text, &mut report)?;
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
        assert_eq!(blocks[0].column("_x.Y").unwrap().get(0).text, "1");
        let q = blocks[0].column("_q").unwrap();
        assert_eq!(
            (q.len(), q.get(0).text, q.get(0).quoted, q.get(1).is_unknown()),
            (2, "2 3", true, true)
        );
        assert!(q.same_loop(&blocks[0].column("_p").unwrap()));
        assert_eq!(blocks[0].column("_z").unwrap().get(0).text, "t");
        assert!(blocks[1].column("_X_Y").unwrap().get(0).is_inapplicable());
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
