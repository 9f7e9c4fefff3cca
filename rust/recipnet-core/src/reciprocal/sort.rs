//! Reflections by d falling; runs of d with gaps of at most 1e-9 angstrom are one tie, sorted inside by hkl falling.
//!
//! A reflection is one number: bins of `1/d^2`, finer than a tie, above its indices, so that nothing is looked up. The
//! numbers are dealt into buckets that a ball fills evenly, and few are left to be moved. Where d shows that ties and
//! bins are not the same, the rows in question are sorted by the rule itself.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

use super::ball::Run;
use super::fill::Lengths;
use crate::elementary::ROUND;
use crate::lattice::Lattice;
use crate::machine::{Kernel, Machine, dispatch};
use crate::math::{Mat3, triangular};
use crate::order::TIE_GAP;

/// Numbers that are made side by side.
const LANES: usize = 8;
/// Bins are at most this fine: 1e-12 of the largest `1/d^2`, far above rounding.
const MOST_BITS: u32 = 40;
/// With fewer bits for bins the rule itself sorts.
const FEWEST_BITS: u32 = 24;
/// d of one bin that differ by more than this, or of different bins by little more than a tie, are looked at.
const NOISE: f64 = 1e-12;
/// Larger buckets are sorted by themselves.
const FULL: u32 = 24;
/// 2^52: the low bits of its sum with a smaller number are that number, rounded to a whole one.
const WHOLE: f64 = 4_503_599_627_370_496.0;

/// What the numbers of one crystal's reflections look like.
#[derive(Debug)]
pub(super) struct Shape {
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

    /// Bits of the indices.
    fn low_bits(&self) -> u32 {
        self.bits.iter().sum()
    }
}

/// Holds the memory between crystals.
#[derive(Debug, Default)]
pub(super) struct Sorter {
    keys: Vec<u64>,
    buckets: Vec<u32>,
    ends: Vec<u32>,
    sorted: Vec<u64>,
    d: Vec<f64>,
    rows: Vec<(f64, [i32; 3])>,
}

impl Sorter {
    /// Write the reflections of runs in order; returns their d.
    pub fn sort(&mut self, shape: &Shape, runs: &[Run], hkl: &mut [[i32; 3]]) -> &[f64] {
        let count = hkl.len();
        self.d.clear();
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
            return &self.d;
        }
        // What is written beyond the end of a run is written again: room for the last.
        if self.keys.len() < count + LANES {
            self.keys.resize(count + LANES, 0);
            self.buckets.resize(count + LANES, 0);
            self.sorted.resize(count + LANES, 0);
        }
        let buckets = 2 * count + 1;
        dispatch(Keys {
            shape,
            runs,
            bins: ((1u64 << MOST_BITS.min(64 - low)) - 2) as f64,
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
        self.mend(low, hkl);
        &self.d
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
    fn mend(&mut self, low: u32, hkl: &mut [[i32; 3]]) {
        let count = hkl.len();
        // Rows of one bin whose neighbours differ by noise differ by at most count times that.
        let apart = TIE_GAP + 2.0 * NOISE * count as f64;
        let mut doubtful = 0u32;
        dispatch(CountDoubtful {
            keys: &self.sorted[..count],
            low,
            d: &self.d,
            apart,
            out: &mut doubtful,
        });
        if doubtful == 0 {
            return;
        }
        let is_boundary = |keys: &[u64], d: &[f64], i: usize| (keys[i] ^ keys[i - 1]) >> low != 0 && d[i - 1] - d[i] > apart;
        let mut start = 0;
        let mut doubts = false;
        for i in 1..=count {
            if i == count || is_boundary(&self.sorted, &self.d, i) {
                if doubts {
                    self.by_rule(start..i, hkl);
                }
                (start, doubts) = (i, false);
            } else {
                doubts |= is_doubtful(self.sorted[i - 1], self.sorted[i], low, self.d[i - 1] - self.d[i], apart) != 0;
            }
        }
    }

    /// The rule itself, for some rows.
    fn by_rule(&mut self, range: std::ops::Range<usize>, hkl: &mut [[i32; 3]]) {
        let (d, hkl) = (&mut self.d[range.clone()], &mut hkl[range]);
        let rows = &mut self.rows;
        rows.clear();
        rows.extend(d.iter().copied().zip(hkl.iter().copied()));
        rows.sort_unstable_by(|p, q| q.0.total_cmp(&p.0));
        for tie in rows.chunk_by_mut(|p, q| p.0 - q.0 <= TIE_GAP) {
            tie.sort_unstable_by(|p, q| q.1.cmp(&p.1));
        }
        for ((d, hkl), row) in d.iter_mut().zip(hkl).zip(rows) {
            (*d, *hkl) = *row;
        }
    }
}

/// Whether two rows that follow each other need the rule: not for noise in one bin, nor for more than a tie between two.
#[inline(always)]
fn is_doubtful(a: u64, b: u64, low: u32, gap: f64, apart: f64) -> u32 {
    let is_one = (a ^ b) >> low == 0;
    let is_noise = gap.abs() <= NOISE;
    let is_apart = gap > apart;
    u32::from(!((is_one & is_noise) | (!is_one & is_apart)))
}

struct CountDoubtful<'a> {
    keys: &'a [u64],
    low: u32,
    d: &'a [f64],
    apart: f64,
    out: &'a mut u32,
}

impl Kernel for CountDoubtful<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let count = self.keys.len().saturating_sub(1);
        let pairs = self.keys[..count].iter().zip(&self.keys[self.keys.len() - count..]);
        let gaps = self.d[..count].iter().zip(&self.d[self.d.len() - count..]);
        for ((&a, &b), (&p, &q)) in pairs.zip(gaps) {
            *self.out += is_doubtful(a, b, self.low, p - q, self.apart);
        }
    }
}

/// Makes the numbers of runs, and says into which bucket each goes.
struct Keys<'a> {
    shape: &'a Shape,
    runs: &'a [Run],
    bins: f64,
    buckets: f64,
    keys: &'a mut [u64],
    places: &'a mut [u32],
}

impl Kernel for Keys<'_> {
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
        let mut at = 0;
        for run in self.runs {
            let (h, k) = (f64::from(run.h), f64::from(run.k));
            let x = h * frame[0][0];
            let y = M::madd(k, frame[1][1], h * frame[0][1]);
            let rest = M::madd(y, y, x * x);
            let start = M::madd(f64::from(run.l), frame[2][2], M::madd(k, frame[1][2], h * frame[0][2]));
            let indices = [i64::from(run.h), i64::from(run.k), i64::from(run.l)];
            let [code_h, code_k, code_l] = [0, 1, 2].map(|axis| (largest[axis] - indices[axis]) as u64);
            let code = (((code_h << bits[1]) | code_k) << bits[2]) | code_l;
            let count = run.count as usize;
            for done in (0..count).step_by(LANES) {
                let (Some(keys), Some(places)) = (
                    self.keys[at + done..].first_chunk_mut::<LANES>(),
                    self.places[at + done..].first_chunk_mut::<LANES>(),
                ) else {
                    break;
                };
                for i in 0..LANES {
                    let z = M::madd((done + i) as f64, stride, start);
                    let part = (M::madd(z, z, rest) * per_square).min(1.0);
                    // Near the growth of a ball's volume, and never falling.
                    let place = part * (0.41 + 0.59 * part) * self.buckets;
                    places[i] = (place + ROUND).to_bits() as u32;
                    let bin = (part * self.bins + WHOLE).to_bits() << low;
                    keys[i] = bin | code.wrapping_sub(((done + i) as u64).wrapping_mul(*step as u64));
                }
            }
            at += count;
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
        let [h, k, l] = self.shape.largest;
        let bits = self.shape.bits;
        let mask = bits.map(|bits| (1u64 << bits) - 1);
        for (key, to) in self.keys.iter().zip(self.out) {
            *to = [
                (h - (key >> (bits[1] + bits[2]) & mask[0]) as i64) as i32,
                (k - (key >> bits[2] & mask[1]) as i64) as i32,
                (l - (key & mask[2]) as i64) as i32,
            ];
        }
    }
}
