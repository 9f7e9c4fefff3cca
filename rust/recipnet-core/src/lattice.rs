//! One checked unit cell: rows a, b, c in angstrom, `cart = frac @ rows`.

mod points;
mod reduction;
mod voronoi;

pub(crate) use points::lines;
pub use reduction::{Reduction, reduce};
pub use voronoi::{VoronoiVectors, voronoi_vectors};

use crate::error::{CrystalError, Result};
use crate::math::{Mat3, Vec3, cross, det, dot, norm};

/// Shortest and longest cell vector, and the smallest distance of two lattice planes, in angstrom.
pub const LENGTH_RANGE: (f64, f64) = (0.1, 1e4);

/// A unit cell that passed the checks: finite, lengths and plane spacings in range, volume not zero.
///
/// Left-handed cells are allowed.
///
/// ```
/// use recipnet_core::lattice::Lattice;
/// let cubic = Lattice::from_parameters(4.0, 4.0, 4.0, 90.0, 90.0, 90.0).unwrap();
/// assert_eq!(cubic.volume(), 64.0);
/// assert_eq!(cubic.rows()[2], [0.0, 0.0, 4.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lattice {
    rows: Mat3,
    reciprocal: Mat3,
    volume: f64,
}

impl Lattice {
    /// Check a cell given by its rows.
    ///
    /// # Errors
    /// [`CrystalError`] with field `lattice`.
    pub fn new(rows: Mat3) -> Result<Self> {
        Self::in_batch(rows, None)
    }

    /// Check the cell of one crystal of a batch; the error names the crystal.
    ///
    /// # Errors
    /// [`CrystalError`] with field `lattice`.
    pub fn in_batch(rows: Mat3, crystal: Option<usize>) -> Result<Self> {
        let refuse = |row: Option<usize>, value: String, what: &str| {
            let place = crystal.map_or(String::new(), |b| format!("crystal {b}: "));
            CrystalError {
                message: format!("{place}lattice: {what}"),
                field: "lattice",
                crystal,
                row,
                value: Some(value),
            }
        };
        for (i, row) in rows.iter().enumerate() {
            let length = norm(*row);
            if !length.is_finite() {
                let what = format!("vector {i} = {row:?} is not finite");
                return Err(refuse(Some(i), format!("{row:?}"), &what).into());
            }
            if !(LENGTH_RANGE.0..=LENGTH_RANGE.1).contains(&length) {
                let what = format!(
                    "vector {i} is {length} angstrom long; lengths of {} to {} angstrom are accepted",
                    LENGTH_RANGE.0, LENGTH_RANGE.1
                );
                return Err(refuse(Some(i), length.to_string(), &what).into());
            }
        }
        let volume = det(&rows);
        let faces = [
            cross(rows[1], rows[2]),
            cross(rows[2], rows[0]),
            cross(rows[0], rows[1]),
        ];
        for (i, face) in faces.iter().enumerate() {
            // Volume over face area is the distance of the planes that the other two vectors span.
            let area = norm(*face);
            let spacing = if area > 0.0 { volume.abs() / area } else { 0.0 };
            // A hair of slack, so that a right-angled cell passes exactly when its lengths do.
            if spacing < LENGTH_RANGE.0 * (1.0 - 1e-12) {
                let what = format!(
                    "the cell is flat: lattice planes along vector {i} are {spacing:.3e} angstrom apart, at least {} \
                     is needed",
                    LENGTH_RANGE.0
                );
                return Err(refuse(Some(i), spacing.to_string(), &what).into());
            }
        }
        let reciprocal = faces.map(|face| face.map(|x| x / volume));
        Ok(Self {
            rows,
            reciprocal,
            volume: volume.abs(),
        })
    }

    /// Cell from lengths (angstrom) and angles (degrees): c along z, a in the xz plane, right angles exact.
    ///
    /// # Errors
    /// [`CrystalError`] when the six numbers do not form a cell.
    pub fn from_parameters(a: f64, b: f64, c: f64, alpha: f64, beta: f64, gamma: f64) -> Result<Self> {
        let refuse = |what: String| CrystalError {
            message: format!("cell parameters: {what}"),
            field: "lattice",
            crystal: None,
            row: None,
            value: Some(format!("{a} {b} {c} {alpha} {beta} {gamma}")),
        };
        for (name, angle) in [("alpha", alpha), ("beta", beta), ("gamma", gamma)] {
            if !(angle > 0.0 && angle < 180.0) {
                return Err(refuse(format!("{name} = {angle} degrees is not between 0 and 180")).into());
            }
        }
        let (sin_alpha, cos_alpha) = sin_cos_degrees(alpha);
        let (sin_beta, cos_beta) = sin_cos_degrees(beta);
        let (_, cos_gamma) = sin_cos_degrees(gamma);
        // gamma* is the angle between a* and b*.
        let cos_gamma_star = (cos_alpha * cos_beta - cos_gamma) / (sin_alpha * sin_beta);
        if cos_gamma_star.is_nan() || cos_gamma_star.abs() >= 1.0 {
            return Err(refuse(format!("angles {alpha}, {beta}, {gamma} degrees do not close a cell")).into());
        }
        let sin_gamma_star = (1.0 - cos_gamma_star * cos_gamma_star).sqrt();
        let plain = |x: f64| if x == 0.0 { 0.0 } else { x };
        Self::new([
            [a * sin_beta, 0.0, plain(a * cos_beta)],
            [
                plain(-b * sin_alpha * cos_gamma_star),
                b * sin_alpha * sin_gamma_star,
                plain(b * cos_alpha),
            ],
            [0.0, 0.0, c],
        ])
    }

    /// Rows a, b, c.
    #[must_use]
    pub fn rows(&self) -> &Mat3 {
        &self.rows
    }

    /// Rows a*, b*, c* without 2 pi: `a_i . a*_j = delta_ij`.
    #[must_use]
    pub fn reciprocal(&self) -> &Mat3 {
        &self.reciprocal
    }

    /// Volume in cubic angstrom, positive for left-handed cells too.
    #[must_use]
    pub fn volume(&self) -> f64 {
        self.volume
    }

    /// Lengths of a, b, c.
    #[must_use]
    pub fn lengths(&self) -> Vec3 {
        self.rows.map(norm)
    }

    /// Angles alpha, beta, gamma in degrees.
    #[must_use]
    pub fn angles(&self) -> Vec3 {
        let angle = |u: Vec3, v: Vec3| norm(cross(u, v)).atan2(dot(u, v)).to_degrees();
        let [a, b, c] = self.rows;
        [angle(b, c), angle(c, a), angle(a, b)]
    }

    /// Distances of the planes (100), (010), (001).
    #[must_use]
    pub fn plane_spacings(&self) -> Vec3 {
        self.reciprocal.map(|row| 1.0 / norm(row))
    }
}

/// Sine and cosine of an angle in degrees, exact at 90.
fn sin_cos_degrees(angle: f64) -> (f64, f64) {
    if angle == 90.0 {
        (1.0, 0.0)
    } else {
        angle.to_radians().sin_cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_back() {
        let given = [5.0, 6.0, 7.5, 80.0, 95.0, 110.0];
        let [a, b, c, alpha, beta, gamma] = given;
        let lattice = Lattice::from_parameters(a, b, c, alpha, beta, gamma).unwrap();
        let [lengths, angles] = [lattice.lengths(), lattice.angles()];
        for i in 0..3 {
            assert!((lengths[i] - given[i]).abs() < 1e-12);
            assert!((angles[i] - given[i + 3]).abs() < 1e-11);
        }
        for i in 0..3 {
            for j in 0..3 {
                let expected = f64::from(u8::from(i == j));
                assert!((dot(lattice.rows()[i], lattice.reciprocal()[j]) - expected).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn bad_cells_are_refused_by_name() {
        let cases = [
            ([[0.0; 3]; 3], "vector 0"),
            ([[1.0, 0.0, 0.0], [f64::NAN, 1.0, 0.0], [0.0, 0.0, 1.0]], "not finite"),
            ([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 1.0]], "flat"),
            ([[1.0, 0.0, 0.0], [0.0, 1e5, 0.0], [0.0, 0.0, 1.0]], "vector 1"),
            ([[10.0, 0.0, 0.0], [10.0, 0.01, 0.0], [0.0, 0.0, 10.0]], "flat"),
        ];
        for (rows, text) in cases {
            let error = Lattice::in_batch(rows, Some(4)).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("crystal 4"), "{error}");
        }
        assert!(Lattice::from_parameters(1.0, 1.0, 1.0, 60.0, 60.0, 130.0).is_err());
        assert!(Lattice::from_parameters(1.0, 1.0, 1.0, 0.0, 60.0, 60.0).is_err());
    }

    #[test]
    fn left_handed_and_smallest_cells_pass() {
        let left = [[0.0, 3.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 3.0]];
        assert_eq!(Lattice::new(left).unwrap().volume(), 27.0);
        assert!(Lattice::new([[0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.1]]).is_ok());
    }
}
