//! Operations `x' = W x + w` on fractional columns: `W` integer, `w` a numerator over one denominator per list.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use super::group;
use super::xyz::{ParsedOperation, parse_xyz};
use crate::error::SymmetryError;
use crate::math::{IntMat3, gcd, unimodular_inverse};

/// Denominator of translations when nothing finer is listed: covers all tabulated settings and shifts by 1/8 and 1/24.
pub const DENOMINATOR: i16 = 24;
/// Largest denominator that a listed fraction may lead to.
pub const MAX_DENOMINATOR: i16 = 10_080;
/// Largest number of distinct operations modulo lattice translations that a list may hold.
///
/// A group in a centred cell has at most 48 rotations times 4 centrings; the double leaves room for odd supercells.
pub const MAX_OPERATIONS: usize = 384;

/// Largest distance of a finder's translation from a multiple of 1/24.
const FLOAT_TOLERANCE: f64 = 1e-5;

/// One operation; translations are numerators over the denominator of the list that holds it, in `[0, denominator)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// `W`, rows act on fractional columns.
    pub rotation: [[i8; 3]; 3],
    /// `w` as numerators.
    pub translation: [i16; 3],
}

#[allow(clippy::derived_hash_with_manual_eq)] // equal operations have equal words
impl Hash for Operation {
    /// One word for all entries: sets of operations are made for every list that is read.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut word = 0u128;
        for &entry in self.rotation.iter().flatten() {
            word = word << 8 | u128::from(entry as u8);
        }
        for &numerator in &self.translation {
            word = word << 16 | u128::from(numerator as u16);
        }
        state.write_u128(word);
    }
}

impl Operation {
    /// The operation that moves nothing.
    pub const IDENTITY: Self = Self {
        rotation: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        translation: [0; 3],
    };

    /// `self` after `first`, translations modulo the lattice; None where an entry leaves the range of i8.
    #[must_use]
    pub fn compose(&self, first: &Self, denominator: i16) -> Option<Self> {
        let mut rotation = [[0i8; 3]; 3];
        let mut translation = [0i16; 3];
        for i in 0..3 {
            for j in 0..3 {
                let entry: i32 = (0..3)
                    .map(|k| i32::from(self.rotation[i][k]) * i32::from(first.rotation[k][j]))
                    .sum();
                rotation[i][j] = i8::try_from(entry).ok()?;
            }
            let moved: i32 = (0..3)
                .map(|k| i32::from(self.rotation[i][k]) * i32::from(first.translation[k]))
                .sum::<i32>()
                + i32::from(self.translation[i]);
            translation[i] = moved.rem_euclid(i32::from(denominator)) as i16;
        }
        Some(Self { rotation, translation })
    }

    /// The operation that undoes this one: `(W^-1 | -W^-1 w)`; None where an entry leaves the range of i8.
    #[must_use]
    pub fn inverse(&self, denominator: i16) -> Option<Self> {
        let back = unimodular_inverse(&self.rotation.map(|row| row.map(i64::from)));
        let rotation = narrow(&back)?;
        let back = Self {
            rotation,
            translation: [0; 3],
        };
        let moved = back.compose(
            &Self {
                translation: self.translation,
                ..Self::IDENTITY
            },
            denominator,
        )?;
        Some(Self {
            rotation,
            translation: moved.translation.map(|n| (-n).rem_euclid(denominator)),
        })
    }

    /// Canonical text: `-x+1/2,y,z`.
    #[must_use]
    pub fn to_xyz(&self, denominator: i16) -> String {
        write_xyz(self, denominator)
    }
}

/// A list of operations over one denominator, in the order of its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operations {
    operations: Vec<Operation>,
    denominator: i16,
}

/// What [`Operations::tidied`] changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tidied {
    /// The identity was missing and now stands first.
    pub identity_added: bool,
    /// Repeated operations that were dropped.
    pub duplicates: usize,
}

impl Operations {
    /// The group P 1.
    #[must_use]
    pub fn identity() -> Self {
        Self {
            operations: vec![Operation::IDENTITY],
            denominator: DENOMINATOR,
        }
    }

    /// Operations as given; numerators are reduced modulo the denominator.
    ///
    /// # Errors
    /// A denominator outside 1..=10080, or a rotation whose determinant is not +1 or -1.
    pub fn new(mut operations: Vec<Operation>, denominator: i16) -> Result<Self, SymmetryError> {
        if !(1..=MAX_DENOMINATOR).contains(&denominator) {
            return Err(SymmetryError {
                message: format!("the denominator of translations must be 1 to {MAX_DENOMINATOR}, not {denominator}"),
                value: denominator.to_string(),
            });
        }
        for operation in &mut operations {
            let determinant = determinant(&operation.rotation);
            if determinant.abs() != 1 {
                return Err(SymmetryError {
                    message: format!("the determinant of a rotation is {determinant}; only +1 and -1 keep the lattice"),
                    value: format!("{:?}", operation.rotation),
                });
            }
            for numerator in &mut operation.translation {
                *numerator = numerator.rem_euclid(denominator);
            }
        }
        Ok(Self {
            operations,
            denominator,
        })
    }

    /// Operations from texts such as `x+1/2, -y, z`, in order, over the least common denominator with 24.
    ///
    /// # Errors
    /// The first text that is no operation, or fractions whose common denominator passes 10080.
    pub fn from_xyz<S: AsRef<str>>(texts: &[S]) -> Result<Self, SymmetryError> {
        let parsed = texts
            .iter()
            .map(|text| parse_xyz(text.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        Self::from_parsed(&parsed)
    }

    /// The same from operations that are already parsed.
    ///
    /// # Errors
    /// Fractions whose common denominator passes 10080.
    pub fn from_parsed(parsed: &[ParsedOperation]) -> Result<Self, SymmetryError> {
        let mut denominator = i32::from(DENOMINATOR);
        for operation in parsed {
            for &(_, own) in &operation.translation {
                denominator = denominator / gcd(denominator, own) * own;
                if denominator > i32::from(MAX_DENOMINATOR) {
                    return Err(SymmetryError {
                        message: format!("the common denominator of the translations passes {MAX_DENOMINATOR}"),
                        value: denominator.to_string(),
                    });
                }
            }
        }
        let operations = parsed
            .iter()
            .map(|operation| Operation {
                rotation: operation.rotation,
                translation: operation
                    .translation
                    .map(|(numerator, own)| (numerator * (denominator / own)).rem_euclid(denominator) as i16),
            })
            .collect();
        Ok(Self {
            operations,
            denominator: denominator as i16,
        })
    }

    /// Operations of a symmetry finder: each translation is the nearest multiple of 1/24 within 1e-5.
    ///
    /// # Errors
    /// The first translation that is none, or a rotation whose determinant is not +1 or -1.
    pub fn from_floats(given: &[([[i8; 3]; 3], [f64; 3])]) -> Result<Self, SymmetryError> {
        let mut operations = Vec::with_capacity(given.len());
        for (place, (rotation, shift)) in given.iter().enumerate() {
            let mut translation = [0; 3];
            for (numerator, value) in translation.iter_mut().zip(shift) {
                let steps = (value * f64::from(DENOMINATOR)).round();
                let off = (value - steps / f64::from(DENOMINATOR)).abs();
                // A value that is no number, or too large to know its fraction, has no nearest step.
                if !(off <= FLOAT_TOLERANCE && value.abs() <= 1e6) {
                    return Err(SymmetryError {
                        message: format!(
                            "operation {place}: the translation {value} is no multiple of 1/{DENOMINATOR} within \
                             {FLOAT_TOLERANCE:e}; move the origin to a tabulated one first, or give fractions as text"
                        ),
                        value: value.to_string(),
                    });
                }
                *numerator = steps.rem_euclid(f64::from(DENOMINATOR)) as i16;
            }
            operations.push(Operation {
                rotation: *rotation,
                translation,
            });
        }
        Self::new(operations, DENOMINATOR)
    }

    /// The operations in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Operation] {
        &self.operations
    }

    /// Common denominator of the translations.
    #[must_use]
    pub fn denominator(&self) -> i16 {
        self.denominator
    }

    /// Number of operations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The list without repeats and with the identity (first, where it was missing), and what that changed.
    #[must_use]
    pub fn tidied(&self) -> (Self, Tidied) {
        let mut seen = HashSet::with_capacity(self.operations.len() + 1);
        let mut kept: Vec<Operation> = self
            .operations
            .iter()
            .copied()
            .filter(|&one| seen.insert(one))
            .collect();
        let duplicates = self.operations.len() - kept.len();
        let identity_added = !seen.contains(&Operation::IDENTITY);
        if identity_added {
            kept.insert(0, Operation::IDENTITY);
        }
        (
            Self {
                operations: kept,
                denominator: self.denominator,
            },
            Tidied {
                identity_added,
                duplicates,
            },
        )
    }

    /// Whether the list, taken as a set, is a group modulo lattice translations. Nothing is ever added to it.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.check_group().is_ok()
    }

    /// The same question with the reason: which operation is missing, and as the product of which two.
    ///
    /// # Errors
    /// A list that is no group.
    pub fn check_group(&self) -> Result<(), SymmetryError> {
        group::generators(&self.operations, self.denominator).map(drop)
    }

    /// Row by row `self` after `first`; a list of one goes with every row of the other.
    ///
    /// # Errors
    /// Lists of different lengths, a common denominator beyond 10080, or entries of a rotation beyond 127.
    pub fn compose(&self, first: &Self) -> Result<Self, SymmetryError> {
        let rows = match (self.len(), first.len()) {
            (1, n) | (n, 1) => n,
            (m, n) if m == n => n,
            (m, n) => {
                return Err(SymmetryError {
                    message: format!(
                        "{m} operations after {n}: lists are composed row by row, so give two of one length, or one \
                         operation with any list"
                    ),
                    value: format!("{m} and {n}"),
                });
            }
        };
        let common = self.common_denominator(first)?;
        let (left, right) = (self.over(common), first.over(common));
        let operations = (0..rows)
            .map(|row| {
                let (a, b) = (&left[row.min(left.len() - 1)], &right[row.min(right.len() - 1)]);
                a.compose(b, common).ok_or_else(|| too_large(a, common))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            operations,
            denominator: common,
        })
    }

    /// The inverse of each operation.
    ///
    /// # Errors
    /// Entries of a rotation beyond 127.
    pub fn inverse(&self) -> Result<Self, SymmetryError> {
        let operations = self
            .operations
            .iter()
            .map(|one| {
                one.inverse(self.denominator)
                    .ok_or_else(|| too_large(one, self.denominator))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            operations,
            denominator: self.denominator,
        })
    }

    fn common_denominator(&self, other: &Self) -> Result<i16, SymmetryError> {
        let (a, b) = (i32::from(self.denominator), i32::from(other.denominator));
        fit_denominator(i64::from(a / gcd(a, b)) * i64::from(b))
    }

    /// The operations with their numerators over a multiple of the denominator.
    fn over(&self, common: i16) -> Vec<Operation> {
        let factor = common / self.denominator;
        let scaled = |one: &Operation| Operation {
            translation: one.translation.map(|n| n * factor),
            ..*one
        };
        self.operations.iter().map(scaled).collect()
    }

    /// The same set, whatever the order and the denominators?
    #[must_use]
    pub fn same_set(&self, other: &Self) -> bool {
        let scale = |list: &Self, common: i32| -> HashSet<([[i8; 3]; 3], [i32; 3])> {
            let factor = common / i32::from(list.denominator);
            list.operations
                .iter()
                .map(|one| (one.rotation, one.translation.map(|n| i32::from(n) * factor)))
                .collect()
        };
        let (a, b) = (i32::from(self.denominator), i32::from(other.denominator));
        let common = a / gcd(a, b) * b;
        scale(self, common) == scale(other, common)
    }

    /// Canonical texts: `-x+1/2,y,z`.
    #[must_use]
    pub fn to_xyz(&self) -> Vec<String> {
        self.operations
            .iter()
            .map(|operation| write_xyz(operation, self.denominator))
            .collect()
    }
}

/// The matrix as it is stored, if its entries are small enough.
pub(super) fn narrow(matrix: &IntMat3) -> Option<[[i8; 3]; 3]> {
    let mut out = [[0; 3]; 3];
    for (entry, wide) in out.as_flattened_mut().iter_mut().zip(matrix.as_flattened()) {
        *entry = i8::try_from(*wide).ok()?;
    }
    Some(out)
}

fn too_large(one: &Operation, denominator: i16) -> SymmetryError {
    SymmetryError {
        message: "an entry of the resulting rotation passes 127; reduce the cell first".into(),
        value: one.to_xyz(denominator),
    }
}

/// The denominator as it is stored, if it is small enough.
pub(super) fn fit_denominator(denominator: i64) -> Result<i16, SymmetryError> {
    i16::try_from(denominator)
        .ok()
        .filter(|fits| *fits <= MAX_DENOMINATOR)
        .ok_or_else(|| SymmetryError {
            message: format!("the common denominator of the translations passes {MAX_DENOMINATOR}"),
            value: denominator.to_string(),
        })
}

fn write_xyz(operation: &Operation, denominator: i16) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for i in 0..3 {
        if i > 0 {
            out.push(',');
        }
        let start = out.len();
        for (j, name) in ["x", "y", "z"].iter().enumerate() {
            let entry = operation.rotation[i][j];
            if entry == 0 {
                continue;
            }
            if entry < 0 {
                out.push('-');
            } else if out.len() > start {
                out.push('+');
            }
            if entry.unsigned_abs() != 1 {
                let _ = write!(out, "{}", entry.unsigned_abs());
            }
            out.push_str(name);
        }
        let numerator = i32::from(operation.translation[i]);
        if numerator != 0 {
            let common = gcd(numerator, i32::from(denominator));
            let _ = write!(out, "+{}/{}", numerator / common, i32::from(denominator) / common);
        }
    }
    out
}

pub(super) fn determinant(rotation: &[[i8; 3]; 3]) -> i32 {
    let m = rotation.map(|row| row.map(i32::from));
    m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_canonical() {
        let texts = ["x,y,z", "1/2+X, -Y , z+0.25", "-x+y,y,.3333-z", "y,x,-z+5/7"];
        let list = Operations::from_xyz(&texts).unwrap();
        assert_eq!(list.denominator(), 168);
        assert_eq!(
            list.to_xyz(),
            ["x,y,z", "x+1/2,-y,z+1/4", "-x+y,y,-z+1/3", "y,x,-z+5/7"]
        );
        assert_eq!(Operations::from_xyz(&list.to_xyz()).unwrap(), list);
    }

    #[test]
    fn identity_is_added_and_repeats_go() {
        let list = Operations::from_xyz(&["-x,-y,-z", "-x,-y,1-z"]).unwrap();
        let (tidy, change) = list.tidied();
        assert_eq!(
            change,
            Tidied {
                identity_added: true,
                duplicates: 1
            }
        );
        assert_eq!(tidy.to_xyz(), ["x,y,z", "-x,-y,-z"]);
        assert!(tidy.is_group());
    }

    #[test]
    fn sets_are_compared_across_denominators() {
        let a = Operations::new(
            vec![
                Operation {
                    rotation: Operation::IDENTITY.rotation,
                    translation: [1, 0, 0],
                },
                Operation::IDENTITY,
            ],
            2,
        )
        .unwrap();
        let b = Operations::from_xyz(&["x,y,z", "x+1/2,y,z"]).unwrap();
        assert!(a.same_set(&b));
        assert!(!a.same_set(&Operations::identity()));
    }

    #[test]
    fn inverses_undo() {
        let list = Operations::from_xyz(&["-y,x-y,z+1/3", "2x+y,x+y,z+1/5", "z,x,y+1/4"]).unwrap();
        let nothing = list.compose(&list.inverse().unwrap()).unwrap();
        assert_eq!(nothing.to_xyz(), ["x,y,z"; 3]);
        let first = Operations::from_xyz(&["x+1/7,y,z"]).unwrap();
        assert_eq!(list.compose(&first).unwrap().to_xyz()[0], "-y,x-y+1/7,z+1/3");
        assert_eq!(first.compose(&list).unwrap().to_xyz()[0], "-y+1/7,x-y,z+1/3");
        assert!(list.compose(&Operations::from_xyz(&["x,y,z"; 2]).unwrap()).is_err());
    }

    #[test]
    fn floats_of_a_finder() {
        let one = |value: f64| Operations::from_floats(&[(Operation::IDENTITY.rotation, [value, 0.0, 0.0])]);
        assert_eq!(one(1.0 / 3.0 - 9e-6).unwrap().as_slice()[0].translation, [8, 0, 0]);
        assert_eq!(one(-0.25).unwrap().as_slice()[0].translation, [18, 0, 0]);
        assert_eq!(one(0.999_999).unwrap().as_slice()[0].translation, [0, 0, 0]);
        for bad in [0.3333, 0.1, f64::NAN, f64::INFINITY, 1e300] {
            assert!(one(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_singular_rotation_is_refused() {
        let flat = Operation {
            rotation: [[1, 0, 0], [1, 0, 0], [0, 0, 1]],
            translation: [0; 3],
        };
        assert!(Operations::new(vec![flat], 24).is_err());
    }
}
