//! Sums of phases over the atoms of each kind, for lines of reflections.
//!
//! With `p = X^h Y^k Z^l0` of an atom and `z = w Z^m`, the four sums of `p_re z_re`, `p_im z_im`, `p_re z_im` and
//! `p_im z_re` give `sum w e(h, k, l0 + m)` and `sum w e(h, k, l0 - m)`: half the products of a sum for each. The
//! running index lies along vector registers, an atom's `p` is the same for all of them: a complex matrix product of
//! (lines, atoms) and (atoms, m), made in blocks that stay in the cache.

use std::ops::Range;

use super::phases::{BLOCK, CHUNK, Phases};
use super::rows::{LANES, Row};
use crate::elementary::{ROUND, cis};
use crate::machine::{Kernel, Machine, dispatch};
use crate::math::Vec3;

/// A vector of numbers that lie along the running index.
type Lanes = [f64; LANES];

/// Real and imaginary parts of a block of reflections.
pub type Sums = [[f64; LANES]; 2];

/// `w Z^m` for each atom of a chunk of n: vector v of atom j, m from `LANES v` on, at `v n + j`.
struct Powers<'a> {
    axis: usize,
    frac: &'a [Vec3],
    amplitudes: &'a [f64],
    re: &'a mut [Lanes],
    im: &'a mut [Lanes],
}

impl Kernel for Powers<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let count = self.frac.len();
        for (j, (x, &w)) in self.frac.iter().zip(self.amplitudes).enumerate() {
            let x = x[self.axis] - ((x[self.axis] + ROUND) - ROUND);
            let (mut first_re, mut first_im) = ([0.0; LANES], [0.0; LANES]);
            for i in 0..LANES {
                let turns = i as f64 * x;
                (first_re[i], first_im[i]) = cis(turns - ((turns + ROUND) - ROUND));
            }
            let vectors = self.re[j..]
                .iter_mut()
                .step_by(count)
                .zip(self.im[j..].iter_mut().step_by(count));
            for (v, (re, im)) in vectors.enumerate() {
                let turns = (v * LANES) as f64 * x;
                let (c, s) = cis(turns - ((turns + ROUND) - ROUND));
                let (c, s) = (w * c, w * s);
                for i in 0..LANES {
                    re[i] = M::madd(c, first_re[i], -(s * first_im[i]));
                    im[i] = M::madd(c, first_im[i], s * first_re[i]);
                }
            }
        }
    }
}

/// Adds the sums of a block of lines and a chunk of atoms.
struct Block<'a> {
    rows: &'a [Row],
    /// Atoms of each kind in the chunk.
    kinds: &'a [Range<usize>],
    /// Atoms of the chunk, and padded, as many as a row of `p` holds.
    atoms: usize,
    width: usize,
    p: (&'a [f64], &'a [f64]),
    z: (&'a [Lanes], &'a [Lanes]),
    /// Blocks of the lines before the first one that `out` holds, and blocks that a kind has there.
    first: usize,
    size: usize,
    out: &'a mut [Sums],
    /// Whether these are the first atoms: nothing is there to add to.
    fresh: bool,
}

impl Block<'_> {
    #[inline(always)]
    fn tiles<M: Machine, const WIDEST: usize, const FRESH: bool>(self) {
        let p = self.p.0.chunks_exact(self.width).zip(self.p.1.chunks_exact(self.width));
        for (row, p) in self.rows.iter().zip(p) {
            let vectors = row.vectors as usize;
            for (kind, atoms) in self.kinds.iter().enumerate() {
                if atoms.is_empty() && !FRESH {
                    continue;
                }
                let begin = kind * self.size + row.base as usize - self.first;
                let (minus, plus) = self.out[begin..begin + 2 * vectors].split_at_mut(vectors);
                let p = (&p.0[atoms.clone()], &p.1[atoms.clone()]);
                let mut v = 0;
                while v < vectors {
                    let width = (vectors - v).min(WIDEST);
                    let to = (&mut minus[vectors - v - width..vectors - v], &mut plus[v..v + width]);
                    let z = (&self.z.0[v * self.atoms..], &self.z.1[v * self.atoms..]);
                    match width {
                        1 => line::<M, 1, FRESH>(p, z, self.atoms, atoms, to),
                        2 => line::<M, 2, FRESH>(p, z, self.atoms, atoms, to),
                        3 => line::<M, 3, FRESH>(p, z, self.atoms, atoms, to),
                        _ => line::<M, 4, FRESH>(p, z, self.atoms, atoms, to),
                    }
                    v += width;
                }
            }
        }
    }
}

impl Kernel for Block<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        // Sixteen sums fill the registers of 64 bytes that are not needed otherwise, four those of 32.
        match (M::WIDE, self.fresh) {
            (true, true) => self.tiles::<M, 4, true>(),
            (true, false) => self.tiles::<M, 4, false>(),
            (false, true) => self.tiles::<M, 1, true>(),
            (false, false) => self.tiles::<M, 1, false>(),
        }
    }
}

/// V vectors of a line for the atoms of one kind; `to` are the blocks left of the middle, backwards, and right of it.
#[inline(always)]
fn line<M: Machine, const V: usize, const FRESH: bool>(
    p: (&[f64], &[f64]),
    z: (&[Lanes], &[Lanes]),
    count: usize,
    atoms: &Range<usize>,
    (minus, plus): (&mut [Sums], &mut [Sums]),
) {
    let n = atoms.len();
    let (p_re, p_im) = (&p.0[..n], &p.1[..n]);
    let mut z_re: [&[Lanes]; V] = [&[]; V];
    let mut z_im: [&[Lanes]; V] = [&[]; V];
    for u in 0..V {
        let first = u * count + atoms.start;
        z_re[u] = &z.0[first..first + n];
        z_im[u] = &z.1[first..first + n];
    }
    let (mut rr, mut ii) = ([[0.0; LANES]; V], [[0.0; LANES]; V]);
    let (mut ri, mut ir) = ([[0.0; LANES]; V], [[0.0; LANES]; V]);
    for j in 0..n {
        let (x, y) = (p_re[j], p_im[j]);
        for u in 0..V {
            let (re, im) = (&z_re[u][j], &z_im[u][j]);
            for i in 0..LANES {
                rr[u][i] = M::madd(x, re[i], rr[u][i]);
            }
            for i in 0..LANES {
                ii[u][i] = M::madd(y, im[i], ii[u][i]);
            }
            for i in 0..LANES {
                ri[u][i] = M::madd(x, im[i], ri[u][i]);
            }
            for i in 0..LANES {
                ir[u][i] = M::madd(y, re[i], ir[u][i]);
            }
        }
    }
    let (minus, plus) = (&mut minus[..V], &mut plus[..V]);
    for u in 0..V {
        let (left, right) = (&mut minus[V - 1 - u], &mut plus[u]);
        for i in 0..LANES {
            set::<FRESH>(&mut right[0][i], rr[u][i] - ii[u][i]);
        }
        for i in 0..LANES {
            set::<FRESH>(&mut right[1][i], ir[u][i] + ri[u][i]);
        }
        for i in 0..LANES {
            set::<FRESH>(&mut left[0][i], rr[u][LANES - 1 - i] + ii[u][LANES - 1 - i]);
        }
        for i in 0..LANES {
            set::<FRESH>(&mut left[1][i], ir[u][LANES - 1 - i] - ri[u][LANES - 1 - i]);
        }
    }
}

/// Add, or begin.
#[inline(always)]
fn set<const FRESH: bool>(to: &mut f64, value: f64) {
    *to = if FRESH { value } else { *to + value };
}

/// What the sums need beside their result; kept between crystals.
#[derive(Default)]
pub struct Scratch {
    starts: Vec<[i32; 3]>,
    re: Vec<Lanes>,
    im: Vec<Lanes>,
}

/// Sums over the atoms of each kind, for consecutive lines: kind k's blocks are `out[k size..(k + 1) size]`, where
/// they lie as [`super::rows::Row`] says. `kinds` are consecutive ranges of atoms.
pub fn sums(
    rows: &[Row],
    axis: usize,
    (frac, amplitudes): (&[Vec3], &[f64]),
    kinds: &[Range<usize>],
    scratch: &mut Scratch,
    out: &mut [Sums],
) {
    let (Some(first), Some(vectors)) = (rows.first(), rows.iter().map(|row| row.vectors as usize).max()) else {
        return;
    };
    let first = first.base as usize;
    scratch.starts.clear();
    scratch.starts.extend(rows.iter().map(|row| row.start));
    let mut phases = Phases::<f64>::new(&scratch.starts);
    let atoms = kinds.first().map_or(0, |k| k.start)..kinds.last().map_or(0, |k| k.end);
    let mut parts = Vec::with_capacity(kinds.len());
    for begin in atoms.clone().step_by(CHUNK) {
        let chunk = begin..(begin + CHUNK).min(atoms.end);
        parts.clear();
        parts.extend(kinds.iter().map(|kind| {
            let start = kind.start.clamp(chunk.start, chunk.end);
            start - begin..kind.end.clamp(start, chunk.end) - begin
        }));
        phases.set_atoms(&frac[chunk.clone()]);
        let count = chunk.len();
        let size = vectors * count;
        scratch.re.resize(size.max(scratch.re.len()), [0.0; LANES]);
        scratch.im.resize(size.max(scratch.im.len()), [0.0; LANES]);
        dispatch(Powers {
            axis,
            frac: &frac[chunk.clone()],
            amplitudes: &amplitudes[chunk],
            re: &mut scratch.re[..size],
            im: &mut scratch.im[..size],
        });
        for at in (0..rows.len()).step_by(BLOCK) {
            let block = at..(at + BLOCK).min(rows.len());
            phases.set_block(block.clone());
            dispatch(Block {
                rows: &rows[block],
                kinds: &parts,
                atoms: count,
                width: phases.width,
                p: (&phases.cos, &phases.sin),
                z: (&scratch.re, &scratch.im),
                first,
                size: out.len() / kinds.len(),
                fresh: begin == atoms.start,
                out,
            });
        }
    }
}
