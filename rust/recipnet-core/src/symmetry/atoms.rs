//! Which atoms the operations of a crystal bring to each other's place.

use super::operation::Operations;
use super::{Operation, group};
use crate::error::{Result, SymmetryError};
use crate::lattice::Lattice;
use crate::math::{Vec3, norm, row_times, wrap};

/// For each atom row the first row that the group brings to its place.
///
/// Rows are equivalent only if they have the same `kind`. Every generator of the group has to map the rows onto
/// themselves within `tolerance` (angstrom; at most 0.45 of the smallest distance of lattice planes is used).
///
/// # Errors
/// [`SymmetryError`] naming operation, row and place where an image has no atom, or a list that is no group.
pub fn equivalent_atoms(
    lattice: &Lattice,
    kinds: &[u32],
    frac: &[Vec3],
    operations: &Operations,
    tolerance: f64,
) -> Result<Vec<usize>> {
    if kinds.len() != frac.len() {
        let message = format!(
            "{} kinds for {} atom rows: one of each is needed",
            kinds.len(),
            frac.len()
        );
        return Err(SymmetryError {
            message,
            value: kinds.len().to_string(),
        }
        .into());
    }
    let generators = group::generators(operations.as_slice(), operations.denominator())?;
    let mut first: Vec<usize> = (0..frac.len()).collect();
    let finder = Finder::new(lattice, frac, tolerance);
    for generator in generators {
        let mut taken = vec![false; frac.len()];
        for row in 0..frac.len() {
            let place = image(&generator, operations.denominator(), frac[row]);
            let Some(target) = finder.nearest(place, |other| kinds[other] == kinds[row] && !taken[other]) else {
                let text = Operations::new(vec![generator], operations.denominator())?
                    .to_xyz()
                    .join("");
                return Err(SymmetryError {
                    message: format!(
                        "the operation {text} takes row {row} to {place:.4?}, where no atom of its kind lies within \
                         {tolerance} angstrom: these operations are not those of the atoms; search them with symprec=, \
                         or build the crystal without symmetry"
                    ),
                    value: text,
                }
                .into());
            };
            taken[target] = true;
            let (a, b) = (root(&mut first, row), root(&mut first, target));
            first[a.max(b)] = a.min(b);
        }
    }
    for row in 0..first.len() {
        first[row] = root(&mut first, row);
    }
    Ok(first)
}

fn root(first: &mut [usize], mut row: usize) -> usize {
    while first[row] != row {
        first[row] = first[first[row]];
        row = first[row];
    }
    row
}

fn image(operation: &Operation, denominator: i16, x: Vec3) -> Vec3 {
    std::array::from_fn(|i| {
        let moved: f64 = (0..3).map(|j| f64::from(operation.rotation[i][j]) * x[j]).sum();
        wrap(moved + f64::from(operation.translation[i]) / f64::from(denominator))
    })
}

/// Atoms sorted along the axis whose lattice planes lie farthest apart.
struct Finder<'a> {
    lattice: &'a Lattice,
    frac: &'a [Vec3],
    axis: usize,
    reach: f64,
    tolerance: f64,
    sorted: Vec<(f64, usize)>,
}

impl<'a> Finder<'a> {
    fn new(lattice: &'a Lattice, frac: &'a [Vec3], tolerance: f64) -> Self {
        let spacings = lattice.plane_spacings();
        // Beyond half a spacing the nearest image is not found by rounding.
        let tolerance = spacings
            .iter()
            .fold(tolerance, |least, spacing| least.min(0.45 * spacing));
        let axis = (0..3).max_by(|&a, &b| spacings[a].total_cmp(&spacings[b])).unwrap_or(0);
        let mut sorted: Vec<_> = frac.iter().enumerate().map(|(row, x)| (wrap(x[axis]), row)).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        Self {
            lattice,
            frac,
            axis,
            // A hair more, for atoms at the edge of the window.
            reach: tolerance / spacings[axis] * (1.0 + 1e-9) + 1e-12,
            tolerance,
            sorted,
        }
    }

    /// The nearest atom within the tolerance of a wrapped place, among those that are wanted.
    fn nearest(&self, place: Vec3, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        let mut best = (self.tolerance, None);
        for turn in [-1.0, 0.0, 1.0] {
            let from = place[self.axis] + turn - self.reach;
            let start = self.sorted.partition_point(|atom| atom.0 < from);
            for &(along, row) in &self.sorted[start..] {
                if along > from + 2.0 * self.reach {
                    break;
                }
                let apart = [0, 1, 2].map(|i| {
                    let difference = self.frac[row][i] - place[i];
                    difference - difference.round()
                });
                let distance = norm(row_times(apart, self.lattice.rows()));
                if distance <= best.0 && wanted(row) && (best.1.is_none() || distance < best.0) {
                    best = (distance, Some(row));
                }
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symmetry::settings;

    #[test]
    fn orbits_of_a_general_position_in_all_settings() {
        let x = [0.137, 0.293, 0.719];
        for setting in settings() {
            let operations = setting.operations();
            let cell = match setting.number {
                143..=194 if setting.code != "R" => [6.0, 6.0, 9.0, 90.0, 90.0, 120.0],
                _ => [7.0, 7.0, 7.0, 90.0, 90.0, 90.0],
            };
            let [a, b, c, alpha, beta, gamma] = cell;
            let lattice = Lattice::from_parameters(a, b, c, alpha, beta, gamma).unwrap();
            let mut frac: Vec<Vec3> = vec![x];
            frac.extend(
                operations
                    .as_slice()
                    .iter()
                    .filter(|&&one| one != Operation::IDENTITY)
                    .map(|one| image(one, operations.denominator(), x)),
            );
            let mut kinds = vec![7; frac.len()];
            let found = equivalent_atoms(&lattice, &kinds, &frac, operations, 0.01).unwrap();
            assert!(found.iter().all(|&first| first == 0), "{}", setting.hall_symbol);
            // Two orbits, one of them moved by less than the tolerance and one kind apart.
            frac.push([0.5005, 0.0, 0.0]);
            kinds.push(8);
            let alone = equivalent_atoms(&lattice, &kinds, &frac, &Operations::identity(), 0.01).unwrap();
            assert_eq!(alone, (0..frac.len()).collect::<Vec<_>>());
            kinds[0] = 9;
            if operations.len() > 1 {
                let error = equivalent_atoms(&lattice, &kinds, &frac, operations, 0.01)
                    .unwrap_err()
                    .to_string();
                assert!(error.contains("no atom of its kind"), "{error}");
            }
        }
    }

    #[test]
    fn places_are_found_across_the_cell_face_and_within_the_tolerance() {
        let lattice = Lattice::from_parameters(5.0, 6.0, 20.0, 90.0, 90.0, 90.0).unwrap();
        let inversion = Operations::from_xyz(&["x,y,z", "-x,-y,-z"]).unwrap();
        let pair = |z: f64| [[0.1, 0.2, 1e-4], [0.9, 0.8, 1.0 - z]];
        assert_eq!(
            equivalent_atoms(&lattice, &[1, 1], &pair(1e-4), &inversion, 0.01).unwrap(),
            [0, 0]
        );
        assert_eq!(
            equivalent_atoms(&lattice, &[1, 1], &pair(5e-4), &inversion, 0.01).unwrap(),
            [0, 0]
        );
        assert!(equivalent_atoms(&lattice, &[1, 1], &pair(7e-4), &inversion, 0.01).is_err());
        assert!(
            equivalent_atoms(&lattice, &[], &[], &inversion, 0.01)
                .unwrap()
                .is_empty()
        );
    }
}
