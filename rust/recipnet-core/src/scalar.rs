//! The two types of number that the sums are made in.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

use std::ops::{Add, AddAssign, Mul, Neg, Sub};

use crate::math::Real;

/// float32 or float64.
pub trait Scalar:
    Real + Add<Output = Self> + AddAssign + Sub<Output = Self> + Mul<Output = Self> + Neg<Output = Self> + Into<f64>
{
    /// Nothing.
    const ZERO: Self;

    /// `self * b + c`, rounded once.
    #[must_use]
    fn mul_add(self, b: Self, c: Self) -> Self;
}

impl Scalar for f32 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        f32::mul_add(self, b, c)
    }
}

impl Scalar for f64 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        f64::mul_add(self, b, c)
    }
}
