//! Elements, isotopes and charges from type symbols and labels.

use super::window::is_space;
use crate::elements::SYMBOLS;

/// What a row is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Species {
    /// Atomic number, 0 = X.
    pub number: u8,
    /// Mass number, 0 = natural.
    pub isotope: u16,
    /// Charge where the symbol states one.
    pub charge: Option<f64>,
    /// How sure the reading is.
    pub doubt: Doubt,
}

/// How a symbol was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// As written.
    None,
    /// Only the start of the symbol is an element.
    Prefix,
    /// Upper-case letters that could be two elements.
    Case,
    /// A mineralogist's name for water.
    Water,
}

/// Atomic number by first letter and second (0 for none); 0 where no element has that name.
const ELEMENTS: [[u8; 27]; 26] = {
    let mut table = [[0; 27]; 26];
    let mut number = 1;
    while number < SYMBOLS.len() {
        let symbol = SYMBOLS[number].as_bytes();
        let second = if symbol.len() > 1 { symbol[1] - b'a' + 1 } else { 0 };
        table[(symbol[0] - b'A') as usize][second as usize] = number as u8;
        number += 1;
    }
    table
};

fn lookup(symbol: &str) -> Option<(u8, u16)> {
    let letters = symbol.as_bytes();
    let place = |letter: u8| {
        letter
            .is_ascii_alphabetic()
            .then(|| usize::from(letter.to_ascii_uppercase() - b'A'))
    };
    let (first, second) = match *letters {
        [b'd' | b'D'] => return Some((1, 2)),
        [b't' | b'T'] => return Some((1, 3)),
        [first] => (place(first)?, 0),
        [first, second] => (place(first)?, place(second)? + 1),
        _ => return None,
    };
    let number = ELEMENTS[first][second];
    (number != 0).then_some((number, 0))
}

/// The natural element whose symbol stands at `at`, in its usual case and with nothing behind it.
#[inline]
pub(super) fn plain_element_at(text: &[u8], at: usize) -> Option<u8> {
    let ends = |at: usize| text.get(at).is_none_or(|&byte| is_space(byte));
    let first = text.get(at)?.wrapping_sub(b'A');
    let row = ELEMENTS.get(usize::from(first))?;
    let number = if ends(at + 1) {
        row[0]
    } else {
        let second = text[at + 1].wrapping_sub(b'a');
        if second > 25 || !ends(at + 2) {
            return None;
        }
        row[usize::from(second) + 1]
    };
    (number != 0).then_some(number)
}

fn species((number, isotope): (u8, u16), charge: Option<f64>, doubt: Doubt) -> Species {
    Species {
        number,
        isotope,
        charge,
        doubt,
    }
}

fn letters_of(text: &str) -> &str {
    let length = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    &text[..length]
}

/// `2+`, `+2`, `+`, `3.5-`: a charge; None where the text is not one.
fn parse_charge(text: &str) -> Option<f64> {
    let (sign, digits) = if let Some(rest) = text.strip_prefix(['+', '-']) {
        (&text[..1], rest)
    } else if let Some(rest) = text.strip_suffix(['+', '-']) {
        (&text[text.len() - 1..], rest)
    } else {
        return None;
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let size = if digits.is_empty() {
        1.0
    } else {
        plain.then(|| digits.parse::<f64>().ok())??
    };
    (size <= 20.0).then_some(if sign == "-" { 0.0 - size } else { size })
}

/// A type symbol: an element, perhaps with a charge (`Fe3+`, `O-2`), SHELX's valence tables, or an element and a rest.
///
/// The case of the letters is not trusted, but the symbol is one word: `IN` is indium, never iodine.
pub(super) fn from_type_symbol(text: &str) -> Option<Species> {
    let text = text.trim();
    let letters = letters_of(text);
    let rest = &text[letters.len()..];
    let stem = ["val", "va", "v"]
        .iter()
        .find_map(|ending| {
            letters
                .strip_suffix(ending)
                .filter(|stem| lookup(letters).is_none() && lookup(stem).is_some())
        })
        .unwrap_or(letters);
    if let Some(found) = lookup(stem) {
        let charge = parse_charge(rest);
        let clean = rest.is_empty() || charge.is_some() || rest.bytes().all(|byte| byte.is_ascii_digit());
        return Some(species(found, charge, if clean { Doubt::None } else { Doubt::Prefix }));
    }
    None
}

/// A label: the longest element at its start; `formula` tells apart what upper case leaves open.
///
/// The names Wat and Wa of the American Mineralogist files are water, of which the oxygen is kept.
pub(super) fn from_label(text: &str, formula: Option<&[u8]>) -> Option<Species> {
    let letters = letters_of(text.trim_start_matches(|letter: char| !letter.is_ascii_alphabetic()));
    if letters == "Wat" || letters == "Wa" {
        return Some(species((8, 0), None, Doubt::Water));
    }
    let one = letters.get(..1).and_then(lookup);
    let two = letters.get(..2).and_then(lookup);
    match (one, two) {
        (None, None) => None,
        (Some(one), None) => Some(species(one, None, Doubt::None)),
        (None, Some(two)) => Some(species(two, None, Doubt::None)),
        (Some(one), Some(two)) => {
            if letters.as_bytes()[1].is_ascii_lowercase() {
                return Some(species(two, None, Doubt::None));
            }
            let has = |number: u8| formula.is_some_and(|formula| formula.contains(&number));
            Some(match (has(one.0), has(two.0)) {
                (true, false) => species(one, None, Doubt::None),
                (false, true) => species(two, None, Doubt::None),
                _ => species(two, None, Doubt::Case),
            })
        }
    }
}

/// Contents of `C29 H30 Cu I P2`: pairs of atomic number and count in order; D counts as H. None where unreadable.
pub(super) fn parse_formula(text: &str) -> Option<Vec<(u8, f64)>> {
    let mut contents: Vec<(u8, f64)> = Vec::new();
    for word in text.split([' ', '\t', '\n', '\r', ',']).filter(|word| !word.is_empty()) {
        let mut rest = word;
        while !rest.is_empty() {
            let second_lower = rest.as_bytes().get(1).is_some_and(u8::is_ascii_lowercase);
            let found = if second_lower {
                rest.get(..2).and_then(lookup).map(|found| (found, 2))
            } else {
                None
            };
            // Words of two capitals (`CL2`) are one element where only that is possible.
            let ((number, _), used) = found
                .or_else(|| rest.get(..1).and_then(lookup).map(|found| (found, 1)))
                .or_else(|| rest.get(..2).and_then(lookup).map(|found| (found, 2)))?;
            rest = &rest[used..];
            let digits = rest
                .bytes()
                .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
                .count();
            let count = match rest.as_bytes()[..digits] {
                [] => 1.0,
                [digit @ b'0'..=b'9'] => f64::from(digit - b'0'),
                _ => rest[..digits].parse().ok()?,
            };
            rest = &rest[digits..];
            if rest.starts_with(['+', '-']) {
                rest = "";
            }
            match contents.iter_mut().find(|entry| entry.0 == number) {
                Some(entry) => entry.1 += count,
                None => contents.push((number, count)),
            }
        }
    }
    (!contents.is_empty()).then_some(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Option<(u8, u16, Option<f64>)> {
        from_type_symbol(text).map(|found| (found.number, found.isotope, found.charge))
    }

    #[test]
    fn type_symbols() {
        assert_eq!(typed("O2-"), Some((8, 0, Some(-2.0))));
        assert_eq!(typed("Fe3+"), Some((26, 0, Some(3.0))));
        assert_eq!(typed("Cu+"), Some((29, 0, Some(1.0))));
        assert_eq!(typed("O-2"), Some((8, 0, Some(-2.0))));
        assert_eq!(typed("Mn2.5+"), Some((25, 0, Some(2.5))));
        assert_eq!(typed("IN"), Some((49, 0, None)));
        assert_eq!(typed("SI"), Some((14, 0, None)));
        assert_eq!(typed("D"), Some((1, 2, None)));
        assert_eq!(typed("Cval"), Some((6, 0, None)));
        assert_eq!(typed("Siva"), Some((14, 0, None)));
        assert_eq!(typed("C4"), Some((6, 0, None)));
        for unknown in ["", "?", "Wat", "Zz", "M", "OH", "1", "X"] {
            assert_eq!(typed(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn labels() {
        let read =
            |text: &str, formula: &[u8]| from_label(text, Some(formula)).map(|found| (found.number, found.doubt));
        assert_eq!(read("Ca1", &[]), Some((20, Doubt::None)));
        assert_eq!(read("CA1", &[20, 8]), Some((20, Doubt::None)));
        assert_eq!(read("CA1", &[6, 8]), Some((6, Doubt::None)));
        assert_eq!(read("CA1", &[]), Some((20, Doubt::Case)));
        assert_eq!(read("HO1", &[1, 8]), Some((1, Doubt::None)));
        assert_eq!(read("AL1", &[]), Some((13, Doubt::None)));
        assert_eq!(read("Ow", &[]), Some((8, Doubt::None)));
        assert_eq!(read("Hw1", &[]), Some((1, Doubt::None)));
        assert_eq!(read("Wat", &[]), Some((8, Doubt::Water)));
        assert_eq!(read("M1", &[]), None);
        assert_eq!(read("123", &[]), None);
        assert_eq!(read("é1", &[]), None);
        assert_eq!(from_label("D1", None).map(|found| found.isotope), Some(2));
    }

    #[test]
    fn formulae() {
        assert_eq!(
            parse_formula("C29 H30 Cu I P2"),
            Some(vec![(6, 29.0), (1, 30.0), (29, 1.0), (53, 1.0), (15, 2.0)])
        );
        assert_eq!(parse_formula("Na0.8CoO2"), Some(vec![(11, 0.8), (27, 1.0), (8, 2.0)]));
        assert_eq!(parse_formula("H2 D2 O"), Some(vec![(1, 4.0), (8, 1.0)]));
        assert_eq!(parse_formula("?"), None);
        assert_eq!(parse_formula("(Na K) O2"), None);
    }
}
