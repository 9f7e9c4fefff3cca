//! Sums of Gaussians as polynomials in s^2, one for each of some cells: a tenth of the operations, and no less exact.
//!
//! With `y = s^2 + 2^-7`, a cell is an eighth of the range from a power of two to the next, so that it is found from the
//! bits of `y`: narrow where the sharpest Gaussians fall, wide where only broad ones are left. In it the Taylor series
//! about its middle is economized to degree 10 (C. Lanczos, Applied Analysis (1956), ch. VII): the highest powers are
//! replaced by lower ones, by Chebyshev polynomials. What that leaves out is below 1e-15 of f(0), as rounding is.

use std::array::from_fn;

use super::Gaussians;
use crate::machine::{Kernel, Machine};

/// Coefficients of a cell, rising powers of the distance of `y` from its middle.
type Polynomial = [f64; 11];
/// Terms of the series: beyond these they are below 1e-20 wherever the Gaussian is not.
const TERMS: usize = 16;

/// Added to s^2.
const OFFSET: f64 = 1.0 / 128.0;
/// Bits of `y` within a cell, and the number that the others give for the first cell.
const WITHIN: u32 = 49;
const FIRST: u32 = (OFFSET.to_bits() >> WITHIN) as u32;
/// Cells: up to s = 6 and a hair.
const COUNT: usize = 98;

/// No cell.
const DONE: u32 = u32::MAX;
/// Values that are computed side by side: two vectors, so that one is not waited for.
const LANES: usize = 16;

/// A form factor, cell by cell; behind the last cell it is no number.
#[derive(Debug, PartialEq)]
pub(super) struct Cells([Polynomial; COUNT + 1]);

impl Cells {
    pub fn new(gaussians: &Gaussians) -> Self {
        Self(from_fn(|cell| {
            if cell == COUNT {
                return [f64::NAN; 11];
            }
            let bits = (u64::from(FIRST) + cell as u64) << WITHIN;
            let (low, high) = (f64::from_bits(bits), f64::from_bits(bits + (1 << WITHIN)));
            let half = 0.5 * (high - low);
            let mut series = taylor(gaussians, 0.5 * (low + high) - OFFSET, half);
            economize(&mut series);
            // Powers of two: exact.
            from_fn(|k| series[k] / half.powi(k as i32))
        }))
    }
}

/// The series about `middle`, in units of `half`.
fn taylor(Gaussians { a, b, c }: &Gaussians, middle: f64, half: f64) -> [f64; TERMS] {
    let mut series = [0.0; TERMS];
    series[0] = *c;
    for (a, b) in a.iter().zip(b) {
        let mut term = a * (-b * middle).exp();
        for (to, k) in series.iter_mut().zip(1..) {
            *to += term;
            term *= -b * half / f64::from(k);
        }
    }
    series
}

/// Take multiples of Chebyshev polynomials away until the highest powers are gone.
fn economize(series: &mut [f64; TERMS]) {
    for n in (Polynomial::default().len()..TERMS).rev() {
        let top = series[n];
        // Of T_n / 2^(n - 1): t^n + ..., where the ratio of neighbours is known (Abramowitz and Stegun 22.3.6).
        let mut coefficient = 1.0;
        for j in 0..=n / 2 {
            series[n - 2 * j] -= top * coefficient;
            let (rest, below) = ((n - 2 * j) as f64, (4 * (j + 1) * (n - j - 1)) as f64);
            coefficient *= -rest * (rest - 1.0) / below;
        }
    }
}

/// Values of a form factor at each s^2.
pub struct Evaluate<'a> {
    pub cells: &'a Cells,
    pub square: &'a [f64],
    pub out: &'a mut [f64],
}

impl Kernel for Evaluate<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let (blocks, rest) = self.square.as_chunks::<LANES>();
        let (to, to_rest) = self.out.as_chunks_mut::<LANES>();
        for (square, to) in blocks.iter().zip(to) {
            *to = values::<M>(self.cells, square);
        }
        if let Some(&last) = rest.last() {
            let mut padded = [last; LANES];
            padded[..rest.len()].copy_from_slice(rest);
            to_rest.copy_from_slice(&values::<M>(self.cells, &padded)[..rest.len()]);
        }
    }
}

#[inline(always)]
fn values<M: Machine>(Cells(cells): &Cells, square: &[f64; LANES]) -> [f64; LANES] {
    let (mut cell, mut apart) = ([0; LANES], [0.0; LANES]);
    for i in 0..LANES {
        let y = square[i] + OFFSET;
        let bits = y.to_bits();
        let middle = f64::from_bits(bits >> WITHIN << WITHIN | 1 << (WITHIN - 1));
        apart[i] = y - middle;
        cell[i] = ((bits >> WITHIN) as u32).wrapping_sub(FIRST).min(COUNT as u32);
    }
    // Reflections come in the order of s as a rule: of eight, most lie in one cell or two.
    let mut values = [0.0; LANES];
    let mut at = cell[0];
    while at != DONE {
        let [lower @ .., highest] = &cells[at as usize];
        let mut sum = [*highest; LANES];
        for coefficient in lower.iter().rev() {
            for i in 0..LANES {
                sum[i] = M::madd(sum[i], apart[i], *coefficient);
            }
        }
        let mut next = DONE;
        for i in 0..LANES {
            let is_here = cell[i] == at;
            values[i] = if is_here { sum[i] } else { values[i] };
            cell[i] = if is_here { DONE } else { cell[i] };
            next = next.min(cell[i]);
        }
        at = next;
    }
    values
}
