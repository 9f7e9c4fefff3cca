//! Any text names some settings of space groups, or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use recipnet_core::symmetry::settings_of_symbol;

fuzz_target!(|text: &str| {
    for setting in settings_of_symbol(text) {
        assert!((1..=230).contains(&setting.number));
    }
});
