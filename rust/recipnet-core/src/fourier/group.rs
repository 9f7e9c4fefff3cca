//! A space group as the basis needs it: centring translations apart, one operation of each rotation.

use crate::error::{Result, SymmetryError};
use crate::lattice::Lattice;
use crate::math::{Mat3, row_times};
use crate::symmetry::{Operation, Operations};

/// Largest change of the reciprocal metric, relative, that making it fit the operations may need.
pub const METRIC_TOLERANCE: f64 = 1e-3;

/// A checked group of operations.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    operations: Operations,
    representatives: Vec<Element>,
    centrings: Vec<[i32; 3]>,
}

/// One operation in the integers of the sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    rotation: [[i32; 3]; 3],
    translation: [i32; 3],
}

impl Element {
    /// `h W`.
    #[inline]
    pub fn image(&self, h: [i32; 3]) -> [i32; 3] {
        let w = &self.rotation;
        [0, 1, 2].map(|c| h[0] * w[0][c] + h[1] * w[1][c] + h[2] * w[2][c])
    }

    /// `h w` modulo 1, as a numerator.
    #[inline]
    pub fn phase(&self, h: [i32; 3], denominator: i32) -> i32 {
        phase(h, self.translation, denominator)
    }
}

#[inline]
fn phase(h: [i32; 3], w: [i32; 3], denominator: i32) -> i32 {
    let turns: i64 = (0..3).map(|c| i64::from(h[c]) * i64::from(w[c])).sum();
    turns.rem_euclid(i64::from(denominator)) as i32
}

impl Group {
    /// Check that the operations are a group modulo lattice translations.
    ///
    /// # Errors
    /// [`SymmetryError`]: operations are never added.
    pub fn new(operations: &Operations) -> Result<Self> {
        operations.check_group()?;
        let repeats = operations.tidied().1.duplicates;
        if repeats > 0 {
            return Err(SymmetryError {
                message: format!("{repeats} of the {} operations stand there twice", operations.len()),
                value: operations.len().to_string(),
            }
            .into());
        }
        let mut representatives: Vec<Element> = Vec::new();
        let mut centrings = Vec::new();
        for one in operations.as_slice() {
            let element = Element {
                rotation: one.rotation.map(|row| row.map(i32::from)),
                translation: one.translation.map(i32::from),
            };
            if one.rotation == Operation::IDENTITY.rotation && one.translation != [0; 3] {
                centrings.push(element.translation);
            }
            if representatives.iter().all(|known| known.rotation != element.rotation) {
                representatives.push(element);
            }
        }
        Ok(Self {
            operations: operations.clone(),
            representatives,
            centrings,
        })
    }

    /// The operations as given.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        &self.operations
    }

    /// One operation of each rotation; the first is the identity of its rotation.
    pub(super) fn representatives(&self) -> &[Element] {
        &self.representatives
    }

    pub(super) fn denominator(&self) -> i32 {
        i32::from(self.operations.denominator())
    }

    /// Whether a centring translation turns the phase of h, which makes it absent.
    #[inline]
    pub(super) fn is_centring_absent(&self, h: [i32; 3]) -> bool {
        self.centrings.iter().any(|&t| phase(h, t, self.denominator()) != 0)
    }

    /// The integer form `Q = sum over rotations of W W^T`: `h Q h^T` is the same for all members of an orbit.
    pub(super) fn integer_form(&self) -> [[i64; 3]; 3] {
        let mut form = [[0i64; 3]; 3];
        for element in &self.representatives {
            let w = element.rotation.map(|row| row.map(i64::from));
            for i in 0..3 {
                for j in 0..3 {
                    form[i][j] += (0..3).map(|k| w[i][k] * w[j][k]).sum::<i64>();
                }
            }
        }
        form
    }

    /// Metric of the reciprocal lattice, averaged over the rotations: `mean of W G* W^T`.
    ///
    /// # Errors
    /// [`SymmetryError`] when the average differs from the given metric by more than [`METRIC_TOLERANCE`].
    pub(super) fn metric(&self, lattice: &Lattice) -> Result<Mat3> {
        let reciprocal = lattice.reciprocal();
        let gram = |rows: &Mat3| -> Mat3 {
            std::array::from_fn(|i| std::array::from_fn(|j| crate::math::dot(rows[i], rows[j])))
        };
        let given = gram(reciprocal);
        let mut mean = [[0.0; 3]; 3];
        let scale = 1.0 / self.representatives.len() as f64;
        for element in &self.representatives {
            let moved = gram(&element.rotation.map(|row| row_times(row.map(f64::from), reciprocal)));
            let (mut worst, mut at) = (0.0f64, (0, 0));
            for i in 0..3 {
                for j in 0..3 {
                    mean[i][j] += scale * moved[i][j];
                    let change = (moved[i][j] - given[i][j]).abs() / (given[i][i] * given[j][j]).sqrt();
                    if change > worst {
                        (worst, at) = (change, (i, j));
                    }
                }
            }
            if worst > METRIC_TOLERANCE {
                let value = format!("{:?}", element.rotation);
                let axes = ["a*", "b*", "c*"];
                let message = format!(
                    "the cell does not fit the operations: rotation {value} changes the reciprocal metric {}.{} by \
                     {worst:.2e} (relative, at most {METRIC_TOLERANCE:e} is accepted); use the cell in which the \
                     operations are written, or find_symmetry with a tolerance",
                    axes[at.0], axes[at.1]
                );
                return Err(SymmetryError { message, value }.into());
            }
        }
        Ok(mean)
    }
}
