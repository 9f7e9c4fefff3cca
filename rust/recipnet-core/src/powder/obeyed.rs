//! Which crystals obey the operations that they declare: their reflections of one orbit have one |F| and one d.
//!
//! Operations that map a crystal onto itself may be composed, so it is enough to look at some that generate a rotation
//! of each pair +-W, at the inversion and at the centring.

use std::collections::HashMap;

use crate::elementary::ROUND;
use crate::math::{dot, norm, row_times, wrap};
use crate::reciprocal::{OperationsView, expected, generators};
use crate::structure_factor::Scatterers;

/// Largest distance between an atom and an image that are the same, in fractional coordinates: rounding.
const SAME_PLACE: f64 = 1e-14;
/// Largest change of the metric by an operation, relative: rounding.
const SAME_METRIC: f64 = 1e-12;

/// Fewer terms, atoms times reflections of half a sphere, take less time than it takes to look at a group and then to
/// sum broken lines of reflections (measured).
pub(super) const TERMS: f64 = 1e6;

/// What a crystal without symmetry has.
const NOTHING: OperationsView = OperationsView {
    rotations: &[[[1, 0, 0], [0, 1, 0], [0, 0, 1]]],
    translations: &[[0; 3]],
    denominator: 1,
};

/// The operations of each crystal where it has this many terms and obeys them, and the identity elsewhere; nothing where
/// all have the identity.
pub(super) fn obeyed<'a>(
    atoms: &Scatterers,
    operations: &[Option<OperationsView<'a>>],
    d_min: f64,
    least_terms: f64,
) -> Vec<Option<OperationsView<'a>>> {
    let terms = |b: usize| {
        let own = (atoms.offsets[b + 1] - atoms.offsets[b]) as f64;
        own * 0.5 * expected(&atoms.lattices[b], d_min)
    };
    let pays = |b: &usize| operations[*b].is_some() && terms(*b) >= least_terms;
    if !(0..operations.len()).any(|b| pays(&b)) {
        return vec![];
    }
    let mut known: HashMap<OperationsView, Option<Vec<usize>>> = HashMap::new();
    let mut images = Images::default();
    let declared = operations.iter().enumerate().map(|(b, view)| {
        let view = view.filter(|_| pays(&b))?;
        let moves =
            |place: &usize| (view.rotations[*place], view.translations[*place]) != (NOTHING.rotations[0], [0; 3]);
        let list = known
            .entry(view)
            .or_insert_with(|| Some(generators(&view).ok()?.into_iter().filter(moves).collect()));
        let obeys = list.as_ref().is_some_and(|list| {
            keeps_metric(atoms, b, &view, list) && images.set(atoms, b) && images.are_atoms(atoms, &view, list)
        });
        obeys.then_some(view)
    });
    declared.map(|view| Some(view.unwrap_or(NOTHING))).collect()
}

/// `W G W^T = G` for the metric G of the reciprocal lattice, whose rows are what reflections multiply.
fn keeps_metric(atoms: &Scatterers, b: usize, view: &OperationsView, list: &[usize]) -> bool {
    let rows = atoms.lattices[b].reciprocal();
    let lengths = rows.map(norm);
    list.iter().all(|&place| {
        let w = view.rotations[place].map(|row| row.map(f64::from));
        let moved = w.map(|row| row_times(row, rows));
        (0..3).all(|i| {
            (0..=i).all(|j| {
                let (before, after) = (dot(rows[i], rows[j]), dot(moved[i], moved[j]));
                (after - before).abs() <= SAME_METRIC * lengths[i] * lengths[j]
            })
        })
    })
}

/// The atoms of a crystal by their first coordinate, to find which of them an image is.
#[derive(Default)]
struct Images {
    /// First coordinate in [0, 1), and the atom.
    sorted: Vec<(f64, usize)>,
    /// By which operation each atom of `sorted` was last found to be an image.
    used: Vec<usize>,
}

impl Images {
    /// False where atoms are displaced by tensors, which are not compared.
    fn set(&mut self, atoms: &Scatterers, b: usize) -> bool {
        let own = atoms.offsets[b] as usize..atoms.offsets[b + 1] as usize;
        let displaced = |u: &[f64; 6]| !u.iter().any(|v| v.is_nan());
        if atoms.u_aniso.is_some_and(|u| u[own.clone()].iter().any(displaced)) {
            return false;
        }
        self.sorted.clear();
        self.sorted.extend(own.map(|j| (wrap(atoms.frac[j][0]), j)));
        self.sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        self.used.clear();
        self.used.resize(self.sorted.len(), usize::MAX);
        true
    }

    /// Whether each operation carries each atom to another one of its kind, no two to the same.
    fn are_atoms(&mut self, atoms: &Scatterers, view: &OperationsView, list: &[usize]) -> bool {
        list.iter().all(|&place| {
            let w = view.rotations[place].map(|row| row.map(f64::from));
            let shift = view.translations[place].map(|n| f64::from(n) / f64::from(view.denominator));
            (0..self.sorted.len()).all(|at| {
                let j = self.sorted[at].1;
                let image = [0, 1, 2].map(|r| dot(w[r], atoms.frac[j]) + shift[r]);
                self.is_atom(atoms, j, image, place)
            })
        })
    }

    fn is_atom(&mut self, atoms: &Scatterers, j: usize, image: [f64; 3], place: usize) -> bool {
        let apart = |a: f64, b: f64| {
            let difference = a - b;
            (difference - ((difference + ROUND) - ROUND)).abs()
        };
        let u_iso = |j: usize| atoms.u_iso.map_or(0, |u| u[j].to_bits());
        let first = wrap(image[0]);
        // A coordinate at the rim of the cell may have its partner at the other one.
        for turn in [0.0, -1.0, 1.0] {
            let least = first + turn - SAME_PLACE;
            let begin = self.sorted.partition_point(|(x, _)| *x < least);
            for (at, &(x, k)) in self.sorted.iter().enumerate().skip(begin) {
                if x > least + 2.0 * SAME_PLACE {
                    break;
                }
                let same = self.used[at] != place
                    && (atoms.kinds[k], atoms.amplitudes[k].to_bits(), u_iso(k))
                        == (atoms.kinds[j], atoms.amplitudes[j].to_bits(), u_iso(j))
                    && (0..3).all(|c| apart(atoms.frac[k][c], image[c]) <= SAME_PLACE);
                if same {
                    self.used[at] = place;
                    return true;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lattice::Lattice;

    const FOURFOLD: OperationsView = OperationsView {
        rotations: &[
            [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
            [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
            [[-1, 0, 0], [0, -1, 0], [0, 0, 1]],
            [[0, 1, 0], [-1, 0, 0], [0, 0, 1]],
        ],
        translations: &[[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 0, 3]],
        denominator: 4,
    };

    /// Whether `4_1` of a tetragonal cell is taken, with atoms by their places, kinds and amplitudes.
    fn is_taken(c: f64, frac: &[[f64; 3]], kinds: &[u32], amplitudes: &[f64], d_min: f64) -> bool {
        let lattices = [Lattice::from_parameters(7.0, 7.0 + c, 11.0, 90.0, 90.0, 90.0).unwrap()];
        let atoms = Scatterers {
            lattices: &lattices,
            frac,
            offsets: &[0, frac.len() as i64],
            amplitudes,
            kinds,
            species: &[],
            u_iso: None,
            u_aniso: None,
            max_stol: 6.0,
        };
        match obeyed(&atoms, &[Some(FOURFOLD)], d_min, TERMS)[..] {
            [] => false,
            [view] => view == Some(FOURFOLD),
            _ => unreachable!("one crystal"),
        }
    }

    #[test]
    fn only_what_is_obeyed_is_taken() {
        let (x, y, z) = (0.1, 0.23, 0.9);
        // One of them beyond the cell, one at its rim.
        let screw = [[x, y, z], [-y, x, z + 0.25], [-x + 3.0, -y, z + 0.5], [y, -x, z + 0.75]];
        let axis = [0.0, 0.25, 0.5, 0.75].map(|z| [1e-16, 1.0 - 1e-16, z]);
        let all: Vec<[f64; 3]> = screw.into_iter().chain(axis).collect();
        let (kinds, ones) = ([0, 0, 0, 0, 1, 1, 1, 1], [1.0; 8]);
        assert!(is_taken(0.0, &all, &kinds, &ones, 0.2));
        assert!(!is_taken(0.0, &all, &kinds, &ones, 2.0), "it would not pay");
        assert!(!is_taken(1e-9, &all, &kinds, &ones, 0.2), "the cell is not tetragonal");
        assert!(!is_taken(0.0, &all, &[0, 0, 0, 1, 1, 1, 1, 1], &ones, 0.2));
        let mut others = ones;
        others[5] = 0.5;
        assert!(!is_taken(0.0, &all, &kinds, &others, 0.2));
        let mut moved = all.clone();
        moved[2][1] += 1e-12;
        assert!(!is_taken(0.0, &moved, &kinds, &ones, 0.2));
        // Each image is an atom, but two have the same.
        let mut twice = all.clone();
        twice.push(twice[0]);
        assert!(!is_taken(0.0, &twice, &[0, 0, 0, 0, 1, 1, 1, 1, 0], &[1.0; 9], 0.2));
    }
}
