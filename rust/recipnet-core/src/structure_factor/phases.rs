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

/// Powers of one axis for all atoms of a chunk: row `r` is `re[r * width..]`, `im[r * width..]`.
struct Axis<T> {
    groups: Vec<i32>,
    first: i32,
    row_of_group: Vec<u32>,
    re: Vec<T>,
    im: Vec<T>,
}

impl<T: Scalar> Axis<T> {
    /// The groups of the indices that occur on this axis.
    fn new(hkl: &[[i32; 3]], axis: usize) -> Self {
        let (mut low, mut high) = (MAX_INDEX, -MAX_INDEX);
        for h in hkl {
            low = low.min(h[axis]);
            high = high.max(h[axis]);
        }
        let first = low.div_euclid(GROUP);
        let count = if hkl.is_empty() {
            0
        } else {
            (high.div_euclid(GROUP) - first + 1) as usize
        };
        let mut row_of_group = vec![ABSENT; count];
        for h in hkl {
            row_of_group[(h[axis].div_euclid(GROUP) - first) as usize] = 0;
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

    fn row(&self, index: i32) -> u32 {
        self.row_of_group[(index.div_euclid(GROUP) - self.first) as usize] + index.rem_euclid(GROUP) as u32
    }

    #[inline(always)]
    fn at(&self, row: u32, width: usize) -> (&[T], &[T]) {
        let place = row as usize * width;
        (&self.re[place..place + width], &self.im[place..place + width])
    }
}

/// Makes the table of one axis for the coordinates of a chunk, each in [-1/2, 1/2].
struct Fill<'a, T> {
    axis: &'a mut Axis<T>,
    x: &'a [f64],
}

impl<T: Scalar> Kernel for Fill<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let Self { axis, x } = self;
        let width = x.len();
        let size = axis.groups.len() * GROUP as usize * width;
        axis.re.resize(size, T::ZERO);
        axis.im.resize(size, T::ZERO);
        let group_size = GROUP as usize * width;
        let rows = axis
            .re
            .chunks_exact_mut(group_size)
            .zip(axis.im.chunks_exact_mut(group_size));
        for (&group, (group_re, group_im)) in axis.groups.iter().zip(rows) {
            let start = f64::from(group * GROUP);
            for (lane, x) in x.as_chunks::<LANES>().0.iter().enumerate() {
                let (mut one_re, mut one_im) = ([0.0; LANES], [0.0; LANES]);
                let (mut re, mut im) = ([0.0; LANES], [0.0; LANES]);
                for i in 0..LANES {
                    (one_re[i], one_im[i]) = cis(x[i]);
                    let turns = start * x[i];
                    (re[i], im[i]) = cis(turns - ((turns + ROUND) - ROUND));
                }
                for power in 0..GROUP as usize {
                    let place = power * width + lane * LANES;
                    let (to_re, to_im) = (&mut group_re[place..place + LANES], &mut group_im[place..place + LANES]);
                    for i in 0..LANES {
                        to_re[i] = T::from_f64(re[i]);
                        to_im[i] = T::from_f64(im[i]);
                    }
                    for i in 0..LANES {
                        let next = M::madd(re[i], one_re[i], -(im[i] * one_im[i]));
                        im[i] = M::madd(re[i], one_im[i], im[i] * one_re[i]);
                        re[i] = next;
                    }
                }
            }
        }
    }
}

/// Phases of a block of reflections: row `r`, atom `j` at `r * width + j`.
pub struct Phases<T> {
    axes: [Axis<T>; 3],
    rows: Vec<[u32; 3]>,
    x: Vec<f64>,
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
        let axes = [0, 1, 2].map(|axis| Axis::new(hkl, axis));
        let rows = hkl
            .iter()
            .map(|h| [axes[0].row(h[0]), axes[1].row(h[1]), axes[2].row(h[2])])
            .collect();
        Self {
            axes,
            rows,
            x: Vec::new(),
            product: (Vec::new(), Vec::new()),
            width: 0,
            cos: Vec::new(),
            sin: Vec::new(),
        }
    }

    /// Make the tables of a chunk of atoms.
    pub fn set_atoms(&mut self, frac: &[[T; 3]]) {
        self.width = frac.len().next_multiple_of(LANES);
        for axis in 0..3 {
            self.x.clear();
            self.x.extend(frac.iter().map(|x| {
                let x: f64 = x[axis].into();
                x - x.round_ties_even()
            }));
            self.x.resize(self.width, 0.0);
            dispatch(Fill {
                axis: &mut self.axes[axis],
                x: &self.x,
            });
        }
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
                let ((x_re, x_im), (y_re, y_im)) = (axes[0].at(h, width), axes[1].at(k, width));
                multiply::<T, M>(x_re, x_im, y_re, y_im, xy_re, xy_im);
            }
            let (z_re, z_im) = axes[2].at(l, width);
            multiply::<T, M>(xy_re, xy_im, z_re, z_im, cos, sin);
        }
    }
}

/// Complex product, element by element, of arrays of one length that is a multiple of [`LANES`].
#[inline(always)]
fn multiply<T: Scalar, M: Machine>(a_re: &[T], a_im: &[T], b_re: &[T], b_im: &[T], to_re: &mut [T], to_im: &mut [T]) {
    let a = a_re.as_chunks::<LANES>().0.iter().zip(a_im.as_chunks::<LANES>().0);
    let b = b_re.as_chunks::<LANES>().0.iter().zip(b_im.as_chunks::<LANES>().0);
    let to = to_re
        .as_chunks_mut::<LANES>()
        .0
        .iter_mut()
        .zip(to_im.as_chunks_mut::<LANES>().0);
    for (((a_re, a_im), (b_re, b_im)), (to_re, to_im)) in a.zip(b).zip(to) {
        for i in 0..LANES {
            to_re[i] = M::madd(a_re[i], b_re[i], -(a_im[i] * b_im[i]));
            to_im[i] = M::madd(a_re[i], b_im[i], a_im[i] * b_re[i]);
        }
    }
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
        for axis in 0..3 {
            let mut x: Vec<f64> = frac.iter().map(|x| x[axis] - x[axis].round_ties_even()).collect();
            x.resize(16, 0.0);
            Fill {
                axis: &mut phases.axes[axis],
                x: &x,
            }
            .run::<M>();
        }
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
