//! The one grammar of numbers in CIF.

use super::window::is_space;

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
/// Powers of ten that are exact in a double.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Powers of ten for up to eight digits.
const TENS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Digits read one after the other: their value, and how many they are.
#[derive(Clone, Copy, Default)]
struct Digits {
    value: u64,
    count: usize,
}

impl Digits {
    /// Take the digits at `at` as well; returns the offset behind them. Beyond 19 digits the value has no meaning.
    #[inline]
    fn take(&mut self, bytes: &[u8], mut at: usize) -> usize {
        let start = at;
        while let Some(digit) = bytes
            .get(at)
            .map(|byte| byte.wrapping_sub(b'0'))
            .filter(|&digit| digit < 10)
        {
            self.value = self.value.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        self.count += at - start;
        at
    }

    /// The same, up to eight digits at once and the rest one by one.
    #[inline]
    fn take_many(&mut self, bytes: &[u8], at: usize) -> usize {
        let Some((chunk, _)) = bytes.get(at..).and_then(|rest| rest.split_first_chunk::<8>()) else {
            return self.take(bytes, at);
        };
        let (value, count) = eight(*chunk);
        self.value = self.value.wrapping_mul(TENS[count]).wrapping_add(value);
        self.count += count;
        if count == 8 {
            self.take(bytes, at + 8)
        } else {
            at + count
        }
    }
}

/// The digits that eight bytes start with: their value, and how many they are.
#[inline]
fn eight(bytes: [u8; 8]) -> (u64, usize) {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // Digits become 0 to 9; adding 0x76 carries all greater ones into their highest bit.
    let word = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
    let other = ((word & !HIGH).wrapping_add(0x7676_7676_7676_7676) | word) & HIGH;
    let count = other.trailing_zeros() as usize / 8;
    if count == 0 {
        return (0, 0);
    }
    // Zeros in front of the digits; then pairs, fours and all eight.
    let word = word << (64 - 8 * count);
    let pairs = word.wrapping_mul(2561) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(6_553_601) >> 16;
    (
        (fours & 0x0000_ffff_0000_ffff).wrapping_mul(42_949_672_960_001) >> 32,
        count,
    )
}

/// `digits * 10^power`, where both are exact in a double and so is the one rounding of their product or quotient.
#[inline]
fn exact(digits: Digits, power: i32) -> Option<f64> {
    if digits.count > 19 || digits.value > 1 << 53 {
        return None;
    }
    let value = digits.value.cast_signed() as f64;
    let factor = *POWERS.get(power.unsigned_abs() as usize)?;
    Some(if power < 0 { value / factor } else { value * factor })
}

/// The number that starts at `at` and ends at white space or the end: plain decimals, with an uncertainty in brackets
/// or without. None for all else, which [`parse_number`] has to judge.
#[inline]
pub(super) fn plain_number_at(text: &[u8], at: usize) -> Option<f64> {
    let negative = text.get(at) == Some(&b'-');
    let at = at + usize::from(negative);
    // One digit, a point and up to eight digits: most coordinates.
    if let Some(&[first, b'.', ref rest @ ..]) = text.get(at..).and_then(|rest| rest.first_chunk::<11>())
        && first.is_ascii_digit()
        && let [a, b, c, d, e, f, g, h, _] = *rest
    {
        let (value, count) = eight([a, b, c, d, e, f, g, h]);
        if is_space(rest[count]) {
            // As a signed number, which is one instruction where an unsigned one is many.
            let value = (u64::from(first - b'0') * TENS[count] + value).cast_signed() as f64 / POWERS[count];
            return Some(if negative { -value } else { value });
        }
    }
    // One digit alone: occupancies and multiplicities.
    if let Some(&[first, end]) = text.get(at..).and_then(|rest| rest.first_chunk())
        && first.is_ascii_digit()
        && is_space(end)
    {
        let value = f64::from(first - b'0');
        return Some(if negative { -value } else { value });
    }
    any_plain_number_at(text, at, negative)
}

/// The same for what comes behind the sign, however many digits there are.
fn any_plain_number_at(text: &[u8], at: usize, negative: bool) -> Option<f64> {
    let mut at = at;
    let mut digits = Digits::default();
    at = digits.take(text, at);
    let whole = digits.count;
    if text.get(at) == Some(&b'.') {
        at = digits.take_many(text, at + 1);
    }
    if digits.count == 0 {
        return None;
    }
    if text.get(at) == Some(&b'(') {
        let mut uncertainty = Digits::default();
        at = uncertainty.take(text, at + 1);
        if uncertainty.count == 0 || text.get(at) != Some(&b')') {
            return None;
        }
        at += 1;
    }
    if text.get(at).is_some_and(|&byte| !is_space(byte)) {
        return None;
    }
    let value = exact(digits, whole as i32 - digits.count as i32)?;
    Some(if negative { -value } else { value })
}

/// Parse `-1.5`, `.5`, `5.`, `1.234(5)`, `90.(0)`, `1.2(3)e-4`, `1.0D+00`.
///
/// None for everything else: no `nan`, no `inf`, no overflow, no fractions, no decimal comma, no locale.
#[must_use]
pub fn parse_number(text: &str) -> Option<Number> {
    let bytes = text.as_bytes();
    if bytes.len() > MAX_LENGTH {
        return None;
    }
    let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let negative = bytes.first() == Some(&b'-');
    let mut digits = Digits::default();
    at = digits.take(bytes, at);
    let whole = digits.count;
    if bytes.get(at) == Some(&b'.') {
        at = digits.take(bytes, at + 1);
    }
    let decimals = (digits.count - whole) as i32;
    if digits.count == 0 {
        return None;
    }
    let mantissa = &text[..at];
    let mut uncertainty = uncertainty_digits(bytes, &mut at)?;
    let mut power = 0i32;
    if let Some(b'e' | b'E' | b'd' | b'D') = bytes.get(at) {
        at += 1;
        let start = at;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        if Digits::default().take(bytes, at) == at {
            return None;
        }
        at = Digits::default().take(bytes, at);
        power = text[start..at].parse().ok()?;
        if uncertainty.is_none() {
            uncertainty = uncertainty_digits(bytes, &mut at)?;
        }
    }
    if at != bytes.len() {
        return None;
    }
    let value = match exact(digits, power.saturating_sub(decimals)) {
        Some(size) if negative => -size,
        Some(size) => size,
        // Long digits and large powers need the whole of decimal arithmetic.
        None => format!("{mantissa}e{power}").parse().ok()?,
    };
    let uncertainty = uncertainty.map(|digits| digits * 10f64.powi(power.saturating_sub(decimals)));
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

    /// Every number is the double that the standard library makes of its digits, bit for bit.
    #[test]
    fn values_are_those_of_the_standard_library() {
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..200_000 {
            let mut text = String::new();
            if random(3) == 0 {
                text.push('-');
            }
            let most = if random(4) == 0 { 24 } else { 17 };
            let digits = 1 + random(most);
            let point = random(digits + 1);
            for place in 0..digits {
                if place == point {
                    text.push('.');
                }
                text.push(char::from(b'0' + random(10) as u8));
            }
            let power = if random(3) == 0 { random(640) as i64 - 320 } else { 0 };
            let plain = text.clone();
            if power != 0 {
                text = format!("{text}e{power}");
            }
            let expected: f64 = text.parse().unwrap();
            let found = parse_number(&text).map(|number| number.value.to_bits());
            assert_eq!(found, expected.is_finite().then(|| expected.to_bits()), "{text}");
            let expected: f64 = plain.parse().unwrap();
            for ending in ["", " ", "\n", "(12) "] {
                let text = format!("x {plain}{ending}");
                if let Some(found) = plain_number_at(text.as_bytes(), 2) {
                    assert_eq!(found.to_bits(), expected.to_bits(), "{text}");
                } else {
                    assert!(plain.len() > 15, "{text}");
                }
            }
        }
        for odd in [
            "1.5x",
            "1e5",
            "+1",
            "",
            ".",
            "-",
            "1(",
            "1()",
            "1(2",
            "nan",
            "1,5",
            "?",
            "1.2.3",
            "12345678x",
        ] {
            assert_eq!(plain_number_at(odd.as_bytes(), 0), None, "{odd}");
        }
    }
}
