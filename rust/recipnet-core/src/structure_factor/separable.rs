//! Sums of phases over the atoms of each kind, for lines of reflections.
//!
//! With `p = X^h Y^k Z^(l0 + 1/2)` of an atom and `z = w Z^(m + 1/2)`, the four sums of `p_re z_re`, `p_im z_im`,
//! `p_re z_im` and `p_im z_re` give `sum w e(h, k, l0 + 1 + m)` and `sum w e(h, k, l0 - m)`: half the products of a sum
//! for each. The running index lies along vector registers, an atom's `p` is the same for all of them: a complex matrix
//! product of (lines, atoms) and (atoms, m), made in chunks of atoms whose powers stay in the cache.

use std::array::from_fn;
use std::ops::Range;

use super::rows::{LANES, QUAD, Row, axes};
use crate::elementary::{ROUND, cis};
use crate::machine::{Kernel, Machine, dispatch};
use crate::math::Vec3;
use crate::scratch::holds;

/// Atoms of a chunk, lines of a block, atoms whose powers are held in registers.
const CHUNK: usize = 64;
const BLOCK: usize = 64;
const TOGETHER: usize = 8;
/// Numbers that lie side by side: atoms, or steps of the running index.
type Lanes = [f64; LANES];
/// Quads of a side that are summed together.
const PAIR: usize = 2;
/// Reflections of these.
const SIDE: usize = PAIR * QUAD;
/// Numbers of [`SIDE`] reflections, each beside itself or its negative: where complex numbers lie side by side,
/// sums of products with them need no rearranging.
type Twice = [[f64; 2 * QUAD]; PAIR];
/// A complex number.
pub type Complex = [f64; 2];
/// Sums of neighbours on a line.
type Quad = [Complex; QUAD];

/// `exp(2 pi i (n + shift) x)` of the atoms of a chunk, for n from `-negative` to some largest index; the shift is 0, or
/// 1/2 on the axis of the lines.
#[derive(Default)]
struct Powers {
    negative: i32,
    /// Numbers n.
    count: usize,
    /// Of a group of atoms after the other; the last group is padded.
    re: Vec<Lanes>,
    im: Vec<Lanes>,
}

holds!(Powers: re, im);

impl Powers {
    /// The first index of each eight comes from sine and cosine of reduced turns, the others by multiplication, so
    /// that errors do not grow with the index.
    #[inline(always)]
    fn fill<M: Machine>(&mut self, axis: usize, frac: &[Vec3], shift: f64, [negative, positive]: [i32; 2]) {
        self.negative = negative;
        self.count = negative as usize + negative.max(positive) as usize + 1;
        let size = self.count * frac.len().div_ceil(LANES);
        self.re.resize(self.re.len().max(size), [0.0; LANES]);
        self.im.resize(self.im.len().max(size), [0.0; LANES]);
        let mirrors = negative as usize + usize::from(shift == 0.0);
        let groups = self
            .re
            .chunks_exact_mut(self.count)
            .zip(self.im.chunks_exact_mut(self.count));
        for (frac, (re, im)) in frac.chunks(LANES).zip(groups) {
            let (below_re, re) = re.split_at_mut(negative as usize);
            let (below_im, im) = im.split_at_mut(negative as usize);
            let mut x = [0.0; LANES];
            for (to, frac) in x.iter_mut().zip(frac) {
                *to = frac[axis] - ((frac[axis] + ROUND) - ROUND);
            }
            let (mut one_re, mut one_im) = ([0.0; LANES], [0.0; LANES]);
            for i in 0..LANES {
                (one_re[i], one_im[i]) = cis(x[i]);
            }
            let (mut now_re, mut now_im) = ([1.0; LANES], [0.0; LANES]);
            for (index, (re, im)) in re.iter_mut().zip(im).enumerate() {
                // Not of no turns.
                if index % LANES == 0 && (index > 0 || shift > 0.0) {
                    for i in 0..LANES {
                        let turns = (index as f64 + shift) * x[i];
                        (now_re[i], now_im[i]) = cis(turns - ((turns + ROUND) - ROUND));
                    }
                }
                (*re, *im) = (now_re, now_im);
                // The conjugates, of 1 or of 1/2 on.
                if let Some(at) = mirrors.checked_sub(index + 1) {
                    if let (Some(re), Some(im)) = (below_re.get_mut(at), below_im.get_mut(at)) {
                        (*re, *im) = (now_re, now_im.map(|x| -x));
                    }
                }
                (now_re, now_im) = times::<M>((&now_re, &now_im), (&one_re, &one_im));
            }
        }
    }

    /// Powers of a group of atoms, from `-negative` on.
    #[inline(always)]
    fn group(&self, number: usize) -> (&[Lanes], &[Lanes]) {
        let range = number * self.count..(number + 1) * self.count;
        (&self.re[range.clone()], &self.im[range])
    }
}

/// Complex products.
#[inline(always)]
fn times<M: Machine>((a_re, a_im): (&Lanes, &Lanes), (b_re, b_im): (&Lanes, &Lanes)) -> (Lanes, Lanes) {
    let (mut re, mut im) = ([0.0; LANES], [0.0; LANES]);
    for i in 0..LANES {
        re[i] = M::madd(a_re[i], b_re[i], -(a_im[i] * b_im[i]));
    }
    for i in 0..LANES {
        im[i] = M::madd(a_re[i], b_im[i], a_im[i] * b_re[i]);
    }
    (re, im)
}

/// What the sums need beside their result; kept between crystals.
#[derive(Default)]
pub struct Scratch {
    powers: [Powers; 3],
    /// `X^h Y^k Z^(l0 + 1/2)` of a block of lines: group g of atoms of line r at `r width + g`.
    p: Vec<[Complex; LANES]>,
    /// `w Z^(m + 1/2)`: group v of atom j of n, m from `SIDE v` on, at `v n + j`; see [`Twice`].
    z_re: Vec<Twice>,
    z_im: Vec<Twice>,
    /// How many lines have at least so many quads.
    at_least: Vec<usize>,
}

holds!(Scratch: powers, p, z_re, z_im, at_least);

/// Sums over the atoms of each kind, for consecutive lines, the longest first: kind k's slots are `out[k size..(k + 1) size]`, where
/// they lie as [`Row`] says. `kinds` are consecutive ranges of atoms.
pub fn sums(
    rows: &[Row],
    axis: usize,
    (frac, amplitudes): (&[Vec3], &[f64]),
    kinds: &[Range<usize>],
    scratch: &mut Scratch,
    out: &mut [Complex],
) {
    let out = out.as_chunks_mut().0;
    let atoms = kinds.first().map_or(0, |k| k.start)..kinds.last().map_or(0, |k| k.end);
    for begin in atoms.clone().step_by(CHUNK) {
        let chunk = begin..(begin + CHUNK).min(atoms.end);
        dispatch(Chunk {
            rows,
            axes: axes(axis),
            frac: &frac[chunk.clone()],
            amplitudes: &amplitudes[chunk.clone()],
            atoms: chunk,
            kinds,
            scratch,
            out,
        });
    }
}

/// Adds the sums of some lines and a chunk of atoms; begins them where an atom is the first of its kind.
struct Chunk<'a> {
    rows: &'a [Row],
    axes: [usize; 3],
    frac: &'a [Vec3],
    amplitudes: &'a [f64],
    /// Numbers of the atoms, as `kinds` count them.
    atoms: Range<usize>,
    kinds: &'a [Range<usize>],
    scratch: &'a mut Scratch,
    out: &'a mut [Quad],
}

impl Kernel for Chunk<'_> {
    #[inline(always)]
    fn run<M: Machine>(mut self) {
        let Some(&longest) = self.rows.first() else {
            return;
        };
        let pairs = self.prepare::<M>(longest.quads as usize);
        let (size, count) = (self.out.len() / self.kinds.len(), self.frac.len());
        let width = count.div_ceil(LANES);
        let Scratch {
            powers,
            p,
            z_re,
            z_im,
            at_least,
        } = self.scratch;
        p.resize(p.len().max(BLOCK * width), [[0.0; 2]; LANES]);
        for (number, rows) in self.rows.chunks(BLOCK).enumerate() {
            for group in 0..width {
                phases::<M>(rows, powers, group, width, p);
            }
            let p = p.as_flattened();
            for (kind, out) in self.kinds.iter().zip(self.out.chunks_exact_mut(size)) {
                let start = kind.start.clamp(self.atoms.start, self.atoms.end);
                let end = kind.end.clamp(start, self.atoms.end);
                for begin in (start..end).step_by(TOGETHER) {
                    let at = begin - self.atoms.start;
                    let block = Block {
                        rows,
                        before: number * BLOCK,
                        at_least,
                        first: longest.base,
                        stride: width * LANES,
                        p: &p[at..],
                        pairs,
                        count,
                        z: (&z_re[at..], &z_im[at..]),
                        out,
                    };
                    let n = (end - begin).min(TOGETHER);
                    if begin == kind.start {
                        block.atoms::<M, true>(n);
                    } else {
                        block.atoms::<M, false>(n);
                    }
                }
            }
        }
    }
}

/// `X^h Y^k Z^(l0 + 1/2)` of a group of atoms, for some lines; every `width`th of `to`.
#[inline(always)]
fn phases<M: Machine>(rows: &[Row], powers: &[Powers; 3], group: usize, width: usize, to: &mut [[Complex; LANES]]) {
    let [(x_re, x_im), (y_re, y_im), (z_re, z_im)] = powers.each_ref().map(|powers| powers.group(group));
    let shifts = powers.each_ref().map(|powers| powers.negative);
    for (row, to) in rows.iter().zip(to[group..].iter_mut().step_by(width)) {
        let [h, k, l] = from_fn(|place| (row.start[place] + shifts[place]) as usize);
        let (re, im) = times::<M>((&x_re[h], &x_im[h]), (&z_re[l], &z_im[l]));
        let (re, im) = times::<M>((&re, &im), (&y_re[k], &y_im[k]));
        for i in 0..LANES {
            to[i] = [re[i], im[i]];
        }
    }
}

impl Chunk<'_> {
    /// Powers of the three coordinates, and `w Z^(m + 1/2)`; numbers of lines by their length. How many pairs of quads
    /// the longest line has.
    #[inline(always)]
    fn prepare<M: Machine>(&mut self, longest: usize) -> usize {
        let pairs = longest.div_ceil(PAIR);
        let Scratch {
            powers,
            z_re,
            z_im,
            at_least,
            ..
        } = &mut *self.scratch;
        at_least.clear();
        at_least.resize(PAIR * pairs + 1, 0);
        let (mut low, mut high) = ([0; 3], [0; 3]);
        for row in self.rows {
            for place in 0..3 {
                let index = row.start[place];
                low[place] = low[place].min(index);
                high[place] = high[place].max(index);
            }
            at_least[row.quads as usize] += 1;
        }
        let mut longer = 0;
        for number in at_least.iter_mut().rev() {
            longer += *number;
            *number = longer;
        }
        high[2] = high[2].max((SIDE * pairs) as i32 - 1);
        for place in 0..3 {
            let shift = if place == 2 { 0.5 } else { 0.0 };
            powers[place].fill::<M>(self.axes[place], self.frac, shift, [-low[place], high[place]]);
        }
        let count = self.frac.len();
        z_re.resize(z_re.len().max(pairs * count), [[0.0; 2 * QUAD]; PAIR]);
        z_im.resize(z_im.len().max(pairs * count), [[0.0; 2 * QUAD]; PAIR]);
        let to = z_re.chunks_exact_mut(count).zip(z_im.chunks_exact_mut(count));
        for (v, (z_re, z_im)) in to.take(pairs).enumerate() {
            let first = v * SIDE + powers[2].negative as usize;
            let atoms = self
                .amplitudes
                .chunks(LANES)
                .zip(z_re.chunks_mut(LANES).zip(z_im.chunks_mut(LANES)));
            for (group, (amplitudes, (z_re, z_im))) in atoms.enumerate() {
                let (from_re, from_im) = powers[2].group(group);
                let (from_re, from_im) = (&from_re[first..first + SIDE], &from_im[first..first + SIDE]);
                let to = z_re.iter_mut().zip(z_im);
                for (j, (w, (z_re, z_im))) in amplitudes.iter().zip(to).enumerate() {
                    let re: [f64; SIDE] = from_fn(|m| w * from_re[m][j]);
                    let im: [f64; SIDE] = from_fn(|m| w * from_im[m][j]);
                    let (z_re, z_im) = (z_re.as_flattened_mut(), z_im.as_flattened_mut());
                    for m in 0..SIDE {
                        (z_re[2 * m], z_re[2 * m + 1]) = (re[m], re[m]);
                        (z_im[2 * m], z_im[2 * m + 1]) = (im[m], -im[m]);
                    }
                }
            }
        }
        pairs
    }
}

/// A block of lines and up to [`TOGETHER`] atoms of one kind.
struct Block<'a> {
    rows: &'a [Row],
    /// Lines of the blocks before.
    before: usize,
    at_least: &'a [usize],
    /// Slots before the first that `out` holds.
    first: u32,
    /// Atoms of a line of `p`.
    stride: usize,
    p: &'a [Complex],
    pairs: usize,
    /// Atoms of a group of `z`.
    count: usize,
    z: (&'a [Twice], &'a [Twice]),
    out: &'a mut [Quad],
}

impl Block<'_> {
    #[inline(always)]
    fn atoms<M: Machine, const FRESH: bool>(self, n: usize) {
        match n {
            1 => self.lines::<M, 1, FRESH>(),
            2 => self.lines::<M, 2, FRESH>(),
            3 => self.lines::<M, 3, FRESH>(),
            4 => self.lines::<M, 4, FRESH>(),
            5 => self.lines::<M, 5, FRESH>(),
            6 => self.lines::<M, 6, FRESH>(),
            7 => self.lines::<M, 7, FRESH>(),
            _ => self.lines::<M, 8, FRESH>(),
        }
    }

    #[inline(always)]
    fn lines<M: Machine, const N: usize, const FRESH: bool>(mut self) {
        for v in 0..self.pairs {
            let longer = |quads: usize| (self.at_least[quads].max(self.before) - self.before).min(self.rows.len());
            let (whole, some) = (longer(PAIR * v + 2), longer(PAIR * v + 1));
            self.quads::<M, N, 2, FRESH>(v, 0..whole);
            self.quads::<M, N, 1, FRESH>(v, whole..some);
        }
    }

    /// Q quads of each side of some lines. With the number of atoms known their `z` stay in registers.
    #[inline(always)]
    fn quads<M: Machine, const N: usize, const Q: usize, const FRESH: bool>(&mut self, v: usize, lines: Range<usize>) {
        if lines.is_empty() {
            return;
        }
        let at = v * self.count;
        let z = self.z.0.get(at..).and_then(|z| z.first_chunk::<N>());
        let (Some(re), Some(im)) = (z, self.z.1.get(at..).and_then(|z| z.first_chunk::<N>())) else {
            return;
        };
        let z_re: [[[f64; 2 * QUAD]; Q]; N] = from_fn(|j| from_fn(|q| re[j][q]));
        let z_im: [[[f64; 2 * QUAD]; Q]; N] = from_fn(|j| from_fn(|q| im[j][q]));
        let p = self.p[lines.start * self.stride..].chunks(self.stride);
        for (row, p) in self.rows[lines].iter().zip(p) {
            let Some(p) = p.first_chunk::<N>() else {
                return;
            };
            // Beside each other: p_re z_re and p_im z_re; p_re z_im and -p_im z_im.
            let (mut even, mut odd) = ([[0.0; 2 * QUAD]; Q], [[0.0; 2 * QUAD]; Q]);
            for q in 0..Q {
                for j in 0..N {
                    for i in 0..2 * QUAD {
                        even[q][i] = M::madd(p[j][i % 2], z_re[j][q][i], even[q][i]);
                    }
                    for i in 0..2 * QUAD {
                        odd[q][i] = M::madd(p[j][i % 2], z_im[j][q][i], odd[q][i]);
                    }
                }
            }
            let middle = ((row.base - self.first) / QUAD as u32 + row.quads) as usize;
            let Some(left) = self
                .out
                .get_mut(middle - PAIR * v - Q..)
                .and_then(|out| out.first_chunk_mut::<Q>())
            else {
                return;
            };
            for q in 0..Q {
                for i in 0..QUAD {
                    let m = 2 * (QUAD - 1 - i);
                    let (even, odd) = (&even[q], &odd[q]);
                    set::<FRESH>(&mut left[Q - 1 - q][i], [even[m] - odd[m + 1], even[m + 1] - odd[m]]);
                }
            }
            let Some(right) = self
                .out
                .get_mut(middle + PAIR * v..)
                .and_then(|out| out.first_chunk_mut::<Q>())
            else {
                return;
            };
            for q in 0..Q {
                for i in 0..QUAD {
                    let m = 2 * i;
                    let (even, odd) = (&even[q], &odd[q]);
                    set::<FRESH>(&mut right[q][i], [even[m] + odd[m + 1], even[m + 1] + odd[m]]);
                }
            }
        }
    }
}

/// Add, or begin.
#[inline(always)]
fn set<const FRESH: bool>(to: &mut Complex, value: Complex) {
    *to = if FRESH {
        value
    } else {
        [to[0] + value[0], to[1] + value[1]]
    };
}
