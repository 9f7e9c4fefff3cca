//! The instruction sets that the sums are compiled for, chosen when a sum is called.
//!
//! A kernel is written once, as loops that a compiler turns into vector instructions, and inlined into one function
//! for each set. Only `multiversion` knows how the processor is asked.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

use multiversion::multiversion;
use multiversion::target::match_target;

use crate::scalar::Scalar;

/// An instruction set.
pub trait Machine {
    /// Whether a product and a sum are one instruction, rounded once.
    const FUSED: bool;
    /// Whether a vector register holds 64 bytes (and there are 32 of them).
    const WIDE: bool;

    /// `a * b + c`.
    #[inline(always)]
    fn madd<T: Scalar>(a: T, b: T, c: T) -> T {
        if Self::FUSED { a.mul_add(b, c) } else { a * b + c }
    }
}

/// What every processor can.
pub struct Baseline;
impl Machine for Baseline {
    const FUSED: bool = false;
    const WIDE: bool = false;
}

/// Fused products, vectors of 32 bytes (x86-64 with AVX2) or of 16 (aarch64).
pub struct Fused;
impl Machine for Fused {
    const FUSED: bool = true;
    const WIDE: bool = false;
}

/// Fused products, vectors of 64 bytes (AVX-512).
pub struct Wide;
impl Machine for Wide {
    const FUSED: bool = true;
    const WIDE: bool = true;
}

/// Work that is the same on every machine, but for rounding.
pub trait Kernel {
    /// Do it. Implementations and all that they call in loops are `inline(always)`, to be compiled for the machine.
    fn run<M: Machine>(self);
}

/// `work` on pairs, N in a turn of the loop: one that may stop at a bound is not unrolled by the compiler.
#[inline(always)]
pub fn unrolled<const N: usize, A: Copy, B>(from: &[A], to: &mut [B], mut work: impl FnMut(A, &mut B)) {
    let (from, last) = from.as_chunks::<N>();
    let (to, last_to) = to.as_chunks_mut::<N>();
    for (from, to) in from.iter().zip(to) {
        for (from, to) in from.iter().zip(to) {
            work(*from, to);
        }
    }
    for (from, to) in last.iter().zip(last_to) {
        work(*from, to);
    }
}

/// Run a kernel with the best instructions that this processor has.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx512vbmi2+avx2+fma",
    "x86_64+avx2+fma",
    "aarch64+neon"
))]
pub fn dispatch<K: Kernel>(kernel: K) {
    match_target! {
        "x86_64+avx512f" => kernel.run::<Wide>(),
        "x86_64+fma" => kernel.run::<Fused>(),
        "aarch64+neon" => kernel.run::<Fused>(),
        _ => kernel.run::<Baseline>(),
    }
}
