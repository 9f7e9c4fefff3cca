//! Some of many values, side by side.

use bytemuck::{Pod, cast};
use multiversion::{multiversion, target::match_target};

use crate::machine::unrolled;

/// Values that are looked at together.
const LANES: usize = 8;

/// How many of the lowest bits of a number are set, up to each of eight.
const RANKS: [[u8; LANES]; 256] = {
    let mut ranks = [[0; LANES]; 256];
    let mut bits = 0;
    while bits < 256 {
        let (mut lane, mut rank) = (0, 0);
        while lane < LANES {
            rank += (bits >> lane & 1) as u8;
            ranks[bits][lane] = rank;
            lane += 1;
        }
        bits += 1;
    }
    ranks
};

/// Write the values, of eight bytes, whose mark is 1, not 0, from place `next` of `out` on, and give the place behind
/// them. Each mark becomes the place of the last value that was written.
///
/// Up to seven places behind those, `out` is written over.
///
/// # Panics
/// Where `out` has no [`room`] for that.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+bmi1+bmi2+fma"))]
pub fn keep<T: Pod>(values: &[T], marks: &mut [u32], out: &mut [T], next: u32) -> u32 {
    match_target! {
        "x86_64+avx512f" => {
            use std::arch::x86_64::{__m256i, __m512i, _mm256_test_epi32_mask, _mm512_maskz_compress_epi64};
            let (values, last) = values.as_chunks::<LANES>();
            let (marks, last_marks) = marks.as_chunks_mut::<LANES>();
            let mut next = next;
            for (values, marks) in values.iter().zip(marks) {
                let lanes: __m256i = cast(*marks);
                let bits = _mm256_test_epi32_mask(lanes, lanes);
                let kept: __m512i = _mm512_maskz_compress_epi64(bits, cast::<[T; LANES], __m512i>(*values));
                out[next as usize..next as usize + LANES].copy_from_slice(&cast::<__m512i, [T; LANES]>(kept));
                let ranks = &RANKS[usize::from(bits)];
                for (mark, rank) in marks.iter_mut().zip(ranks) {
                    *mark = next.wrapping_add(u32::from(*rank)).wrapping_sub(1);
                }
                next += u32::from(ranks[LANES - 1]);
            }
            one_by_one(last, last_marks, out, next)
        }
        _ => one_by_one(values, marks, out, next),
    }
}

/// What `out` needs for so many values.
pub fn room(count: usize) -> usize {
    count + LANES
}

/// [`keep`] without such instructions.
#[inline]
fn one_by_one<T: Pod>(values: &[T], marks: &mut [u32], out: &mut [T], mut next: u32) -> u32 {
    unrolled::<4, _, _>(values, marks, |value, mark| {
        // Without a branch: a value is written in any case, and stays if it is kept.
        out[next as usize] = value;
        next += *mark;
        *mark = next.wrapping_sub(1);
    });
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check<T: Pod + PartialEq + std::fmt::Debug>(values: &[T], marks: &[u32], next: u32) {
        let (mut places, mut kept) = (vec![], vec![]);
        for (value, &mark) in values.iter().zip(marks) {
            if mark == 1 {
                kept.push(*value);
            }
            places.push((next + kept.len() as u32).wrapping_sub(1));
        }
        for method in [keep::<T>, one_by_one::<T>] {
            let mut out = vec![T::zeroed(); room(next as usize + kept.len())];
            let mut own = marks.to_vec();
            let end = method(values, &mut own, &mut out, next);
            assert_eq!(end as usize, next as usize + kept.len());
            assert_eq!(own, places);
            assert!(out[..next as usize].iter().all(|value| *value == T::zeroed()));
            assert_eq!(out[next as usize..end as usize], kept);
        }
    }

    proptest! {
        #[test]
        fn what_is_marked_is_kept(
            some in prop::collection::vec((-9.0..9.0, any::<[u32; 2]>(), 0..2u32), 0..70),
            next in 0..20u32,
        ) {
            let marks: Vec<u32> = some.iter().map(|one| one.2).collect();
            check(&some.iter().map(|one| one.0).collect::<Vec<f64>>(), &marks, next);
            check(&some.iter().map(|one| one.1).collect::<Vec<_>>(), &marks, next);
        }
    }
}
