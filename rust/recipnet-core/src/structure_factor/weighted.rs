//! Sums with one number for each atom and reflection: structure factors, their adjoints and position gradients.
//!
//! Two atoms at a time, with the reflections side by side: weights of terms and what is kept of them lie that way.

use std::f64::consts::TAU;

use super::phases::{CHUNK, LANES};
use super::ragged::{Piece, Ragged};
use super::runs::{Phase, Runs, STRETCH};
use super::tables::{Columns, Lookup};
use crate::machine::{Kernel, Machine};
use crate::scalar::Scalar;

/// Weights `w_j(h)` of the terms.
#[derive(Debug, Clone, Copy)]
pub enum Weights<'a, T> {
    /// One for each atom (N).
    Atom(&'a [T]),
    /// One for each term: crystal after crystal, inside a crystal atom after atom, inside an atom its reflections.
    Term(&'a [T]),
    /// Read from a table with a row for each kind of atom: form factors of species.
    Table {
        /// Row-major.
        values: &'a [T],
        /// Rows of the atoms and places of the reflections.
        lookup: Lookup<'a, T>,
    },
}

/// Atoms of a chunk and reflections of a stretch, numbered from the first of those that are summed over.
pub(super) struct Place {
    pub first_atom: usize,
    pub atoms: usize,
    pub first: usize,
    pub count: usize,
}

/// Chunks of atoms and, inside, stretches of reflections, in a fixed order.
#[inline(always)]
pub(super) fn stretches<T: Scalar, M: Machine>(
    frac: &[[T; 3]],
    hkl: &[[i32; 3]],
    mut visit: impl FnMut(&mut Runs<T>, &Place),
) {
    let mut phases = Runs::<T>::new(hkl);
    for (chunk, atoms) in frac.chunks(CHUNK).enumerate() {
        phases.set_atoms(atoms);
        for (number, stretch) in hkl.chunks(STRETCH).enumerate() {
            phases.set_stretch::<M>(number);
            let place = Place {
                first_atom: chunk * CHUNK,
                atoms: atoms.len(),
                first: number * STRETCH,
                count: stretch.len(),
            };
            visit(&mut phases, &place);
        }
    }
}

/// The sum of a vector, by halves.
#[inline(always)]
fn total<T: Scalar>(v: [T; LANES]) -> T {
    let half = [v[0] + v[4], v[1] + v[5], v[2] + v[6], v[3] + v[7]];
    (half[0] + half[2]) + (half[1] + half[3])
}

/// Weights of the terms of a stretch, two atoms at a time.
struct Rows<'a, T> {
    weights: Weights<'a, T>,
    columns: Columns<T>,
    same: [[T; STRETCH]; 2],
}

impl<'a, T: Scalar> Rows<'a, T> {
    fn new(weights: Weights<'a, T>) -> Self {
        Self {
            weights,
            columns: Columns::new(),
            same: [[T::ZERO; STRETCH]; 2],
        }
    }

    /// Before the atoms of a stretch: `atom` and `reflection` are its first of each, numbered through the batch.
    #[inline(always)]
    fn set_stretch<M: Machine>(&mut self, place: &Place, atom: usize, reflection: usize) {
        if let Weights::Table { values, lookup } = &self.weights {
            let own = reflection..reflection + place.count;
            self.columns.set_stretch(lookup, atom..atom + place.atoms, own);
            self.columns.read::<M>(values, lookup.columns);
        }
    }

    /// Those of atom `j` of the chunk and of the next, numbered through the batch too; behind the last atom zeros.
    #[inline(always)]
    fn two_atoms(&mut self, piece: &Piece, place: &Place, j: usize, atom: usize, reflection: usize) -> [&[T]; 2] {
        let both = j + 1 < place.atoms;
        if let Weights::Atom(w) = &self.weights {
            self.same[0][..place.count].fill(w[atom]);
            self.same[1][..place.count].fill(if both { w[atom + 1] } else { T::ZERO });
        }
        let row = |i: usize| match &self.weights {
            _ if j + i >= place.atoms => &self.same[1],
            Weights::Atom(_) => &self.same[i][..],
            Weights::Term(w) => &w[term(piece, atom + i, reflection)..],
            Weights::Table { .. } => &self.columns.values[self.columns.of(j + i)],
        };
        [&row(0)[..place.count], &row(1)[..place.count]]
    }
}

/// Place of a term in an atom-major ragged block.
fn term(piece: &Piece, atom: usize, reflection: usize) -> usize {
    let part = &piece.part;
    part.first_term + (atom - part.atoms.start) * part.reflections.len() + reflection - part.reflections.start
}

/// Real and imaginary parts of a stretch of reflections.
pub(super) struct Complex<T> {
    pub re: [T; STRETCH],
    pub im: [T; STRETCH],
}

impl<T: Scalar> Complex<T> {
    pub fn new() -> Self {
        Self {
            re: [T::ZERO; STRETCH],
            im: [T::ZERO; STRETCH],
        }
    }

    /// Zeros behind.
    #[inline(always)]
    pub fn load(&mut self, pairs: &[[T; 2]]) {
        for (i, &[re, im]) in pairs.iter().enumerate() {
            (self.re[i], self.im[i]) = (re, im);
        }
        self.re[pairs.len()..].fill(T::ZERO);
        self.im[pairs.len()..].fill(T::ZERO);
    }
}

/// `F(h) = sum_j w_j(h) exp(+2 pi i h.x_j)` for the reflections of a piece.
pub(super) struct Forward<'a, T> {
    pub batch: Ragged<'a, T>,
    pub weights: Weights<'a, T>,
    pub piece: Piece,
    pub out: &'a mut [[T; 2]],
}

/// Add two weighted phases to the sums.
#[inline(always)]
fn add_two<T: Scalar, M: Machine>(weights: [&[T]; 2], phases: [Phase<T>; 2], re: &mut [T], im: &mut [T]) {
    let [w, v] = weights;
    let [(a, b), (c, d)] = phases;
    let parts = w.iter().zip(v).zip(a.iter().zip(b)).zip(c.iter().zip(d));
    for ((re, im), (((&w, &v), (&a, &b)), (&c, &d))) in re.iter_mut().zip(im).zip(parts) {
        *re = M::madd(v, c, M::madd(w, a, *re));
        *im = M::madd(v, d, M::madd(w, b, *im));
    }
}

impl<T: Scalar> Kernel for Forward<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let (atoms, rows) = (&self.piece.part.atoms, &self.piece.rows);
        let out = self.out;
        if atoms.is_empty() {
            out.fill([T::ZERO; 2]);
        }
        let mut weights = Rows::new(self.weights);
        let mut sums = Complex::new();
        let visit = |phases: &mut Runs<T>, place: &Place| {
            let (first_atom, reflection) = (atoms.start + place.first_atom, rows.start + place.first);
            weights.set_stretch::<M>(place, first_atom, reflection);
            sums.load(&[]);
            for j in (0..place.atoms).step_by(2) {
                let two = weights.two_atoms(&self.piece, place, j, first_atom + j, reflection);
                add_two::<T, M>(two, phases.two_atoms::<M>(j), &mut sums.re, &mut sums.im);
            }
            let parts = sums.re.iter().zip(&sums.im);
            for (to, (&re, &im)) in out[place.first..place.first + place.count].iter_mut().zip(parts) {
                let before = if place.first_atom == 0 { [T::ZERO; 2] } else { *to };
                *to = [before[0] + re, before[1] + im];
            }
        };
        stretches::<T, M>(&self.batch.frac[atoms.clone()], &self.batch.hkl[rows.clone()], visit);
    }
}

/// What is kept of the numbers `Re[conj(exp(+2 pi i h.x_j)) g(h)]`.
#[derive(Debug, Clone, Copy)]
pub enum Keep {
    /// Their sum over reflections (N).
    Atom,
    /// All of them, laid out as [`Weights::Term`].
    Term,
}

/// Set to `Re[conj(e) g]`.
#[inline(always)]
fn set_real_parts<T: Scalar, M: Machine>(g: &Complex<T>, (cos, sin): Phase<T>, to: &mut [T]) {
    let parts = g.re.iter().zip(&g.im).zip(cos.iter().zip(sin));
    for (to, ((&re, &im), (&cos, &sin))) in to.iter_mut().zip(parts) {
        *to = M::madd(re, cos, im * sin);
    }
}

/// Add `Re[conj(e) g]`.
#[inline(always)]
pub(super) fn add_real_parts<T: Scalar, M: Machine>(g: &Complex<T>, (cos, sin): Phase<T>, to: &mut [T]) {
    let parts = g.re.iter().zip(&g.im).zip(cos.iter().zip(sin));
    for (to, ((&re, &im), (&cos, &sin))) in to.iter_mut().zip(parts) {
        *to = M::madd(re, cos, M::madd(im, sin, *to));
    }
}

/// The sum of `Re[conj(e) g]` over a stretch, behind which g is zero.
#[inline(always)]
fn real_sum<T: Scalar, M: Machine>(g: &Complex<T>, (cos, sin): Phase<T>) -> T {
    let (re, im) = (g.re.as_chunks::<LANES>().0, g.im.as_chunks::<LANES>().0);
    let (cos, sin) = (cos.as_chunks::<LANES>().0, sin.as_chunks::<LANES>().0);
    let mut sum = [T::ZERO; LANES];
    for ((&re, &im), (&cos, &sin)) in re.iter().zip(im).zip(cos.iter().zip(sin)) {
        for i in 0..LANES {
            sum[i] = M::madd(re[i], cos[i], sum[i]);
        }
        for i in 0..LANES {
            sum[i] = M::madd(im[i], sin[i], sum[i]);
        }
    }
    total(sum)
}

/// The adjoint of [`Forward`] in the weights, for a piece of atoms.
pub(super) struct Adjoint<'a, T> {
    pub batch: Ragged<'a, T>,
    pub g: &'a [[T; 2]],
    pub keep: Keep,
    pub piece: Piece,
    pub out: &'a mut [T],
}

impl<T: Scalar> Kernel for Adjoint<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let (atoms, reflections) = (&self.piece.rows, &self.piece.part.reflections);
        let (pairs, out) = (&self.g[reflections.clone()], self.out);
        if matches!(self.keep, Keep::Atom) {
            out.fill(T::ZERO);
        }
        let mut g = Complex::new();
        let visit = |phases: &mut Runs<T>, place: &Place| {
            g.load(&pairs[place.first..place.first + place.count]);
            for j in (0..place.atoms).step_by(2) {
                for (j, phase) in (j..place.atoms).zip(phases.two_atoms::<M>(j)) {
                    match self.keep {
                        Keep::Atom => out[place.first_atom + j] += real_sum::<T, M>(&g, phase),
                        Keep::Term => {
                            let begin = (place.first_atom + j) * reflections.len() + place.first;
                            set_real_parts::<T, M>(&g, phase, &mut out[begin..begin + place.count]);
                        }
                    }
                }
            }
        };
        stretches::<T, M>(
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

/// Indices of a stretch of reflections, axis by axis.
struct Indices<T> {
    axes: [[T; STRETCH]; 3],
}

impl<T: Scalar> Indices<T> {
    #[inline(always)]
    fn load(&mut self, hkl: &[[i32; 3]]) {
        for (i, h) in hkl.iter().enumerate() {
            for axis in 0..3 {
                self.axes[axis][i] = T::from_f64(f64::from(h[axis]));
            }
        }
    }
}

/// `sum_h h w (g_im cos - g_re sin)` over a stretch; `slope` is scratch, zero behind the stretch.
#[inline(always)]
fn slopes<T: Scalar, M: Machine>(
    w: &[T],
    g: &Complex<T>,
    (cos, sin): Phase<T>,
    indices: &Indices<T>,
    slope: &mut [T; STRETCH],
) -> [T; 3] {
    let parts = w.iter().zip(g.re.iter().zip(&g.im)).zip(cos.iter().zip(sin));
    for (to, ((&w, (&re, &im)), (&cos, &sin))) in slope.iter_mut().zip(parts) {
        *to = w * M::madd(im, cos, -(re * sin));
    }
    let slope = slope.as_chunks::<LANES>().0;
    let mut sums = [T::ZERO; 3];
    for (to, h) in sums.iter_mut().zip(&indices.axes) {
        let mut sum = [T::ZERO; LANES];
        for (&h, &slope) in h.as_chunks::<LANES>().0.iter().zip(slope) {
            for i in 0..LANES {
                sum[i] = M::madd(h[i], slope[i], sum[i]);
            }
        }
        *to = total(sum);
    }
    sums
}

impl<T: Scalar> Kernel for PositionGradient<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let (atoms, part) = (&self.piece.rows, &self.piece.part);
        let hkl = &self.batch.hkl[part.reflections.clone()];
        let pairs = &self.g[part.reflections.clone()];
        let out = self.out;
        out.fill([T::ZERO; 3]);
        let mut weights = Rows::new(self.weights);
        let (mut g, mut slope) = (Complex::new(), [T::ZERO; STRETCH]);
        let mut indices = Indices {
            axes: [[T::ZERO; STRETCH]; 3],
        };
        let visit = |phases: &mut Runs<T>, place: &Place| {
            let (first_atom, reflection) = (atoms.start + place.first_atom, part.reflections.start + place.first);
            weights.set_stretch::<M>(place, first_atom, reflection);
            let rows = place.first..place.first + place.count;
            g.load(&pairs[rows.clone()]);
            indices.load(&hkl[rows]);
            slope[place.count..].fill(T::ZERO);
            for j in (0..place.atoms).step_by(2) {
                let two = phases.two_atoms::<M>(j);
                let rows = weights.two_atoms(&self.piece, place, j, first_atom + j, reflection);
                let out = &mut out[place.first_atom..place.first_atom + place.atoms];
                for ((phase, row), to) in two.into_iter().zip(rows).zip(&mut out[j..]) {
                    let sums = slopes::<T, M>(row, &g, phase, &indices, &mut slope);
                    for (to, sum) in to.iter_mut().zip(sums) {
                        *to += sum * T::from_f64(TAU);
                    }
                }
            }
        };
        stretches::<T, M>(&self.batch.frac[atoms.clone()], hkl, visit);
    }
}
