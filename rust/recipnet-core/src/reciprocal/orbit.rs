//! Reflections under a group: `h' = h W`, `F(hW) = F(h) exp(-2 pi i h.w)`.

use crate::error::{Result, SymmetryError};
use crate::lattice::Lattice;
use crate::math::dot;

/// Operations of one crystal, `x' = W x + w` on fractional columns of the given cell.
#[derive(Debug, Clone, Copy)]
pub struct OperationsView<'a> {
    /// Matrices W.
    pub rotations: &'a [[[i8; 3]; 3]],
    /// Numerators of w.
    pub translations: &'a [[i16; 3]],
    /// Their denominator.
    pub denominator: i32,
}

type Rotation = [[i32; 3]; 3];

/// Largest difference of metric, relative, at which an operation still belongs to a cell.
const METRIC_TOLERANCE: f64 = 0.01;

#[inline]
fn image(h: [i32; 3], w: &Rotation) -> [i32; 3] {
    [0, 1, 2].map(|c| h[0] * w[0][c] + h[1] * w[1][c] + h[2] * w[2][c])
}

/// Absences of a group, from exact integers.
#[derive(Debug, Clone)]
pub struct Absences {
    operations: Vec<(Rotation, [i64; 3])>,
    denominator: i64,
}

impl Absences {
    /// Keep the operations that can make a reflection vanish.
    ///
    /// # Errors
    /// [`SymmetryError`] when arrays or denominator do not fit.
    pub fn new(view: &OperationsView) -> Result<Self> {
        if view.denominator < 1 || view.rotations.len() != view.translations.len() {
            let value = format!(
                "{} rotations, {} translations / {}",
                view.rotations.len(),
                view.translations.len(),
                view.denominator
            );
            let message = format!("operations need one translation each and a denominator above 0, not {value}");
            return Err(SymmetryError { message, value }.into());
        }
        let operations = view
            .rotations
            .iter()
            .zip(view.translations)
            .filter(|(_, w)| w.iter().any(|&x| i32::from(x) % view.denominator != 0))
            .map(|(rotation, w)| (rotation.map(|row| row.map(i32::from)), w.map(i64::from)))
            .collect();
        Ok(Self {
            operations,
            denominator: i64::from(view.denominator),
        })
    }

    /// Whether F(h) = 0 for any content: some operation leaves h and turns its phase.
    #[must_use]
    pub fn is_absent(&self, h: [i32; 3]) -> bool {
        self.operations.iter().any(|(rotation, w)| {
            let phase: i64 = (0..3).map(|c| i64::from(h[c]) * w[c]).sum();
            phase % self.denominator != 0 && image(h, rotation) == h
        })
    }
}

/// The Laue group: rotations of a group and their negatives.
#[derive(Debug, Clone)]
pub struct LaueGroup {
    /// One of each pair +-W.
    rotations: Vec<Rotation>,
}

impl LaueGroup {
    /// Rotations of a group, checked: unimodular, closed, and a symmetry of the lattice to 1 %.
    ///
    /// # Errors
    /// [`SymmetryError`].
    pub fn new(view: &OperationsView, lattice: &Lattice) -> Result<Self> {
        let refuse = |w: &Rotation, what: &str| SymmetryError {
            message: format!("rotation {w:?} {what}"),
            value: format!("{w:?}"),
        };
        let mut rotations: Vec<Rotation> = Vec::new();
        for w in view.rotations {
            let w = w.map(|row| row.map(i32::from));
            let determinant = crate::math::int_det(&w.map(|row| row.map(i64::from)));
            if determinant.abs() != 1 {
                return Err(refuse(&w, &format!("has determinant {determinant}, not +1 or -1")).into());
            }
            let w = positive(w);
            if !rotations.contains(&w) {
                rotations.push(w);
            }
        }
        if rotations.is_empty() {
            rotations.push([[1, 0, 0], [0, 1, 0], [0, 0, 1]]);
        }
        if rotations.len() > 24 {
            let message = format!(
                "{} rotations that differ by more than their sign; no lattice has over 24",
                rotations.len()
            );
            return Err(SymmetryError {
                message,
                value: rotations.len().to_string(),
            }
            .into());
        }
        for u in &rotations {
            for v in &rotations {
                let product = positive(u.map(|row| image(row, v)));
                if !rotations.contains(&product) {
                    return Err(refuse(&product, "is a product of the operations but not among them").into());
                }
            }
            if !keeps_metric(u, lattice) {
                let what = "does not keep the cell's lengths and angles to 1 %: the operations belong to another cell";
                return Err(refuse(u, what).into());
            }
        }
        Ok(Self { rotations })
    }

    /// Number of distinct rotations, their negatives not counted.
    #[must_use]
    pub fn half_order(&self) -> usize {
        self.rotations.len()
    }

    /// Size of the orbit of h (never 0) if h is its representative, the lexicographically largest; else None.
    #[must_use]
    pub fn orbit_of_representative(&self, h: [i32; 3]) -> Option<i32> {
        let negative = h.map(|x| -x);
        let mut stabilizer = 0;
        for w in &self.rotations {
            let other = image(h, w);
            if other > h || other < negative {
                return None;
            }
            stabilizer += i32::from(other == h || other == negative);
        }
        // The group holds both signs; of W and -W at most one leaves h where it is.
        Some(2 * self.rotations.len() as i32 / stabilizer)
    }
}

/// Of W and -W the one whose first non-zero entry is positive.
fn positive(w: Rotation) -> Rotation {
    let first = w.iter().flatten().copied().find(|&x| x != 0).unwrap_or(1);
    if first < 0 { w.map(|row| row.map(|x| -x)) } else { w }
}

fn keeps_metric(w: &Rotation, lattice: &Lattice) -> bool {
    let rows = lattice.rows();
    let lengths = lattice.lengths();
    // Columns of W are the images of the cell vectors.
    let moved = [0, 1, 2].map(|c| {
        let coefficients = [0, 1, 2].map(|r| f64::from(w[r][c]));
        crate::math::row_times(coefficients, rows)
    });
    (0..3).all(|i| {
        (0..=i).all(|j| {
            (dot(moved[i], moved[j]) - dot(rows[i], rows[j])).abs() <= METRIC_TOLERANCE * lengths[i] * lengths[j]
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: [[i8; 3]; 3] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
    const FOURFOLD: [[i8; 3]; 3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]];
    const TWOFOLD: [[i8; 3]; 3] = [[-1, 0, 0], [0, -1, 0], [0, 0, 1]];
    const BACK: [[i8; 3]; 3] = [[0, 1, 0], [-1, 0, 0], [0, 0, 1]];

    fn view<'a>(rotations: &'a [[[i8; 3]; 3]], translations: &'a [[i16; 3]]) -> OperationsView<'a> {
        OperationsView {
            rotations,
            translations,
            denominator: 24,
        }
    }

    #[test]
    fn centring_and_screw_absences() {
        let body = view(&[IDENTITY, IDENTITY], &[[0; 3], [12; 3]]);
        let absences = Absences::new(&body).unwrap();
        assert!(absences.is_absent([1, 0, 0]) && absences.is_absent([-1, 1, 1]));
        assert!(!absences.is_absent([1, 1, 0]) && !absences.is_absent([2, 0, 0]));
        let screw = view(
            &[IDENTITY, FOURFOLD, TWOFOLD, BACK],
            &[[0; 3], [0, 0, 6], [0, 0, 12], [0, 0, 18]],
        );
        let absences = Absences::new(&screw).unwrap();
        assert!((1..4).all(|l| absences.is_absent([0, 0, l])) && !absences.is_absent([0, 0, 4]));
        assert!(!absences.is_absent([1, 0, 1]));
    }

    #[test]
    fn orbits_of_the_fourfold_group() {
        let cell = Lattice::from_parameters(4.0, 4.0, 6.0, 90.0, 90.0, 90.0).unwrap();
        let rotations = [IDENTITY, FOURFOLD, TWOFOLD, BACK];
        let group = LaueGroup::new(&view(&rotations, &[[0; 3]; 4]), &cell).unwrap();
        assert_eq!(group.orbit_of_representative([0, 0, 2]), Some(2));
        assert_eq!(group.orbit_of_representative([1, 0, 0]), Some(4));
        assert_eq!(group.orbit_of_representative([2, 1, 3]), Some(8));
        assert_eq!(group.orbit_of_representative([-1, 0, 0]), None);
        assert_eq!(group.orbit_of_representative([1, 2, 0]), None);
    }

    #[test]
    fn what_is_no_group_of_the_cell_is_refused() {
        let cubic = Lattice::from_parameters(4.0, 4.0, 4.0, 90.0, 90.0, 90.0).unwrap();
        let long = Lattice::from_parameters(4.0, 5.0, 4.0, 90.0, 90.0, 90.0).unwrap();
        let part = [IDENTITY, FOURFOLD];
        let error = LaueGroup::new(&view(&part, &[[0; 3]; 2]), &cubic)
            .unwrap_err()
            .to_string();
        assert!(error.contains("not among them"), "{error}");
        let whole = [IDENTITY, FOURFOLD, TWOFOLD, BACK];
        let error = LaueGroup::new(&view(&whole, &[[0; 3]; 4]), &long)
            .unwrap_err()
            .to_string();
        assert!(error.contains("another cell"), "{error}");
        let error = LaueGroup::new(&view(&[[[2, 0, 0], [0, 1, 0], [0, 0, 1]]], &[[0; 3]]), &cubic).unwrap_err();
        assert!(error.to_string().contains("determinant 2"), "{error}");
    }
}
