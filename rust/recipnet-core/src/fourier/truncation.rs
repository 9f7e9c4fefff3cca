//! Which plane waves: finite sets that the group maps onto themselves.

use super::group::Group;
use super::modes::Modes;
use crate::error::{ArgumentError, LimitError, Result};
use crate::lattice::Lattice;
use crate::lattice::lines;
use crate::math::{Mat3, frame_of_metric};
use crate::reciprocal::BOUNDARY_TOLERANCE;

/// Relative width beyond a physical ball in which shells are still looked for, to tell how near they are.
const RIM: f64 = 1e-6;
/// Squared norms that differ by less than this, relative, are one shell.
const SHELL_TOLERANCE: f64 = 2e-9;

/// A finite set of indices, closed under the group and under `h -> -h`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Truncation {
    /// The integer ball `sum over rotations of |h W|^2 <= |P| R^2`, whatever the cell (exact).
    ///
    /// For cubic, tetragonal, orthorhombic, monoclinic and triclinic axes it is `h^2 + k^2 + l^2 <= R^2`, for
    /// hexagonal axes `4/3 (h^2 + h k + k^2) + l^2 <= R^2`.
    Radius(f64),
    /// All orbits whose spacing in a cell is at least `d_min` angstrom.
    Spacing {
        /// The cell; its metric is averaged over the group first.
        lattice: Lattice,
        /// Smallest spacing of lattice planes.
        d_min: f64,
    },
}

/// Indices with the norm that decides over them.
pub(super) struct Candidates {
    /// The set, with a rim of what may turn out to lie outside.
    pub modes: Modes,
    /// Squared norm at which the set ends.
    limit: f64,
    form: Form,
}

enum Form {
    /// `h Q h^T` over `|P|`, in integers.
    Integer([[i64; 3]; 3], f64),
    /// `h G* h^T`.
    Metric(Mat3),
}

impl Form {
    /// The squared norm that is compared: an integer where the form is one.
    #[inline]
    fn square(&self, h: [i32; 3]) -> f64 {
        match self {
            Self::Integer(form, _) => integer_square(form, h) as f64,
            Self::Metric(metric) => {
                let h = h.map(f64::from);
                (0..3)
                    .map(|i| (0..3).map(|j| h[i] * metric[i][j] * h[j]).sum::<f64>())
                    .sum()
            }
        }
    }
}

#[inline]
fn integer_square(form: &[[i64; 3]; 3], h: [i32; 3]) -> i64 {
    let h = h.map(i64::from);
    (0..3)
        .map(|i| (0..3).map(|j| h[i] * form[i][j] * h[j]).sum::<i64>())
        .sum()
}

impl Candidates {
    /// Enumerate.
    ///
    /// # Errors
    /// A radius or spacing that is not a positive number, a cell that does not fit the group, or more than
    /// `max_modes` indices.
    pub fn new(group: &Group, truncation: &Truncation, max_modes: u64) -> Result<Self> {
        match *truncation {
            Truncation::Radius(radius) => {
                check_positive("radius", radius)?;
                let order = group.representatives().len() as f64;
                let form = group.integer_form();
                let metric = form.map(|row| row.map(|entry| entry as f64 / order));
                let frame = frame_of_metric(&metric).ok_or_else(|| singular("radius", radius))?;
                check_count(&frame, radius * (1.0 + 1e-9), max_modes)?;
                // A radius such as sqrt(3) means its shell.
                let limit = (order * radius * radius * (1.0 + 1e-12)).floor();
                let inside = |h: [i32; 3]| integer_square(&form, h) as f64 <= limit;
                let modes = Modes::new(&frame, radius * (1.0 + 1e-9), inside);
                Ok(Self {
                    modes,
                    limit,
                    form: Form::Integer(form, order),
                })
            }
            Truncation::Spacing { lattice, d_min } => {
                check_positive("d_min", d_min)?;
                let metric = group.metric(&lattice)?;
                let frame = frame_of_metric(&metric).ok_or_else(|| singular("d_min", d_min))?;
                let radius = (1.0 + BOUNDARY_TOLERANCE) / d_min;
                // The rim also holds members whose norm rounds to above that of their representative.
                let rim = radius * (1.0 + RIM);
                check_count(&frame, rim, max_modes)?;
                let modes = Modes::new(&frame, rim, |_| true);
                Ok(Self {
                    modes,
                    limit: radius * radius,
                    form: Form::Metric(metric),
                })
            }
        }
    }

    /// Squared norm in the units of [`Self::norm`] or their multiple; the same for all members of an orbit up to rounding.
    #[inline]
    pub fn square(&self, h: [i32; 3]) -> f64 {
        self.form.square(h)
    }

    /// Whether an orbit belongs to the set, by the square of its representative.
    #[inline]
    pub fn contains(&self, square: f64) -> bool {
        square <= self.limit
    }

    /// Whether two squares, the second not smaller, belong to one shell.
    pub fn same_shell(&self, small: f64, large: f64) -> bool {
        match self.form {
            Form::Integer(..) => small == large,
            Form::Metric(_) => large - small <= SHELL_TOLERANCE * large,
        }
    }

    /// Relative distance of the end of a physical ball to the nearest of these squares; infinite for the integer ball.
    pub fn gap(&self, squares: impl Iterator<Item = f64>) -> f64 {
        match self.form {
            Form::Integer(..) => f64::INFINITY,
            Form::Metric(_) => {
                let end = self.limit.sqrt() / (1.0 + BOUNDARY_TOLERANCE);
                squares.fold(f64::INFINITY, |gap, square| gap.min((square.sqrt() / end - 1.0).abs()))
            }
        }
    }

    /// The norm of a square: 1/d in 1/angstrom, or that of the integer ball.
    pub fn norm(&self, square: f64) -> f64 {
        match self.form {
            Form::Integer(_, order) => (square / order).sqrt(),
            Form::Metric(_) => square.sqrt(),
        }
    }
}

fn check_positive(name: &'static str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(ArgumentError {
        name,
        value: value.to_string(),
        message: "must be a positive number".into(),
    }
    .into())
}

fn singular(name: &'static str, value: f64) -> ArgumentError {
    ArgumentError {
        name,
        value: value.to_string(),
        message: "the metric of the indices cannot be inverted in double precision".into(),
    }
}

/// Count before memory is taken; what a box around the ball cannot exceed need not be counted.
fn check_count(frame: &Mat3, radius: f64, max_modes: u64) -> Result<()> {
    // Positions are kept in 32 bits.
    let limit = max_modes.min(u64::from(u32::MAX / 4));
    let sides = [0, 1, 2].map(|a| 1.0 + 2.0 * radius / frame[a][a]);
    let lines_at_most = sides[0] * sides[1];
    let needed = if lines_at_most * sides[2] <= limit as f64 {
        return Ok(());
    } else if lines_at_most > 4.0 * limit as f64 {
        lines_at_most * sides[2]
    } else {
        let mut count = 0u64;
        lines(frame, radius, false, |_, _, from, to| {
            count += u64::from((to - from + 1).max(0) as u32);
        });
        count as f64
    };
    if needed <= limit as f64 {
        return Ok(());
    }
    Err(LimitError {
        message: format!(
            "about {needed:.2e} plane waves lie inside, max_modes = {limit}: take a larger d_min (or smaller radius), \
             or raise max_modes"
        ),
        name: "max_modes",
        limit,
        needed,
        crystal: None,
    }
    .into())
}
