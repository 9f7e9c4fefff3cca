//! Tokens to a document: tags, loops and frames, with every repair reported.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use super::document::{Block, Column, Document, Item, NONE, Store, same_tag};
use super::lexer::{Flaw, Lexer, MAX_NESTING, Syntax, Token, TokenKind};
use super::report::{Fault, Report, code};
use super::tags;

/// Parse a text; in strict mode the first repair is refused. `store` lends its memory.
pub(super) fn parse<'t>(text: &'t str, report: &mut Report, mut store: Store) -> Result<Document<'t>, Fault> {
    store.values.clear();
    store.items.clear();
    store.blocks.clear();
    let syntax = if is_cif2(text) { Syntax::Cif2 } else { Syntax::Cif1 };
    let lexer = Lexer::new(text, 0, syntax);
    let mut parser = Parser {
        document: Document { text, syntax, store },
        lexer,
        report,
        index: tags::index(),
        known: [NONE; tags::COUNT],
        others: HashMap::new(),
        tags: Vec::with_capacity(16),
    };
    parser.run()?;
    parser.close_block();
    let store = &mut parser.document.store;
    store.order.clear();
    store
        .order
        .extend(store.items.iter().take(tags::COUNT).map(|item| item.known));
    Ok(parser.document)
}

/// CIF 2 is recognised by its first line only.
fn is_cif2(text: &str) -> bool {
    text.strip_prefix("#\\#CIF_2.0")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// A tag that is the same in any case. Ten thousand of them are told apart as fast as ten.
#[derive(Eq)]
struct Folded<'t>(&'t str);

impl PartialEq for Folded<'_> {
    fn eq(&self, other: &Self) -> bool {
        same_tag(self.0, other.0)
    }
}

impl Hash for Folded<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.0.is_ascii() {
            let mut lower = [0; 64];
            for chunk in self.0.as_bytes().chunks(lower.len()) {
                let lower = &mut lower[..chunk.len()];
                lower.copy_from_slice(chunk);
                lower.make_ascii_lowercase();
                state.write(lower);
            }
        } else {
            state.write(self.0.to_lowercase().as_bytes());
        }
    }
}

struct Parser<'t, 'r> {
    document: Document<'t>,
    lexer: Lexer<'t>,
    report: &'r mut Report,
    index: &'static tags::Index,
    /// Items of the open block by number of their tag, and those of other tags by name.
    known: [u32; tags::COUNT],
    others: HashMap<Folded<'t>, u32>,
    /// Tags of the open loop; kept for its memory.
    tags: Vec<(usize, usize)>,
}

impl<'t> Parser<'t, '_> {
    fn text_of(&self, token: &Token) -> &'t str {
        &self.document.text[token.at..token.end]
    }

    fn syntax(&self, token: &Token, message: &str) -> Fault {
        Fault::new(code::SYNTAX, message)
            .at(token.at)
            .value(self.text_of(token))
    }

    /// The next token, with its flaws reported.
    #[inline]
    fn next(&mut self) -> Result<Option<Token>, Fault> {
        let token = self.lexer.next();
        if let Some(token) = &token
            && let Some(flaw) = token.flaw
        {
            self.flaw(token, flaw)?;
        }
        Ok(token)
    }

    #[cold]
    fn flaw(&mut self, token: &Token, flaw: Flaw) -> Result<(), Fault> {
        let fault = |code, message: &str| Fault::new(code, message).at(token.at).value(self.text_of(token));
        let fault = match (flaw, token.kind) {
            (Flaw::Deep, _) => {
                return Err(fault(
                    code::LIMIT,
                    &format!("lists and tables are nested deeper than {MAX_NESTING}"),
                ));
            }
            (Flaw::OpenText, TokenKind::Text) => {
                return Err(fault(
                    code::UNCLOSED,
                    "a text field is not closed by a semicolon in column 1",
                ));
            }
            (Flaw::OpenText, TokenKind::Nested) => {
                return Err(fault(code::UNCLOSED, "a list or table is not closed by its bracket"));
            }
            (Flaw::OpenText, _) => return Err(fault(code::UNCLOSED, "a triple quote is not closed by another one")),
            (Flaw::OpenQuote, _) => fault(
                code::UNCLOSED,
                "a quote does not close on its line; the rest of the line was taken",
            ),
            (Flaw::Joined, TokenKind::Text) => fault(
                code::SYNTAX,
                "white space is missing after the semicolon that closes a text field",
            ),
            (Flaw::Joined, _) => fault(code::SYNTAX, "white space is missing after a value"),
            (Flaw::Reserved, _) => fault(code::SYNTAX, "a value without quotes starts with a reserved character"),
        };
        self.report.repair(fault)
    }

    #[inline]
    fn peek_is_value(&mut self) -> bool {
        self.lexer.peek().is_some_and(TokenKind::is_value)
    }

    fn need_block(&self, token: &Token) -> Result<(), Fault> {
        if self.document.is_empty() {
            return Err(Fault::new(code::NO_BLOCK, "text before the first data block")
                .at(token.at)
                .value(self.text_of(token))
                .hint("a CIF starts with data_NAME"));
        }
        Ok(())
    }

    fn run(&mut self) -> Result<(), Fault> {
        loop {
            if !self.document.is_empty() {
                self.plain_items()?;
            }
            let Some(token) = self.next()? else { return Ok(()) };
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
                TokenKind::Tag => {
                    self.need_block(&token)?;
                    self.item(token.at, token.end)?;
                }
                TokenKind::Loop => self.table(&token)?,
                TokenKind::Bare | TokenKind::Quoted | TokenKind::Text | TokenKind::Nested => {
                    self.need_block(&token)?;
                    self.report
                        .repair(self.syntax(&token, "a value that belongs to no tag was ignored"))?;
                }
            }
        }
    }

    /// Take tags with plain values, which is what most lines outside loops are, up to something else.
    fn plain_items(&mut self) -> Result<(), Fault> {
        while let Some((at, end)) = self.lexer.tag() {
            let Some(value) = self.lexer.plain_value() else {
                return self.item(at, end);
            };
            let first = self.document.store.values.len() as u32;
            self.document.store.values.push(value as u32);
            self.insert(at, end, first, 1, 1, NONE)?;
        }
        Ok(())
    }

    fn open_block(&mut self, token: &Token) {
        self.close_block();
        let start = self.document.store.items.len() as u32;
        self.document.store.blocks.push(Block {
            name: (token.start as u32, token.end as u32),
            items: (start, start),
        });
    }

    fn close_block(&mut self) {
        let end = self.document.store.items.len() as u32;
        let Some(block) = self.document.store.blocks.last_mut() else {
            return;
        };
        block.items.1 = end;
        for item in &self.document.store.items[block.items.0 as usize..] {
            if let Some(tag) = item.known {
                self.known[usize::from(tag.0)] = NONE;
            }
        }
        // Clearing costs as much as the table is large, so a large one is not kept for many small blocks.
        if self.others.capacity() > 256 {
            self.others = HashMap::new();
        } else {
            self.others.clear();
        }
    }

    fn skip_frame(&mut self, open: &Token) -> Result<(), Fault> {
        self.need_block(open)?;
        if open.start == open.end {
            return self
                .report
                .repair(self.syntax(open, "save_ without a frame that it ends"));
        }
        loop {
            match self.lexer.peek() {
                Some(TokenKind::Save) if self.lexer.clone().next().is_some_and(|token| token.start == token.end) => {
                    self.next()?;
                    return Ok(());
                }
                None | Some(TokenKind::Data | TokenKind::Save) => {
                    return self.report.repair(self.syntax(open, "a save frame does not end"));
                }
                Some(_) => {
                    self.next()?;
                }
            }
        }
    }

    /// The value of the tag between two offsets, whatever it is.
    fn item(&mut self, at: usize, end: usize) -> Result<(), Fault> {
        if !self.peek_is_value() {
            let fault = Fault::new(code::NO_VALUE, "a tag has no value")
                .at(at)
                .tag(&self.document.text[at..end]);
            return self.report.repair(fault);
        }
        let first = self.document.store.values.len() as u32;
        if let Some(value) = self.next()? {
            self.document.store.values.push(value.at as u32);
        }
        self.insert(at, end, first, 1, 1, NONE)
    }

    fn table(&mut self, header: &Token) -> Result<(), Fault> {
        self.need_block(header)?;
        let mut tags = std::mem::take(&mut self.tags);
        tags.clear();
        loop {
            while let Some(tag) = self.lexer.tag() {
                tags.push(tag);
            }
            // Comments may stand between tags.
            if self.lexer.peek() != Some(TokenKind::Tag) {
                break;
            }
        }
        let Some(&(at, end)) = tags.first() else {
            return Err(Fault::new(code::LOOP, "a loop without tags").at(header.at));
        };
        let first = self.document.store.values.len();
        loop {
            self.lexer.plain_words(&mut self.document.store.values);
            if let Some(at) = self.lexer.plain_value() {
                self.document.store.values.push(at as u32);
                continue;
            }
            if !self.peek_is_value() {
                break;
            }
            if let Some(value) = self.next()? {
                self.document.store.values.push(value.at as u32);
            }
        }
        let count = self.document.store.values.len() - first;
        let name = &self.document.text[at..end];
        if count == 0 {
            let fault = Fault::new(code::LOOP, "a loop without values").at(header.at).tag(name);
            return self.report.repair(fault);
        }
        let stride = tags.len();
        if !count.is_multiple_of(stride) {
            let message = format!(
                "a loop of {stride} tags has {count} values: {} row(s) and {} value(s) left over",
                count / stride,
                count % stride
            );
            return Err(Fault::new(code::LOOP, message)
                .at(header.at)
                .tag(name)
                .hint("a value is missing, or one with spaces lacks its quotes"));
        }
        for (offset, &(at, end)) in tags.iter().enumerate() {
            self.insert(
                at,
                end,
                (first + offset) as u32,
                stride as u32,
                (count / stride) as u32,
                header.at as u32,
            )?;
        }
        self.tags = tags;
        Ok(())
    }

    /// Whether both columns have one text in a row; costs no more than reading the later one.
    fn same_value(&self, earlier: &Column<'_, '_>, again: &Column<'_, '_>, row: usize) -> bool {
        let (a, b) = (earlier.offset(row), again.offset(row));
        let mut lexer = Lexer::new(self.document.text, b, self.document.syntax);
        let length = lexer.next().map_or(0, |_| lexer.position() - b);
        let bytes = self.document.text.as_bytes();
        bytes[a..].starts_with(&bytes[b..b + length]) && bytes.get(a + length).is_none_or(u8::is_ascii_whitespace)
    }

    /// Add an item; of two with one tag the first is kept.
    fn insert(&mut self, at: usize, end: usize, first: u32, stride: u32, rows: u32, header: u32) -> Result<(), Fault> {
        let place = self.document.store.items.len() as u32;
        let tag = &self.document.text.as_bytes()[at..end];
        // Texts of one program have their tags in one order.
        let known = match self.document.store.order.get(place as usize) {
            Some(&Some(guess)) if guess.name().as_bytes() == tag => Some(guess),
            _ => self.index.find(tag),
        };
        let earlier = match known {
            Some(tag) => {
                let slot = &mut self.known[usize::from(tag.0)];
                if *slot == NONE {
                    *slot = place;
                    None
                } else {
                    Some(*slot)
                }
            }
            None => match self.others.entry(Folded(&self.document.text[at..end])) {
                std::collections::hash_map::Entry::Occupied(entry) => Some(*entry.get()),
                std::collections::hash_map::Entry::Vacant(entry) => {
                    entry.insert(place);
                    None
                }
            },
        };
        // Made where it is needed: to copy what was just written in small pieces would wait for these.
        let item = || Item {
            at: at as u32,
            first,
            stride,
            rows,
            header,
            known,
        };
        if let Some(earlier) = earlier {
            return self.repeated(earlier, &item());
        }
        self.document.store.items.push(item());
        Ok(())
    }

    fn repeated(&mut self, earlier: u32, item: &Item) -> Result<(), Fault> {
        let document = &self.document;
        let earlier = Column::new(document, &document.store.items[earlier as usize]);
        let again = Column::new(document, item);
        let same = earlier.len() == again.len() && (0..again.len()).all(|row| self.same_value(&earlier, &again, row));
        let fault = Fault::new(
            code::DUPLICATE,
            if same {
                "a tag is repeated with the same value"
            } else {
                "a tag is repeated with another value; the first was taken"
            },
        )
        .at(again.at())
        .tag(again.tag())
        .value(if again.is_empty() { "" } else { again.get(0).text });
        if same {
            self.report.note(fault);
            return Ok(());
        }
        self.report.repair(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::Form;
    use super::*;

    fn parse(text: &str, strict: bool) -> Result<(Document<'_>, usize), Fault> {
        let mut report = Report::new(strict);
        let document = super::parse(text, &mut report, Store::default())?;
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
            (q.len(), q.get(0).text, q.get(0).form, q.get(1).is_unknown()),
            (2, "2 3", Form::Quoted, true)
        );
        assert!(q.same_loop(&blocks[0].column("_p").unwrap()));
        assert_eq!(blocks[0].column("_z").unwrap().get(0).text, "t");
        assert!(blocks[1].column("_X_Y").unwrap().get(0).is_inapplicable());
        assert!(blocks[1].column("_x_y").unwrap().get(0).is_absent());
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
            ("#\\#CIF_2.0\ndata_a _x [1 2", code::UNCLOSED, 21),
        ] {
            let fault = parse(text, false).unwrap_err();
            assert_eq!((fault.code, fault.at), (code, Some(at)), "{text}");
        }
    }
}
