//! The rows of a cell that its operations make all others from.

use std::collections::HashMap;

use crate::math::{Vec3, dot, norm, row_times, wrap};
use crate::structure::Structure;
use crate::symmetry::{Operation, Operations};

/// Positions that agree within this are the same, angstrom: rounding, not refinement.
const SAME: f64 = 1e-9;
/// Readers merge images that are closer than some hundredths of an angstrom.
const MERGED: f64 = 0.031;
/// Bins per cell edge of the look-up; their borders avoid simple fractions.
const BINS: f64 = 1_048_576.0;
const OFFSET: f64 = 0.377;

/// A row that stands for `multiplicity` rows of the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Representative {
    pub row: usize,
    pub multiplicity: usize,
}

/// Representatives in the order of the rows, or why the operations do not make the cell from a part of it.
///
/// The operations are used as a reader uses them: all images of a row in turn, each new position being one atom. So a
/// list that is no group is served too, if its images are what the cell holds. Of each orbit that row is taken whose
/// images come in the order of the cell, where there is one.
pub(super) fn representatives(
    structure: &Structure,
    operations: &Operations,
) -> std::result::Result<Vec<Representative>, String> {
    let mut cell = Cell::new(structure, operations);
    let mut out = Vec::new();
    // The first operation of a list need not be the identity: its images then do not begin with the row itself.
    let back = operations
        .as_slice()
        .first()
        .filter(|&first| *first != Operation::IDENTITY)
        .and_then(|first| first.inverse(operations.denominator()));
    for row in 0..structure.len() {
        if cell.taken[row] {
            continue;
        }
        let before = back.and_then(|back| cell.image(row, &back));
        let (row, orbit) = match before.map(|before| (before, cell.orbit(before))) {
            Some((before, Ok(orbit))) => (before, orbit),
            _ => (row, cell.orbit(row)?),
        };
        for &other in &orbit {
            cell.taken[other] = true;
        }
        out.push(Representative {
            row,
            multiplicity: orbit.len(),
        });
    }
    Ok(out)
}

/// The rows of a cell, to be looked up by position, and which of them have a representative.
struct Cell<'s> {
    structure: &'s Structure,
    operations: &'s Operations,
    bins: HashMap<[i64; 3], Vec<usize>>,
    taken: Vec<bool>,
}

impl<'s> Cell<'s> {
    fn new(structure: &'s Structure, operations: &'s Operations) -> Self {
        let rows = structure.len();
        let mut bins: HashMap<[i64; 3], Vec<usize>> = HashMap::with_capacity(rows);
        for row in 0..rows {
            let bin = structure.frac[row].map(|x| bin(wrap(x) * BINS + OFFSET));
            bins.entry(bin).or_default().push(row);
        }
        Self {
            structure,
            operations,
            bins,
            taken: vec![false; rows],
        }
    }

    /// The free row that `row` becomes by an operation.
    fn image(&self, row: usize, operation: &Operation) -> Option<usize> {
        let image = apply(operation, self.operations.denominator(), self.structure.frac[row]);
        candidates(&self.bins, image).into_iter().find(|&other| {
            !self.taken[other]
                && distance(self.structure, self.structure.frac[other], image) <= SAME
                && alike(self.structure, row, other, operation)
        })
    }

    /// All rows that `row` becomes, each once, in the order of the operations.
    fn orbit(&self, row: usize) -> std::result::Result<Vec<usize>, String> {
        let structure = self.structure;
        let mut orbit: Vec<usize> = Vec::new();
        for (index, operation) in self.operations.as_slice().iter().enumerate() {
            let image = apply(operation, self.operations.denominator(), structure.frac[row]);
            let nearest = orbit
                .iter()
                .map(|&known| distance(structure, structure.frac[known], image))
                .fold(f64::INFINITY, f64::min);
            if nearest <= SAME {
                continue;
            }
            let text = || self.operations.to_xyz().swap_remove(index);
            if nearest < MERGED {
                return Err(format!(
                    "row {row} has images that are {nearest:.4} angstrom apart (by {}) and would be merged by readers",
                    text()
                ));
            }
            match self.image(row, operation).filter(|other| !orbit.contains(other)) {
                Some(other) => orbit.push(other),
                None => return Err(format!("row {row} has no image by {}", text())),
            }
        }
        if !orbit.contains(&row) {
            return Err("the identity is not among the operations".into());
        }
        Ok(orbit)
    }
}

fn apply(operation: &Operation, denominator: i16, x: Vec3) -> Vec3 {
    std::array::from_fn(|i| {
        let row = operation.rotation[i].map(f64::from);
        wrap(dot(row, x) + f64::from(operation.translation[i]) / f64::from(denominator))
    })
}

/// Distance of two positions that are near each other over the lattice.
fn distance(structure: &Structure, x: Vec3, y: Vec3) -> f64 {
    let difference = std::array::from_fn(|i| {
        let delta: f64 = x[i] - y[i];
        delta - delta.round()
    });
    norm(row_times(difference, &structure.lattice))
}

fn bin(scaled: f64) -> i64 {
    (scaled.floor() as i64).rem_euclid(BINS as i64)
}

/// Rows in the bin of a position and, near borders, in the next ones.
fn candidates(bins: &HashMap<[i64; 3], Vec<usize>>, x: Vec3) -> Vec<usize> {
    // SAME over the smallest plane spacing of 0.1 angstrom, in bins.
    let reach = 10.0 * SAME * BINS;
    let axes = x.map(|x| {
        let scaled = x * BINS + OFFSET;
        let (low, high) = (bin(scaled - reach), bin(scaled + reach));
        if low == high { vec![low] } else { vec![low, high] }
    });
    let mut out = Vec::new();
    for &a in &axes[0] {
        for &b in &axes[1] {
            for &c in &axes[2] {
                if let Some(rows) = bins.get(&[a, b, c]) {
                    out.extend_from_slice(rows);
                }
            }
        }
    }
    out.sort_unstable();
    out
}

/// Whether `other` is what `row` becomes: same species, occupancy, charge, name, disorder and displacements.
fn alike(structure: &Structure, row: usize, other: usize, operation: &Operation) -> bool {
    let same = |column: &Option<Vec<f64>>| {
        column
            .as_ref()
            .is_none_or(|values| values[row] == values[other] || (values[row].is_nan() && values[other].is_nan()))
    };
    structure.numbers[row] == structure.numbers[other]
        && structure.isotope(row) == structure.isotope(other)
        && same(&structure.occupancies)
        && same(&structure.charges)
        && close(structure.u_iso.as_ref().map(|values| (values[row], values[other])))
        && structure
            .labels
            .as_ref()
            .is_none_or(|labels| labels[row] == labels[other])
        && structure
            .disorder
            .as_ref()
            .is_none_or(|disorder| disorder[row] == disorder[other])
        && structure.u_aniso.as_ref().is_none_or(|tensors| {
            let moved = rotated(structure, tensors[row], operation);
            (0..6).all(|i| close(Some((moved[i], tensors[other][i]))))
        })
}

fn close(pair: Option<(f64, f64)>) -> bool {
    pair.is_none_or(|(one, other)| (one - other).abs() <= 1e-12 || (one.is_nan() && other.is_nan()))
}

/// U of an image in the CIF convention: `U'_ij a*_i a*_j = W (U a* a*) W^T`.
fn rotated(structure: &Structure, tensor: [f64; 6], operation: &Operation) -> [f64; 6] {
    const PLACES: [(usize, usize); 6] = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)];
    let [a, b, c] = structure.lattice;
    let length = [
        norm(crate::math::cross(b, c)),
        norm(crate::math::cross(c, a)),
        norm(crate::math::cross(a, b)),
    ];
    let mut beta = [[0.0; 3]; 3];
    for (&(i, j), value) in PLACES.iter().zip(tensor) {
        beta[i][j] = value * length[i] * length[j];
        beta[j][i] = beta[i][j];
    }
    PLACES.map(|(i, j)| {
        let mut sum = 0.0;
        for k in 0..3 {
            for l in 0..3 {
                sum += f64::from(operation.rotation[i][k]) * beta[k][l] * f64::from(operation.rotation[j][l]);
            }
        }
        sum / (length[i] * length[j])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(frac: &[Vec3]) -> Structure {
        Structure {
            lattice: [[5.0, 0.0, 0.0], [0.0, 6.0, 0.0], [0.0, 0.0, 7.0]],
            numbers: vec![8; frac.len()],
            frac: frac.to_vec(),
            ..Structure::default()
        }
    }

    fn group(texts: &[&str]) -> Operations {
        Operations::from_xyz(texts).unwrap()
    }

    #[test]
    fn general_and_special_rows() {
        let inversion = group(&["x,y,z", "-x,-y,-z"]);
        let found = representatives(&cell(&[[0.1, 0.2, 0.3], [0.0; 3], [0.9, 0.8, 0.7]]), &inversion).unwrap();
        let pairs: Vec<(usize, usize)> = found.iter().map(|one| (one.row, one.multiplicity)).collect();
        assert_eq!(pairs, [(0, 2), (1, 1)]);
    }

    #[test]
    fn a_missing_image_is_named() {
        let inversion = group(&["x,y,z", "-x,-y,-z"]);
        let reason = representatives(&cell(&[[0.1, 0.2, 0.3], [0.9, 0.8, 0.7001]]), &inversion).unwrap_err();
        assert_eq!(reason, "row 0 has no image by -x,-y,-z");
        let mut other = cell(&[[0.1, 0.2, 0.3], [0.9, 0.8, 0.7]]);
        other.occupancies = Some(vec![1.0, 0.5]);
        assert!(representatives(&other, &inversion).is_err());
        let reason = representatives(&cell(&[[0.001, 0.0, 0.0], [0.999, 0.0, 0.0]]), &inversion).unwrap_err();
        assert!(reason.contains("would be merged"), "{reason}");
    }

    #[test]
    fn positions_on_borders_of_bins_are_found() {
        let mirror = group(&["x,y,z", "y,x,z"]);
        for k in 0..2000 {
            let x = f64::from(k) / 2000.0 * 0.9 + 0.001;
            let rows = [[x, 0.95, 0.5], [0.95 + 1e-16, x + 2e-16, 0.5]];
            assert_eq!(representatives(&cell(&rows), &mirror).unwrap().len(), 1);
        }
    }
}
