//! The reflections of a ball, row by row: no index box is tested.

use crate::lattice::{Lattice, lines};
use crate::math::triangular;

/// Shells on the boundary belong to the ball: `1/d <= (1 + 1e-9) / d_min`.
pub const BOUNDARY_TOLERANCE: f64 = 1e-9;

/// Visit the rows (h, k, l from .. to) of all reflections with `d >= d_min` but (0, 0, 0), in rising order.
///
/// With `half`, one of each pair +-h: the one whose first non-zero index is positive.
pub fn rows(lattice: &Lattice, d_min: f64, half: bool, mut visit: impl FnMut(i32, i32, i32, i32)) {
    let frame = triangular(lattice.reciprocal());
    lines(&frame, (1.0 + BOUNDARY_TOLERANCE) / d_min, half, |h, k, from, to| {
        if h == 0 && k == 0 {
            if !half && from < 0 {
                visit(0, 0, from, -1);
            }
            if to > 0 {
                visit(0, 0, 1, to);
            }
        } else if from <= to {
            visit(h, k, from, to);
        }
    });
}

/// Expected number of reflections of the full ball: its volume over that of the reciprocal cell.
pub fn expected(lattice: &Lattice, d_min: f64) -> f64 {
    4.0 / 3.0 * std::f64::consts::PI * lattice.volume() / (d_min * d_min * d_min)
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
        let mut out = Vec::new();
        rows(lattice, d_min, half, |h, k, from, to| {
            out.extend((from..=to).map(|l| [h, k, l]));
        });
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
