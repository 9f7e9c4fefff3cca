//! The comment line: `key=value` pairs, keys alone, values bare or in quotes or brackets.

/// One pair; `quoted` where the value stood in quotes or brackets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pair {
    pub key: String,
    pub value: String,
    pub quoted: bool,
}

/// The pairs of a comment; a key alone has the value `T`. Err: the byte where the grammar ends.
pub(super) fn parse(text: &str) -> Result<Vec<Pair>, usize> {
    let mut pairs = Vec::new();
    let mut at = 0;
    loop {
        at += blanks(&text[at..]);
        if at == text.len() {
            return Ok(pairs);
        }
        let (key, _) = item(text, &mut at, true)?;
        if key.is_empty() {
            return Err(at);
        }
        let behind = at + blanks(&text[at..]);
        if text[behind..].starts_with('=') {
            at = behind + 1;
            at += blanks(&text[at..]);
            let (value, quoted) = item(text, &mut at, false)?;
            if value.is_empty() && !quoted {
                return Err(at);
            }
            pairs.push(Pair { key, value, quoted });
        } else {
            pairs.push(Pair {
                key,
                value: "T".into(),
                quoted: false,
            });
        }
    }
}

fn blanks(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// A word, or what stands in quotes or brackets; `at` moves behind it.
fn item(text: &str, at: &mut usize, is_key: bool) -> Result<(String, bool), usize> {
    let start = *at;
    let mut characters = text[start..].char_indices();
    let close = match text[start..].chars().next() {
        Some(quote @ ('"' | '\'')) => quote,
        Some('{') => '}',
        Some('[') => ']',
        _ => {
            let length = text[start..]
                .find(|c: char| c.is_whitespace() || (is_key && c == '='))
                .unwrap_or(text.len() - start);
            *at = start + length;
            return Ok((text[start..*at].to_owned(), false));
        }
    };
    let open = characters.next().map(|(_, c)| c);
    let mut out = String::new();
    let mut depth = 1;
    while let Some((offset, character)) = characters.next() {
        if character == '\\' && close != ']' && close != '}' {
            match characters.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, escaped)) => out.push(escaped),
                None => break,
            }
            continue;
        }
        if character == close {
            depth -= 1;
            if depth == 0 {
                *at = start + offset + character.len_utf8();
                return Ok((out, true));
            }
        } else if Some(character) == open {
            depth += 1;
        }
        out.push(character);
    }
    Err(start)
}

/// Text of a value that `parse` reads back: bare where that is safe, else in double quotes.
pub(super) fn quote(value: &str, always: bool) -> String {
    let plain = !value.is_empty()
        && value
            .chars()
            .all(|c| !c.is_whitespace() && !c.is_control() && !"=\"'{}[]\\,".contains(c));
    if plain && !always {
        return value.to_owned();
    }
    let mut out = String::from("\"");
    for character in value.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            // Other line ends would cut the comment in two.
            character if character.is_control() => out.push(' '),
            character => out.push(character),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String, bool)> {
        parse(text)
            .unwrap()
            .into_iter()
            .map(|pair| (pair.key, pair.value, pair.quoted))
            .collect()
    }

    #[test]
    fn values_of_every_kind() {
        let found = pairs(r#"a=1 b="x \"y\"" c='z' d={1 2} e=[[1, 2], [3, 4]] flag g = 5 "h i"=6"#);
        let expected = [
            ("a", "1", false),
            ("b", "x \"y\"", true),
            ("c", "z", true),
            ("d", "1 2", true),
            ("e", "[1, 2], [3, 4]", true),
            ("flag", "T", false),
            ("g", "5", false),
            ("h i", "6", false),
        ];
        let expected: Vec<_> = expected.map(|(k, v, q)| (k.to_owned(), v.to_owned(), q)).into();
        assert_eq!(found, expected);
        for bad in ["a=\"x", "a={1", "=3", "a="] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn quoting_is_undone_by_parsing() {
        for value in [
            "plain",
            "two words",
            "",
            "a\"b\\c",
            "x=y",
            "line\nbreak",
            "é",
            "{x",
            "'",
        ] {
            let text = format!("key={}", quote(value, false));
            assert_eq!(pairs(&text)[0].1, value, "{text}");
        }
    }
}
