//! Phases `exp(+2 pi i h.x)`, two atoms at a time, the reflections lying side by side.
//!
//! Reflections that follow one another and differ by one in l alone are a run: `X^h Y^k` is one number of an atom, and
//! `Z^l` a stretch of its table, so that a run costs as much as one reflection. Reflections in scan order are such runs;
//! in any other order the phases are the same and take longer.

use std::ops::Range;

use super::phases::{Axis, CHUNK, Fill, LANES, axes, multiply, product};
use crate::machine::{Machine, dispatch};
use crate::scalar::Scalar;

/// Most reflections of a stretch, whose phases stay in the first cache.
pub const STRETCH: usize = 256;

/// At most [`LANES`] reflections: their place in the stretch, the place of `X^h Y^k`, and that of the first `Z^l`.
struct Run {
    first: u32,
    pair: u32,
    start: u32,
}

/// The runs and pairs of a stretch.
struct Stretch {
    runs: Range<usize>,
    pairs: Range<usize>,
}

/// Phases of a stretch of reflections, two atoms at a time.
pub struct Runs<T> {
    axes: [Axis<T>; 3],
    starts: Vec<Run>,
    pairs: Vec<[u32; 2]>,
    stretches: Vec<Stretch>,
    /// Powers of l: atom `j`, row `r` at `j * stride + r`; [`LANES`] zeros behind each atom's.
    table: [Vec<T>; 2],
    stride: usize,
    /// `X^h Y^k` of a stretch: pair `p`, atom `j` at `p * width + j`.
    products: [Vec<T>; 2],
    width: usize,
    /// The stretch that [`Self::set_stretch`] named.
    now: usize,
    phases: Vec<T>,
}

/// cos and sin of the reflections of a stretch; what lies behind it, up to [`STRETCH`], is finite.
pub type Phase<'a, T> = (&'a [T], &'a [T]);

impl<T: Scalar> Runs<T> {
    /// For these reflections; no atoms yet.
    pub fn new(hkl: &[[i32; 3]]) -> Self {
        let axes = axes(hkl);
        let (mut starts, mut pairs, mut stretches) = (Vec::new(), Vec::new(), Vec::new());
        for stretch in hkl.chunks(STRETCH) {
            let (places, count) = run_starts(stretch);
            let before = (starts.len(), pairs.len());
            starts.reserve(count);
            for &place in &places[..count] {
                let [h, k, l] = stretch[place as usize];
                let pair = [axes[0].row(h), axes[1].row(k)];
                if pairs.len() == before.1 || pairs.last() != Some(&pair) {
                    pairs.push(pair);
                }
                starts.push(Run {
                    first: u32::from(place),
                    pair: (pairs.len() - before.1 - 1) as u32,
                    start: axes[2].row(l),
                });
            }
            stretches.push(Stretch {
                runs: before.0..starts.len(),
                pairs: before.1..pairs.len(),
            });
        }
        let size = STRETCH.min(hkl.len()).next_multiple_of(LANES) + LANES;
        Self {
            axes,
            starts,
            pairs,
            stretches,
            table: [Vec::new(), Vec::new()],
            stride: 0,
            products: [Vec::new(), Vec::new()],
            width: 0,
            now: 0,
            phases: vec![T::ZERO; 4 * size],
        }
    }

    /// Make the tables of at most [`CHUNK`] atoms.
    pub fn set_atoms(&mut self, frac: &[[T; 3]]) {
        debug_assert!(frac.len() <= CHUNK);
        self.width = frac.len().next_multiple_of(LANES);
        dispatch(Fill {
            axes: &mut self.axes,
            frac,
        });
        let z = &self.axes[2];
        let rows = z.re.len() / self.width.max(1);
        self.stride = rows + LANES;
        for (table, values) in self.table.iter_mut().zip([&z.re, &z.im]) {
            table.resize(self.stride * self.width, T::ZERO);
            transpose(values, self.width, table, self.stride, rows, self.width);
        }
    }

    /// Make `X^h Y^k` of a stretch, by its number.
    #[inline(always)]
    pub fn set_stretch<M: Machine>(&mut self, number: usize) {
        self.now = number;
        let (pairs, width) = (&self.pairs[self.stretches[number].pairs.clone()], self.width);
        let [re, im] = &mut self.products;
        for values in [&mut *re, &mut *im] {
            values.resize(values.len().max(pairs.len() * width), T::ZERO);
        }
        let targets = re.chunks_exact_mut(width).zip(im.chunks_exact_mut(width));
        for (&[h, k], (re, im)) in pairs.iter().zip(targets) {
            multiply::<T, M>(self.axes[0].at(h, width), self.axes[1].at(k, width), re, im);
        }
    }

    /// The phases of two atoms of the chunk, from an even number on; behind the last there is one at the origin.
    #[inline(always)]
    pub fn two_atoms<M: Machine>(&mut self, atom: usize) -> [Phase<'_, T>; 2] {
        let (n, z) = (self.stride, atom * self.stride);
        let z_re = [&self.table[0][z..z + n], &self.table[0][z + n..z + 2 * n]];
        let z_im = [&self.table[1][z..z + n], &self.table[1][z + n..z + 2 * n]];
        let n = self.phases.len() / 4;
        let (one, two) = self.phases.split_at_mut(2 * n);
        let ((a, b), (c, d)) = (one.split_at_mut(n), two.split_at_mut(n));
        let targets = [[&mut a[..n], &mut b[..n]], [&mut c[..n], &mut d[..n]]];
        let (x, y) = (&self.products[0][..], &self.products[1][..self.products[0].len()]);
        for run in &self.starts[self.stretches[self.now].runs.clone()] {
            let pair = run.pair as usize * self.width + atom;
            let (x, y) = (&x[pair..pair + 2], &y[pair..pair + 2]);
            let from = run.start as usize..run.start as usize + LANES;
            let to = run.first as usize..run.first as usize + LANES;
            for i in 0..2 {
                let (mut re, mut im) = ([T::ZERO; LANES], [T::ZERO; LANES]);
                re.copy_from_slice(&z_re[i][from.clone()]);
                im.copy_from_slice(&z_im[i][from.clone()]);
                let (re, im) = product::<T, M>((&[x[i]; LANES], &[y[i]; LANES]), (&re, &im));
                targets[i][0][to.clone()].copy_from_slice(&re);
                targets[i][1][to.clone()].copy_from_slice(&im);
            }
        }
        [(a, b), (c, d)]
    }
}

/// The places where runs begin, cut to at most [`LANES`] reflections, and how many there are.
fn run_starts(stretch: &[[i32; 3]]) -> ([u16; STRETCH], usize) {
    // Marked first, without branches: where a run ends cannot be foretold.
    let mut begins = [true; STRETCH];
    for (begins, pair) in begins[1..].iter_mut().zip(stretch.windows(2)) {
        let ([h, k, l], next) = (pair[0], pair[1]);
        *begins = (h ^ next[0]) | (k ^ next[1]) | ((l + 1) ^ next[2]) != 0;
    }
    let (mut starts, mut count, mut length) = ([0; STRETCH], 0, 0);
    for (place, &begins) in begins[..stretch.len()].iter().enumerate() {
        let begins = begins || length == LANES;
        starts[count] = place as u16;
        count += usize::from(begins);
        length = if begins { 1 } else { length + 1 };
    }
    (starts, count)
}

/// Side of the squares that a transposition works on.
const SIDE: usize = 4;

/// `to[c * to_stride + r] = from[r * from_stride + c]` for `rows` and `columns`, in squares that fit the registers.
fn transpose<T: Scalar>(from: &[T], from_stride: usize, to: &mut [T], to_stride: usize, rows: usize, columns: usize) {
    for r in (0..rows).step_by(SIDE) {
        for c in (0..columns).step_by(SIDE) {
            let mut square = [[T::ZERO; SIDE]; SIDE];
            for (i, line) in square.iter_mut().enumerate() {
                let begin = (r + i) * from_stride + c;
                line.copy_from_slice(&from[begin..begin + SIDE]);
            }
            for (k, line) in T::transpose(square).iter().enumerate() {
                let begin = (c + k) * to_stride + r;
                to[begin..begin + SIDE].copy_from_slice(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::machine::{Baseline, Fused, Wide};

    /// A ball in scan order, cut by runs of all kinds: broken, longer than a vector, over the end of a stretch.
    fn reflections() -> Vec<[i32; 3]> {
        let mut all = Vec::new();
        for h in -3..=3 {
            for k in -3..=3 {
                for l in -12..=12 + h {
                    if (h + k, l) != (0, 0) {
                        all.push([h, k, l]);
                    }
                }
            }
        }
        all.extend([[5, -9, 64], [5, -9, 63], [-64, 63, 7], [-64, 63, 8]]);
        all
    }

    fn on<M: Machine>() {
        let hkl = reflections();
        let frac: Vec<[f64; 3]> = (0..11)
            .map(|j| [0.043, -0.31, 0.27].map(|x| x * f64::from(j)))
            .collect();
        let mut phases = Runs::<f64>::new(&hkl);
        phases.set_atoms(&frac);
        for (number, stretch) in hkl.chunks(STRETCH).enumerate() {
            phases.set_stretch::<M>(number);
            for (j, x) in frac.iter().enumerate() {
                let (cos, sin) = phases.two_atoms::<M>(j / 2 * 2)[j % 2];
                for (r, h) in stretch.iter().enumerate() {
                    let turns: f64 = (0..3)
                        .map(|axis| f64::from(h[axis]) * (x[axis] - x[axis].round_ties_even()))
                        .sum();
                    let turned = TAU * (turns - turns.round_ties_even());
                    assert!((cos[r] - turned.cos()).abs() < 2e-13, "{h:?} {x:?}");
                    assert!((sin[r] - turned.sin()).abs() < 2e-13, "{h:?} {x:?}");
                }
            }
        }
    }

    #[test]
    fn phases_on_every_instruction_set() {
        on::<Baseline>();
        on::<Fused>();
        on::<Wide>();
    }

    #[test]
    fn scan_order_makes_runs_of_a_vector() {
        let hkl: Vec<[i32; 3]> = (0..40).map(|l| [1, 2, l - 20]).collect();
        assert_eq!(Runs::<f32>::new(&hkl).starts.len(), 5);
        let back: Vec<[i32; 3]> = hkl.into_iter().rev().collect();
        let phases = Runs::<f32>::new(&back);
        assert_eq!((phases.starts.len(), phases.pairs.len()), (40, 1));
    }
}
