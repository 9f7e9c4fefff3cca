//! Any text is an operation that comes back from its own spelling, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use recipnet_core::symmetry::Operations;

fuzz_target!(|text: &str| {
    let lines: Vec<&str> = text.lines().take(64).collect();
    if let Ok(operations) = Operations::from_xyz(&lines) {
        let again = Operations::from_xyz(&operations.to_xyz()).expect("its own spelling");
        assert!(again.same_set(&operations));
        let (tidy, _) = operations.tidied();
        let _ = tidy.is_group();
    }
});
