//! Any bytes are a crystal whose arrays fit together, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use recipnet_core::cif::{CifOptions, UnknownElement, read_crystal};

fuzz_target!(|data: &[u8]| {
    for strict in [false, true] {
        let options = CifOptions {
            strict,
            unknown_element: if strict { UnknownElement::Error } else { UnknownElement::X },
            max_sites: 20_000,
            ..CifOptions::default()
        };
        if let Ok(crystal) = read_crystal(data, &options) {
            let count = crystal.numbers.len();
            assert!(count > 0 && count <= options.max_sites);
            assert_eq!((crystal.frac.len(), crystal.occupancies.len(), crystal.labels.len()), (count, count, count));
            assert!(crystal.frac.iter().flatten().all(|x| (0.0..1.0).contains(x)));
            assert!(crystal.lattice.iter().flatten().all(|x| x.is_finite()));
            assert!(crystal.site.is_none_or(|site| site.len() == count));
            assert!(crystal.u_aniso.is_none_or(|tensors| tensors.len() == count));
        }
    }
});
