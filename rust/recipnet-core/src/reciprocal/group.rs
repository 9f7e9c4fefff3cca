//! Laue groups: orbits of reflections `h' = h W`.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

use std::hash::{Hash, Hasher};

use super::absences::Absences;
use super::ball::{Sector, WHOLE_SECTOR};
use super::wedge::Wedge;
use crate::error::{Result, SymmetryError};
use crate::lattice::Lattice;
use crate::machine::{Kernel, Machine, dispatch};
use crate::math::{Mat3, dot};

/// Operations of one crystal, `x' = W x + w` on fractional columns of the given cell.
#[derive(Debug, Clone, Copy, Eq)]
pub struct OperationsView<'a> {
    /// Matrices W.
    pub rotations: &'a [[[i8; 3]; 3]],
    /// Numerators of w.
    pub translations: &'a [[i16; 3]],
    /// Their denominator.
    pub denominator: i32,
}

impl PartialEq for OperationsView<'_> {
    fn eq(&self, other: &Self) -> bool {
        // As flat numbers, which are compared by one call.
        self.denominator == other.denominator
            && self.rotations.as_flattened().as_flattened() == other.rotations.as_flattened().as_flattened()
            && self.translations.as_flattened() == other.translations.as_flattened()
    }
}

impl Hash for OperationsView<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Mixed here, eight bytes at a time: a safe hash of all of them would take as long as the reflections.
        let mut mixed = self.denominator as u64;
        let mut add = |word: u64| mixed = (mixed.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (words, rest) = self.rotations.as_flattened().as_flattened().as_chunks::<8>();
        for word in words {
            add(u64::from_le_bytes(word.map(|x| x as u8)));
        }
        for &x in rest {
            add(x as u64);
        }
        let (words, rest) = self.translations.as_flattened().as_chunks::<4>();
        for &[a, b, c, d] in words {
            add([a, b, c, d].iter().fold(0, |word, &x| word << 16 | u64::from(x as u16)));
        }
        for &x in rest {
            add(x as u64);
        }
        mixed.hash(state);
    }
}

/// An integer matrix W.
pub(super) type Rotation = [[i32; 3]; 3];

pub(super) const IDENTITY: Rotation = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];

/// Whether they are equal, without a call for each pair.
#[inline]
pub(super) fn same(a: &Rotation, b: &Rotation) -> bool {
    let entries = a.as_flattened().iter().zip(b.as_flattened());
    entries.fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

fn is_among(w: &Rotation, list: &[Rotation]) -> bool {
    list.iter().any(|own| same(own, w))
}

/// Largest difference of metric, relative, at which an operation still belongs to a cell.
const METRIC_TOLERANCE: f64 = 0.01;
/// Rotations of the largest Laue group that differ by more than their sign.
const MOST: usize = 24;
/// Rotations that are looked at side by side.
const TOGETHER: usize = 8;
/// A group's rotations, entry by entry, so that one instruction serves many.
type Lanes<T> = [[[T; MOST]; 3]; 3];

/// Row vector times matrix.
#[inline]
pub(super) fn image(h: [i32; 3], w: &Rotation) -> [i32; 3] {
    [0, 1, 2].map(|c| h[0] * w[0][c] + h[1] * w[1][c] + h[2] * w[2][c])
}

/// The Laue group: rotations of a group and their negatives.
#[derive(Debug, Clone)]
pub struct LaueGroup {
    /// One of each pair +-W.
    rotations: Vec<Rotation>,
    /// The same, the identity where there are fewer.
    lanes: Box<Lanes<i32>>,
    wedge: Wedge,
}

impl LaueGroup {
    /// Rotations of a group, checked: unimodular and closed.
    ///
    /// # Errors
    /// [`SymmetryError`].
    pub fn new(view: &OperationsView) -> Result<Self> {
        let mut rotations: Vec<Rotation> = Vec::new();
        for w in view.rotations {
            let w = w.map(|row| row.map(i32::from));
            let determinant = crate::math::int_det(&w.map(|row| row.map(i64::from)));
            if determinant.abs() != 1 {
                return Err(refusal(&w, &format!("has determinant {determinant}, not +1 or -1")).into());
            }
            let w = positive(w);
            if !is_among(&w, &rotations) {
                rotations.push(w);
            }
        }
        if rotations.is_empty() {
            rotations.push(IDENTITY);
        }
        check_number(&rotations)?;
        check_closed(&rotations)?;
        let lanes = std::array::from_fn(|r| {
            std::array::from_fn(|c| std::array::from_fn(|i| rotations.get(i).unwrap_or(&IDENTITY)[r][c]))
        });
        Ok(Self {
            wedge: Wedge::new(&rotations),
            lanes: Box::new(lanes),
            rotations,
        })
    }

    /// Refuse a lattice that has not this symmetry to 1 %.
    ///
    /// # Errors
    /// [`SymmetryError`].
    pub fn check_lattice(&self, lattice: &Lattice) -> Result<()> {
        let rows = lattice.rows();
        let metric: Mat3 = std::array::from_fn(|i| std::array::from_fn(|j| dot(rows[i], rows[j])));
        let lengths = lattice.lengths();
        let tolerance = std::array::from_fn(|i| std::array::from_fn(|j| METRIC_TOLERANCE * lengths[i] * lengths[j]));
        let mut keeps = [true; MOST];
        dispatch(KeepsMetric {
            lanes: &self.lanes,
            metric,
            tolerance,
            keeps: &mut keeps[..self.rotations.len().next_multiple_of(TOGETHER)],
        });
        match self.rotations.iter().zip(keeps).find(|(_, keeps)| !keeps) {
            None => Ok(()),
            Some((w, _)) => {
                let what = "does not keep the cell's lengths and angles to 1 %: the operations belong to another cell";
                Err(refusal(w, what).into())
            }
        }
    }

    /// Number of distinct rotations, their negatives not counted.
    #[must_use]
    pub fn half_order(&self) -> usize {
        self.rotations.len()
    }

    pub(super) fn wedge(&self) -> &Wedge {
        &self.wedge
    }

    /// Reflections of the full sphere that are equivalent to each, itself included.
    pub fn orbit_sizes(&self, hkl: &[[i32; 3]], out: &mut [i32]) {
        dispatch(OrbitSizes {
            lanes: &self.lanes,
            wedge: &self.wedge,
            half_order: self.rotations.len() as i32,
            hkl,
            out,
        });
    }
}

fn refusal(w: &Rotation, what: &str) -> SymmetryError {
    SymmetryError {
        message: format!("rotation {w:?} {what}"),
        value: format!("{w:?}"),
    }
}

/// Of W and -W the one whose first non-zero entry is positive.
fn positive(w: Rotation) -> Rotation {
    let first = w.iter().flatten().copied().find(|&x| x != 0).unwrap_or(1);
    if first < 0 { w.map(|row| row.map(|x| -x)) } else { w }
}

/// Places of operations that generate the rotations of a group but for their signs, and of all whose rotation is the
/// identity or the inversion.
///
/// # Errors
/// `SymmetryError` where they are no group.
pub(crate) fn generators(view: &OperationsView) -> Result<Vec<usize>> {
    let signed: Vec<Rotation> = view
        .rotations
        .iter()
        .map(|w| positive(w.map(|row| row.map(i32::from))))
        .collect();
    let mut rotations: Vec<Rotation> = Vec::new();
    for w in &signed {
        if !is_among(w, &rotations) {
            rotations.push(*w);
        }
        check_number(&rotations)?;
    }
    let chosen = check_closed(&rotations)?;
    let first = chosen.iter().filter_map(|w| signed.iter().position(|own| same(own, w)));
    let plain = signed.iter().enumerate().filter(|(_, w)| same(w, &IDENTITY));
    Ok(first.chain(plain.map(|(place, _)| place)).collect())
}

fn check_number(rotations: &[Rotation]) -> Result<()> {
    if rotations.len() <= MOST {
        return Ok(());
    }
    let message = format!(
        "{} rotations that differ by more than their sign; no lattice has over 24",
        rotations.len()
    );
    Err(SymmetryError {
        message,
        value: rotations.len().to_string(),
    }
    .into())
}

/// Grow the group from those of its elements that are not reached yet: no more products than that takes. Returns these
/// elements.
fn check_closed(rotations: &[Rotation]) -> Result<Vec<Rotation>> {
    let mut reached = vec![IDENTITY];
    let mut generators: Vec<Rotation> = Vec::new();
    for w in rotations {
        if is_among(w, &reached) {
            continue;
        }
        generators.push(*w);
        let mut next = 0;
        while next < reached.len() {
            for generator in &generators {
                let product = positive(reached[next].map(|row| image(row, generator)));
                if !is_among(&product, &reached) {
                    if !is_among(&product, rotations) {
                        return Err(refusal(&product, "is a product of the operations but not among them").into());
                    }
                    reached.push(product);
                }
            }
            next += 1;
        }
    }
    if is_among(&IDENTITY, rotations) {
        Ok(generators)
    } else {
        Err(refusal(&IDENTITY, "is a product of the operations but not among them").into())
    }
}

/// `W^T G W = G`, for each rotation.
struct KeepsMetric<'a> {
    lanes: &'a Lanes<i32>,
    metric: Mat3,
    tolerance: Mat3,
    keeps: &'a mut [bool],
}

impl Kernel for KeepsMetric<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let g = self.metric;
        for (keeps, from) in self.keeps.chunks_mut(TOGETHER).zip((0..).step_by(TOGETHER)) {
            // By loops: closures for entries were calls.
            let mut w = [[[0.0; TOGETHER]; 3]; 3];
            for r in 0..3 {
                for c in 0..3 {
                    for n in 0..TOGETHER {
                        w[r][c][n] = f64::from(self.lanes[r][c][from + n]);
                    }
                }
            }
            let mut agree = [1u64; TOGETHER];
            for j in 0..3 {
                let mut moved = [[0.0; TOGETHER]; 3];
                for r in 0..3 {
                    for n in 0..TOGETHER {
                        moved[r][n] = g[r][0] * w[0][j][n] + g[r][1] * w[1][j][n] + g[r][2] * w[2][j][n];
                    }
                }
                for i in 0..=j {
                    for n in 0..TOGETHER {
                        let product = w[0][i][n] * moved[0][n] + w[1][i][n] * moved[1][n] + w[2][i][n] * moved[2][n];
                        agree[n] &= u64::from((product - g[i][j]).abs() <= self.tolerance[i][j]);
                    }
                }
            }
            for (keeps, agree) in keeps.iter_mut().zip(agree) {
                *keeps = agree == 1;
            }
        }
    }
}

/// Group order over stabilizer, for each reflection.
struct OrbitSizes<'a> {
    lanes: &'a Lanes<i32>,
    wedge: &'a Wedge,
    half_order: i32,
    hkl: &'a [[i32; 3]],
    out: &'a mut [i32],
}

impl Kernel for OrbitSizes<'_> {
    #[inline(always)]
    #[allow(clippy::needless_bitwise_bool)] // Without branches, so that lanes stay together.
    fn run<M: Machine>(self) {
        let w = self.lanes;
        for (&[h, k, l], to) in self.hkl.iter().zip(self.out) {
            // Most unique reflections lie there.
            if self.wedge.is_inside([h, k, l]) {
                *to = 2 * self.half_order;
                continue;
            }
            let mut stabilizer = self.half_order - MOST as i32;
            for n in 0..MOST {
                let image = [0, 1, 2].map(|c| {
                    let sum = h.wrapping_mul(w[0][c][n]).wrapping_add(k.wrapping_mul(w[1][c][n]));
                    sum.wrapping_add(l.wrapping_mul(w[2][c][n]))
                });
                let same = (image[0] == h) & (image[1] == k) & (image[2] == l);
                let opposite = (image[0] == -h) & (image[1] == -k) & (image[2] == -l);
                stabilizer += i32::from(same | opposite);
            }
            // The group holds both signs; of W and -W at most one leaves h where it is.
            *to = 2 * self.half_order / stabilizer.max(1);
        }
    }
}

/// What a list of reflections needs of a crystal's operations.
#[derive(Debug)]
pub(super) struct Group {
    pub laue: Option<LaueGroup>,
    pub absences: Absences,
    sector: Sector,
}

impl Group {
    /// With `laue`, for lists of unique reflections.
    pub fn new(view: &OperationsView, laue: bool) -> Result<Self> {
        let mut absences = Absences::new(view)?;
        let laue = if laue {
            let laue = LaueGroup::new(view)?;
            absences.keep_touching(laue.wedge());
            Some(laue)
        } else {
            None
        };
        let sector = laue.as_ref().map_or(WHOLE_SECTOR, |laue| laue.wedge().sector());
        Ok(Self { laue, absences, sector })
    }

    /// Where reflections of the cone of unique ones lie, all of them without one.
    pub fn sector(&self) -> Sector {
        self.sector
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: [[i8; 3]; 3] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
    const FOURFOLD: [[i8; 3]; 3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]];
    const TWOFOLD: [[i8; 3]; 3] = [[-1, 0, 0], [0, -1, 0], [0, 0, 1]];
    const BACK: [[i8; 3]; 3] = [[0, 1, 0], [-1, 0, 0], [0, 0, 1]];

    fn group(rotations: &[[[i8; 3]; 3]]) -> Result<LaueGroup> {
        LaueGroup::new(&OperationsView {
            rotations,
            translations: &vec![[0; 3]; rotations.len()],
            denominator: 24,
        })
    }

    #[test]
    fn orbits_of_the_fourfold_group() {
        let group = group(&[ONE, FOURFOLD, TWOFOLD, BACK]).unwrap();
        let mut sizes = [0; 4];
        group.orbit_sizes(&[[0, 0, 2], [1, 0, 0], [2, 1, 3], [1, 1, 0]], &mut sizes);
        assert_eq!(sizes, [2, 4, 8, 4]);
    }

    #[test]
    fn what_is_no_group_of_the_cell_is_refused() {
        let cubic = Lattice::from_parameters(4.0, 4.0, 4.0, 90.0, 90.0, 90.0).unwrap();
        let long = Lattice::from_parameters(4.0, 5.0, 4.0, 90.0, 90.0, 90.0).unwrap();
        let error = group(&[ONE, FOURFOLD]).unwrap_err().to_string();
        assert!(error.contains("not among them"), "{error}");
        let whole = group(&[ONE, FOURFOLD, TWOFOLD, BACK]).unwrap();
        assert!(whole.check_lattice(&cubic).is_ok());
        let error = whole.check_lattice(&long).unwrap_err().to_string();
        assert!(error.contains("another cell"), "{error}");
        let error = group(&[[[2, 0, 0], [0, 1, 0], [0, 0, 1]]]).unwrap_err();
        assert!(error.to_string().contains("determinant 2"), "{error}");
    }

    /// All products of some rotations.
    fn generated(generators: &[[[i8; 3]; 3]]) -> Vec<[[i8; 3]; 3]> {
        let mut all = vec![ONE];
        let mut next = 0;
        while next < all.len() {
            for w in generators {
                let product = all[next].map(|row| [0, 1, 2].map(|c| (0..3).map(|k| row[k] * w[k][c]).sum()));
                if !all.contains(&product) {
                    all.push(product);
                }
            }
            next += 1;
        }
        // Those that keep an axis first: the others may be all that do not keep the metric.
        all.sort_by_key(|w| w[2][2] == 0);
        all
    }

    proptest! {
        #[test]
        fn the_first_rotation_that_does_not_keep_the_metric_is_named(
            lengths in prop::array::uniform3(3.95..4.05),
            angles in prop::array::uniform3(89.0..91.0),
            exact in prop::array::uniform6(prop::bool::weighted(0.8)),
            number in 0..4usize,
        ) {
            const DIAGONAL: [[i8; 3]; 3] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]];
            const ACROSS: [[i8; 3]; 3] = [[1, 0, 0], [0, -1, 0], [0, 0, -1]];
            // Of 2, 3, 8 and 24 rotations: some, one and several vectors.
            let group = group(&generated([&[ACROSS] as &[_], &[DIAGONAL], &[FOURFOLD, ACROSS], &[FOURFOLD, DIAGONAL]][number])).unwrap();
            let of = |i: usize, x: f64, whole: f64| if exact[i] { whole } else { x };
            let [a, b, c] = [0, 1, 2].map(|i| of(i, lengths[i], 4.0));
            let [alpha, beta, gamma] = [0, 1, 2].map(|i| of(i + 3, angles[i], 90.0));
            let lattice = Lattice::from_parameters(a, b, c, alpha, beta, gamma).unwrap();
            let (rows, lengths) = (lattice.rows(), lattice.lengths());
            let keeps = |w: &&Rotation| (0..3).all(|i| (0..3).all(|j| {
                let moved = |j: usize| [0, 1, 2].map(|x| (0..3).map(|r| f64::from(w[r][j]) * rows[r][x]).sum());
                let apart = dot(moved(i), moved(j)) - dot(rows[i], rows[j]);
                apart.abs() <= METRIC_TOLERANCE * lengths[i] * lengths[j]
            }));
            let expected = group.rotations.iter().find(|w| !keeps(w)).map(|w| format!("{w:?}"));
            let found = group.check_lattice(&lattice).err().map(|error| error.to_string());
            match (expected, found) {
                (None, None) => {}
                (Some(w), Some(message)) => prop_assert!(message.contains(&w), "{w}: {message}"),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
