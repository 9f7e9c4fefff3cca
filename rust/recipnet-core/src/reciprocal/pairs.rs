//! What rows that follow each other are to one another: where bins of `1/d^2` say what the rule for ties says.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

use crate::machine::{Kernel, Machine};
use crate::order::TIE_GAP;

/// Rows that are looked at together, one bit for each.
pub(super) const BLOCK: usize = 64;
/// More than rounding adds to d.
const NOISE: f64 = 1e-12;
/// Pairs of rows side by side.
const LANES: usize = 8;

/// What the pairs of rows (i, i + 1) of a block are, the lowest bit the first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits {
    /// Bins say what the rule says: rows of different bins, farther from each other than a tie.
    pub boundary: u64,
    /// Neither that nor one tie in one bin: of rows in order of their indices no two that follow each other are farther
    /// apart than a tie, hence none are in order of d.
    pub doubtful: u64,
}

/// The row after the last boundary before a pair, 0 if there is none.
pub(super) fn start_of(pairs: &[Bits], pair: usize) -> usize {
    let mut block = pair / BLOCK;
    let mut bits = pairs[block].boundary & !(u64::MAX << (pair % BLOCK));
    while bits == 0 {
        if block == 0 {
            return 0;
        }
        block -= 1;
        bits = pairs[block].boundary;
    }
    block * BLOCK + BLOCK - bits.leading_zeros() as usize
}

/// The row after the first boundary behind a pair, beyond all rows if there is none.
pub(super) fn end_of(pairs: &[Bits], pair: usize) -> usize {
    let mut block = pair / BLOCK;
    // The pair is none itself.
    let mut bits = pairs[block].boundary & (u64::MAX << (pair % BLOCK));
    while bits == 0 {
        block += 1;
        let Some(next) = pairs.get(block) else {
            return usize::MAX;
        };
        bits = next.boundary;
    }
    block * BLOCK + bits.trailing_zeros() as usize + 1
}

/// Tells what each pair is.
pub(super) struct Look<'a> {
    pub keys: &'a [u64],
    /// Bits of a key below its bin.
    pub low: u32,
    pub d: &'a [f64],
    /// How wide a bin is, in `1/d^2`.
    pub width: f64,
    pub out: &'a mut Vec<Bits>,
}

impl Kernel for Look<'_> {
    #[inline(always)]
    #[allow(clippy::needless_bitwise_bool)] // No branches: the loop over pairs is made of vectors.
    fn run<M: Machine>(self) {
        let (Some(next_keys), Some(next_d)) = (self.keys.get(1..), self.d.get(1..)) else {
            return;
        };
        // Other rows of a bin of width w are at most w d^3 / 2 nearer in d than a row of it, and farther by at most a quarter
        // more than that while w d^2 is below 1/4. Beyond, what the bound asks for is most of d itself.
        let wide = 1.25 * self.width;
        let look = |a: u64, b: u64, p: f64, q: f64| {
            let (is_one, gap) = ((a ^ b) >> self.low == 0, p - q);
            let is_tie = is_one & (gap.abs() <= TIE_GAP);
            let is_boundary = !is_one & (gap > TIE_GAP + NOISE + wide * p * p * p);
            (is_boundary, !(is_tie | is_boundary))
        };
        let blocks = self.keys.chunks(BLOCK).zip(next_keys.chunks(BLOCK));
        for ((a, b), (p, q)) in blocks.zip(self.d.chunks(BLOCK).zip(next_d.chunks(BLOCK))) {
            let count = b.len();
            let ((a, last_a), (b, last_b)) = (a[..count].as_chunks::<LANES>(), b.as_chunks::<LANES>());
            let ((p, last_p), (q, last_q)) = (p[..count].as_chunks::<LANES>(), q.as_chunks::<LANES>());
            let (mut boundary, mut doubtful) = ([0; LANES], [0; LANES]);
            let mut bits: [u64; LANES] = std::array::from_fn(|lane| 1 << lane);
            for ((a, b), (p, q)) in a.iter().zip(b).zip(p.iter().zip(q)) {
                for lane in 0..LANES {
                    let (is_boundary, is_doubtful) = look(a[lane], b[lane], p[lane], q[lane]);
                    boundary[lane] |= if is_boundary { bits[lane] } else { 0 };
                    doubtful[lane] |= if is_doubtful { bits[lane] } else { 0 };
                    bits[lane] = bits[lane].rotate_left(LANES as u32);
                }
            }
            let last = last_a.iter().zip(last_b).zip(last_p.iter().zip(last_q));
            for (lane, ((a, b), (p, q))) in last.enumerate() {
                let (is_boundary, is_doubtful) = look(*a, *b, *p, *q);
                boundary[lane] |= if is_boundary { bits[lane] } else { 0 };
                doubtful[lane] |= if is_doubtful { bits[lane] } else { 0 };
            }
            let [boundary, doubtful] = [boundary, doubtful].map(|lanes| lanes.iter().fold(0, |all, bits| all | bits));
            self.out.push(Bits { boundary, doubtful });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Baseline, dispatch};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pairs_and_what_lies_around_them_are_as_rows_say(
            rows in prop::collection::vec((0..3u64, 0..4u64, prop::sample::select(vec![0.0, 1e-14, 9e-10, 2e-9, 3e-8, 1e-3])), 0..200),
        ) {
            // Keys rise by some bins, with anything below them; d falls, or rises within one bin.
            let (low, width) = (5, 1e-10);
            let (mut bin, mut d) = (0, 5.0);
            let (mut keys, mut lengths) = (vec![], vec![]);
            for (rise, index, fall) in rows {
                bin += rise;
                d -= if rise == 0 && index == 0 { -fall } else { fall };
                keys.push(bin << low | index);
                lengths.push(d);
            }
            let (mut out, mut plain) = (vec![], vec![]);
            let of = |out| Look { keys: &keys, low, d: &lengths, width, out };
            dispatch(of(&mut out));
            of(&mut plain).run::<Baseline>();
            let count = keys.len();
            let pairs = count.saturating_sub(1);
            prop_assert_eq!(out.len(), pairs.div_ceil(BLOCK));
            let is = |i: usize| {
                let (is_one, gap) = (keys[i] >> low == keys[i + 1] >> low, lengths[i] - lengths[i + 1]);
                let is_boundary = !is_one && gap > TIE_GAP + NOISE + 1.25 * width * lengths[i].powi(3);
                (is_boundary, !(is_boundary || is_one && gap.abs() <= TIE_GAP))
            };
            for i in 0..out.len() * BLOCK {
                let expected = if i < pairs { is(i) } else { (false, false) };
                for bits in [out[i / BLOCK], plain[i / BLOCK]] {
                    let found = [bits.boundary, bits.doubtful].map(|bits| bits >> (i % BLOCK) & 1 == 1);
                    prop_assert_eq!((found[0], found[1]), expected, "pair {} of {}", i, pairs);
                }
                if i < pairs && expected.1 {
                    let start = (0..i).rev().find(|&j| is(j).0).map_or(0, |j| j + 1);
                    let end = (i + 1..pairs).find(|&j| is(j).0).map_or(count, |j| j + 1);
                    prop_assert_eq!((start_of(&out, i), end_of(&out, i).min(count)), (start, end));
                }
            }
        }
    }
}
