//! Sums of phases over the atoms of each kind, for lines of reflections.
//!
//! With `p = X^h Y^k Z^(l0 + 1/2)` of an atom and `z = w Z^(m + 1/2)`, the four sums of `p_re z_re`, `p_im z_im`,
//! `p_re z_im` and `p_im z_re` give `sum w e(h, k, l0 + 1 + m)` and `sum w e(h, k, l0 - m)`: half the products of a sum
//! for each. The running index lies along vector registers, an atom's `p` is the same for all of them: a complex matrix
//! product of (lines, atoms) and (atoms, m), made in chunks of atoms whose powers stay in the cache.

use std::array::from_fn;
use std::ops::Range;

use super::rows::{LANES, Row, SIDE, axes};
use crate::elementary::{ROUND, cis};
use crate::machine::{Kernel, Machine, dispatch};
use crate::math::Vec3;
use crate::scratch::holds;

/// Atoms of a chunk, lines of a block, atoms whose powers are held in registers.
const CHUNK: usize = 64;
const BLOCK: usize = 32;
const TOGETHER: usize = 8;
/// Numbers that lie side by side: atoms, or steps of the running index.
type Lanes = [f64; LANES];
/// Numbers of [`SIDE`] reflections, each beside itself or its negative: where complex numbers lie side by side,
/// sums of products with them need no rearranging.
type Twice = [f64; 2 * SIDE];
/// A complex number.
pub type Complex = [f64; 2];
/// Sums of neighbours on a line.
type Side = [Complex; SIDE];

/// `exp(2 pi i (n + shift) x)` of the atoms of a chunk, for n from `-negative` to some largest index; the shift is 0, or
/// 1/2 on the axis of the lines.
#[derive(Default)]
struct Powers {
    negative: i32,
    /// Groups of atoms, the last one padded.
    width: usize,
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
        self.width = frac.len().div_ceil(LANES);
        let largest = negative.max(positive) as usize;
        let rows = negative as usize + largest + 1;
        let size = rows * self.width;
        if self.re.len() < size {
            self.re.resize(size, [0.0; LANES]);
            self.im.resize(size, [0.0; LANES]);
        }
        let width = self.width;
        let (below_re, re) = self.re[..size].split_at_mut(negative as usize * width);
        let (below_im, im) = self.im[..size].split_at_mut(negative as usize * width);
        let mirrors = negative as usize + usize::from(shift == 0.0);
        for (block, frac) in frac.chunks(LANES).enumerate() {
            let mut x = [0.0; LANES];
            for (to, frac) in x.iter_mut().zip(frac) {
                *to = frac[axis] - ((frac[axis] + ROUND) - ROUND);
            }
            let (mut one_re, mut one_im) = ([0.0; LANES], [0.0; LANES]);
            for i in 0..LANES {
                (one_re[i], one_im[i]) = cis(x[i]);
            }
            let (mut now_re, mut now_im) = ([1.0; LANES], [0.0; LANES]);
            let rows = re.chunks_exact_mut(width).zip(im.chunks_exact_mut(width));
            for (index, (re, im)) in rows.enumerate() {
                // Not of no turns.
                if index % LANES == 0 && (index > 0 || shift > 0.0) {
                    for i in 0..LANES {
                        let turns = (index as f64 + shift) * x[i];
                        (now_re[i], now_im[i]) = cis(turns - ((turns + ROUND) - ROUND));
                    }
                }
                (re[block], im[block]) = (now_re, now_im);
                // The conjugates, of 1 or of 1/2 on.
                if let Some(mirror) = mirrors.checked_sub(index + 1) {
                    let at = mirror * width + block;
                    if let (Some(re), Some(im)) = (below_re.get_mut(at), below_im.get_mut(at)) {
                        (*re, *im) = (now_re, now_im.map(|x| -x));
                    }
                }
                (now_re, now_im) = times::<M>((&now_re, &now_im), (&one_re, &one_im));
            }
        }
    }

    #[inline(always)]
    fn row(&self, index: i32) -> (&[Lanes], &[Lanes]) {
        self.rows(index, 1)
    }

    #[inline(always)]
    fn rows(&self, first: i32, count: usize) -> (&[Lanes], &[Lanes]) {
        let start = (first + self.negative) as usize * self.width;
        let end = start + count * self.width;
        (&self.re[start..end], &self.im[start..end])
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

/// Complex products of arrays of one length.
#[inline(always)]
fn product<M: Machine>(a: (&[Lanes], &[Lanes]), b: (&[Lanes], &[Lanes]), to: (&mut [Lanes], &mut [Lanes])) {
    let from = a.0.iter().zip(a.1).zip(b.0.iter().zip(b.1));
    for ((a, b), (re, im)) in from.zip(to.0.iter_mut().zip(to.1)) {
        (*re, *im) = times::<M>(a, b);
    }
}

/// What the sums need beside their result; kept between crystals.
#[derive(Default)]
pub struct Scratch {
    powers: [Powers; 3],
    /// `X^h Y^k Z^(l0 + 1/2)` of a block of lines: group g of atoms of line r at `r width + g`.
    p: Vec<Complex>,
    /// The same, before real and imaginary parts are put beside each other.
    p_re: Vec<Lanes>,
    p_im: Vec<Lanes>,
    /// `X^h Z^(l0 + 1/2)`.
    xz_re: Vec<Lanes>,
    xz_im: Vec<Lanes>,
    /// `w Z^(m + 1/2)`: group v of atom j of n, m from `SIDE v` on, at `v n + j`; see [`Twice`].
    z_re: Vec<Twice>,
    z_im: Vec<Twice>,
}

holds!(Scratch: powers, p, p_re, p_im, xz_re, xz_im, z_re, z_im);

/// Sums over the atoms of each kind, for consecutive lines: kind k's slots are `out[k size..(k + 1) size]`, where
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
    out: &'a mut [Side],
}

impl Kernel for Chunk<'_> {
    #[inline(always)]
    fn run<M: Machine>(mut self) {
        let vectors = self.prepare::<M>();
        let Some(first) = self.rows.first() else {
            return;
        };
        let (size, count) = (self.out.len() / self.kinds.len(), self.frac.len());
        let width = count.div_ceil(LANES);
        let Scratch {
            powers,
            p,
            p_re,
            p_im,
            xz_re,
            xz_im,
            z_re,
            z_im,
        } = self.scratch;
        let mut xz_of = None;
        xz_re.resize(width, [0.0; LANES]);
        xz_im.resize(width, [0.0; LANES]);
        p_re.resize(p_re.len().max(BLOCK * width), [0.0; LANES]);
        p_im.resize(p_im.len().max(BLOCK * width), [0.0; LANES]);
        p.resize(p.len().max(BLOCK * width * LANES), [0.0; 2]);
        for rows in self.rows.chunks(BLOCK) {
            let to = p_re.chunks_exact_mut(width).zip(p_im.chunks_exact_mut(width));
            for (row, (p_re, p_im)) in rows.iter().zip(to) {
                let [h, k, l] = self.axes.map(|axis| row.start[axis]);
                // Lines follow each other in k.
                if xz_of != Some([h, l]) {
                    xz_of = Some([h, l]);
                    product::<M>(powers[0].row(h), powers[2].row(l), (&mut *xz_re, &mut *xz_im));
                }
                product::<M>((&*xz_re, &*xz_im), powers[1].row(k), (p_re, p_im));
            }
            let parts = p_re.as_flattened().iter().zip(p_im.as_flattened());
            for (to, (re, im)) in p.iter_mut().zip(parts).take(rows.len() * width * LANES) {
                *to = [*re, *im];
            }
            for (kind, out) in self.kinds.iter().zip(self.out.chunks_exact_mut(size)) {
                let start = kind.start.clamp(self.atoms.start, self.atoms.end);
                let end = kind.end.clamp(start, self.atoms.end);
                for begin in (start..end).step_by(TOGETHER) {
                    let at = begin - self.atoms.start;
                    let n = (end - begin).min(TOGETHER);
                    for v in 0..vectors {
                        let z = v * count + at;
                        let group = Group {
                            rows,
                            first: first.base,
                            v,
                            stride: width * LANES,
                            p: &p[at..],
                            z: (&z_re[z..z + n], &z_im[z..z + n]),
                            out,
                        };
                        if begin == kind.start {
                            group.atoms::<M, true>();
                        } else {
                            group.atoms::<M, false>();
                        }
                    }
                }
            }
        }
    }
}

impl Chunk<'_> {
    /// Powers of the three coordinates, and `w Z^(m + 1/2)`; how many groups the longest line has.
    #[inline(always)]
    fn prepare<M: Machine>(&mut self) -> usize {
        let (mut low, mut high, mut vectors) = ([0; 3], [0; 3], 0);
        for row in self.rows {
            for place in 0..3 {
                let index = row.start[self.axes[place]];
                low[place] = low[place].min(index);
                high[place] = high[place].max(index);
            }
            vectors = vectors.max(row.vectors as usize);
        }
        high[2] = high[2].max((SIDE * vectors) as i32 - 1);
        let Scratch { powers, z_re, z_im, .. } = &mut *self.scratch;
        for place in 0..3 {
            let shift = if place == 2 { 0.5 } else { 0.0 };
            powers[place].fill::<M>(self.axes[place], self.frac, shift, [-low[place], high[place]]);
        }
        let count = self.frac.len();
        z_re.resize(z_re.len().max(vectors * count), [0.0; 2 * SIDE]);
        z_im.resize(z_im.len().max(vectors * count), [0.0; 2 * SIDE]);
        let to = z_re.chunks_exact_mut(count).zip(z_im.chunks_exact_mut(count));
        for (v, (z_re, z_im)) in to.take(vectors).enumerate() {
            let (from_re, from_im) = powers[2].rows((v * SIDE) as i32, SIDE);
            let width = from_re.len() / SIDE * LANES;
            let (from_re, from_im) = (from_re.as_flattened(), from_im.as_flattened());
            let to = z_re.iter_mut().zip(z_im);
            for (j, (w, (z_re, z_im))) in self.amplitudes.iter().zip(to).enumerate() {
                let re: [f64; SIDE] = from_fn(|m| w * from_re[m * width + j]);
                let im: [f64; SIDE] = from_fn(|m| w * from_im[m * width + j]);
                for m in 0..SIDE {
                    (z_re[2 * m], z_re[2 * m + 1]) = (re[m], re[m]);
                    (z_im[2 * m], z_im[2 * m + 1]) = (im[m], -im[m]);
                }
            }
        }
        vectors
    }
}

/// A block of lines and up to [`TOGETHER`] atoms of one kind, for group v of each side.
struct Group<'a> {
    rows: &'a [Row],
    /// Slots before the first that `out` holds.
    first: u32,
    v: usize,
    /// Atoms of a line of `p`.
    stride: usize,
    p: &'a [Complex],
    z: (&'a [Twice], &'a [Twice]),
    out: &'a mut [Side],
}

impl Group<'_> {
    #[inline(always)]
    fn atoms<M: Machine, const FRESH: bool>(self) {
        match self.z.0.len() {
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

    /// With the number of atoms known their `z` stay in registers.
    #[inline(always)]
    fn lines<M: Machine, const N: usize, const FRESH: bool>(self) {
        let (mut z_re, mut z_im) = ([[0.0; 2 * SIDE]; N], [[0.0; 2 * SIDE]; N]);
        z_re.copy_from_slice(self.z.0);
        z_im.copy_from_slice(self.z.1);
        for (row, at) in self.rows.iter().zip((0..).step_by(self.stride)) {
            if row.vectors as usize <= self.v {
                continue;
            }
            let Some(p) = self.p.get(at..).and_then(|p| p.first_chunk::<N>()) else {
                return;
            };
            // Beside each other: p_re z_re and p_im z_re; p_re z_im and -p_im z_im.
            let (mut even, mut odd) = ([0.0; 2 * SIDE], [0.0; 2 * SIDE]);
            for i in 0..2 * SIDE {
                even[i] = p[0][i % 2] * z_re[0][i];
            }
            for i in 0..2 * SIDE {
                odd[i] = p[0][i % 2] * z_im[0][i];
            }
            for j in 1..N {
                for i in 0..2 * SIDE {
                    even[i] = M::madd(p[j][i % 2], z_re[j][i], even[i]);
                }
                for i in 0..2 * SIDE {
                    odd[i] = M::madd(p[j][i % 2], z_im[j][i], odd[i]);
                }
            }
            let middle = ((row.base - self.first) / SIDE as u32 + row.vectors) as usize;
            let Some(left) = self.out.get_mut(middle - 1 - self.v) else {
                return;
            };
            for i in 0..SIDE {
                let m = 2 * (SIDE - 1 - i);
                set::<FRESH>(&mut left[i], [even[m] - odd[m + 1], even[m + 1] - odd[m]]);
            }
            let Some(right) = self.out.get_mut(middle + self.v) else {
                return;
            };
            for i in 0..SIDE {
                let m = 2 * i;
                set::<FRESH>(&mut right[i], [even[m] + odd[m + 1], even[m + 1] + odd[m]]);
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
