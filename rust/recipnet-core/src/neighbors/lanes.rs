//! Eight lists sorted at once: each is one lane of a sorting network, which does the same steps whatever the keys are.

use std::ops::Range;

use multiversion::multiversion;

use crate::order::{BINS_PER_UNIT, REACH, WHOLE};

/// Lists side by side.
pub const LANES: usize = 8;
/// Low bits of a key, which say whose it is.
pub const CODE_BITS: u32 = 20;
/// Above every key.
pub const NO_KEY: f64 = f64::INFINITY;
/// Keys of distances below this (angstrom) fit.
pub const FARTHEST: f64 = 512.0;
/// Makes every key a normal positive float.
const NORMAL: u64 = 1 << 62;

/// The binned distance above room for a code; ordered as a float and as an integer.
#[inline(always)]
pub fn key(distance: f64) -> u64 {
    ((distance * BINS_PER_UNIT + WHOLE).to_bits() << CODE_BITS) | NORMAL
}

/// What lies in the low bits of a key.
#[inline(always)]
pub fn code(key: f64) -> u32 {
    key.to_bits() as u32 & ((1 << CODE_BITS) - 1)
}

/// Stretches of a sorted lane in which a key follows another so closely, and not in one bin with it, that both may be one
/// tie; none reaches from one stretch to another.
pub fn for_near(rows: &[[f64; LANES]], lane: usize, mut take: impl FnMut(Range<usize>)) {
    let bin = |row: usize| rows[row][lane].to_bits() >> CODE_BITS;
    let (mut start, mut open) = (0, false);
    for row in 1..rows.len() {
        let apart = bin(row) - bin(row - 1);
        if apart <= REACH {
            open |= apart > 0;
            continue;
        }
        if open {
            take(start..row);
        }
        (start, open) = (row, false);
    }
    if open {
        take(start..rows.len());
    }
}

/// Rows that are sorted or merged in registers; half as many may remain.
const FEW: usize = 16;
const HALF: usize = FEW / 2;
/// Lists are filled up to a multiple of this many rows.
pub const STEP: usize = HALF;

/// Sort each lane, then tell for each whether two keys that follow each other lie from `least` to `most` bins apart.
///
/// `rows` are a multiple of [`STEP`]. The network is the bitonic one in the form that compares in one direction only
/// (Knuth vol. 3, 5.3.4, exercise 57): blocks of p sorted rows are merged by comparing row i with row 2p - 1 - i, then
/// rows p / 2, p / 4, ... apart. Rows behind the end would hold what is above every key, so they need not be there.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
pub fn sort(rows: &mut [[f64; LANES]], least: u64, most: u64) -> [bool; LANES] {
    let length = rows.len();
    let (few, rest) = rows.as_chunks_mut();
    for few in few {
        sort_few(few);
    }
    if let Some(rest) = rest.first_chunk_mut() {
        sort_half(rest);
    }
    let mut p = FEW;
    while p < length {
        for block in rows.chunks_mut(2 * p) {
            if block.len() > p {
                let (low, high) = block.split_at_mut(p);
                let absent = p - high.len();
                for (low, high) in low[absent..].iter_mut().zip(high.iter_mut().rev()) {
                    exchange(low, high);
                }
            }
        }
        let mut k = p / 2;
        while k >= FEW {
            for block in rows.chunks_mut(2 * k) {
                if block.len() > k {
                    let (low, high) = block.split_at_mut(k);
                    for (low, high) in low.iter_mut().zip(high) {
                        exchange(low, high);
                    }
                }
            }
            k /= 2;
        }
        let (few, rest) = rows.as_chunks_mut();
        for few in few {
            merge_few(few);
        }
        if let Some(rest) = rest.first_chunk_mut() {
            merge_half(rest);
        }
        p *= 2;
    }
    let mut found = [0; LANES];
    let mut before = [NO_KEY; LANES];
    for rows in rows.as_chunks().0 {
        any_close(&before, rows, least, most - least, &mut found);
        before = rows[STEP - 1];
    }
    found.map(|found| found != 0)
}

/// Mark lanes in which a key follows another, the first one `before`, by `least` bins to `room` more than that.
#[inline(always)]
fn any_close(before: &[f64; LANES], rows: &[[f64; LANES]; STEP], least: u64, room: u64, found: &mut [u64; LANES]) {
    let [a, b, c, d, e, f, g, h] = rows;
    for lane in 0..LANES {
        let close = |low: f64, high: f64| {
            let apart = (high.to_bits() >> CODE_BITS).wrapping_sub(low.to_bits() >> CODE_BITS);
            u64::from(apart.wrapping_sub(least) <= room) & u64::from(high < NO_KEY)
        };
        found[lane] |= close(before[lane], a[lane])
            | close(a[lane], b[lane])
            | close(b[lane], c[lane])
            | close(c[lane], d[lane])
            | close(d[lane], e[lane])
            | close(e[lane], f[lane])
            | close(f[lane], g[lane])
            | close(g[lane], h[lane]);
    }
}

#[inline(always)]
fn exchange(low: &mut [f64; LANES], high: &mut [f64; LANES]) {
    for lane in 0..LANES {
        let (a, b) = (low[lane], high[lane]);
        let most = if a > b { a } else { b };
        // The other one of the two; a second choice would become a store under a mask, which the next load waits for.
        low[lane] = f64::from_bits(a.to_bits() ^ b.to_bits() ^ most.to_bits());
        high[lane] = most;
    }
}

/// Compare and exchange rows, one pair after the other; written out, so that all stays in registers.
macro_rules! network {
    ($rows:ident, $keys:ident: $($row:ident $at:literal)*; $($low:literal $high:literal),*) => {
        let [$($row),*] = $rows;
        for lane in 0..LANES {
            let mut $keys = [$($row[lane]),*];
            $(
                let (a, b) = ($keys[$low], $keys[$high]);
                $keys[$low] = if a < b { a } else { b };
                $keys[$high] = if a < b { b } else { a };
            )*
            $($row[lane] = $keys[$at];)*
        }
    };
}

/// Sort sixteen rows: a network of 60 comparisons, the fewest that are known (Knuth vol. 3, 5.3.4).
#[inline(always)]
fn sort_few(rows: &mut [[f64; LANES]; FEW]) {
    network!(
        rows, keys: r0 0 r1 1 r2 2 r3 3 r4 4 r5 5 r6 6 r7 7 r8 8 r9 9 r10 10 r11 11 r12 12 r13 13 r14 14 r15 15;
        0 13, 1 12, 2 15, 3 14, 4 8, 5 6, 7 11, 9 10,
        0 5, 1 7, 2 9, 3 4, 6 13, 8 14, 10 15, 11 12,
        0 1, 2 3, 4 5, 6 8, 7 9, 10 11, 12 13, 14 15,
        0 2, 1 3, 4 10, 5 11, 6 7, 8 9, 12 14, 13 15,
        1 2, 3 12, 4 6, 5 7, 8 10, 9 11, 13 14,
        1 4, 2 6, 5 8, 7 10, 9 13, 11 14,
        2 4, 3 6, 9 12, 11 13,
        3 5, 6 8, 7 9, 10 12,
        3 4, 5 6, 7 8, 9 10, 11 12,
        6 7, 8 9
    );
}

/// The last steps of a merge.
#[inline(always)]
fn merge_few(rows: &mut [[f64; LANES]; FEW]) {
    network!(
        rows, keys: r0 0 r1 1 r2 2 r3 3 r4 4 r5 5 r6 6 r7 7 r8 8 r9 9 r10 10 r11 11 r12 12 r13 13 r14 14 r15 15;
        0 8, 1 9, 2 10, 3 11, 4 12, 5 13, 6 14, 7 15,
        0 4, 1 5, 2 6, 3 7, 8 12, 9 13, 10 14, 11 15,
        0 2, 1 3, 4 6, 5 7, 8 10, 9 11, 12 14, 13 15,
        0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15
    );
}

/// Sort eight rows: a network of 19 comparisons, which is the least (Knuth vol. 3, 5.3.4).
#[inline(always)]
fn sort_half(rows: &mut [[f64; LANES]; HALF]) {
    network!(
        rows, keys: r0 0 r1 1 r2 2 r3 3 r4 4 r5 5 r6 6 r7 7;
        0 2, 1 3, 4 6, 5 7,
        0 4, 1 5, 2 6, 3 7,
        0 1, 2 3, 4 5, 6 7,
        2 4, 3 5,
        1 4, 3 6,
        1 2, 3 4, 5 6
    );
}

/// The last steps of a merge of eight rows.
#[inline(always)]
fn merge_half(rows: &mut [[f64; LANES]; HALF]) {
    network!(
        rows, keys: r0 0 r1 1 r2 2 r3 3 r4 4 r5 5 r6 6 r7 7;
        0 4, 1 5, 2 6, 3 7,
        0 2, 1 3, 4 6, 5 7,
        0 1, 2 3, 4 5, 6 7
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_sorted() {
        let mut state = 1u64;
        for length in (0..40).map(|eights| 8 * eights) {
            let mut rows = vec![[0.0; LANES]; length];
            for (at, row) in rows.iter_mut().enumerate() {
                for (lane, item) in row.iter_mut().enumerate() {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    // Distances with and without room between them; shorter lists end with what is no key.
                    let distance = (state >> 55) as f64 * if lane % 2 == 0 { 1.0 } else { 3.0 / BINS_PER_UNIT };
                    let far = at * LANES >= length * (lane + 1);
                    *item = if far {
                        NO_KEY
                    } else {
                        f64::from_bits(key(distance) | at as u64)
                    };
                }
            }
            let mut expected: Vec<Vec<f64>> = (0..LANES)
                .map(|lane| rows.iter().map(|row| row[lane]).collect())
                .collect();
            let close = sort(&mut rows, 1, 5);
            for (lane, list) in expected.iter_mut().enumerate() {
                list.sort_by(f64::total_cmp);
                let found: Vec<f64> = rows.iter().map(|row| row[lane]).collect();
                assert_eq!(&found, list);
                let bins: Vec<u64> = (list.iter().filter(|&&key| key < NO_KEY))
                    .map(|key| key.to_bits() >> CODE_BITS)
                    .collect();
                assert_eq!(
                    close[lane],
                    bins.windows(2).any(|pair| (1..=5).contains(&(pair[1] - pair[0])))
                );
            }
        }
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init)]
    fn stretches_hold_what_may_be_one_tie() {
        // Bins of one lane; the stretches that hold two keys from 1 to REACH bins apart.
        let cases: [(&[u64], &[Range<usize>]); 6] = [
            (&[], &[]),
            (&[7], &[]),
            (&[7, 7, 7, 100, 100], &[]),
            (&[7, 8, 100, 100], &[0..2]),
            (&[7, 7, 7 + REACH, 8 + 2 * REACH, 50, 51, 51], &[0..3, 4..7]),
            (&[1, 20, 40, 41], &[2..4]),
        ];
        for (bins, expected) in cases {
            let rows: Vec<[f64; LANES]> = bins
                .iter()
                .map(|bin| [0, bin << CODE_BITS | NORMAL, 0, 0, 0, 0, 0, 0].map(f64::from_bits))
                .collect();
            let mut found = vec![];
            for_near(&rows, 1, |near| found.push(near));
            assert_eq!(found, expected, "{bins:?}");
        }
    }
}
