//! Sums with one number for each atom and reflection: structure factors, their adjoints and position gradients.

use std::f64::consts::TAU;

use super::phases::{BLOCK, CHUNK, LANES, Phases};
use super::ragged::{Piece, Ragged};
use crate::machine::{Kernel, Machine};
use crate::scalar::Scalar;

/// Weights `w_j(h)` of the terms.
#[derive(Debug, Clone, Copy)]
pub enum Weights<'a, T> {
    /// One for each atom (N).
    Atom(&'a [T]),
    /// One for each term: crystal after crystal, inside a crystal atom after atom, inside an atom its reflections.
    Term(&'a [T]),
    /// `values` (H, count) at each reflection, of which atom j takes column `kinds[j]`: form factors of species.
    Kind {
        /// Row-major.
        values: &'a [T],
        /// Columns (N), below `count`.
        kinds: &'a [i64],
        /// Columns in all.
        count: usize,
    },
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

/// Weights of a block, atoms side by side as the phases are; padding atoms weigh nothing.
struct Panel<T> {
    values: [T; BLOCK * CHUNK],
}

impl<T: Scalar> Panel<T> {
    fn new() -> Self {
        Self {
            values: [T::ZERO; BLOCK * CHUNK],
        }
    }

    /// `atoms` and `reflections`: first, numbered through the batch, and count.
    #[inline(always)]
    fn load(
        &mut self,
        weights: &Weights<T>,
        piece: &Piece,
        width: usize,
        (first_atom, atoms): (usize, usize),
        (first_hkl, reflections): (usize, usize),
    ) {
        let values = &mut self.values[..width * reflections];
        match weights {
            Weights::Atom(w) => {
                let w = &w[first_atom..first_atom + atoms];
                for row in values.chunks_exact_mut(width) {
                    row[..atoms].copy_from_slice(w);
                    row[atoms..].fill(T::ZERO);
                }
            }
            Weights::Term(w) => {
                let begin = term(piece, first_atom, first_hkl);
                transpose(
                    &w[begin..],
                    piece.part.reflections.len(),
                    values,
                    width,
                    atoms,
                    reflections,
                );
                if atoms < width {
                    for row in values.chunks_exact_mut(width) {
                        row[atoms..].fill(T::ZERO);
                    }
                }
            }
            Weights::Kind {
                values: table,
                kinds,
                count,
            } => {
                let kinds = &kinds[first_atom..first_atom + atoms];
                let rows = &table[first_hkl * count..(first_hkl + reflections) * count];
                for (to, from) in values.chunks_exact_mut(width).zip(rows.chunks_exact(*count)) {
                    for (to, &kind) in to.iter_mut().zip(kinds) {
                        *to = from[kind as usize];
                    }
                    to[atoms..].fill(T::ZERO);
                }
            }
        }
    }
}

/// Side of the squares that a transposition works on.
const SIDE: usize = 4;

/// `to[c * to_stride + r] = from[r * from_stride + c]` for `rows` and `columns`, in squares that fit the registers.
#[inline(always)]
fn transpose<T: Scalar>(from: &[T], from_stride: usize, to: &mut [T], to_stride: usize, rows: usize, columns: usize) {
    for r in (0..rows).step_by(SIDE) {
        for c in (0..columns).step_by(SIDE) {
            if r + SIDE <= rows && c + SIDE <= columns {
                let mut square = [[T::ZERO; SIDE]; SIDE];
                for (i, line) in square.iter_mut().enumerate() {
                    let begin = (r + i) * from_stride + c;
                    line.copy_from_slice(&from[begin..begin + SIDE]);
                }
                for (k, line) in T::transpose(square).iter().enumerate() {
                    let begin = (c + k) * to_stride + r;
                    to[begin..begin + SIDE].copy_from_slice(line);
                }
            } else {
                for i in r..(r + SIDE).min(rows) {
                    for k in c..(c + SIDE).min(columns) {
                        to[k * to_stride + i] = from[i * from_stride + k];
                    }
                }
            }
        }
    }
}

/// Place of a term in an atom-major ragged block.
fn term(piece: &Piece, atom: usize, reflection: usize) -> usize {
    let part = &piece.part;
    part.first_term + (atom - part.atoms.start) * part.reflections.len() + reflection - part.reflections.start
}

/// The sums of eight numbers each, by halves, of all rows of a block.
#[inline(always)]
fn totals<T: Scalar>(rows: &[[T; LANES]; BLOCK]) -> [T; BLOCK] {
    let mut columns = [T::ZERO; LANES * BLOCK];
    transpose(rows.as_flattened(), LANES, &mut columns, BLOCK, BLOCK, LANES);
    let (v, _) = columns.as_chunks::<BLOCK>();
    std::array::from_fn(|r| {
        let half = [
            v[0][r] + v[4][r],
            v[1][r] + v[5][r],
            v[2][r] + v[6][r],
            v[3][r] + v[7][r],
        ];
        (half[0] + half[2]) + (half[1] + half[3])
    })
}

/// `F(h) = sum_j w_j(h) exp(+2 pi i h.x_j)` for the reflections of a piece.
pub(super) struct Forward<'a, T> {
    pub batch: Ragged<'a, T>,
    pub weights: Weights<'a, T>,
    pub piece: Piece,
    pub out: &'a mut [[T; 2]],
}

impl<T: Scalar> Kernel for Forward<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let (atoms, rows) = (&self.piece.part.atoms, &self.piece.rows);
        let mut panel = Panel::new();
        let out = self.out;
        if atoms.is_empty() {
            out.fill([T::ZERO; 2]);
        }
        let visit = |phases: &Phases<T>, (atom, count): (usize, usize), (first, reflections): (usize, usize)| {
            let width = phases.width;
            let place = ((atoms.start + atom, count), (rows.start + first, reflections));
            panel.load(&self.weights, &self.piece, width, place.0, place.1);
            let (mut re, mut im) = ([[T::ZERO; LANES]; BLOCK], [[T::ZERO; LANES]; BLOCK]);
            for r in 0..reflections {
                let row = r * width..(r + 1) * width;
                let (cos, sin) = (&phases.cos[row.clone()], &phases.sin[row.clone()]);
                let phase = cos.as_chunks::<LANES>().0.iter().zip(sin.as_chunks::<LANES>().0);
                let (mut x, mut y) = ([T::ZERO; LANES], [T::ZERO; LANES]);
                for (&w, (&cos, &sin)) in panel.values[row].as_chunks::<LANES>().0.iter().zip(phase) {
                    for i in 0..LANES {
                        x[i] = M::madd(w[i], cos[i], x[i]);
                    }
                    for i in 0..LANES {
                        y[i] = M::madd(w[i], sin[i], y[i]);
                    }
                }
                (re[r], im[r]) = (x, y);
            }
            let (re, im) = (totals(&re), totals(&im));
            for (to, (&re, &im)) in out[first..first + reflections].iter_mut().zip(re.iter().zip(&im)) {
                let before = if atom == 0 { [T::ZERO; 2] } else { *to };
                *to = [before[0] + re, before[1] + im];
            }
        };
        blocks::<T>(&self.batch.frac[atoms.clone()], &self.batch.hkl[rows.clone()], visit);
    }
}

/// What is kept of the numbers `Re[conj(exp(+2 pi i h.x_j)) g(h)]`.
#[derive(Debug, Clone, Copy)]
pub enum Keep<'a> {
    /// Their sum over reflections (N).
    Atom,
    /// All of them, laid out as [`Weights::Term`].
    Term,
    /// Their sum over the atoms of each kind (H, count).
    Kind {
        /// Columns (N), below `count`.
        kinds: &'a [i64],
        /// Columns in all.
        count: usize,
    },
}

/// The adjoint of [`Forward`] in the weights, for a piece of atoms, or for a piece of reflections with [`Keep::Kind`].
pub(super) struct Adjoint<'a, T> {
    pub batch: Ragged<'a, T>,
    pub g: &'a [[T; 2]],
    pub keep: Keep<'a>,
    pub piece: Piece,
    pub out: &'a mut [T],
}

impl<T: Scalar> Kernel for Adjoint<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let part = &self.piece.part;
        let (atoms, reflections) = match self.keep {
            Keep::Kind { .. } => (part.atoms.clone(), self.piece.rows.clone()),
            Keep::Atom | Keep::Term => (self.piece.rows.clone(), part.reflections.clone()),
        };
        let (g, out) = (&self.g[reflections.clone()], self.out);
        if !matches!(self.keep, Keep::Term) {
            out.fill(T::ZERO);
        }
        let mut values = [T::ZERO; BLOCK * CHUNK];
        let visit = |phases: &Phases<T>, (atom, count): (usize, usize), (first, rows): (usize, usize)| {
            let width = phases.width;
            let phase = phases.cos.chunks_exact(width).zip(phases.sin.chunks_exact(width));
            let to = values[..width * rows]
                .chunks_exact_mut(width)
                .zip(&g[first..first + rows]);
            for ((to, &[re, im]), (cos, sin)) in to.zip(phase) {
                let phase = cos.as_chunks::<LANES>().0.iter().zip(sin.as_chunks::<LANES>().0);
                for (to, (&cos, &sin)) in to.as_chunks_mut::<LANES>().0.iter_mut().zip(phase) {
                    let mut value = [T::ZERO; LANES];
                    for i in 0..LANES {
                        value[i] = M::madd(re, cos[i], im * sin[i]);
                    }
                    *to = value;
                }
            }
            let values = &values[..width * rows];
            match self.keep {
                Keep::Atom => {
                    for row in values.chunks_exact(width) {
                        for (to, &value) in out[atom..atom + count].iter_mut().zip(row) {
                            *to += value;
                        }
                    }
                }
                Keep::Term => {
                    let begin = atom * reflections.len() + first;
                    transpose(values, width, &mut out[begin..], reflections.len(), rows, count);
                }
                Keep::Kind { kinds, count: columns } => {
                    let kinds = &kinds[atoms.start + atom..atoms.start + atom + count];
                    let to = out[first * columns..(first + rows) * columns].chunks_exact_mut(columns);
                    for (to, row) in to.zip(values.chunks_exact(width)) {
                        for (&kind, &value) in kinds.iter().zip(row) {
                            to[kind as usize] += value;
                        }
                    }
                }
            }
        };
        blocks::<T>(
            &self.batch.frac[atoms.clone()],
            &self.batch.hkl[reflections.clone()],
            visit,
        );
    }
}

/// `dL/dx_j = 2 pi sum_h h w_j(h) (g_im cos - g_re sin)` for the atoms of a piece.
pub(super) struct PositionGradient<'a, T> {
    pub batch: Ragged<'a, T>,
    pub weights: Weights<'a, T>,
    pub g: &'a [[T; 2]],
    pub piece: Piece,
    pub out: &'a mut [[T; 3]],
}

impl<T: Scalar> Kernel for PositionGradient<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let (atoms, part) = (&self.piece.rows, &self.piece.part);
        let hkl = &self.batch.hkl[part.reflections.clone()];
        let g = &self.g[part.reflections.clone()];
        let mut panel = Panel::new();
        let out = self.out;
        out.fill([T::ZERO; 3]);
        let visit = |phases: &Phases<T>, (atom, count): (usize, usize), (first, rows): (usize, usize)| {
            let width = phases.width;
            let place = ((atoms.start + atom, count), (part.reflections.start + first, rows));
            panel.load(&self.weights, &self.piece, width, place.0, place.1);
            let mut h = [[T::ZERO; 3]; BLOCK];
            for (h, index) in h.iter_mut().zip(&hkl[first..first + rows]) {
                *h = index.map(|index| T::from_f64(f64::from(index)));
            }
            let g = &g[first..first + rows];
            for j in (0..width).step_by(LANES) {
                let mut sums = [[T::ZERO; LANES]; 3];
                for (r, (&[re, im], h)) in g.iter().zip(&h).enumerate() {
                    let begin = r * width + j;
                    let eight = begin..begin + LANES;
                    let (w, cos, sin) = (
                        &panel.values[eight.clone()],
                        &phases.cos[eight.clone()],
                        &phases.sin[eight],
                    );
                    let mut slope = [T::ZERO; LANES];
                    for i in 0..LANES {
                        slope[i] = w[i] * M::madd(im, cos[i], -(re * sin[i]));
                    }
                    for axis in 0..3 {
                        for i in 0..LANES {
                            sums[axis][i] = M::madd(h[axis], slope[i], sums[axis][i]);
                        }
                    }
                }
                for (i, to) in out[atom + j..(atom + j + LANES).min(atom + count)]
                    .iter_mut()
                    .enumerate()
                {
                    for axis in 0..3 {
                        to[axis] += sums[axis][i] * T::from_f64(TAU);
                    }
                }
            }
        };
        blocks::<T>(&self.batch.frac[atoms.clone()], hkl, visit);
    }
}
