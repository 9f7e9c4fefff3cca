//! Phases `exp(+2 pi i h.x)` of a block of reflections and a chunk of atoms, atoms lying side by side.
//!
//! A phase is the product of three entries of short tables, one for each axis: `X^h Y^k Z^l`. The tables hold the
//! indices that occur, in groups of eight; the first of a group comes from sine and cosine of reduced turns, the others
//! by multiplication with the first power, so that an entry depends on its index and its coordinate alone and its error
//! does not grow with the index. Tables are made in float64 and rounded once.

use std::ops::Range;

use super::ragged::MAX_INDEX;
use crate::elementary::{ROUND, cis};
use crate::machine::{Kernel, Machine, dispatch};
use crate::scalar::Scalar;

/// Atoms that lie side by side fill a multiple of this; the rest is padding.
pub const LANES: usize = 8;
/// Most atoms of a chunk.
pub const CHUNK: usize = 64;
/// Most reflections of a block.
pub const BLOCK: usize = 32;
/// Indices of a group in a table.
const GROUP: i32 = 8;
const ABSENT: u32 = u32::MAX;
/// Most groups that are not looked for.
const FEW: usize = 4;

/// Powers of one axis for all atoms of a chunk: row `r` is `re[r * width..]`, `im[r * width..]`.
pub(super) struct Axis<T> {
    groups: Vec<i32>,
    first: i32,
    row_of_group: Vec<u32>,
    pub re: Vec<T>,
    pub im: Vec<T>,
}

/// The tables of the indices that occur.
pub(super) fn axes<T: Scalar>(hkl: &[[i32; 3]]) -> [Axis<T>; 3] {
    let bounds = bounds(hkl);
    [0, 1, 2].map(|axis| Axis::new(hkl, axis, bounds[axis]))
}

/// Smallest and largest index on each axis.
fn bounds(hkl: &[[i32; 3]]) -> [[i32; 2]; 3] {
    // Eight rows at a time, so that the comparisons are of whole vectors.
    const WIDTH: usize = 24;
    let (mut low, mut high) = ([MAX_INDEX; WIDTH], [-MAX_INDEX; WIDTH]);
    let (blocks, rest) = hkl.as_flattened().as_chunks::<WIDTH>();
    for block in blocks {
        for i in 0..WIDTH {
            low[i] = low[i].min(block[i]);
            high[i] = high[i].max(block[i]);
        }
    }
    for (i, &index) in rest.iter().enumerate() {
        low[i] = low[i].min(index);
        high[i] = high[i].max(index);
    }
    [0, 1, 2].map(|axis| {
        let of_axis = || (axis..WIDTH).step_by(3);
        [
            of_axis().fold(MAX_INDEX, |least, i| least.min(low[i])),
            of_axis().fold(-MAX_INDEX, |most, i| most.max(high[i])),
        ]
    })
}

impl<T: Scalar> Axis<T> {
    /// The groups of the indices that occur on this axis, and maybe some between, from the smallest to the largest.
    fn new(hkl: &[[i32; 3]], axis: usize, [low, high]: [i32; 2]) -> Self {
        let first = low.div_euclid(GROUP);
        let count = if hkl.is_empty() {
            0
        } else {
            (high.div_euclid(GROUP) - first + 1) as usize
        };
        // A few groups are made whether they occur or not: to look would take longer.
        let mut row_of_group = vec![if count <= FEW { 0 } else { ABSENT }; count];
        if count > FEW {
            for h in hkl {
                row_of_group[(h[axis].div_euclid(GROUP) - first) as usize] = 0;
            }
        }
        let mut groups = Vec::new();
        for (place, row) in row_of_group.iter_mut().enumerate() {
            if *row != ABSENT {
                *row = (groups.len() * GROUP as usize) as u32;
                groups.push(first + place as i32);
            }
        }
        Self {
            groups,
            first,
            row_of_group,
            re: Vec::new(),
            im: Vec::new(),
        }
    }

    /// Row of an index; those of neighbouring indices that occur are neighbours.
    pub fn row(&self, index: i32) -> u32 {
        self.row_of_group[(index.div_euclid(GROUP) - self.first) as usize] + index.rem_euclid(GROUP) as u32
    }

    /// A row.
    #[inline(always)]
    pub fn at(&self, row: u32, width: usize) -> Pair<'_, T> {
        let place = row as usize * width;
        lanes(&self.re[place..place + width], &self.im[place..place + width])
    }
}

/// Real and imaginary parts, [`LANES`] at a time.
pub(super) type Pair<'a, T> = (&'a [[T; LANES]], &'a [[T; LANES]]);

#[inline(always)]
fn lanes<'a, T>(re: &'a [T], im: &'a [T]) -> Pair<'a, T> {
    (re.as_chunks().0, im.as_chunks().0)
}

/// Makes the tables of a chunk of atoms.
pub(super) struct Fill<'a, T> {
    pub axes: &'a mut [Axis<T>; 3],
    pub frac: &'a [[T; 3]],
}

impl<T: Scalar> Kernel for Fill<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let width = self.frac.len().next_multiple_of(LANES);
        for (number, axis) in self.axes.iter_mut().enumerate() {
            let size = axis.groups.len() * GROUP as usize * width;
            axis.re.resize(size, T::ZERO);
            axis.im.resize(size, T::ZERO);
            for (lane, atoms) in self.frac.chunks(LANES).enumerate() {
                let mut x = [0.0; LANES];
                for (x, atom) in x.iter_mut().zip(atoms) {
                    let value: f64 = atom[number].into();
                    *x = value - value.round_ties_even();
                }
                axis.fill::<M>(width, lane, x);
            }
        }
    }
}

impl<T: Scalar> Axis<T> {
    /// The powers of eight atoms with coordinates in [-1/2, 1/2].
    #[inline(always)]
    fn fill<M: Machine>(&mut self, width: usize, lane: usize, x: [f64; LANES]) {
        let (mut one_re, mut one_im) = ([0.0; LANES], [0.0; LANES]);
        for i in 0..LANES {
            (one_re[i], one_im[i]) = cis(x[i]);
        }
        let mut place = lane * LANES;
        for &group in &self.groups {
            let start = f64::from(group * GROUP);
            let (mut re, mut im) = ([0.0; LANES], [0.0; LANES]);
            for i in 0..LANES {
                let turns = start * x[i];
                (re[i], im[i]) = cis(turns - ((turns + ROUND) - ROUND));
            }
            for _ in 0..GROUP {
                self.re[place..place + LANES].copy_from_slice(&re.map(T::from_f64));
                self.im[place..place + LANES].copy_from_slice(&im.map(T::from_f64));
                place += width;
                (re, im) = product::<f64, M>((&re, &im), (&one_re, &one_im));
            }
        }
    }
}

/// Phases of a block of reflections: row `r`, atom `j` at `r * width + j`.
pub struct Phases<T> {
    axes: [Axis<T>; 3],
    rows: Vec<[u32; 3]>,
    product: (Vec<T>, Vec<T>),
    /// Atoms of the chunk, padded to a multiple of [`LANES`]; a padding atom sits at the origin.
    pub width: usize,
    /// cos of the block.
    pub cos: Vec<T>,
    /// sin of the block.
    pub sin: Vec<T>,
}

impl<T: Scalar> Phases<T> {
    /// For these reflections; no atoms yet.
    pub fn new(hkl: &[[i32; 3]]) -> Self {
        let axes = axes(hkl);
        let rows = hkl
            .iter()
            .map(|h| [axes[0].row(h[0]), axes[1].row(h[1]), axes[2].row(h[2])])
            .collect();
        Self {
            axes,
            rows,
            product: (Vec::new(), Vec::new()),
            width: 0,
            cos: Vec::new(),
            sin: Vec::new(),
        }
    }

    /// Make the tables of a chunk of atoms.
    pub fn set_atoms(&mut self, frac: &[[T; 3]]) {
        self.width = frac.len().next_multiple_of(LANES);
        dispatch(Fill {
            axes: &mut self.axes,
            frac,
        });
        for values in [&mut self.product.0, &mut self.product.1] {
            values.resize(self.width, T::ZERO);
        }
        for values in [&mut self.cos, &mut self.sin] {
            values.resize(BLOCK * self.width, T::ZERO);
        }
    }

    /// Compute the phases of at most [`BLOCK`] reflections, numbered as they were given to [`Self::new`].
    pub fn set_block(&mut self, block: Range<usize>) {
        dispatch(Block { phases: self, block });
    }
}

/// Chunks of atoms and, inside, blocks of reflections, in a fixed order.
///
/// `visit` gets the phases, the first atom of the chunk and the number of its atoms, the first reflection of the block
/// and the number of its reflections, both numbered from the first of the piece.
#[inline(always)]
pub(super) fn blocks<T: Scalar>(
    frac: &[[T; 3]],
    hkl: &[[i32; 3]],
    mut visit: impl FnMut(&Phases<T>, (usize, usize), (usize, usize)),
) {
    let mut phases = Phases::new(hkl);
    for (chunk, atoms) in frac.chunks(CHUNK).enumerate() {
        phases.set_atoms(atoms);
        for first in (0..hkl.len()).step_by(BLOCK) {
            let count = BLOCK.min(hkl.len() - first);
            phases.set_block(first..first + count);
            visit(&phases, (chunk * CHUNK, atoms.len()), (first, count));
        }
    }
}

/// Multiplies the entries of three tables for each reflection of a block and each atom.
struct Block<'a, T> {
    phases: &'a mut Phases<T>,
    block: Range<usize>,
}

impl<T: Scalar> Kernel for Block<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let Phases {
            axes,
            rows,
            product,
            width,
            cos,
            sin,
            ..
        } = self.phases;
        let width = *width;
        let (xy_re, xy_im) = (&mut product.0[..width], &mut product.1[..width]);
        let mut last = [ABSENT; 2];
        let targets = cos.chunks_exact_mut(width).zip(sin.chunks_exact_mut(width));
        for (&[h, k, l], (cos, sin)) in rows[self.block].iter().zip(targets) {
            if [h, k] != last {
                last = [h, k];
                multiply::<T, M>(axes[0].at(h, width), axes[1].at(k, width), xy_re, xy_im);
            }
            multiply::<T, M>(lanes(xy_re, xy_im), axes[2].at(l, width), cos, sin);
        }
    }
}

/// Complex product, element by element, of arrays of one length.
#[inline(always)]
pub(super) fn multiply<T: Scalar, M: Machine>(a: Pair<T>, b: Pair<T>, re: &mut [T], im: &mut [T]) {
    let to = re.as_chunks_mut().0.iter_mut().zip(im.as_chunks_mut().0);
    for ((a, b), (re, im)) in a.0.iter().zip(a.1).zip(b.0.iter().zip(b.1)).zip(to) {
        (*re, *im) = product::<T, M>(a, b);
    }
}

/// Complex product of eight numbers, from values: a compiler that had to think of overlap would not use vectors.
#[inline(always)]
pub(super) fn product<T: Scalar, M: Machine>(
    (&a_re, &a_im): (&[T; LANES], &[T; LANES]),
    (&b_re, &b_im): (&[T; LANES], &[T; LANES]),
) -> ([T; LANES], [T; LANES]) {
    let (mut re, mut im) = ([T::ZERO; LANES], [T::ZERO; LANES]);
    for i in 0..LANES {
        re[i] = M::madd(a_re[i], b_re[i], -(a_im[i] * b_im[i]));
    }
    for i in 0..LANES {
        im[i] = M::madd(a_re[i], b_im[i], a_im[i] * b_re[i]);
    }
    (re, im)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::machine::{Baseline, Fused, Wide};

    fn on<M: Machine>() {
        let hkl = [[0, 1, -1], [-64, 63, 7], [-64, 63, 8], [5, -9, 64]];
        let frac: Vec<[f64; 3]> = (0..11)
            .map(|j| [0.043, -0.31, 0.27].map(|x| x * f64::from(j)))
            .collect();
        let mut phases = Phases::new(&hkl);
        phases.set_atoms(&frac);
        Fill {
            axes: &mut phases.axes,
            frac: &frac,
        }
        .run::<M>();
        Block {
            phases: &mut phases,
            block: 0..hkl.len(),
        }
        .run::<M>();
        for (r, h) in hkl.iter().enumerate() {
            for (j, x) in frac.iter().enumerate() {
                let turns: f64 = (0..3)
                    .map(|axis| f64::from(h[axis]) * (x[axis] - x[axis].round_ties_even()))
                    .sum();
                let (sin, cos) = (TAU * (turns - turns.round_ties_even())).sin_cos();
                assert!((phases.cos[r * 16 + j] - cos).abs() < 2e-13, "{h:?} {x:?}");
                assert!((phases.sin[r * 16 + j] - sin).abs() < 2e-13, "{h:?} {x:?}");
            }
        }
    }

    #[test]
    fn phases_on_every_instruction_set() {
        on::<Baseline>();
        on::<Fused>();
        on::<Wide>();
    }
}
