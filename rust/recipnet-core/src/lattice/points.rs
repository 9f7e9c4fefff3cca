//! Lattice points of a ball, line by line: no box of indices is tested.

use crate::elementary::ROUND;
use crate::math::{Mat3, ceil_int, floor_int};

/// Visit every line (h, k, l from .. to) of the ball `|h @ frame| <= radius`, empty ones too, in rising order.
///
/// The frame is triangular as `math::triangular` makes it. With `half`, only lines with h > 0, or h = 0 and k >= 0.
#[inline]
pub(crate) fn lines(frame: &Mat3, radius: f64, half: bool, mut visit: impl FnMut(i32, i32, i32, i32)) {
    let inverse = [0, 1, 2].map(|a| 1.0 / frame[a][a]);
    let square = radius * radius;
    let h_max = floor_int(radius * inverse[0]);
    for h in if half { 0 } else { -h_max }..=h_max {
        let t = h as f64;
        let x = t * frame[0][0];
        let (y0, z0) = (t * frame[0][1], t * frame[0][2]);
        let left = (square - x * x).max(0.0);
        let reach = left.sqrt();
        let first = ceil_int((-reach - y0) * inverse[1]);
        let last = floor_int((reach - y0) * inverse[1]);
        for k in if half && h == 0 { 0 } else { first }..=last {
            let t = k as f64;
            let y = y0 + t * frame[1][1];
            let z = z0 + t * frame[1][2];
            let reach = (left - y * y).max(0.0).sqrt();
            let from = -floor((reach + z) * inverse[2]);
            let to = floor((reach - z) * inverse[2]);
            visit(h as i32, k as i32, from, to);
        }
    }
}

/// Largest integer not above `x`, for `|x|` below 2^31: the low bits of the sum with a number that leaves no fraction.
#[inline]
fn floor(x: f64) -> i32 {
    let y = x + ROUND;
    y.to_bits() as i32 - i32::from(y - ROUND > x)
}
