//! Sums of Gaussians as polynomials in s^2, one for each of some cells: a tenth of the operations, and no less exact.
//!
//! With `y = s^2 + 2^-7`, a cell is an eighth of the range from a power of two to the next, so that it is found from the
//! bits of `y`: narrow where the sharpest Gaussians fall, wide where only broad ones are left. In it the Taylor series
//! about its middle is economized to degree 10 (C. Lanczos, Applied Analysis (1956), ch. VII): the highest powers are
//! replaced by lower ones, by Chebyshev polynomials. What that leaves out is below 1e-15 of f(0), as rounding is.

use std::array::from_fn;

use super::Gaussians;
use crate::machine::{Kernel, Machine, dispatch};
use crate::scratch::{Buffer, holds};

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

/// Values that are computed side by side.
const LANES: usize = 8;

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

/// [`LANES`] values from `start` on are computed by the polynomial of a cell; those that belong to another one are
/// computed again by the steps that follow.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    start: u32,
    cell: u32,
}

/// How values of s^2 fall into cells: the same for every factor that is asked for there.
#[derive(Debug, Default)]
pub struct Steps {
    list: Buffer<Step>,
    /// Scratch: the cell of each value.
    cells: Buffer<u32>,
}

holds!(Steps: list, cells);

impl Steps {
    /// Few steps where values come in the order of s, as those of reflections do.
    pub fn set(&mut self, square: &[f64]) {
        dispatch(FindSteps { square, steps: self });
    }
}

struct FindSteps<'a> {
    square: &'a [f64],
    steps: &'a mut Steps,
}

impl Kernel for FindSteps<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let Steps { list, cells } = self.steps;
        let cells = cells.set_len(self.square.len());
        for (to, square) in cells.iter_mut().zip(self.square) {
            let cell = ((square + OFFSET).to_bits() >> WITHIN) as u32;
            *to = cell.wrapping_sub(FIRST).min(COUNT as u32);
        }
        let (to, mut number) = (list.set_len(self.square.len()), 0);
        for (block, start) in cells.chunks(LANES).zip((0..).step_by(LANES)) {
            to[number] = Step { start, cell: block[0] };
            number += 1;
            if block.iter().fold(0, |others, cell| others | (cell ^ block[0])) == 0 {
                continue;
            }
            for ((&before, &cell), start) in block.iter().zip(&block[1..]).zip(start + 1..) {
                // Without a branch: a step is written in any case, and stays if it is needed.
                to[number] = Step { start, cell };
                number += usize::from(cell != before);
            }
        }
        list.set_len(number);
    }
}

/// Values of a form factor at each s^2.
pub struct Evaluate<'a> {
    pub cells: &'a Cells,
    pub square: &'a [f64],
    pub steps: &'a Steps,
    pub out: &'a mut [f64],
}

impl Kernel for Evaluate<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let Cells(cells) = self.cells;
        for step in self.steps.list.iter() {
            let at = step.start as usize;
            let (Some(square), Some(out)) = (self.square.get(at..), self.out.get_mut(at..)) else {
                return;
            };
            let bits = (u64::from(FIRST + step.cell) << WITHIN) | (1 << (WITHIN - 1));
            let polynomial = (&cells[step.cell as usize], f64::from_bits(bits));
            if let (Some(square), Some(out)) = (square.first_chunk(), out.first_chunk_mut()) {
                *out = values::<M>(polynomial, square);
            } else {
                let mut padded = [0.0; LANES];
                padded[..square.len()].copy_from_slice(square);
                out.copy_from_slice(&values::<M>(polynomial, &padded)[..square.len()]);
            }
        }
    }
}

/// The polynomial of a cell, whose middle is the second number.
#[inline(always)]
fn values<M: Machine>(([lower @ .., highest], middle): (&Polynomial, f64), square: &[f64; LANES]) -> [f64; LANES] {
    let (mut sum, mut apart) = ([*highest; LANES], [0.0; LANES]);
    for i in 0..LANES {
        apart[i] = (square[i] + OFFSET) - middle;
    }
    for coefficient in lower.iter().rev() {
        for i in 0..LANES {
            sum[i] = M::madd(sum[i], apart[i], *coefficient);
        }
    }
    sum
}
