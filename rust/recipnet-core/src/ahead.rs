//! Memory that is about to be written or read.

use multiversion::{multiversion, target::match_target};

/// Have the lines of some stretches of memory brought near; each is given by where it begins and how long it is.
///
/// Nothing is read, so a stretch may lie behind the end of an array.
#[multiversion(targets("x86_64+avx2"))]
pub fn fetch<const N: usize>(stretches: [(*const i8, usize); N]) {
    match_target! {
        "x86_64+avx2" => {
            // Bytes of a line of the cache.
            const LINE: usize = 64;
            for (start, bytes) in stretches {
                for at in (0..bytes).step_by(LINE) {
                    std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(start.wrapping_add(at));
                }
            }
        }
        _ => { let _ = stretches; }
    }
}
