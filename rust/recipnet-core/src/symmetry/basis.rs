//! Other axes and another origin for a list of operations, in exact rationals.

use std::collections::HashSet;

use super::operation::{DENOMINATOR, MAX_OPERATIONS, Operation, Operations, fit_denominator, narrow};
use crate::error::SymmetryError;
use crate::math::{gcd, int_det};

/// Largest numerator or denominator of a change of basis.
const MAX_ENTRY: i32 = 10_080;

/// New axes `(a' b' c') = (a b c) P` and a new origin p, in old coordinates: `x' = P^-1 (x - p)`.
///
/// International Tables A, 1.5.1 and 1.5.2. `det P` need not be 1: it is the ratio of the cell volumes. A negative one
/// changes the handedness of the axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeOfBasis {
    matrix: [[i64; 3]; 3],
    matrix_denominator: i64,
    shift: [i64; 3],
    shift_denominator: i64,
}

impl ChangeOfBasis {
    /// P and p as whole numbers over one denominator each.
    ///
    /// # Errors
    /// A singular P, a denominator below 1, or a number beyond 10080.
    pub fn new(
        matrix: [[i32; 3]; 3],
        matrix_denominator: i32,
        shift: [i32; 3],
        shift_denominator: i32,
    ) -> Result<Self, SymmetryError> {
        let numbers = matrix.as_flattened().iter().chain(&shift);
        let denominators = [matrix_denominator, shift_denominator];
        let value = format!("P = {matrix:?}/{matrix_denominator}, p = {shift:?}/{shift_denominator}");
        if denominators.iter().any(|d| !(1..=MAX_ENTRY).contains(d))
            || numbers.into_iter().any(|n| n.unsigned_abs() > MAX_ENTRY.unsigned_abs())
        {
            return Err(SymmetryError {
                message: format!(
                    "a change of basis has numerators up to {MAX_ENTRY} and denominators 1 to {MAX_ENTRY}"
                ),
                value,
            });
        }
        let made = Self {
            matrix: matrix.map(|row| row.map(i64::from)),
            matrix_denominator: i64::from(matrix_denominator),
            shift: shift.map(i64::from),
            shift_denominator: i64::from(shift_denominator),
        };
        if int_det(&made.matrix) == 0 {
            return Err(SymmetryError {
                message: "a change of basis has an invertible matrix P; the determinant of this one is 0".into(),
                value,
            });
        }
        Ok(made)
    }
}

impl Operations {
    /// The operations in new axes and from a new origin: `W' = P^-1 W P`, `w' = P^-1 (w + W p - p)`.
    ///
    /// Translations of the old cell that a larger cell does not have become operations (after the others, as centrings
    /// do); those that a smaller cell has as lattice translations leave the list.
    ///
    /// # Errors
    /// New axes that are no translations of the list, an operation that has no whole-numbered matrix in the new axes,
    /// a denominator beyond 10080, or more than [`MAX_OPERATIONS`] operations.
    pub fn change_basis(&self, change: &ChangeOfBasis) -> Result<Self, SymmetryError> {
        let frame = Frame::new(change);
        self.check_axes(change)?;
        let shifts = frame.lattice()?;
        let mut found: Vec<Rational> = Vec::with_capacity(self.len());
        let mut seen = HashSet::new();
        for shift in &shifts {
            for one in self.as_slice() {
                let refuse = |what: &str| SymmetryError {
                    message: format!("{} {what}", one.to_xyz(self.denominator())),
                    value: one.to_xyz(self.denominator()),
                };
                let rotation = frame.rotation(one).ok_or_else(|| {
                    refuse("has no whole-numbered matrix in the new axes: it does not keep the lattice that they span")
                })?;
                let rotation = narrow(&rotation)
                    .ok_or_else(|| refuse("has entries beyond 127 in the new axes; reduce them first"))?;
                let translation = frame.translation(one, i128::from(self.denominator()), shift);
                if seen.insert((rotation, translation)) {
                    found.push((rotation, translation));
                }
                if found.len() > MAX_OPERATIONS {
                    return Err(too_many());
                }
            }
        }
        collect(found)
    }

    /// One operation for each rotation of a group, in a primitive cell. (Operations that are no group lose members.)
    pub(super) fn primitive(&self) -> Vec<PrimitiveOperation> {
        let frame = Frame::new(&self.to_primitive());
        let mut seen = HashSet::new();
        self.as_slice()
            .iter()
            .filter(|one| seen.insert(one.rotation))
            .filter_map(|one| {
                let translation = frame.translation(one, i128::from(self.denominator()), &[0; 3]);
                Some((
                    frame.rotation(one)?,
                    translation.map(|(above, below)| above as f64 / below as f64),
                ))
            })
            .collect()
    }

    /// The change to a primitive cell, whose axes are the Hermite form of all translations.
    pub(super) fn to_primitive(&self) -> ChangeOfBasis {
        let denominator = i64::from(self.denominator());
        let mut rows: Vec<[i64; 3]> = vec![[denominator, 0, 0], [0, denominator, 0], [0, 0, denominator]];
        rows.extend(self.pure_translations().map(|translation| translation.map(i64::from)));
        let basis = hermite(rows);
        ChangeOfBasis {
            matrix: std::array::from_fn(|i| std::array::from_fn(|j| basis[j][i])),
            matrix_denominator: denominator,
            shift: [0; 3],
            shift_denominator: 1,
        }
    }

    fn pure_translations(&self) -> impl Iterator<Item = [i16; 3]> {
        let is_pure = |one: &&Operation| one.rotation == Operation::IDENTITY.rotation;
        self.as_slice().iter().filter(is_pure).map(|one| one.translation)
    }

    /// Are the new axes translations of the list?
    fn check_axes(&self, change: &ChangeOfBasis) -> Result<(), SymmetryError> {
        let own = i64::from(self.denominator());
        let steps: HashSet<[i64; 3]> = self
            .pure_translations()
            .map(|translation| translation.map(i64::from))
            .chain([[0; 3]])
            .collect();
        for j in 0..3 {
            let axis: [i64; 3] = std::array::from_fn(|i| change.matrix[i][j] * own);
            let whole = axis.iter().all(|n| n % change.matrix_denominator == 0);
            let step = axis.map(|n| (n / change.matrix_denominator).rem_euclid(own));
            if !(whole && steps.contains(&step)) {
                let entries: [String; 3] =
                    std::array::from_fn(|i| format!("{}/{}", change.matrix[i][j], change.matrix_denominator));
                return Err(SymmetryError {
                    message: format!(
                        "the new axis {} = ({}) is no lattice translation or centring of these operations",
                        ["a'", "b'", "c'"][j],
                        entries.join(", ")
                    ),
                    value: entries.join(", "),
                });
            }
        }
        Ok(())
    }
}

/// Rotation and translation in a primitive cell.
pub(super) type PrimitiveOperation = ([[i64; 3]; 3], [f64; 3]);

/// A rotation and three reduced fractions in [0, 1).
type Rational = ([[i8; 3]; 3], [(i128, i128); 3]);

/// A change of basis with the adjugate of P, so that all is whole-numbered.
struct Frame {
    change: ChangeOfBasis,
    adjugate: [[i64; 3]; 3],
    determinant: i64,
}

impl Frame {
    fn new(change: &ChangeOfBasis) -> Self {
        let m = &change.matrix;
        Self {
            change: *change,
            adjugate: std::array::from_fn(|i| {
                std::array::from_fn(|j| {
                    let (a, b, c, d) = ((j + 1) % 3, (j + 2) % 3, (i + 1) % 3, (i + 2) % 3);
                    m[a][c] * m[b][d] - m[a][d] * m[b][c]
                })
            }),
            determinant: int_det(m),
        }
    }

    /// `P^-1 v` modulo 1, v as numerators over one denominator.
    fn to_new(&self, v: [i128; 3], denominator: i128) -> [(i128, i128); 3] {
        let below = i128::from(self.determinant) * denominator;
        std::array::from_fn(|i| {
            let above: i128 = (0..3).map(|k| i128::from(self.adjugate[i][k]) * v[k]).sum();
            let above = above * i128::from(self.change.matrix_denominator) * below.signum();
            let below = below.abs();
            let above = above.rem_euclid(below);
            let common = gcd(above, below);
            (above / common, below / common)
        })
    }

    /// The translations of the old cell, in new coordinates modulo 1; the zero first.
    fn lattice(&self) -> Result<Vec<[i128; 3]>, SymmetryError> {
        let mut kept = vec![[0i128; 3]];
        let mut seen = HashSet::from([self.to_new([0; 3], 1)]);
        let mut next = 0;
        while next < kept.len() {
            for axis in 0..3 {
                let mut step = kept[next];
                step[axis] += 1;
                if seen.insert(self.to_new(step, 1)) {
                    kept.push(step);
                }
            }
            if kept.len() > MAX_OPERATIONS {
                return Err(too_many());
            }
            next += 1;
        }
        Ok(kept)
    }

    /// `P^-1 W P`, if it is whole-numbered.
    fn rotation(&self, one: &Operation) -> Option<[[i64; 3]; 3]> {
        let half = multiply(&self.adjugate, &one.rotation.map(|row| row.map(i64::from)));
        let turned = multiply(&half, &self.change.matrix);
        let whole = turned
            .as_flattened()
            .iter()
            .all(|entry| entry % i128::from(self.determinant) == 0);
        whole.then(|| turned.map(|row| row.map(|entry| (entry / i128::from(self.determinant)) as i64)))
    }

    /// `P^-1 (w + n + W p - p)` modulo 1.
    fn translation(&self, one: &Operation, denominator: i128, n: &[i128; 3]) -> [(i128, i128); 3] {
        let p = self.change.shift.map(i128::from);
        let own = i128::from(self.change.shift_denominator);
        let moved = std::array::from_fn(|i| {
            let turned: i128 = (0..3).map(|k| i128::from(one.rotation[i][k]) * p[k]).sum();
            (i128::from(one.translation[i]) + n[i] * denominator) * own + (turned - p[i]) * denominator
        });
        self.to_new(moved, denominator * own)
    }
}

fn collect(found: Vec<Rational>) -> Result<Operations, SymmetryError> {
    let mut denominator = i128::from(DENOMINATOR);
    for &(_, own) in found.iter().flat_map(|(_, translation)| translation) {
        denominator = denominator / gcd(denominator, own) * own;
        fit_denominator(i64::try_from(denominator).unwrap_or(i64::MAX))?;
    }
    let operations = found
        .into_iter()
        .map(|(rotation, translation)| Operation {
            rotation,
            translation: translation.map(|(above, below)| (above * (denominator / below)) as i16),
        })
        .collect();
    Operations::new(operations, denominator as i16)
}

fn too_many() -> SymmetryError {
    SymmetryError {
        message: format!("the new cell has more than {MAX_OPERATIONS} operations; choose a smaller one"),
        value: MAX_OPERATIONS.to_string(),
    }
}

fn multiply<T: Copy + Into<i128>>(a: &[[T; 3]; 3], b: &[[i64; 3]; 3]) -> [[i128; 3]; 3] {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k].into() * i128::from(b[k][j])).sum()))
}

/// A triangular basis, with a positive diagonal, of all whole-numbered sums of the rows, which span space.
fn hermite(mut rows: Vec<[i64; 3]>) -> [[i64; 3]; 3] {
    let mut basis: [[i64; 3]; 3] = std::array::from_fn(|column| {
        loop {
            rows.retain(|row| *row != [0; 3]);
            // Euclid on one column until a single row has an entry in it.
            let Some(least) = (0..rows.len())
                .filter(|&row| rows[row][column] != 0)
                .min_by_key(|&row| rows[row][column].abs())
            else {
                return [0; 3];
            };
            let pivot = rows[least];
            let mut done = true;
            for (row, entries) in rows.iter_mut().enumerate() {
                if row != least && entries[column] != 0 {
                    let times = entries[column].div_euclid(pivot[column]);
                    for (entry, own) in entries.iter_mut().zip(pivot) {
                        *entry -= times * own;
                    }
                    done &= entries[column] == 0;
                }
            }
            if done {
                rows.remove(least);
                let sign = pivot[column].signum();
                return pivot.map(|entry| entry * sign);
            }
        }
    });
    for (row, by) in [(0, 1), (0, 2), (1, 2)] {
        let times = basis[row][by].div_euclid(basis[by][by]);
        for k in 0..3 {
            basis[row][k] -= times * basis[by][k];
        }
    }
    basis
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symmetry::parse_hall;

    fn change(matrix: [[i32; 3]; 3], below: i32, shift: [i32; 3], shift_below: i32) -> ChangeOfBasis {
        ChangeOfBasis::new(matrix, below, shift, shift_below).unwrap()
    }

    const UNIT: [[i32; 3]; 3] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];

    #[test]
    fn hexagonal_and_rhombohedral_axes() {
        // Obverse setting: a = a_R - b_R, b = b_R - c_R, c = a_R + b_R + c_R (International Tables A, 1.5.1.2).
        let hexagonal = parse_hall("-R 3 2\"").unwrap();
        let rhombohedral = parse_hall("-P 3* 2").unwrap();
        let to_hexagonal = change([[1, 0, 1], [-1, 1, 1], [0, -1, 1]], 1, [0; 3], 1);
        let to_rhombohedral = change([[2, -1, -1], [1, 1, -2], [1, 1, 1]], 3, [0; 3], 1);
        assert_eq!((hexagonal.len(), rhombohedral.len()), (36, 12));
        assert!(rhombohedral.change_basis(&to_hexagonal).unwrap().same_set(&hexagonal));
        assert!(
            hexagonal
                .change_basis(&to_rhombohedral)
                .unwrap()
                .same_set(&rhombohedral)
        );
    }

    #[test]
    fn origins_of_the_diamond_group() {
        let first = parse_hall("F 4d 2 3 -1d").unwrap();
        let second = parse_hall("-F 4vw 2vw 3").unwrap();
        let moved = first.change_basis(&change(UNIT, 1, [1, 1, 1], 8)).unwrap();
        assert!(moved.same_set(&second));
        assert!(
            moved
                .change_basis(&change(UNIT, 1, [-1, -1, -1], 8))
                .unwrap()
                .same_set(&first)
        );
    }

    #[test]
    fn a_larger_cell_gains_the_translations_it_lost() {
        let list = Operations::from_xyz(&["x,y,z", "-x,-y,-z"]).unwrap();
        let doubled = list
            .change_basis(&change([[2, 0, 0], [0, 1, 0], [0, 0, 1]], 1, [0; 3], 1))
            .unwrap();
        assert_eq!(doubled.to_xyz(), ["x,y,z", "-x,-y,-z", "x+1/2,y,z", "-x+1/2,-y,-z"]);
        let back = doubled
            .change_basis(&change([[1, 0, 0], [0, 2, 0], [0, 0, 2]], 2, [0; 3], 1))
            .unwrap();
        assert!(back.same_set(&list));
    }

    #[test]
    fn refused() {
        let list = parse_hall("P 4").unwrap();
        let message = |matrix, below| {
            list.change_basis(&change(matrix, below, [0; 3], 1))
                .unwrap_err()
                .message
        };
        let skew = message([[2, 0, 0], [0, 1, 0], [0, 0, 1]], 1);
        assert!(skew.starts_with("-y,x,z has no whole-numbered matrix"), "{skew}");
        let small = message(UNIT, 2);
        assert!(
            small.contains("a' = (1/2, 0/2, 0/2) is no lattice translation"),
            "{small}"
        );
        assert!(message([[400, 0, 0], [0, 400, 0], [0, 0, 1]], 1).contains("more than 384"));
        assert!(ChangeOfBasis::new([[1, 1, 0], [1, 1, 0], [0, 0, 1]], 1, [0; 3], 1).is_err());
        assert!(ChangeOfBasis::new(UNIT, 0, [0; 3], 1).is_err());
        assert!(ChangeOfBasis::new(UNIT, 1, [i32::MIN; 3], 1).is_err());
        let fine = list.change_basis(&change(UNIT, 1, [1, 0, 0], 10_079)).unwrap_err();
        assert!(fine.message.contains("denominator"), "{}", fine.message);
    }

    #[test]
    fn hermite_forms_span_the_same_lattice() {
        assert_eq!(
            hermite(vec![
                [24, 0, 0],
                [0, 24, 0],
                [0, 0, 24],
                [0, 12, 12],
                [12, 0, 12],
                [12, 12, 0]
            ]),
            [[12, 0, 12], [0, 12, 12], [0, 0, 24]]
        );
    }
}
