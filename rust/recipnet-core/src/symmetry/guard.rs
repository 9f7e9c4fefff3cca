//! How large a tolerance may be before a search of a crystal has no end.
//!
//! moyo collects the matrices that keep the primitive lattice within the tolerance and multiplies them until nothing
//! new comes. With a tolerance so large that a shear, or both a square and a hexagonal net, pass as symmetries of one
//! lattice, the products are infinitely many: the search takes all memory. A bound keeps it away from there.

use super::search::Rows;
use crate::lattice::reduce;
use crate::math::{Vec3, norm, row_times, sub};

/// Largest tolerance as a fraction of the shortest translation: angles then deviate by less than 5 degrees, and no
/// net is close to two of the Bravais types that exclude each other.
const OF_SHORTEST: f64 = 1.0 / 12.0;
/// A shear by the shortest translation b turns a long vector a by about `b / a`, and passes where
/// `(b / a)^2 a b < symprec^2`; this factor stays below that.
const OF_SHEAR: f64 = 0.1;

/// Why a tolerance is too large for a crystal, if it is. `alike` are the rows of the rarest kind: each translation of
/// the crystal moves the first of them to one of the others.
pub fn too_large(rows: &Rows, alike: &[usize], symprec: f64) -> Option<String> {
    let reduced = reduce(rows.lattice.rows()).rows.map(norm);
    let longest = reduced.iter().copied().fold(0.0, f64::max);
    let mut shortest = reduced.iter().copied().fold(f64::INFINITY, f64::min);
    let beyond = |shortest: f64| {
        let largest = (shortest * OF_SHORTEST).min((OF_SHEAR * shortest.powi(3) / longest).sqrt());
        (symprec > largest).then(|| {
            format!(
                "symprec = {symprec:?} is too large for its cell: above {largest:.2e} a shear may pass as a symmetry"
            )
        })
    };
    if let Some(reason) = beyond(shortest) {
        return Some(reason);
    }
    let count = alike.len();
    let orders: Vec<usize> = (2..=count).filter(|&order| count.is_multiple_of(order)).collect();
    for &row in alike.iter().skip(1) {
        let step = sub(rows.frac_coords[row], rows.frac_coords[alike[0]]);
        // A translation that is none of the lattice has a whole multiple in it.
        if orders
            .iter()
            .any(|&order| is_fraction(rows, step, order as f64, symprec))
        {
            let distance = length(rows, step);
            if distance <= 2.0 * symprec {
                return Some(format!(
                    "rows {} and {row}, of one kind, lie {distance:.3} angstrom apart, not more than twice symprec = \
                     {symprec:?}",
                    alike[0]
                ));
            }
            shortest = shortest.min(distance);
        }
    }
    beyond(shortest)
}

fn is_fraction(rows: &Rows, step: Vec3, order: f64, symprec: f64) -> bool {
    let off = step.map(|x| x - (x * order).round() / order);
    norm(row_times(off, rows.lattice.rows())) <= 2.0 * symprec
}

fn length(rows: &Rows, step: Vec3) -> f64 {
    norm(row_times(step.map(|x| x - x.round()), rows.lattice.rows()))
}

#[cfg(test)]
mod tests {
    use crate::lattice::Lattice;
    use crate::symmetry::{Preference, Rows, SearchOptions, find_symmetry};

    fn number(lattice: [[f64; 3]; 3], frac: &[[f64; 3]], symprec: f64) -> Result<u8, String> {
        let lattice = Lattice::new(lattice).unwrap();
        let rows = Rows {
            lattice: &lattice,
            numbers: &vec![14; frac.len()],
            occupancies: &vec![1.0; frac.len()],
            frac_coords: frac,
            site: None,
        };
        let options = SearchOptions {
            symprec,
            preference: Preference::Standard,
            max_sites: 100,
        };
        let found = find_symmetry(&[rows], &options, Some(1));
        found.map(|found| found[0].number).map_err(|error| error.to_string())
    }

    const CUBE: [[f64; 3]; 3] = [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]];
    const NEEDLE: [[f64; 3]; 3] = [[1000.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 1.0]];

    #[test]
    fn a_tolerance_that_lets_a_shear_pass_is_refused() {
        assert_eq!(number(CUBE, &[[0.0; 3]], 0.2), Ok(221));
        assert!(number(CUBE, &[[0.0; 3]], 0.3).unwrap_err().contains("too large"));
        assert_eq!(number(NEEDLE, &[[0.0; 3]], 0.009), Ok(47));
        assert!(number(NEEDLE, &[[0.0; 3]], 0.08).unwrap_err().contains("a shear"));
    }

    #[test]
    fn translations_inside_the_cell_count() {
        let halves = [[0.0; 3], [0.5, 0.0, 0.0]];
        assert_eq!(number(CUBE, &halves, 0.1), Ok(123));
        assert!(number(CUBE, &halves, 0.15).unwrap_err().contains("too large"));
        let close = number(CUBE, &[[0.0; 3], [0.01, 0.0, 0.0]], 0.1).unwrap_err();
        assert!(close.contains("rows 0 and 1"), "{close}");
    }
}
