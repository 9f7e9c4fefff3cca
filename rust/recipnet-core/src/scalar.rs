//! The two types of number that the sums are made in.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

use std::ops::{Add, AddAssign, Mul, Neg, Sub};

use wide::{f32x4, f64x4};

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

    /// Rows as columns. A compiler left to itself moves the numbers one by one.
    #[must_use]
    fn transpose(square: [[Self; 4]; 4]) -> [[Self; 4]; 4];
}

impl Scalar for f32 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        f32::mul_add(self, b, c)
    }

    #[inline(always)]
    fn transpose(square: [[Self; 4]; 4]) -> [[Self; 4]; 4] {
        f32x4::transpose(square.map(f32x4::new)).map(f32x4::to_array)
    }
}

impl Scalar for f64 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        f64::mul_add(self, b, c)
    }

    #[inline(always)]
    fn transpose(square: [[Self; 4]; 4]) -> [[Self; 4]; 4] {
        f64x4::transpose(square.map(f64x4::new)).map(f64x4::to_array)
    }
}
