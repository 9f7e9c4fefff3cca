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

/// Coefficients, rising powers of the distance of `s^2` from a middle.
type Polynomial = [f64; 11];

/// A polynomial and its middle.
#[derive(Debug, PartialEq)]
struct Cell {
    polynomial: Polynomial,
    middle: f64,
}

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
pub(super) struct Cells([Cell; COUNT + 1]);

impl Cells {
    pub fn new(gaussians: &Gaussians) -> Self {
        Self(from_fn(|cell| {
            if cell == COUNT {
                return Cell {
                    polynomial: [f64::NAN; 11],
                    middle: f64::NAN,
                };
            }
            let bits = (u64::from(FIRST) + cell as u64) << WITHIN;
            let (low, high) = (f64::from_bits(bits), f64::from_bits(bits + (1 << WITHIN)));
            let half = 0.5 * (high - low);
            let middle = 0.5 * (low + high) - OFFSET;
            let mut series = taylor(gaussians, middle, half);
            economize(&mut series);
            // Powers of two: exact.
            let polynomial = from_fn(|k| series[k] / half.powi(k as i32));
            Cell { polynomial, middle }
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
        let list = &self.steps.list;
        let size = self.square.len().min(self.out.len());
        let (square, out) = (&self.square[..size], &mut self.out[..size]);
        let (whole, last) = list.split_at(list.partition_point(|step| step.start as usize + LANES <= size));
        for &Step { start, cell } in whole {
            let start = start as usize;
            let (Some(square), Some(out)) = (square[start..].first_chunk(), out[start..].first_chunk_mut()) else {
                return;
            };
            *out = values::<M>(&cells[cell as usize], square);
        }
        for &Step { start, cell } in last {
            let (square, out) = (&square[start as usize..], &mut out[start as usize..]);
            let mut padded = [0.0; LANES];
            padded[..square.len()].copy_from_slice(square);
            out.copy_from_slice(&values::<M>(&cells[cell as usize], &padded)[..square.len()]);
        }
    }
}

/// The polynomial of a cell, by every third power: of one sum, each step would wait for the one before.
#[inline(always)]
fn values<M: Machine>(cell: &Cell, square: &[f64; LANES]) -> [f64; LANES] {
    let (mut x, mut x2, mut x3) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    for i in 0..LANES {
        x[i] = square[i] - cell.middle;
    }
    for i in 0..LANES {
        x2[i] = x[i] * x[i];
    }
    for i in 0..LANES {
        x3[i] = x[i] * x2[i];
    }
    let [lower @ .., p8, p9, p10] = cell.polynomial;
    let mut parts = [[p9; LANES], [p10; LANES], [p8; LANES]];
    for (k, coefficient) in lower.iter().enumerate().rev() {
        let part = &mut parts[k % 3];
        for i in 0..LANES {
            part[i] = M::madd(part[i], x3[i], *coefficient);
        }
    }
    let [mut sum, once, twice] = parts;
    for i in 0..LANES {
        sum[i] = M::madd(once[i], x[i], sum[i]);
    }
    for i in 0..LANES {
        sum[i] = M::madd(twice[i], x2[i], sum[i]);
    }
    sum
}
