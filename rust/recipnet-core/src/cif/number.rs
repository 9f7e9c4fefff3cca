//! The one grammar of numbers in CIF.

/// A number with its standard uncertainty, where one is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    /// Its value.
    pub value: f64,
    /// Standard uncertainty in the same unit; `1.234(5)` has 0.005.
    pub uncertainty: Option<f64>,
}

/// Longest text that is taken for a number.
const MAX_LENGTH: usize = 400;

/// Parse `-1.5`, `.5`, `5.`, `1.234(5)`, `90.(0)`, `1.2(3)e-4`, `1.0D+00`.
///
/// None for everything else: no `nan`, no `inf`, no overflow, no fractions, no decimal comma, no locale.
#[must_use]
pub fn parse_number(text: &str) -> Option<Number> {
    let bytes = text.as_bytes();
    if bytes.len() > MAX_LENGTH {
        return None;
    }
    let mut plain = String::with_capacity(bytes.len());
    let mut at = 0;
    if let Some(&sign @ (b'+' | b'-')) = bytes.first() {
        plain.push(char::from(sign));
        at = 1;
    }
    let take_digits = |at: &mut usize, plain: &mut String| {
        let start = *at;
        while let Some(&digit) = bytes.get(*at).filter(|byte| byte.is_ascii_digit()) {
            plain.push(char::from(digit));
            *at += 1;
        }
        *at - start
    };
    let whole = take_digits(&mut at, &mut plain);
    let mut decimals = 0;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        plain.push('.');
        decimals = take_digits(&mut at, &mut plain);
    }
    if whole + decimals == 0 {
        return None;
    }
    let mut uncertainty = uncertainty_digits(bytes, &mut at)?;
    let mut exponent = 0i32;
    if let Some(b'e' | b'E' | b'd' | b'D') = bytes.get(at) {
        at += 1;
        let mut power = String::new();
        if let Some(&sign @ (b'+' | b'-')) = bytes.get(at) {
            power.push(char::from(sign));
            at += 1;
        }
        if take_digits(&mut at, &mut power) == 0 {
            return None;
        }
        exponent = power.parse().ok()?;
        plain.push('e');
        plain.push_str(&power);
        if uncertainty.is_none() {
            uncertainty = uncertainty_digits(bytes, &mut at)?;
        }
    }
    if at != bytes.len() {
        return None;
    }
    let value: f64 = plain.parse().ok()?;
    let uncertainty = uncertainty.map(|digits| digits * 10f64.powi(exponent.saturating_sub(decimals as i32)));
    (value.is_finite()).then_some(Number { value, uncertainty })
}

/// `(12)` at `at`: Some(Some(12)), nothing there: Some(None), something else in brackets: None.
#[allow(clippy::option_option)] // absent, present and malformed are three answers
fn uncertainty_digits(bytes: &[u8], at: &mut usize) -> Option<Option<f64>> {
    if bytes.get(*at) != Some(&b'(') {
        return Some(None);
    }
    let start = *at + 1;
    let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 || bytes.get(start + length) != Some(&b')') {
        return None;
    }
    *at = start + length + 1;
    Some(std::str::from_utf8(&bytes[start..start + length]).ok()?.parse().ok())
}

/// Parse `1/3`, which lenient reading accepts for coordinates with a warning.
#[must_use]
pub fn parse_fraction(text: &str) -> Option<f64> {
    let (numerator, denominator) = text.split_once('/')?;
    let numerator = parse_number(numerator)?;
    let denominator = parse_number(denominator)?;
    let value = numerator.value / denominator.value;
    (numerator.uncertainty.is_none() && denominator.uncertainty.is_none() && value.is_finite()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, value, uncertainty) in [
            ("1", 1.0f64, None),
            ("-.5", -0.5, None),
            ("+5.", 5.0, None),
            ("90.(0)", 90.0, Some(0.0)),
            ("5.4307(12)", 5.4307, Some(0.0012)),
            ("12(3)", 12.0, Some(3.0)),
            ("1.5e-3", 0.0015, None),
            ("1.5(2)e-3", 0.0015, Some(0.0002)),
            ("1.5e-3(2)", 0.0015, Some(0.0002)),
            ("1.0D+00", 1.0, None),
            ("1d2", 100.0, None),
            ("-0", -0.0, None),
            ("0.333333333333333333333", 1.0 / 3.0, None),
        ] {
            let number = parse_number(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(number.value.to_bits(), value.to_bits(), "{text}");
            assert_eq!(number.uncertainty.is_some(), uncertainty.is_some(), "{text}");
            assert!(
                (number.uncertainty.unwrap_or(0.0) - uncertainty.unwrap_or(0.0)).abs() < 1e-15,
                "{text}"
            );
        }
    }

    #[test]
    fn everything_else_is_none() {
        for text in [
            "", ".", "-", "+.", "?", "nan", "inf", "NaN", "Infinity", "1e999", "1,5", "0x10", "1(", "1()", "1(2",
            "1(2)3", "1(a)", "1e", "1e+", "1 2", "1/2", "--1", "1.2.3", "1_000", "½", "1e5.0", "(3)", "e5", "1(2)(3)",
        ] {
            assert_eq!(parse_number(text), None, "{text}");
        }
        assert_eq!(parse_number(&"1".repeat(1000)), None);
    }

    #[test]
    fn fractions() {
        assert_eq!(parse_fraction("1/4"), Some(0.25));
        assert_eq!(parse_fraction("-1/3"), Some(-1.0 / 3.0));
        for text in ["1/0", "1/", "/2", "1/2/3", "a/b", "1(1)/2"] {
            assert_eq!(parse_fraction(text), None, "{text}");
        }
    }
}
