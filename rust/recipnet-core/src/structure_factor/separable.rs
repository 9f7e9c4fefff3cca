//! Sums of phases over the atoms of each kind, for lines of reflections.
//!
//! With `p = X^h Y^k Z^(l0 + 1/2)` of an atom and `z = w Z^(m + 1/2)`, the sums `u = sum Re p (Re z, Im z)` and
//! `v = sum Im p (-Im z, Re z)` give `sum w e(h, k, l0 + 1 + m) = u + v` and, but for the sign of the imaginary part,
//! `sum w e(h, k, l0 - m) = u - v`: half the products of a sum for each. The running index lies along vector registers,
//! an atom's `p` is the same for all of them: a matrix product of (lines, atoms) and (atoms, m), made in chunks of atoms
//! whose powers stay in the cache.

use std::array::from_fn;
use std::hint::black_box;
use std::ops::Range;

use super::rows::{LANES, QUAD, Row, axes};
use crate::elementary::{ROUND, cis};
use crate::machine::{Kernel, Machine, dispatch};
use crate::math::Vec3;
use crate::scratch::{Buffer, holds};

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
/// Complex numbers of [`SIDE`] reflections, part beside part.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Side([[f64; 2 * QUAD]; PAIR]);
/// A complex number.
pub type Complex = [f64; 2];
/// Sums of neighbours on a line.
type Quad = [Complex; QUAD];

/// Real and imaginary parts for a group of atoms, whole lines of the cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Power([Lanes; 2]);

/// `exp(2 pi i (n + shift) x)` of the atoms of a chunk, for n from `-negative` to some largest index; the shift is 0, or
/// 1/2 on the axis of the lines.
#[derive(Default)]
struct Powers {
    negative: i32,
    /// Numbers n.
    count: usize,
    /// Of a group of atoms after the other; the last group is padded.
    parts: Vec<Power>,
}

holds!(Powers: parts);

impl Powers {
    /// The first index of each eight comes from sine and cosine of reduced turns, the others by multiplication, so
    /// that errors do not grow with the index.
    #[inline(always)]
    fn fill<M: Machine>(&mut self, axis: usize, frac: &[Vec3], shift: f64, [negative, positive]: [i32; 2]) {
        self.negative = negative;
        self.count = negative as usize + negative.max(positive) as usize + 1;
        let size = self.count * frac.len().div_ceil(LANES);
        self.parts.resize(self.parts.len().max(size), Power([[0.0; LANES]; 2]));
        let mirrors = negative as usize + usize::from(shift == 0.0);
        for (frac, parts) in frac.chunks(LANES).zip(self.parts.chunks_exact_mut(self.count)) {
            let (below, parts) = parts.split_at_mut(negative as usize);
            let mut x = [0.0; LANES];
            for (to, frac) in x.iter_mut().zip(frac) {
                *to = frac[axis] - ((frac[axis] + ROUND) - ROUND);
            }
            let (mut one_re, mut one_im) = ([0.0; LANES], [0.0; LANES]);
            for i in 0..LANES {
                (one_re[i], one_im[i]) = cis(x[i]);
            }
            let (mut now_re, mut now_im) = ([1.0; LANES], [0.0; LANES]);
            for (index, to) in parts.iter_mut().enumerate() {
                // Not of no turns.
                if index % LANES == 0 && (index > 0 || shift > 0.0) {
                    for i in 0..LANES {
                        let turns = (index as f64 + shift) * x[i];
                        (now_re[i], now_im[i]) = cis(turns - ((turns + ROUND) - ROUND));
                    }
                }
                *to = Power([now_re, now_im]);
                // The conjugates, of 1 or of 1/2 on.
                if let Some(mirror) = mirrors.checked_sub(index + 1).and_then(|at| below.get_mut(at)) {
                    *mirror = Power([now_re, now_im.map(|x| -x)]);
                }
                [now_re, now_im] = times::<M>(&[now_re, now_im], &[one_re, one_im]);
            }
        }
    }

    /// Powers of a group of atoms, from `-negative` on.
    #[inline(always)]
    fn group(&self, number: usize) -> &[Power] {
        &self.parts[number * self.count..(number + 1) * self.count]
    }
}

/// Complex products.
#[inline(always)]
fn times<M: Machine>([a_re, a_im]: &[Lanes; 2], [b_re, b_im]: &[Lanes; 2]) -> [Lanes; 2] {
    let (mut re, mut im) = ([0.0; LANES], [0.0; LANES]);
    for i in 0..LANES {
        re[i] = M::madd(a_re[i], b_re[i], -(a_im[i] * b_im[i]));
    }
    for i in 0..LANES {
        im[i] = M::madd(a_re[i], b_im[i], a_im[i] * b_re[i]);
    }
    [re, im]
}

/// What the sums need beside their result; kept between crystals.
#[derive(Default)]
pub struct Scratch {
    powers: [Powers; 3],
    /// `X^h Y^k Z^(l0 + 1/2)` of a block of lines: group g of atoms of line r at `r width + g`.
    p_re: Buffer<f64>,
    p_im: Buffer<f64>,
    /// `w Z^(m + 1/2)`, and i times that: group v of atom j of n, m from `SIDE v` on, at `v n + j`.
    z: Vec<Side>,
    turned: Vec<Side>,
    /// How many lines have at least so many quads.
    at_least: Vec<usize>,
}

holds!(Scratch: powers, p_re, p_im, z, turned, at_least);

/// Sums over the atoms of each kind, for consecutive lines, the longest first: kind k's slots are
/// `out[k size..(k + 1) size]`, where they lie as [`Row`] says. `kinds` are consecutive ranges of atoms.
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
            p_re,
            p_im,
            z,
            turned,
            at_least,
        } = self.scratch;
        p_re.set_len(BLOCK * width * LANES);
        p_im.set_len(BLOCK * width * LANES);
        for (number, rows) in self.rows.chunks(BLOCK).enumerate() {
            for group in 0..width {
                let [re, im] = [&mut *p_re, &mut *p_im].map(|p| p.as_chunks_mut().0.chunks_exact_mut(width));
                phases::<M>(rows, powers, group, re.zip(im));
            }
            let p = (&**p_re, &**p_im);
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
                        p,
                        at,
                        pairs,
                        count,
                        z,
                        turned,
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

/// `X^h Y^k Z^(l0 + 1/2)` of a group of atoms, for some lines.
#[inline(always)]
fn phases<'a, M: Machine>(
    rows: &[Row],
    powers: &[Powers; 3],
    group: usize,
    to: impl Iterator<Item = (&'a mut [Lanes], &'a mut [Lanes])>,
) {
    let [x, y, z] = powers.each_ref().map(|powers| powers.group(group));
    let shifts = powers.each_ref().map(|powers| powers.negative);
    for (row, (re, im)) in rows.iter().zip(to) {
        let [h, k, l] = from_fn(|place| (row.start[place] + shifts[place]) as usize);
        [re[group], im[group]] = times::<M>(&times::<M>(&x[h].0, &z[l].0), &y[k].0);
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
            z,
            turned,
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
        z.resize(z.len().max(pairs * count), Side::default());
        turned.resize(turned.len().max(pairs * count), Side::default());
        let to = z.chunks_exact_mut(count).zip(turned.chunks_exact_mut(count));
        for (v, (z, turned)) in to.take(pairs).enumerate() {
            let first = v * SIDE + powers[2].negative as usize;
            let atoms = self
                .amplitudes
                .chunks(LANES)
                .zip(z.chunks_mut(LANES).zip(turned.chunks_mut(LANES)));
            for (group, (amplitudes, (z, turned))) in atoms.enumerate() {
                let parts = &powers[2].group(group)[first..first + SIDE];
                for (j, (w, (z, turned))) in amplitudes.iter().zip(z.iter_mut().zip(turned)).enumerate() {
                    let re: [f64; SIDE] = from_fn(|m| w * parts[m].0[0][j]);
                    let im: [f64; SIDE] = from_fn(|m| w * parts[m].0[1][j]);
                    let (z, turned) = (z.0.as_flattened_mut(), turned.0.as_flattened_mut());
                    for m in 0..SIDE {
                        (z[2 * m], z[2 * m + 1]) = (re[m], im[m]);
                        (turned[2 * m], turned[2 * m + 1]) = (-im[m], re[m]);
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
    p: (&'a [f64], &'a [f64]),
    /// The first atom.
    at: usize,
    pairs: usize,
    /// Atoms of a group of `z`.
    count: usize,
    z: &'a [Side],
    turned: &'a [Side],
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
    fn quads<M: Machine, const N: usize, const Q: usize, const FRESH: bool>(
        &mut self,
        pair: usize,
        lines: Range<usize>,
    ) {
        if lines.is_empty() {
            return;
        }
        let first = pair * self.count + self.at;
        let z = self.z.get(first..).and_then(|z| z.first_chunk::<N>());
        let turned = self.turned.get(first..).and_then(|z| z.first_chunk::<N>());
        // Copies, which stay in registers.
        let (Some(&z), Some(&turned)) = (z, turned) else {
            return;
        };
        // Not known to the compiler, which would else take vectors apart to save a product with 1.
        let signs: [f64; 2 * QUAD] = black_box(from_fn(|i| if i % 2 == 0 { 1.0 } else { -1.0 }));
        let (re, im) = self.p;
        let begin = lines.start * self.stride;
        let p = re[begin..]
            .chunks_exact(self.stride)
            .zip(im[begin..].chunks_exact(self.stride));
        for (row, (re, im)) in self.rows[lines].iter().zip(p) {
            let (re, im) = (re.get(self.at..), im.get(self.at..));
            let (Some(re), Some(im)) = (
                re.and_then(|re| re.first_chunk::<N>()),
                im.and_then(|im| im.first_chunk::<N>()),
            ) else {
                return;
            };
            let (mut u, mut v) = ([[0.0; 2 * QUAD]; Q], [[0.0; 2 * QUAD]; Q]);
            for q in 0..Q {
                for j in 0..N {
                    for i in 0..2 * QUAD {
                        u[q][i] = M::madd(re[j], z[j].0[q][i], u[q][i]);
                    }
                    for i in 0..2 * QUAD {
                        v[q][i] = M::madd(im[j], turned[j].0[q][i], v[q][i]);
                    }
                }
            }
            let middle = ((row.base - self.first) / QUAD as u32 + row.quads) as usize;
            let Some(left) = self
                .out
                .get_mut(middle - PAIR * pair - Q..)
                .and_then(|out| out.first_chunk_mut::<Q>())
            else {
                return;
            };
            for q in 0..Q {
                let mut apart = [0.0; 2 * QUAD];
                for i in 0..2 * QUAD {
                    apart[i] = (u[q][i] - v[q][i]) * signs[i];
                }
                for i in 0..QUAD {
                    let m = 2 * (QUAD - 1 - i);
                    set::<FRESH>(&mut left[Q - 1 - q][i], [apart[m], apart[m + 1]]);
                }
            }
            let Some(right) = self
                .out
                .get_mut(middle + PAIR * pair..)
                .and_then(|out| out.first_chunk_mut::<Q>())
            else {
                return;
            };
            for q in 0..Q {
                for i in 0..QUAD {
                    let sum = [2 * i, 2 * i + 1].map(|i| u[q][i] + v[q][i]);
                    set::<FRESH>(&mut right[q][i], sum);
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
