//! Three-vectors and 3x3 matrices as plain arrays; a row vector multiplies from the left.

/// A row vector.
pub type Vec3 = [f64; 3];
/// A matrix of three rows.
pub type Mat3 = [[f64; 3]; 3];
/// An integer row vector.
pub type Int3 = [i64; 3];
/// An integer matrix of three rows.
pub type IntMat3 = [[i64; 3]; 3];

/// The identity among integer matrices.
pub const INT_IDENTITY: IntMat3 = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];

/// Greatest common divisor, not negative; 0 of two zeros.
#[must_use]
pub fn gcd<T>(a: T, b: T) -> T
where
    T: Copy + PartialOrd + From<i8> + std::ops::Neg<Output = T> + std::ops::Rem<Output = T>,
{
    let zero = T::from(0);
    let (mut a, mut b) = (a, b);
    while b != zero {
        (a, b) = (b, a % b);
    }
    if a < zero { -a } else { a }
}

/// Scalar product.
#[must_use]
#[inline]
pub fn dot(u: Vec3, v: Vec3) -> f64 {
    u[0] * v[0] + u[1] * v[1] + u[2] * v[2]
}

/// Vector product.
#[must_use]
#[inline]
pub fn cross(u: Vec3, v: Vec3) -> Vec3 {
    [
        u[1] * v[2] - u[2] * v[1],
        u[2] * v[0] - u[0] * v[2],
        u[0] * v[1] - u[1] * v[0],
    ]
}

/// Euclidean length.
#[must_use]
#[inline]
pub fn norm(u: Vec3) -> f64 {
    dot(u, u).sqrt()
}

/// Difference `u - v`.
#[must_use]
#[inline]
pub fn sub(u: Vec3, v: Vec3) -> Vec3 {
    [u[0] - v[0], u[1] - v[1], u[2] - v[2]]
}

/// Row vector times matrix, `u @ m`.
#[must_use]
#[inline]
pub fn row_times(u: Vec3, m: &Mat3) -> Vec3 {
    [
        u[0] * m[0][0] + u[1] * m[1][0] + u[2] * m[2][0],
        u[0] * m[0][1] + u[1] * m[1][1] + u[2] * m[2][1],
        u[0] * m[0][2] + u[1] * m[1][2] + u[2] * m[2][2],
    ]
}

/// Integer row vector times integer matrix.
#[must_use]
#[inline]
pub fn int_row_times(u: Int3, m: &IntMat3) -> Int3 {
    [
        u[0] * m[0][0] + u[1] * m[1][0] + u[2] * m[2][0],
        u[0] * m[0][1] + u[1] * m[1][1] + u[2] * m[2][1],
        u[0] * m[0][2] + u[1] * m[1][2] + u[2] * m[2][2],
    ]
}

/// Determinant.
#[must_use]
pub fn det(m: &Mat3) -> f64 {
    dot(m[0], cross(m[1], m[2]))
}

/// Determinant of an integer matrix.
#[must_use]
pub fn int_det(m: &IntMat3) -> i64 {
    m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
}

/// Inverse of a unimodular integer matrix (determinant +1 or -1), exact.
#[must_use]
pub fn unimodular_inverse(m: &IntMat3) -> IntMat3 {
    let sign = int_det(m);
    debug_assert!(sign.abs() == 1);
    let mut out = [[0; 3]; 3];
    for r in 0..3 {
        for c in 0..3 {
            // Cofactor of (c, r): the adjugate is the transposed cofactor matrix.
            let (r1, r2) = ((c + 1) % 3, (c + 2) % 3);
            let (c1, c2) = ((r + 1) % 3, (r + 2) % 3);
            out[r][c] = sign * (m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]);
        }
    }
    out
}

/// An integer matrix as floats.
#[must_use]
pub fn to_float(m: &IntMat3) -> Mat3 {
    m.map(|row| row.map(|x| x as f64))
}

/// Largest integer not above `x`; the caller keeps `|x|` below 2^62.
///
/// `f64::floor` is a library call on the baseline x86-64 target; this is two instructions and a compare.
#[must_use]
#[inline]
pub fn floor_int(x: f64) -> i64 {
    let t = x as i64;
    t - i64::from(x < t as f64)
}

/// Smallest integer not below `x`; the caller keeps `|x|` below 2^62.
#[must_use]
#[inline]
pub fn ceil_int(x: f64) -> i64 {
    let t = x as i64;
    t + i64::from(x > t as f64)
}

/// `x - floor(x)`, always in `[0, 1)`: what rounds up to one becomes zero.
#[must_use]
#[inline]
pub fn wrap(x: f64) -> f64 {
    let y = x - x.floor();
    if y >= 1.0 { 0.0 } else { y }
}

/// Rows of a triangular frame: `rows[2]` along z, `rows[1]` in the yz plane, `rows[0]` general, diagonal positive.
///
/// Lengths and angles are those of `m`, so a ball is the same ball; used to solve a ball row by row.
#[must_use]
pub fn triangular(m: &Mat3) -> Mat3 {
    let c = norm(m[2]);
    let z = m[2].map(|x| x / c);
    let bz = dot(m[1], z);
    let b_perp = [m[1][0] - bz * z[0], m[1][1] - bz * z[1], m[1][2] - bz * z[2]];
    let b = norm(b_perp);
    let y = b_perp.map(|x| x / b);
    let x = cross(y, z);
    let ax = dot(m[0], x);
    // The sign of x is free: a mirrored frame has the same distances.
    [[ax.abs(), dot(m[0], y), dot(m[0], z)], [0.0, b, bz], [0.0, 0.0, c]]
}

/// The triangular frame (see [`triangular`]) whose rows have the scalar products `metric`; None if it has none.
#[must_use]
pub fn frame_of_metric(metric: &Mat3) -> Option<Mat3> {
    let zz = metric[2][2].sqrt();
    let (yz, xz) = (metric[1][2] / zz, metric[0][2] / zz);
    let yy = (metric[1][1] - yz * yz).sqrt();
    let xy = (metric[0][1] - xz * yz) / yy;
    let xx = (metric[0][0] - xy * xy - xz * xz).sqrt();
    // NaN where the metric is not positive definite.
    (xx > 0.0 && yy > 0.0 && zz > 0.0).then_some([[xx, xy, xz], [0.0, yy, yz], [0.0, 0.0, zz]])
}

/// `(cos, sin)` of a turn of `x` full circles, exact at multiples of a quarter.
#[must_use]
#[inline]
pub fn cis_turns(x: f64) -> (f64, f64) {
    let quarters = (4.0 * x).round();
    let (sin, cos) = ((x - 0.25 * quarters) * std::f64::consts::TAU).sin_cos();
    match (quarters as i64) & 3 {
        0 => (cos, sin),
        1 => (-sin, cos),
        2 => (-cos, -sin),
        _ => (sin, -cos),
    }
}

/// A float that results are handed out in.
pub trait Real: Copy + Send + Sync + Default + PartialEq + std::fmt::Debug + 'static {
    /// Nearest value of this type.
    fn from_f64(x: f64) -> Self;

    /// The same number in double precision.
    #[must_use]
    fn to_f64(self) -> f64;

    /// `wrap(x)` in this type, still in `[0, 1)` after rounding.
    #[must_use]
    fn wrapped(x: f64) -> Self;
}

impl Real for f64 {
    #[inline]
    fn from_f64(x: f64) -> Self {
        x
    }

    #[inline]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline]
    fn wrapped(x: f64) -> Self {
        wrap(x)
    }
}

impl Real for f32 {
    #[inline]
    fn from_f64(x: f64) -> Self {
        x as f32
    }

    #[inline]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline]
    fn wrapped(x: f64) -> Self {
        let y = wrap(x) as f32;
        if y >= 1.0 { 0.0 } else { y }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integer_floor_and_ceil_follow_the_float_ones() {
        for x in [-2.0, -1.5, -1.0, -1e-300, 0.0, 1e-300, 0.5, 1.0, 7.999_999, 1e12 + 0.5] {
            assert_eq!(floor_int(x), x.floor() as i64, "{x}");
            assert_eq!(ceil_int(x), x.ceil() as i64, "{x}");
        }
    }

    #[test]
    fn wrapping_stays_below_one_in_both_precisions() {
        for x in [-1e-20, 0.999_999_999_999, 1.0, -0.0, 3.25, -7.75] {
            assert!((0.0..1.0).contains(&f64::wrapped(x)), "{x}");
            assert!((0.0..1.0).contains(&f32::wrapped(x)), "{x}");
        }
        assert_eq!(f64::wrapped(-7.75), 0.25);
    }

    #[test]
    fn unimodular_inverse_is_exact() {
        let m = [[1, 2, 0], [0, 1, -3], [0, 0, -1]];
        let inverse = unimodular_inverse(&m);
        for r in 0..3 {
            assert_eq!(int_row_times(m[r], &inverse), INT_IDENTITY[r]);
        }
    }

    #[test]
    fn turns_are_exact_at_quarters_and_close_elsewhere() {
        for (x, expected) in [
            (0.0, (1.0, 0.0)),
            (0.25, (0.0, 1.0)),
            (-0.5, (-1.0, 0.0)),
            (2.75, (0.0, -1.0)),
        ] {
            let (cos, sin) = cis_turns(x);
            assert_eq!((cos, sin), expected, "{x}");
        }
        for i in -40..40 {
            let x = f64::from(i) / 17.0;
            let (cos, sin) = cis_turns(x);
            let angle = x * std::f64::consts::TAU;
            assert!(
                (cos - angle.cos()).abs() < 3e-15 && (sin - angle.sin()).abs() < 3e-15,
                "{x}"
            );
        }
    }

    #[test]
    fn a_metric_gives_its_frame() {
        let m = [[1.0, 2.0, 3.0], [-1.0, 0.5, 4.0], [2.0, 2.0, -1.0]];
        let metric: Mat3 = std::array::from_fn(|i| std::array::from_fn(|j| dot(m[i], m[j])));
        let frame = frame_of_metric(&metric).unwrap();
        for i in 0..3 {
            for j in 0..3 {
                assert!((dot(frame[i], frame[j]) - metric[i][j]).abs() < 1e-12);
            }
        }
        assert!(frame_of_metric(&[[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).is_none());
    }

    #[test]
    fn triangular_frame_keeps_the_metric() {
        let m = [[1.0, 2.0, 3.0], [-1.0, 0.5, 4.0], [2.0, 2.0, -1.0]];
        let t = triangular(&m);
        for i in 0..3 {
            for j in 0..3 {
                assert!((dot(m[i], m[j]) - dot(t[i], t[j])).abs() < 1e-12);
            }
        }
    }
}
