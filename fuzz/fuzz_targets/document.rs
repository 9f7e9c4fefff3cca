//! Any bytes are a document or an error; every value can be read again from its place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use recipnet_core::cif::{CifOptions, with_document};

fuzz_target!(|data: &[u8]| {
    for strict in [false, true] {
        let options = CifOptions {
            strict,
            ..CifOptions::default()
        };
        let _ = with_document(data, &options, |document, warnings| {
            assert!(!strict || warnings.iter().all(|warning| warning.code.starts_with("W-")));
            for block in document.blocks() {
                for (place, column) in block.columns().enumerate() {
                    // Finding a tag goes through all of them: some are enough.
                    assert!(place % 64 != 0 || block.column(column.tag()).is_some());
                    for value in column.iter() {
                        assert!(document.text().is_char_boundary(value.at));
                        let _ = (value.is_absent(), column.len());
                    }
                }
            }
        });
    }
});
