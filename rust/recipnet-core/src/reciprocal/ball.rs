//! The reflections of a ball, as runs of l: no index box is tested.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

use crate::elementary::ROUND;
use crate::lattice::Lattice;
use crate::machine::{Kernel, Machine, dispatch};
use crate::math::{Mat3, ceil_int, floor_int, triangular};

/// Shells on the boundary belong to the ball: `1/d <= (1 + 1e-9) / d_min`.
pub const BOUNDARY_TOLERANCE: f64 = 1e-9;
/// Lines that are solved side by side.
const LANES: usize = 8;

/// Reflections (h, k, l), (h, k, l + step), ..: `count` of them, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub h: i32,
    pub k: i32,
    pub l: i32,
    pub count: u32,
}

/// Bounds of k / h.
pub type Sector = [f64; 2];

/// A sector that holds everything.
pub const WHOLE_SECTOR: Sector = [f64::NEG_INFINITY, f64::INFINITY];

/// Radius of the ball.
pub fn radius(d_min: f64) -> f64 {
    (1.0 + BOUNDARY_TOLERANCE) / d_min
}

/// Add the runs, of step 1, of half the ball `|h @ frame| <= radius`: of those but (0, 0, 0) whose first non-zero index is
/// positive, rising. The frame is triangular as `math::triangular` makes it.
pub(crate) fn add_half(frame: &Mat3, radius: f64, out: &mut Vec<Run>) {
    dispatch(Ball {
        frame,
        radius,
        half: Some(WHOLE_SECTOR),
        most: u64::MAX,
        out,
        count: &mut 0,
    });
}

/// Add the runs, of step 1, of all reflections with `d >= d_min` but (0, 0, 0), rising in hkl.
///
/// With `half`, one of each pair +-h: the one whose first non-zero index is positive; of those with h > 0 the ones
/// outside the sector may be left out. More than about `most` reflections are not listed. Returns how many are.
pub fn add_runs(lattice: &Lattice, d_min: f64, half: Option<Sector>, most: u64, out: &mut Vec<Run>) -> u64 {
    let mut count = 0;
    dispatch(Ball {
        frame: &triangular(lattice.reciprocal()),
        radius: radius(d_min),
        half,
        most,
        out,
        count: &mut count,
    });
    count
}

/// Expected number of reflections of the full ball: its volume over that of the reciprocal cell.
pub fn expected(lattice: &Lattice, d_min: f64) -> f64 {
    4.0 / 3.0 * std::f64::consts::PI * lattice.volume() / (d_min * d_min * d_min)
}

/// Solves the ball for each (h, k), in a frame as `math::triangular` makes it.
struct Ball<'a> {
    frame: &'a Mat3,
    radius: f64,
    half: Option<Sector>,
    most: u64,
    out: &'a mut Vec<Run>,
    count: &'a mut u64,
}

impl Kernel for Ball<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let frame = self.frame;
        let inverse = [0, 1, 2].map(|a| 1.0 / frame[a][a]);
        let square = self.radius * self.radius;
        let h_max = floor_int(self.radius * inverse[0]);
        let mut total = 0;
        let half = self.half.is_some();
        let [lowest, highest] = self.half.unwrap_or(WHOLE_SECTOR);
        for h in if half { 0 } else { -h_max }..=h_max {
            let t = h as f64;
            let x = t * frame[0][0];
            let (y0, z0) = (t * frame[0][1], t * frame[0][2]);
            let left = (square - x * x).max(0.0);
            let reach = left.sqrt();
            let (mut first, mut last) = ((-reach - y0) * inverse[1], (reach - y0) * inverse[1]);
            if h > 0 {
                (first, last) = (first.max(t * lowest), last.min(t * highest));
            }
            let last = floor_int(last);
            let mut k = if half && h == 0 { 0 } else { ceil_int(first) };
            while k <= last && total <= self.most {
                let (mut from, mut to) = ([0i32; LANES], [0i32; LANES]);
                let begin = k as f64;
                for i in 0..LANES {
                    let t = begin + i as f64;
                    let y = M::madd(t, frame[1][1], y0);
                    let z = M::madd(t, frame[1][2], z0);
                    let reach = M::madd(-y, y, left).max(0.0).sqrt();
                    from[i] = whole(ceil((-reach - z) * inverse[2]));
                    to[i] = whole(-ceil((z - reach) * inverse[2]));
                }
                let lines = ((last - k) as usize + 1).min(LANES);
                for i in 0..lines {
                    let k = k as i32 + i as i32;
                    let (mut from, to) = (from[i], to[i]);
                    if h == 0 && k == 0 {
                        if from < 0 && !half {
                            total += u64::from(from.unsigned_abs());
                            let count = from.unsigned_abs();
                            self.out.push(Run {
                                h: 0,
                                k,
                                l: from,
                                count,
                            });
                        }
                        from = 1;
                    }
                    if from <= to {
                        let count = (to - from) as u32 + 1;
                        total += u64::from(count);
                        let (h, l) = (h as i32, from);
                        self.out.push(Run { h, k, l, count });
                    }
                }
                k += LANES as i64;
            }
        }
        *self.count = total;
    }
}

/// Smallest whole number not below `x`, for |x| below 2^51.
#[inline(always)]
fn ceil(x: f64) -> f64 {
    let nearest = (x + ROUND) - ROUND;
    nearest + if nearest < x { 1.0 } else { 0.0 }
}

/// A float that holds a whole number of 32 bits.
#[inline(always)]
fn whole(x: f64) -> i32 {
    (x + ROUND).to_bits() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{norm, row_times};
    use proptest::prelude::*;

    /// All indices of a box that surely holds the ball.
    fn twin(lattice: &Lattice, d_min: f64, half: bool) -> Vec<[i32; 3]> {
        let bound = lattice.lengths().map(|a| (a / d_min * (1.0 + 1e-6)) as i32 + 1);
        let mut out = Vec::new();
        for h in -bound[0]..=bound[0] {
            for k in -bound[1]..=bound[1] {
                for l in -bound[2]..=bound[2] {
                    let hkl = [h, k, l];
                    let s = norm(row_times(hkl.map(f64::from), lattice.reciprocal()));
                    let wanted = if half { hkl > [0; 3] } else { hkl != [0; 3] };
                    if wanted && s <= (1.0 + BOUNDARY_TOLERANCE) / d_min {
                        out.push(hkl);
                    }
                }
            }
        }
        out
    }

    fn scan(lattice: &Lattice, d_min: f64, half: bool) -> Vec<[i32; 3]> {
        let mut runs = Vec::new();
        let count = add_runs(lattice, d_min, half.then_some(WHOLE_SECTOR), u64::MAX, &mut runs);
        let out: Vec<_> = runs
            .iter()
            .flat_map(|run| (0..run.count as i32).map(|i| [run.h, run.k, run.l + i]))
            .collect();
        assert_eq!(out.len() as u64, count);
        out
    }

    #[test]
    fn shells_on_the_boundary_are_whole() {
        let cubic = Lattice::from_parameters(4.2, 4.2, 4.2, 90.0, 90.0, 90.0).unwrap();
        // h^2 + k^2 + l^2 <= 9: 6 + 12 + 8 + 6 + 24 + 24 + 12 + (24 + 6).
        assert_eq!(scan(&cubic, 1.4, false).len(), 122);
        assert_eq!(scan(&cubic, 1.4, true).len(), 61);
        let hexagonal = Lattice::from_parameters(3.0, 3.0, 5.0, 90.0, 90.0, 120.0).unwrap();
        let d_100 = 3.0 * 0.75f64.sqrt();
        assert_eq!(scan(&hexagonal, d_100, false).iter().filter(|h| h[2] == 0).count(), 6);
    }

    proptest! {
        #[test]
        fn equals_the_box(
            lengths in prop::array::uniform3(0.5..9.0f64),
            angles in prop::array::uniform3(25.0..155.0f64),
            d_min in 0.6..4.0f64,
            half in any::<bool>(),
        ) {
            let cell = Lattice::from_parameters(lengths[0], lengths[1], lengths[2], angles[0], angles[1], angles[2]);
            prop_assume!(cell.is_ok());
            let lattice = cell.unwrap();
            prop_assert_eq!(scan(&lattice, d_min, half), twin(&lattice, d_min, half));
        }
    }
}
