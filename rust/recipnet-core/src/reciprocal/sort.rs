//! Reflections by d falling; runs of d with gaps of at most 1e-9 angstrom are one tie, sorted inside by hkl falling.
//!
//! A reflection is one number: bins of `1/d^2`, finer than a tie, above its indices, so that nothing is looked up. The
//! numbers are dealt into buckets that a ball fills evenly, and few are left to be moved. Where d shows that ties and
//! bins are not the same, the rows in question are sorted by the rule itself.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

use std::cmp::Reverse;
use std::ops::Range;

use super::ball::Run;
use super::fill::Lengths;
use super::pairs::{BLOCK, Bits, Look, end_of, start_of};
use crate::elementary::ROUND;
use crate::lattice::Lattice;
use crate::machine::{Kernel, Machine, dispatch};
use crate::math::{Mat3, triangular};
use crate::order::TIE_GAP;
use crate::scratch::holds;

/// Numbers that are made side by side.
const LANES: usize = 8;
/// Bins are at most this fine: 1e-12 of the largest `1/d^2`, far above rounding.
const MOST_BITS: u32 = 40;
/// With fewer bits for bins the rule itself sorts.
const FEWEST_BITS: u32 = 24;
/// Larger buckets are sorted by themselves.
const FULL: u32 = 24;
/// Ties of at most so many rows are sorted in place.
const FEW: usize = 32;
/// 2^52: the low bits of its sum with a smaller number are that number, rounded to a whole one.
const WHOLE: f64 = 4_503_599_627_370_496.0;

/// What the numbers of one crystal's reflections look like.
#[derive(Debug)]
pub(crate) struct Shape {
    frame: Mat3,
    /// Largest `1/d^2`.
    square: f64,
    /// Largest of each index; the indices' bits follow each other, the first one highest.
    largest: [i64; 3],
    bits: [u32; 3],
    step: i32,
}

impl Shape {
    pub fn new(lattice: &Lattice, radius: f64, step: i32) -> Self {
        // |h| <= |a| / d, and what rounding adds.
        let largest = lattice.lengths().map(|a| (a * radius * (1.0 + 1e-6)) as i64 + 1);
        Self {
            frame: triangular(lattice.reciprocal()),
            square: radius * radius * (1.0 + 1e-6),
            largest,
            bits: largest.map(|most| 64 - (2 * most as u64).leading_zeros()),
            step,
        }
    }

    /// The indices that a number holds.
    #[inline(always)]
    fn indices(&self, key: u64) -> [i32; 3] {
        let ([h, k, l], bits) = (self.largest, self.bits);
        let part = |key: u64, bits: u32| (key & ((1 << bits) - 1)) as i64;
        [
            (h - part(key >> (bits[1] + bits[2]), bits[0])) as i32,
            (k - part(key >> bits[2], bits[1])) as i32,
            (l - part(key, bits[2])) as i32,
        ]
    }

    /// As many bins as there are bits for.
    fn most_bins(&self) -> f64 {
        let bits = 64u32.saturating_sub(self.low_bits()).clamp(2, MOST_BITS);
        ((1u64 << bits) - 2) as f64
    }

    /// Bits of the indices.
    fn low_bits(&self) -> u32 {
        self.bits.iter().sum()
    }
}

/// Holds the memory between crystals.
#[derive(Debug, Default)]
pub(crate) struct Sorter {
    keys: Vec<u64>,
    buckets: Vec<u32>,
    ends: Vec<u32>,
    sorted: Vec<u64>,
    d: Vec<f64>,
    /// What the pairs of each block of rows are.
    pairs: Vec<Bits>,
    windows: Vec<Range<usize>>,
    rows: Vec<(f64, [i32; 3])>,
}

holds!(Sorter: keys, buckets, ends, sorted, d, pairs, windows, rows);

impl Sorter {
    /// Write the reflections of runs in order; returns their d.
    pub fn sort(&mut self, shape: &Shape, runs: &[Run], hkl: &mut [[i32; 3]]) -> &[f64] {
        // At the least d a third of a tie: rows of a tie mostly share a bin, and few others do.
        let bins = (1.5 / (TIE_GAP * shape.square.sqrt())).min(shape.most_bins());
        if self.sort_bins(shape, runs, bins, hkl) {
            self.mend(shape, bins, hkl);
        }
        &self.d
    }

    /// [`Self::sort`] where ties may lie in any order, and `1/d^2` may fall by 1e-12 of the largest: a bin.
    pub fn sort_roughly(&mut self, shape: &Shape, runs: &[Run], hkl: &mut [[i32; 3]]) -> &[f64] {
        let bins = shape.most_bins();
        if self.sort_bins(shape, runs, bins, hkl) && shape.low_bits() + MOST_BITS > 64 {
            // Bins that are wider than that.
            self.mend(shape, bins, hkl);
        }
        &self.d
    }

    /// Write reflections by bins of d; whether ties need a second look.
    fn sort_bins(&mut self, shape: &Shape, runs: &[Run], bins: f64, hkl: &mut [[i32; 3]]) -> bool {
        let count = hkl.len();
        self.d.resize(count, 0.0);
        let low = shape.low_bits();
        if low + FEWEST_BITS > 64 {
            dispatch(super::fill::Fill {
                runs,
                step: shape.step,
                out: hkl,
            });
            self.set_spacings(shape, hkl);
            self.by_rule(0..count, hkl);
            return false;
        }
        // What is written beyond the end of a run is written again: room for the last.
        if self.keys.len() < count + LANES {
            self.keys.resize(count + LANES, 0);
            self.buckets.resize(count + LANES, 0);
            self.sorted.resize(count + LANES, 0);
        }
        let buckets = count + 1;
        dispatch(Encode {
            shape,
            runs,
            bins,
            buckets: (buckets - 1) as f64,
            keys: &mut self.keys[..count + LANES],
            places: &mut self.buckets[..count + LANES],
        });
        self.deal(count, buckets);
        dispatch(Decode {
            shape,
            keys: &self.sorted[..count],
            out: hkl,
        });
        self.set_spacings(shape, hkl);
        true
    }

    fn set_spacings(&mut self, shape: &Shape, hkl: &[[i32; 3]]) {
        dispatch(Lengths {
            hkl,
            frame: &shape.frame,
            out: &mut self.d,
            invert: true,
        });
    }

    /// Sort the keys through their buckets.
    fn deal(&mut self, count: usize, buckets: usize) {
        self.ends.clear();
        self.ends.resize(buckets + 1, 0);
        for &bucket in &self.buckets[..count] {
            self.ends[bucket as usize] += 1;
        }
        let (mut end, mut fullest) = (0, 0);
        for place in &mut self.ends {
            fullest = fullest.max(*place);
            end += *place;
            *place = end;
        }
        let sorted = &mut self.sorted[..count];
        // From the end of each bucket: the scan rises in hkl, so that rows of one bin fall.
        for (&key, &bucket) in self.keys[..count].iter().zip(&self.buckets) {
            let place = &mut self.ends[bucket as usize];
            *place -= 1;
            sorted[*place as usize] = key;
        }
        if fullest > FULL {
            for bucket in self.ends.windows(2).filter(|pair| pair[1] - pair[0] > FULL) {
                sorted[bucket[0] as usize..bucket[1] as usize].sort_unstable();
            }
        }
        for end in 1..count {
            let key = sorted[end];
            if sorted[end - 1] > key {
                let mut at = end;
                while at > 0 && sorted[at - 1] > key {
                    sorted[at] = sorted[at - 1];
                    at -= 1;
                }
                sorted[at] = key;
            }
        }
    }

    /// Sort by the rule where bins and ties are not the same.
    fn mend(&mut self, shape: &Shape, bins: f64, hkl: &mut [[i32; 3]]) {
        let (count, low) = (hkl.len(), shape.low_bits());
        self.pairs.clear();
        dispatch(Look {
            keys: &self.sorted[..count],
            low,
            d: &self.d,
            width: shape.square / bins,
            out: &mut self.pairs,
        });
        let mut windows = std::mem::take(&mut self.windows);
        windows.clear();
        let mut end = 0;
        for (block, bits) in self.pairs.iter().enumerate() {
            let mut doubtful = bits.doubtful;
            while doubtful != 0 {
                let i = block * BLOCK + doubtful.trailing_zeros() as usize;
                doubtful &= doubtful - 1;
                if i >= end {
                    let start = start_of(&self.pairs, i);
                    end = end_of(&self.pairs, i).min(count);
                    windows.push(start..end);
                }
            }
        }
        for window in windows.drain(..) {
            if !self.is_one_tie(window.clone(), shape, hkl) {
                self.by_rule(window, hkl);
            }
        }
        self.windows = windows;
    }

    /// Sort some rows if they are few and all one tie, as where a shell lies on the edge of a bin; tells whether they
    /// are. In place, with numbers for indices: they rise as hkl falls.
    fn is_one_tie(&mut self, range: Range<usize>, shape: &Shape, hkl: &mut [[i32; 3]]) -> bool {
        let (keys, d) = (&mut self.sorted[range.clone()], &mut self.d[range.clone()]);
        let ends = (d.iter()).fold([f64::INFINITY, 0.0], |[least, most], d| [d.min(least), d.max(most)]);
        if keys.len() > FEW || ends[1] - ends[0] > TIE_GAP {
            return false;
        }
        let mask = (1 << shape.low_bits()) - 1;
        for end in 0..keys.len() {
            let (key, own) = (keys[end] & mask, d[end]);
            let mut at = end;
            while at > 0 && keys[at - 1] > key {
                (keys[at], d[at]) = (keys[at - 1], d[at - 1]);
                at -= 1;
            }
            (keys[at], d[at]) = (key, own);
        }
        for (to, key) in hkl[range].iter_mut().zip(keys) {
            *to = shape.indices(*key);
        }
        true
    }

    /// The rule itself, for some rows.
    fn by_rule(&mut self, range: Range<usize>, hkl: &mut [[i32; 3]]) {
        let (d, hkl) = (&mut self.d[range.clone()], &mut hkl[range]);
        let rows = &mut self.rows;
        rows.clear();
        rows.extend(d.iter().copied().zip(hkl.iter().copied()));
        rows.sort_unstable_by(|p, q| q.0.total_cmp(&p.0));
        for tie in rows.chunk_by_mut(|p, q| p.0 - q.0 <= TIE_GAP) {
            tie.sort_unstable_by_key(|row| Reverse(row.1));
        }
        for ((d, hkl), row) in d.iter_mut().zip(hkl).zip(rows) {
            (*d, *hkl) = *row;
        }
    }
}

/// Makes the numbers of runs, and says into which bucket each goes.
struct Encode<'a> {
    shape: &'a Shape,
    runs: &'a [Run],
    bins: f64,
    buckets: f64,
    keys: &'a mut [u64],
    places: &'a mut [u32],
}

impl Kernel for Encode<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let Shape {
            frame,
            square,
            largest,
            bits,
            step,
        } = self.shape;
        let low = self.shape.low_bits();
        let per_square = 1.0 / square;
        let stride = f64::from(*step) * frame[2][2];
        let strides: [f64; LANES] = std::array::from_fn(|i| i as f64 * stride);
        let steps: [u64; LANES] = std::array::from_fn(|i| i as u64 * *step as u64);
        let (block_stride, block_step) = (LANES as f64 * stride, LANES as u64 * *step as u64);
        let mut at = 0;
        for run in self.runs {
            let (h, k) = (f64::from(run.h), f64::from(run.k));
            let x = h * frame[0][0];
            let y = M::madd(k, frame[1][1], h * frame[0][1]);
            let rest = M::madd(y, y, x * x) * per_square;
            let mut start = M::madd(f64::from(run.l), frame[2][2], M::madd(k, frame[1][2], h * frame[0][2]));
            let indices = [i64::from(run.h), i64::from(run.k), i64::from(run.l)];
            let [code_h, code_k, code_l] = [0, 1, 2].map(|axis| (largest[axis] - indices[axis]) as u64);
            let mut code = (((code_h << bits[1]) | code_k) << bits[2]) | code_l;
            let end = at + run.count as usize;
            while at < end {
                let (Some(keys), Some(places)) = (
                    self.keys.get_mut(at..).and_then(|keys| keys.first_chunk_mut::<LANES>()),
                    self.places
                        .get_mut(at..)
                        .and_then(|places| places.first_chunk_mut::<LANES>()),
                ) else {
                    return;
                };
                for i in 0..LANES {
                    let z = start + strides[i];
                    let part = M::madd(z * per_square, z, rest);
                    let part = if part < 1.0 { part } else { 1.0 };
                    // Near the growth of a ball's volume, and never falling.
                    let place = part * M::madd(part, 0.59 * self.buckets, 0.41 * self.buckets);
                    places[i] = (place + ROUND).to_bits() as u32;
                    let bin = M::madd(part, self.bins, WHOLE).to_bits() << low;
                    keys[i] = bin | code.wrapping_sub(steps[i]);
                }
                start += block_stride;
                code = code.wrapping_sub(block_step);
                at += LANES;
            }
            at = end;
        }
    }
}

/// Reads the indices out of the numbers.
struct Decode<'a> {
    shape: &'a Shape,
    keys: &'a [u64],
    out: &'a mut [[i32; 3]],
}

impl Kernel for Decode<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        for (key, to) in self.keys.iter().zip(self.out) {
            *to = self.shape.indices(*key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ball;
    use super::*;

    fn check(lattice: &Lattice, d_min: f64) {
        let mut runs = Vec::new();
        let count = ball::add_runs(lattice, d_min, Some(ball::WHOLE_SECTOR), u64::MAX, &mut runs) as usize;
        let shape = Shape::new(lattice, ball::radius(d_min), 1);
        let mut hkl = vec![[0; 3]; count];
        let mut sorter = Sorter::default();
        let d = sorter.sort(&shape, &runs, &mut hkl).to_vec();
        let mut rows: Vec<(f64, [i32; 3])> = d.iter().copied().zip(hkl.iter().copied()).collect();
        rows.sort_by(|p, q| q.0.total_cmp(&p.0));
        for tie in rows.chunk_by_mut(|p, q| p.0 - q.0 <= TIE_GAP) {
            tie.sort_by_key(|row| Reverse(row.1));
        }
        assert!(rows.iter().map(|row| row.1).eq(hkl.iter().copied()));
        let mut found = hkl;
        found.sort_unstable();
        let scan = runs
            .iter()
            .flat_map(|run| (0..run.count as i32).map(|i| [run.h, run.k, run.l + i]));
        assert!(scan.eq(found));
        let mut hkl = vec![[0; 3]; count];
        let d = sorter.sort_roughly(&shape, &runs, &mut hkl);
        let square = |d: f64| (d_min / d).powi(2);
        let is_sorted = rows.iter().map(|row| row.1).eq(hkl.iter().copied());
        assert!(is_sorted || d.windows(2).all(|pair| square(pair[0]) < square(pair[1]) + 1e-12));
        let mut found: Vec<_> = hkl.iter().zip(d).map(|(h, d)| (*h, d.to_bits())).collect();
        let mut expected: Vec<_> = rows.iter().map(|(d, h)| (*h, d.to_bits())).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_rule_holds_for_shells_that_are_nearly_one() {
        for split in [0.0, 1e-14, 1e-12, 1e-11, 1e-10, 3e-10, 6e-10, 1e-9, 3e-9, 1e-8, 1e-6] {
            for (size, d_min) in [(4.2, 0.6), (2.1, 0.2), (60.0, 9.0)] {
                let [a, b] = [size * (1.0 + split), size * (1.0 - 0.7 * split)];
                check(&Lattice::from_parameters(size, a, b, 90.0, 90.0, 90.0).unwrap(), d_min);
                let angle = 60.0 + split.to_degrees();
                check(&Lattice::from_parameters(a, b, size, angle, 60.0, 60.0).unwrap(), d_min);
            }
        }
    }

    #[test]
    fn shells_of_one_wide_bin_are_in_order() {
        // Long indices leave few bits for bins: here shells that are no tie share one.
        let cell = [[9000.0, 0.0, 0.0], [9000.0, 1.2, 0.0], [0.0, 0.0, 1.2 * (1.0 + 3e-9)]];
        let lattice = Lattice::new(cell).unwrap();
        assert!(Shape::new(&lattice, 1.0 / 0.9, 1).low_bits() > 64 - MOST_BITS + 5);
        check(&lattice, 0.9);
    }

    #[test]
    fn bins_may_be_wider_than_the_first_shells_are_apart() {
        // d of thousands of angstrom, of which a bin holds many: 100 and 010 are no tie, and nearly are.
        for split in [1e-13, 1e-9, 1e-6] {
            let lattice = Lattice::from_parameters(8000.0, 8000.0 * (1.0 + split), 1.1, 90.0, 90.0, 90.0).unwrap();
            check(&lattice, 60.0);
        }
    }

    #[test]
    fn long_and_skewed_cells() {
        check(
            &Lattice::new([[900.0, 0.0, 0.0], [0.0, 1.1, 0.0], [0.0, 0.0, 1.3]]).unwrap(),
            0.9,
        );
        // Indices that leave too few bits for bins.
        let skewed = Lattice::new([[9000.0, 0.0, 0.0], [9000.0, 1.2, 0.0], [9000.0, 0.0, 1.3]]).unwrap();
        assert!(Shape::new(&skewed, 1.0, 1).low_bits() + FEWEST_BITS > 64);
        check(&skewed, 1.0);
    }
}
