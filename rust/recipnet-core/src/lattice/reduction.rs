//! Minkowski reduction of a cell: the shortest possible basis, found greedily.
//!
//! In three dimensions the greedy algorithm (Semaev 2001; Nguyen and Stehle 2009) ends with a Minkowski-reduced basis:
//! the longest vector is shortened by the nearest vector of the plane of the other two until that no longer helps.

use crate::math::{INT_IDENTITY, Int3, IntMat3, Mat3, Vec3, dot, row_times};

/// A reduced basis and how it came from the given one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reduction {
    /// Reduced rows, shortest first (the given order if the given basis is reduced already).
    pub rows: Mat3,
    /// `rows = transform @ given`, determinant +1 or -1.
    pub transform: IntMat3,
}

/// Reduce a basis whose vectors are linearly independent.
///
/// A basis that is reduced already comes back unchanged, in its own order.
#[must_use]
pub fn reduce(given: &Mat3) -> Reduction {
    if is_reduced(given) {
        return Reduction {
            rows: *given,
            transform: INT_IDENTITY,
        };
    }
    let mut transform = INT_IDENTITY;
    let mut rows = *given;
    // The longest vector shrinks in every turn; the bound is for input at the edge of rounding.
    for _ in 0..1000 {
        sort(&mut rows, &mut transform);
        gauss(given, &mut rows, &mut transform);
        let (m, n) = nearest_in_plane(&rows);
        let candidate = combine(&transform, [-m, -n, 1]);
        let vector = apply(candidate, given);
        let shorter = dot(vector, vector) < dot(rows[2], rows[2]) * (1.0 - 1e-12);
        if shorter {
            transform[2] = candidate;
            rows[2] = vector;
        }
        if !shorter || dot(rows[2], rows[2]) >= dot(rows[1], rows[1]) {
            break;
        }
    }
    Reduction { rows, transform }
}

/// Minkowski's conditions: no sum or difference is shorter than its longest member.
fn is_reduced(rows: &Mat3) -> bool {
    let square = rows.map(|row| dot(row, row));
    let slack = 1.0 + 1e-10;
    let [ab, ac, bc] = [dot(rows[0], rows[1]), dot(rows[0], rows[2]), dot(rows[1], rows[2])];
    let pairs = 2.0 * ab.abs() <= square[0].min(square[1]) * slack
        && 2.0 * ac.abs() <= square[0].min(square[2]) * slack
        && 2.0 * bc.abs() <= square[1].min(square[2]) * slack;
    if !pairs {
        return false;
    }
    let longest = square[0].max(square[1]).max(square[2]);
    let total = square[0] + square[1] + square[2];
    [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)]
        .iter()
        .all(|&(s, t)| (total + 2.0 * (s * ab + t * ac + s * t * bc)) * slack >= longest)
}

fn sort(rows: &mut Mat3, transform: &mut IntMat3) {
    for (i, j) in [(0, 1), (1, 2), (0, 1)] {
        if dot(rows[j], rows[j]) < dot(rows[i], rows[i]) {
            rows.swap(i, j);
            transform.swap(i, j);
        }
    }
}

/// Gauss reduction of the two shorter vectors.
fn gauss(given: &Mat3, rows: &mut Mat3, transform: &mut IntMat3) {
    for _ in 0..1000 {
        let m = (dot(rows[0], rows[1]) / dot(rows[0], rows[0])).round() as i64;
        if m != 0 {
            transform[1] = [0, 1, 2].map(|c| transform[1][c] - m * transform[0][c]);
            rows[1] = apply(transform[1], given);
        }
        if dot(rows[1], rows[1]) >= dot(rows[0], rows[0]) * (1.0 - 1e-12) {
            return;
        }
        rows.swap(0, 1);
        transform.swap(0, 1);
    }
}

/// Coefficients of the vector of the first two rows' lattice that is nearest to the third.
fn nearest_in_plane(rows: &Mat3) -> (i64, i64) {
    let [aa, bb, ab] = [dot(rows[0], rows[0]), dot(rows[1], rows[1]), dot(rows[0], rows[1])];
    let [ac, bc] = [dot(rows[0], rows[2]), dot(rows[1], rows[2])];
    let determinant = aa * bb - ab * ab;
    let x = (ac * bb - bc * ab) / determinant;
    let y = (bc * aa - ac * ab) / determinant;
    let (x0, y0) = (x.floor(), y.floor());
    let mut best = (f64::INFINITY, 0, 0);
    for i in 0..2 {
        for j in 0..2 {
            let (dx, dy) = (x - x0 - f64::from(i), y - y0 - f64::from(j));
            let square = dx * dx * aa + 2.0 * dx * dy * ab + dy * dy * bb;
            if square < best.0 {
                best = (square, x0 as i64 + i64::from(i), y0 as i64 + i64::from(j));
            }
        }
    }
    (best.1, best.2)
}

fn combine(transform: &IntMat3, coefficients: Int3) -> Int3 {
    crate::math::int_row_times(coefficients, transform)
}

/// Always from the given rows, so that rounding does not pile up.
fn apply(coefficients: Int3, given: &Mat3) -> Vec3 {
    row_times(coefficients.map(|x| x as f64), given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{det, int_det, norm};
    use proptest::prelude::*;

    fn shortest_by_box(rows: &Mat3) -> f64 {
        let mut best = f64::INFINITY;
        for i in -3..=3 {
            for j in -3..=3 {
                for k in -3..=3 {
                    if (i, j, k) != (0, 0, 0) {
                        best = best.min(norm(apply([i, j, k], rows)));
                    }
                }
            }
        }
        best
    }

    #[test]
    fn a_reduced_cell_is_left_alone() {
        let rows = [[3.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 5.0]];
        assert_eq!(reduce(&rows).transform, INT_IDENTITY);
    }

    proptest! {
        #[test]
        fn sheared_cells_come_back_short(
            base in prop::array::uniform3(prop::array::uniform3(-4.0..4.0f64)),
            shear in prop::array::uniform3(-40i64..40),
        ) {
            prop_assume!(det(&base).abs() > 1.0);
            let m = [[1, shear[0], shear[1]], [0, 1, shear[2]], [0, 0, 1]];
            let given = m.map(|row| apply(row, &base));
            let reduced = reduce(&given);
            prop_assert_eq!(int_det(&reduced.transform).abs(), 1);
            prop_assert!(is_reduced(&reduced.rows), "{:?}", reduced);
            prop_assert!((det(&reduced.rows).abs() - det(&base).abs()).abs() < 1e-6);
            let shortest = shortest_by_box(&reduced.rows);
            let first = reduced.rows.map(norm).into_iter().fold(f64::INFINITY, f64::min);
            prop_assert!((first - shortest).abs() < 1e-9);
        }
    }
}
