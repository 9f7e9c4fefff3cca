//! For tests: a crystal of each of the 530 settings.

use super::scatterers::{Resolved, Scatterers, resolve};
use crate::form_factor::Radiation;
use crate::lattice::Lattice;
use crate::reciprocal::OperationsView;
use crate::symmetry::{Operations, SpaceGroup};

/// A general and a special position, in a cell that has the symmetry of the setting and no more.
pub(crate) struct Setting {
    pub hall: i64,
    pub lattices: [Lattice; 1],
    pub frac: Vec<[f64; 3]>,
    amplitudes: Vec<f64>,
    offsets: [i64; 2],
    known: Resolved,
    rotations: Vec<[[i8; 3]; 3]>,
    translations: Vec<[i16; 3]>,
    denominator: i32,
}

/// Images of a point, each once.
fn orbit(operations: &Operations, point: [f64; 3]) -> Vec<[f64; 3]> {
    let mut out: Vec<[f64; 3]> = Vec::new();
    for operation in operations.as_slice() {
        let image = [0, 1, 2].map(|r| {
            let turned = (0..3)
                .map(|c| f64::from(operation.rotation[r][c]) * point[c])
                .sum::<f64>();
            turned + f64::from(operation.translation[r]) / f64::from(operations.denominator())
        });
        let is_same = |other: &[f64; 3]| {
            (0..3).all(|c| {
                let apart = other[c] - image[c];
                (apart - apart.round()).abs() < 1e-9
            })
        };
        if !out.iter().any(is_same) {
            out.push(image);
        }
    }
    out
}

impl Setting {
    pub fn new(hall: i64, dispersion: &[[f64; 2]]) -> Self {
        let group = SpaceGroup::from_hall_number(hall).unwrap();
        let operations = group.operations();
        let rotations: Vec<_> = operations.as_slice().iter().map(|o| o.rotation).collect();
        // The first of these cells whose metric the group keeps.
        let cells = [
            [4.1, 5.0, 6.3, 75.0, 85.0, 110.0],
            [5.0, 4.4, 6.0, 90.0, 105.0, 90.0],
            [5.0, 4.4, 6.0, 90.0, 90.0, 105.0],
            [5.0, 4.4, 6.0, 105.0, 90.0, 90.0],
            [4.0, 5.0, 6.0, 90.0, 90.0, 90.0],
            [4.5, 4.5, 6.0, 90.0, 90.0, 90.0],
            [4.4, 4.4, 7.0, 90.0, 90.0, 120.0],
            [4.8, 4.8, 4.8, 80.0, 80.0, 80.0],
            [5.4, 5.4, 5.4, 90.0, 90.0, 90.0],
        ]
        .map(|[a, b, c, alpha, beta, gamma]| Lattice::from_parameters(a, b, c, alpha, beta, gamma).unwrap());
        let keeps = |lattice: &Lattice| {
            let rows = lattice.rows();
            let moved = |w: &[[i8; 3]; 3], c: usize| {
                [0, 1, 2].map(|x| (0..3).map(|r| f64::from(w[r][c]) * rows[r][x]).sum::<f64>())
            };
            let product = |p: [f64; 3], q: [f64; 3]| p.iter().zip(q).map(|(p, q)| p * q).sum::<f64>();
            let same =
                |w: &[[i8; 3]; 3], i, j| (product(moved(w, i), moved(w, j)) - product(rows[i], rows[j])).abs() < 1e-9;
            rotations.iter().all(|w| (0..3).all(|i| (0..3).all(|j| same(w, i, j))))
        };
        let lattice = cells.into_iter().find(keeps).expect("a cell with this symmetry");
        let (general, special) = (orbit(operations, [0.137, 0.29, 0.713]), orbit(operations, [0.0; 3]));
        let numbers: Vec<u8> = general.iter().map(|_| 8).chain(special.iter().map(|_| 22)).collect();
        let frac: Vec<_> = general.into_iter().chain(special).collect();
        Self {
            hall,
            lattices: [lattice],
            offsets: [0, frac.len() as i64],
            amplitudes: vec![0.7; frac.len()],
            known: resolve(Radiation::Xray, &numbers, None, None, dispersion).unwrap(),
            frac,
            translations: operations.as_slice().iter().map(|o| o.translation).collect(),
            rotations,
            denominator: i32::from(operations.denominator()),
        }
    }

    /// One for each setting, with f' and f'' by atomic number.
    pub fn all(dispersion: &[[f64; 2]]) -> impl Iterator<Item = Self> {
        (1..=530).map(|hall| Self::new(hall, dispersion))
    }

    pub fn operations(&self) -> OperationsView<'_> {
        OperationsView {
            rotations: &self.rotations,
            translations: &self.translations,
            denominator: self.denominator,
        }
    }

    pub fn atoms(&self) -> Scatterers<'_> {
        Scatterers {
            lattices: &self.lattices,
            frac: &self.frac,
            offsets: &self.offsets,
            amplitudes: &self.amplitudes,
            kinds: &self.known.kinds,
            species: &self.known.species,
            u_iso: None,
            u_aniso: None,
            max_stol: 6.0,
        }
    }
}
