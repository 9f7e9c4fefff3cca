//! Which crystals obey the operations that they declare, and which of their atoms stand for the others.
//!
//! Operations that map a crystal onto itself may be composed, so it is enough to look at some that generate a rotation
//! of each pair +-W, at the inversion and at the centring.

use std::collections::HashMap;
use std::sync::Arc;

use super::scatterers::Scatterers;
use crate::elementary::ROUND;
use crate::lattice::Lattice;
use crate::math::{Mat3, Vec3, dot, norm, row_times, wrap};
use crate::reciprocal::{OperationsView, generators};
use crate::scratch::holds;

/// Largest distance between an atom and an image that are the same, in fractional coordinates: rounding. It moves a
/// phase of an index of 64 by less than 1e-12.
const SAME_PLACE: f64 = 1e-15;
/// Largest change of the metric by an operation, relative: rounding.
const SAME_METRIC: f64 = 1e-12;

type Rotation = [[i8; 3]; 3];
const IDENTITY: Rotation = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
const INVERSION: Rotation = [[-1, 0, 0], [0, -1, 0], [0, 0, -1]];

/// Translations of a cell and inversions, together, that are followed; groups of odd cells may have more.
const MOST_PLAIN: usize = 64;
/// Parts of a cell's edge that translations may be given in: each has a turn in a table.
const MOST_PARTS: i32 = i16::MAX as i32;

/// `x' = W x + w`, with the numerator of w.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operation {
    pub rotation: Rotation,
    pub shift: [i64; 3],
}

/// The same as it acts on coordinates.
struct Motion {
    rotation: Mat3,
    shift: Vec3,
}

impl Motion {
    fn new(operation: &Operation, denominator: i64) -> Self {
        Self {
            rotation: operation.rotation.map(|row| row.map(f64::from)),
            shift: operation.shift.map(|n| n as f64 / denominator as f64),
        }
    }

    #[inline]
    fn image(&self, x: &Vec3) -> Vec3 {
        [0, 1, 2].map(|r| dot(self.rotation[r], *x) + self.shift[r])
    }
}

impl Operation {
    fn after(&self, other: &Self, denominator: i64) -> Self {
        // Products of two entries of odd axes are beyond i8, those of a group's elements are elements.
        let (w, v) = (self.rotation.map(|row| row.map(i64::from)), &other.rotation);
        let sum = |r: usize, column: [i64; 3]| -> i64 { w[r].iter().zip(column).map(|(w, x)| w * x).sum() };
        Self {
            rotation: [0, 1, 2].map(|r| [0, 1, 2].map(|c| sum(r, [0, 1, 2].map(|k| i64::from(v[k][c]))) as i8)),
            shift: [0, 1, 2].map(|r| (sum(r, other.shift) + self.shift[r]).rem_euclid(denominator)),
        }
    }

    /// `-W`.
    pub fn negative(&self) -> Rotation {
        self.rotation.map(|row| row.map(i8::wrapping_neg))
    }

    /// `h.w`, its numerator.
    pub fn turns(&self, h: [i32; 3]) -> i64 {
        (0..3).map(|r| i64::from(h[r]) * self.shift[r]).sum()
    }
}

/// Operations that a crystal obeys.
#[derive(Debug)]
pub(crate) struct Symmetry {
    /// Those that were looked at: they generate the others.
    generators: Vec<Operation>,
    /// One for each rotation, the identity first.
    pub(super) operations: Vec<Operation>,
    /// Pure translations but the zero.
    pub(super) translations: Vec<Operation>,
    pub(super) inversion: Option<Operation>,
    pub(super) denominator: i64,
}

impl Symmetry {
    /// None where rotations are no group. Products are made here: what is declared of them is not trusted.
    fn new(view: &OperationsView) -> Option<Self> {
        let is_sound = (1..=MOST_PARTS).contains(&view.denominator) && view.rotations.len() == view.translations.len();
        if !is_sound {
            return None;
        }
        let denominator = i64::from(view.denominator);
        let operation = |place: usize| Operation {
            rotation: view.rotations[place],
            shift: view.translations[place].map(|n| i64::from(n).rem_euclid(denominator)),
        };
        let identity = Operation {
            rotation: IDENTITY,
            shift: [0; 3],
        };
        let chosen = generators(view).ok()?.into_iter().map(operation);
        let is_plain = |own: &Operation| own.rotation == IDENTITY || own.rotation == INVERSION;
        let (plain, mut generators): (Vec<_>, Vec<_>) = chosen.partition(is_plain);
        // Of translations and inversions those that the ones before do not generate.
        let mut reached = vec![identity];
        for own in plain {
            if !reached.contains(&own) {
                generators.push(own);
                let mut next = 0;
                while next < reached.len() {
                    for generator in generators.iter().filter(|own| is_plain(own)) {
                        let product = reached[next].after(generator, denominator);
                        if !reached.contains(&product) {
                            reached.push(product);
                        }
                    }
                    next += 1;
                    if reached.len() > MOST_PLAIN {
                        return None;
                    }
                }
            }
        }
        let mut operations = vec![identity];
        let mut next = 0;
        while next < operations.len() {
            for generator in &generators {
                let product = operations[next].after(generator, denominator);
                if !operations.iter().any(|own| own.rotation == product.rotation) {
                    operations.push(product);
                }
            }
            next += 1;
        }
        let of = |rotation: Rotation| reached.iter().filter(move |own| own.rotation == rotation).copied();
        Some(Self {
            translations: of(IDENTITY).filter(|own| own.shift != [0; 3]).collect(),
            inversion: of(INVERSION).next(),
            operations,
            denominator,
            generators,
        })
    }

    /// Rotations that differ by more than their sign.
    pub fn half_order(&self) -> usize {
        let has_inversion = self.operations.iter().any(|own| own.rotation == INVERSION);
        self.operations.len() / if has_inversion { 2 } else { 1 }
    }

    /// What is left of the terms of half a sphere, at least.
    pub fn share(&self) -> f64 {
        let plain = (1 + self.translations.len()) * if self.inversion.is_some() { 2 } else { 1 };
        1.0 / (self.half_order() * plain) as f64
    }
}

/// The operations of each crystal that obeys them and where they pay, which is asked before they are looked at and then
/// again; nothing where none does.
///
/// Not obeyed are operations that are no group, and any by atoms with tensors of displacement, which are not compared.
pub(crate) fn obeyed(
    atoms: &Scatterers,
    operations: &[Option<OperationsView>],
    pays: impl Fn(usize, Option<&Symmetry>) -> bool,
) -> Vec<Option<Arc<Symmetry>>> {
    let asks = |b: usize| operations[b].is_some() && pays(b, None);
    if !(0..operations.len()).any(asks) {
        return vec![];
    }
    let mut known: HashMap<OperationsView, Option<Arc<Symmetry>>> = HashMap::new();
    let mut images = Images::default();
    let declared = operations.iter().enumerate().map(|(b, view)| {
        let view = view.filter(|_| asks(b))?;
        let symmetry = known.entry(view).or_insert_with(|| Symmetry::new(&view).map(Arc::new));
        let symmetry = symmetry.clone().filter(|found| pays(b, Some(found)))?;
        let obeys =
            keeps_metric(&atoms.lattices[b], &symmetry) && images.set(atoms, b) && images.obey(atoms, b, &symmetry);
        obeys.then_some(symmetry)
    });
    declared.collect()
}

/// `W G W^T = G` for the metric G of the reciprocal lattice, whose rows are what reflections multiply.
fn keeps_metric(lattice: &Lattice, symmetry: &Symmetry) -> bool {
    let rows = lattice.reciprocal();
    let lengths = rows.map(norm);
    symmetry.generators.iter().all(|operation| {
        let moved = operation.rotation.map(|row| row_times(row.map(f64::from), rows));
        (0..3).all(|i| {
            (0..=i).all(|j| {
                let (before, after) = (dot(rows[i], rows[j]), dot(moved[i], moved[j]));
                (after - before).abs() <= SAME_METRIC * lengths[i] * lengths[j]
            })
        })
    })
}

/// Parts of a cell's edge that are told apart when an atom is looked up. One that lies within rounding of the end of a
/// part may be missed: the crystal is then summed without symmetry.
const PARTS: f64 = 1_048_576.0;
/// Moves the ends of the parts away from simple fractions.
const BESIDE: f64 = 0.367_879_441;
/// Atoms that share a place or a slot, at most: in crystals where more do, looking them up would take too long.
const TRIES: usize = 64;
const NOTHING: u32 = u32::MAX;

/// Where the atoms of a crystal are, to find which of them an image is.
#[derive(Default)]
pub(super) struct Images {
    /// Slots, a power of two of them: the atom, counted from the crystal's first.
    slots: Vec<u32>,
    /// What each atom was last found for.
    found: Vec<u32>,
    /// For how many atoms each one stands.
    stands_for: Vec<f64>,
}

holds!(Images: slots, found, stands_for);

impl Images {
    /// False where atoms are displaced by tensors, which are not compared, or are too many at one place.
    fn set(&mut self, atoms: &Scatterers, b: usize) -> bool {
        let own = atoms.offsets[b] as usize..atoms.offsets[b + 1] as usize;
        let displaced = |u: &[f64; 6]| !u.iter().any(|v| v.is_nan());
        if atoms.u_aniso.is_some_and(|u| u[own.clone()].iter().any(displaced)) {
            return false;
        }
        self.found.clear();
        self.found.resize(own.len(), NOTHING);
        self.slots.clear();
        self.slots.resize((2 * own.len()).next_power_of_two(), NOTHING);
        let frac = &atoms.frac[own];
        frac.iter().zip(0..).all(|(x, atom)| {
            let slot = self.probe(x).find(|&slot| self.slots[slot] == NOTHING);
            slot.map(|slot| self.slots[slot] = atom).is_some()
        })
    }

    /// The slots where an atom at a place may be.
    fn probe(&self, x: &Vec3) -> impl Iterator<Item = usize> + use<> {
        let part = x.map(|x| (wrap(x) * PARTS + BESIDE) as u64 & (PARTS as u64 - 1));
        let joined = part[0] << 40 | part[1] << 20 | part[2];
        let first = (joined.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize;
        let last = self.slots.len() - 1;
        (0..TRIES).map(move |step| (first + step) & last)
    }

    /// Whether each operation carries each atom to another one of its kind, no two to the same.
    fn obey(&mut self, atoms: &Scatterers, b: usize, symmetry: &Symmetry) -> bool {
        let first = atoms.offsets[b] as usize;
        (symmetry.generators.iter().zip(0..)).all(|(operation, number)| {
            let motion = Motion::new(operation, symmetry.denominator);
            (first..first + self.found.len())
                .all(|j| self.find(atoms, (j, first), motion.image(&atoms.frac[j]), number))
        })
    }

    /// For how many atoms each stands, itself included, or 0, where the images of an atom by translations and the
    /// inversion are summed with it.
    pub fn stands_for(&mut self, atoms: &Scatterers, b: usize, symmetry: &Symmetry, inversion: bool) -> Option<&[f64]> {
        if !self.set(atoms, b) {
            return None;
        }
        let first = atoms.offsets[b] as usize;
        self.stands_for.clear();
        self.stands_for.resize(self.found.len(), 0.0);
        let denominator = symmetry.denominator;
        let identity = &symmetry.operations[0];
        let turned = symmetry.inversion.iter().filter(|_| inversion);
        let turns = std::iter::once(identity).chain(turned);
        let steps = || std::iter::once(identity).chain(&symmetry.translations);
        let motions: Vec<Motion> = turns
            .flat_map(|turn| steps().map(|step| Motion::new(&step.after(turn, denominator), denominator)))
            .collect();
        for atom in 0..self.found.len() {
            if self.found[atom] != NOTHING {
                continue;
            }
            let j = first + atom;
            self.found[atom] = 0;
            let mut count = 1;
            for motion in &motions {
                // What was found before is counted once; of two atoms at one place each is found.
                count += usize::from(self.find(atoms, (j, first), motion.image(&atoms.frac[j]), 0));
            }
            self.stands_for[atom] = count as f64;
        }
        Some(&self.stands_for)
    }

    /// Find an atom of the kind of j at a place, which was not yet found for this.
    fn find(&mut self, atoms: &Scatterers, (j, first): (usize, usize), image: Vec3, what: u32) -> bool {
        let apart = |a: f64, b: f64| {
            let difference = a - b;
            (difference - ((difference + ROUND) - ROUND)).abs()
        };
        let u_iso = |j: usize| atoms.u_iso.map_or(0, |u| u[j].to_bits());
        let kind = |j: usize| (atoms.kinds[j], atoms.amplitudes[j].to_bits(), u_iso(j));
        for slot in self.probe(&image) {
            let atom = self.slots[slot] as usize;
            if atom == NOTHING as usize {
                return false;
            }
            let k = first + atom;
            let is_there = (0..3).all(|c| apart(atoms.frac[k][c], image[c]) <= SAME_PLACE);
            if is_there && self.found[atom] != what && kind(k) == kind(j) {
                self.found[atom] = what;
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn is_taken(c: f64, frac: &[[f64; 3]], kinds: &[u32], amplitudes: &[f64], pays: bool) -> bool {
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
        match &obeyed(&atoms, &[Some(FOURFOLD)], |_, _| pays)[..] {
            [] => false,
            [found] => found.is_some(),
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
        assert!(is_taken(0.0, &all, &kinds, &ones, true));
        assert!(!is_taken(0.0, &all, &kinds, &ones, false), "it would not pay");
        assert!(!is_taken(1e-9, &all, &kinds, &ones, true), "the cell is not tetragonal");
        assert!(!is_taken(0.0, &all, &[0, 0, 0, 1, 1, 1, 1, 1], &ones, true));
        let mut others = ones;
        others[5] = 0.5;
        assert!(!is_taken(0.0, &all, &kinds, &others, true));
        let mut moved = all.clone();
        moved[2][1] += 1e-12;
        assert!(!is_taken(0.0, &moved, &kinds, &ones, true));
        // Each image is an atom, but two have the same.
        let mut twice = all.clone();
        twice.push(twice[0]);
        assert!(!is_taken(0.0, &twice, &[0, 0, 0, 0, 1, 1, 1, 1, 0], &[1.0; 9], true));
    }

    #[test]
    fn operations_that_make_no_sense_are_not_followed() {
        for denominator in [0, -4, i32::MIN, i32::MAX] {
            assert!(
                Symmetry::new(&OperationsView {
                    denominator,
                    ..FOURFOLD
                })
                .is_none()
            );
        }
        let translations = &FOURFOLD.translations[..3];
        assert!(
            Symmetry::new(&OperationsView {
                translations,
                ..FOURFOLD
            })
            .is_none()
        );
    }

    #[test]
    fn axes_far_from_reduced() {
        let view = OperationsView {
            rotations: &[IDENTITY, [[-23, 44, 0], [-12, 23, 0], [0, 0, 1]]],
            translations: &[[0; 3]; 2],
            denominator: 4,
        };
        let symmetry = Symmetry::new(&view).unwrap();
        assert_eq!((symmetry.operations.len(), symmetry.half_order()), (2, 2));
    }
}
