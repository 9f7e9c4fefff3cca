//! Any text is a Hall symbol whose operations are a group, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use recipnet_core::symmetry::parse_hall;

fuzz_target!(|text: &str| {
    if let Ok(operations) = parse_hall(text) {
        assert!(operations.is_group());
    }
});
