//! Eight lists sorted at once: each is one lane of a sorting network, which does the same steps whatever the keys are.

use multiversion::multiversion;

use crate::order::{BINS_PER_UNIT, WHOLE};

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

/// Sort each lane (Batcher's odd-even merge sort, Knuth vol. 3, 5.3.4), then tell for each whether two keys that follow
/// each other lie from `least` to `most` bins apart.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
pub fn sort(rows: &mut [[f64; LANES]], least: u64, most: u64) -> [bool; LANES] {
    let length = rows.len();
    let mut p = 1;
    while p < length {
        let mut k = p;
        while k > 0 {
            let mut from = k % p;
            while from + k < length {
                // Only what lies in one block of 2p is compared.
                if k == p || (from + k) & (2 * p - 1) != 0 {
                    let (low, high) = rows[from..].split_at_mut(k);
                    for (low, high) in low.iter_mut().zip(high) {
                        exchange(low, high);
                    }
                }
                from += 2 * k;
            }
            k /= 2;
        }
        p *= 2;
    }
    let mut found = [0; LANES];
    for (low, high) in rows.iter().zip(rows.iter().skip(1)) {
        for lane in 0..LANES {
            let apart = (high[lane].to_bits() >> CODE_BITS) - (low[lane].to_bits() >> CODE_BITS);
            let close = apart.wrapping_sub(least) <= most - least && high[lane] < NO_KEY;
            found[lane] |= u64::from(close);
        }
    }
    found.map(|found| found != 0)
}

#[inline(always)]
fn exchange(low: &mut [f64; LANES], high: &mut [f64; LANES]) {
    let (a, b) = (*low, *high);
    for lane in 0..LANES {
        low[lane] = if a[lane] < b[lane] { a[lane] } else { b[lane] };
        high[lane] = if a[lane] < b[lane] { b[lane] } else { a[lane] };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_sorted() {
        let mut state = 1u64;
        for length in 0..150 {
            let mut rows = vec![[0.0; LANES]; length];
            for (at, row) in rows.iter_mut().enumerate() {
                for (lane, item) in row.iter_mut().enumerate() {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    // Distances with and without room between them; shorter lists end with what is no key.
                    let distance = (state >> 54) as f64 * if lane % 2 == 0 { 1.0 } else { 3.0 / BINS_PER_UNIT };
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
}
