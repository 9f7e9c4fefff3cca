//! The grammar of `x+1/2,-y,z`: hand-written, one pass, exact.

use super::operation::{DENOMINATOR, MAX_DENOMINATOR, determinant};
use crate::error::SymmetryError;
use crate::math::gcd;

/// Largest distance of a decimal translation from a multiple of 1/24.
const DECIMAL_TOLERANCE: f64 = 1e-3;
/// Longest text that is looked at.
const MAX_LENGTH: usize = 1000;

/// One operation as written: translations are exact fractions, reduced, not wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedOperation {
    /// `W`, rows act on fractional columns.
    pub rotation: [[i8; 3]; 3],
    /// `w` as (numerator, denominator).
    pub translation: [(i32, i32); 3],
    /// Whether an entry of `W` lies outside {-1, 0, 1}.
    pub unusual: bool,
}

/// Parse one operation.
///
/// Terms may stand in any order and case, with spaces anywhere: `1/2+X, y - x, 2x+.25`. Fractions are exact;
/// a decimal is the nearest multiple of 1/24 within 1e-3 and is refused otherwise (`0.3333` is 1/3, `0.33` is not).
///
/// # Errors
/// Text that is not three such sums, entries that are not integers, or a determinant other than +1 and -1.
pub fn parse_xyz(text: &str) -> Result<ParsedOperation, SymmetryError> {
    let refuse = |message: String| SymmetryError {
        message: format!("not a symmetry operation: {message}; write three sums such as \"x+1/2,-y,z\""),
        value: text.chars().take(200).collect(),
    };
    if text.len() > MAX_LENGTH {
        return Err(refuse(format!("longer than {MAX_LENGTH} characters")));
    }
    let symbols: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let parts: Vec<&[u8]> = symbols.split(|&byte| byte == b',').collect();
    if parts.len() != 3 {
        return Err(refuse(format!("{} part(s) between commas", parts.len())));
    }
    let mut rotation = [[0i8; 3]; 3];
    let mut translation = [(0, 1); 3];
    for (axis, part) in parts.iter().enumerate() {
        let (row, shift) = parse_sum(part).map_err(|message| refuse(format!("part {}: {message}", axis + 1)))?;
        for (entry, value) in rotation[axis].iter_mut().zip(row) {
            *entry = i8::try_from(value).map_err(|_| refuse(format!("the factor {value} is too large")))?;
        }
        translation[axis] = shift;
    }
    let det = determinant(&rotation);
    if det.abs() != 1 {
        return Err(refuse(format!("its determinant is {det}, not +1 or -1")));
    }
    let unusual = rotation.iter().flatten().any(|entry| entry.abs() > 1);
    Ok(ParsedOperation {
        rotation,
        translation,
        unusual,
    })
}

/// One sum of terms: integer factors of x, y, z, and an exact fraction.
fn parse_sum(text: &[u8]) -> Result<([i32; 3], (i32, i32)), String> {
    if text.is_empty() {
        return Err("it is empty".into());
    }
    let mut row = [0i32; 3];
    let mut shift = (0, 1);
    let mut at = 0;
    while at < text.len() {
        let mut sign = 1;
        if text[at] == b'+' || text[at] == b'-' {
            sign = if text[at] == b'-' { -1 } else { 1 };
            at += 1;
        } else if at > 0 {
            return Err(format!("a sign is missing before {:?}", char::from(text[at])));
        }
        let (number, after) = parse_number(text, at)?;
        at = after;
        let starred = number.is_some() && text.get(at) == Some(&b'*');
        if starred {
            at += 1;
        }
        let axis = match text.get(at) {
            Some(b'x' | b'X') => Some(0),
            Some(b'y' | b'Y') => Some(1),
            Some(b'z' | b'Z') => Some(2),
            _ => None,
        };
        match (number, axis) {
            (number, Some(axis)) => {
                at += 1;
                let (numerator, denominator) = number.unwrap_or((1, 1));
                if denominator != 1 {
                    return Err("a factor of x, y or z is not an integer".into());
                }
                row[axis] += sign * numerator;
            }
            (Some(number), None) if !starred => shift = add(shift, (sign * number.0, number.1))?,
            _ => {
                return Err(match text.get(at) {
                    Some(&byte) => format!("{:?} is neither x, y, z nor a number", char::from(byte)),
                    None => "it ends after a sign".into(),
                });
            }
        }
    }
    Ok((row, shift))
}

type Number = (Option<(i32, i32)>, usize);

/// An unsigned integer, fraction or decimal at `at`, as a fraction.
fn parse_number(text: &[u8], at: usize) -> Result<Number, String> {
    let (whole, mut end) = digits(text, at)?;
    if text.get(end) == Some(&b'.') {
        let start = end + 1;
        end = start;
        while text.get(end).is_some_and(u8::is_ascii_digit) {
            end += 1;
        }
        if whole.is_none() && end == start {
            return Err("a point without digits".into());
        }
        let decimal = std::str::from_utf8(&text[at..end])
            .ok()
            .and_then(|t| t.parse::<f64>().ok());
        let value = decimal
            .filter(|value| *value <= 1000.0)
            .ok_or("a number that cannot be read")?;
        let steps = (value * f64::from(DENOMINATOR)).round();
        if (value - steps / f64::from(DENOMINATOR)).abs() > DECIMAL_TOLERANCE {
            return Err(format!(
                "{value} is no multiple of 1/24 within {DECIMAL_TOLERANCE}; write it as a fraction"
            ));
        }
        let common = gcd(steps as i32, i32::from(DENOMINATOR));
        return Ok((Some((steps as i32 / common, i32::from(DENOMINATOR) / common)), end));
    }
    let Some(numerator) = whole else { return Ok((None, at)) };
    if text.get(end) == Some(&b'/') {
        let (denominator, after) = digits(text, end + 1)?;
        let denominator = denominator
            .filter(|value| (1..=i32::from(MAX_DENOMINATOR)).contains(value))
            .ok_or_else(|| format!("a denominator that is not 1 to {MAX_DENOMINATOR}"))?;
        let common = gcd(numerator, denominator);
        return Ok((Some((numerator / common, denominator / common)), after));
    }
    Ok((Some((numerator, 1)), end))
}

fn digits(text: &[u8], at: usize) -> Result<(Option<i32>, usize), String> {
    let mut value = 0i32;
    let mut end = at;
    while let Some(digit) = text.get(end).filter(|byte| byte.is_ascii_digit()) {
        value = value * 10 + i32::from(digit - b'0');
        if value > 100_000 {
            return Err("a number that is too large".into());
        }
        end += 1;
    }
    Ok(((end > at).then_some(value), end))
}

fn add(a: (i32, i32), b: (i32, i32)) -> Result<(i32, i32), String> {
    let denominator = i64::from(a.1) * i64::from(b.1);
    let numerator = i64::from(a.0) * i64::from(b.1) + i64::from(b.0) * i64::from(a.1);
    let (mut x, mut y) = (numerator.abs(), denominator);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    let common = x.max(1);
    let (numerator, denominator) = (numerator / common, denominator / common);
    if denominator > i64::from(MAX_DENOMINATOR) || numerator.abs() > 100_000 {
        return Err("fractions that are too fine or too large".into());
    }
    Ok((numerator as i32, denominator as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift(text: &str) -> [(i32, i32); 3] {
        parse_xyz(text).unwrap().translation
    }

    #[test]
    fn spellings() {
        let expected = parse_xyz("x-y,x,z+1/2").unwrap();
        for text in [
            "X-Y,X,Z+1/2",
            " +x - y , +x , 1/2 + z",
            "-y+x,x,.5+z",
            "x-y,x,z+0.500",
            "-1*y+1x,x,2/4+z",
        ] {
            assert_eq!(parse_xyz(text).unwrap(), expected, "{text}");
        }
        assert_eq!(shift("x+1/4+1/2,y-1/3,z+1"), [(3, 4), (-1, 3), (1, 1)]);
        assert!(parse_xyz("2x+y,x+y,z").unwrap().unusual);
    }

    #[test]
    fn decimals_are_twenty_fourths_within_a_thousandth() {
        assert_eq!(shift("x+0.333,y+.6667,z+0.125"), [(1, 3), (2, 3), (1, 8)]);
        assert_eq!(shift("x+0.0417,y,z")[0], (1, 24));
        for bad in ["x+0.33,y,z", "x+0.3300,y,z", "x+0.1,y,z"] {
            let error = parse_xyz(bad).unwrap_err();
            assert!(error.message.contains("1/24"), "{}", error.message);
        }
        assert_eq!(shift("x+1/10,y,z")[0], (1, 10), "fractions are exact");
    }

    #[test]
    fn refused() {
        for bad in [
            "",
            ",",
            "x,y",
            "x,y,z,+1",
            "x,,z",
            "x y,y,z",
            "x,y,1/2x",
            "x,y,0",
            "x,x,z",
            "x,y,z+",
            "x,y,z+1/0",
            "x,y,q",
            "x1,x2,x3",
            "x,y,z+1e3",
            "x,y,__import__('os')",
            "x,y,z+99999999999",
            "x,y,z+1/99999",
            "x,y,2*",
            "a,b,c",
            "x,y,z+.",
            "127x,128x,z",
            "x,y,z+1/10079+1/10078",
        ] {
            assert!(parse_xyz(bad).is_err(), "{bad}");
        }
        assert!(parse_xyz(&"x".repeat(2000)).is_err());
    }
}
