//! What is written for each reflection: indices, spacing, multiplicity, absence.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

use super::Unique;
use super::ball::Run;
use super::group::Group;
use crate::elementary::inverse_root;
use crate::machine::{Kernel, Machine};
use crate::math::Mat3;

/// Reflections that are written at once.
const LANES: usize = 16;

/// Writes the reflections of runs one after the other.
pub(super) struct Fill<'a> {
    pub runs: &'a [Run],
    pub step: i32,
    pub out: &'a mut [[i32; 3]],
}

impl Kernel for Fill<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let is_index = |i: usize, axis: usize| if i % 3 == axis { -1 } else { 0 };
        let steps: [i32; 3 * LANES] =
            std::array::from_fn(|i| is_index(i, 2) & ((i / 3) as i32).wrapping_mul(self.step));
        let out = self.out.as_flattened_mut();
        let mut at = 0;
        for run in self.runs {
            let (mut l, mut left) = (run.l, run.count as usize);
            loop {
                // What is written beyond the end of a run is written again.
                let rest = out.get_mut(at..).unwrap_or_default();
                if let Some(to) = rest.first_chunk_mut::<{ 3 * LANES }>() {
                    // A vector after the other, by value: an array of all would go through the stack.
                    for (part, to) in to.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                        *to = std::array::from_fn(|i| {
                            let i = part * LANES + i;
                            let row = (is_index(i, 0) & run.h) | (is_index(i, 1) & run.k) | (is_index(i, 2) & l);
                            row.wrapping_add(steps[i])
                        });
                    }
                } else {
                    finish(rest, [run.h, run.k, l], self.step);
                }
                if left <= LANES {
                    at += 3 * left;
                    break;
                }
                at += 3 * LANES;
                left -= LANES;
                l = l.wrapping_add(self.step.wrapping_mul(LANES as i32));
            }
        }
    }
}

/// The last rows of all.
#[cold]
fn finish(rest: &mut [i32], [h, k, mut l]: [i32; 3], step: i32) {
    for to in rest.as_chunks_mut::<3>().0 {
        *to = [h, k, l];
        l = l.wrapping_add(step);
    }
}

/// `1/d` of reflections, from a triangular frame of the reciprocal lattice, or d.
pub(super) struct Lengths<'a> {
    pub hkl: &'a [[i32; 3]],
    pub frame: &'a Mat3,
    pub out: &'a mut [f64],
    pub invert: bool,
}

impl Kernel for Lengths<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let [[a, b, c], [_, d, e], [_, _, f]] = *self.frame;
        for (h, to) in self.hkl.iter().zip(self.out.iter_mut()) {
            let (x, y, z) = (f64::from(h[0]), f64::from(h[1]), f64::from(h[2]));
            let along_y = M::madd(y, d, x * b);
            let along_z = M::madd(z, f, M::madd(y, e, x * c));
            *to = M::madd(along_z, along_z, M::madd(along_y, along_y, (x * a) * (x * a)));
        }
        if self.invert {
            for to in self.out {
                *to = inverse_root::<M>(*to);
            }
        } else {
            for to in self.out {
                *to = to.sqrt();
            }
        }
    }
}

/// Reflections of the full sphere that each stands for.
pub(super) fn multiplicities(unique: Unique, group: Option<&Group>, hkl: &[[i32; 3]], out: &mut [i32]) {
    match (unique, group.and_then(|group| group.laue.as_ref())) {
        (Unique::Laue, Some(laue)) => laue.orbit_sizes(hkl, out),
        (Unique::None, _) => out.fill(1),
        _ => out.fill(2),
    }
}

/// Whether each is absent.
pub(super) fn absences(group: Option<&Group>, hkl: &[[i32; 3]], out: &mut [bool]) {
    match group {
        None => out.fill(false),
        Some(group) => {
            for (to, h) in out.iter_mut().zip(hkl) {
                *to = group.absences.is_absent(*h);
            }
        }
    }
}
