//! A number is the double that the standard library makes of the same digits, or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use recipnet_core::cif::{parse_fraction, parse_number};

fuzz_target!(|text: &str| {
    if let Some(number) = parse_number(text) {
        assert!(number.value.is_finite());
        if !text.contains('(') {
            let plain = text.replace(['d', 'D'], "e");
            assert_eq!(plain.parse::<f64>().map(f64::to_bits), Ok(number.value.to_bits()));
        }
    }
    let _ = parse_fraction(text);
});
