//! Operations `x' = W x + w` on fractional columns: `W` integer, `w` a numerator over one denominator per list.

use std::collections::HashSet;

use super::group;
use super::xyz::{ParsedOperation, parse_xyz};
use crate::error::SymmetryError;

/// Denominator of translations when nothing finer is listed: covers all tabulated settings and shifts by 1/8 and 1/24.
pub const DENOMINATOR: i16 = 24;
/// Largest denominator that a listed fraction may lead to.
pub const MAX_DENOMINATOR: i16 = 10_080;
/// Largest number of distinct operations modulo lattice translations that a list may hold.
///
/// A group in a centred cell has at most 48 rotations times 4 centrings; the double leaves room for odd supercells.
pub const MAX_OPERATIONS: usize = 384;

/// One operation; translations are numerators over the denominator of the list that holds it, in `[0, denominator)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Operation {
    /// `W`, rows act on fractional columns.
    pub rotation: [[i8; 3]; 3],
    /// `w` as numerators.
    pub translation: [i16; 3],
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
        group::is_group(&self.operations, self.denominator)
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

pub(super) fn gcd(a: i32, b: i32) -> i32 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
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
    fn a_singular_rotation_is_refused() {
        let flat = Operation {
            rotation: [[1, 0, 0], [1, 0, 0], [0, 0, 1]],
            translation: [0; 3],
        };
        assert!(Operations::new(vec![flat], 24).is_err());
    }
}
