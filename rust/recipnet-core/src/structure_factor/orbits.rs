//! Reflections of one orbit, summed once: `F(h) = exp(2 pi i h.w) F(hW)` where `x' = W x + w` maps the crystal onto
//! itself (International Tables B, 1.4.2: `x` is summed over its images), and `F(-h) = conj F(h)` of real factors.
//!
//! Of an orbit the reflection with the largest number is taken, where `h` has the number `h.c` in a box about the origin:
//! `hW` has the number `h.(W c)`, so that an operation costs three products.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

use super::obeyed::{Operation, Symmetry};
use super::separable::Complex;
use crate::lattice::Lattice;
use crate::machine::{Kernel, Machine, dispatch};
use crate::scratch::holds;

/// Reflections that are numbered side by side.
const LANES: usize = 16;
/// Numbers that a reflection may take up on average, and in all: of a box that is much larger than its ball the table
/// would take longer than the sums.
const ROOM: usize = 128;
const MOST: usize = 1 << 28;
const NONE: u32 = u32::MAX;

/// Where the structure factor of a reflection comes from.
#[derive(Debug, Clone, Copy, Default)]
struct Source {
    /// Number of the orbit, and whether the mate is stored there.
    orbit: u32,
    is_mate: bool,
    /// Numerator of the turns from there.
    turns: u32,
}

/// The orbits of the reflections of one crystal, and scratch.
#[derive(Default)]
pub(super) struct Orbits {
    /// A reflection of each, in the order in which they come.
    pub unique: Vec<[i32; 3]>,
    sources: Vec<Source>,
    /// `exp(2 pi i n / denominator)`.
    turns: Vec<Complex>,
    /// By number: the orbit.
    table: Vec<u32>,
    largest: Vec<Largest>,
}

/// The largest number in the orbit of a reflection, negative if it is that of the mate, and the operation's place.
#[derive(Debug, Clone, Copy, Default)]
struct Largest {
    number: i32,
    place: u32,
}

holds!(Orbits: unique, sources, turns, table, largest);

impl Orbits {
    /// Find the orbits of reflections, all of them within `1/d <= radius`; with `friedel` those of mates are one. False if
    /// that would take longer than it saves.
    pub fn set(
        &mut self,
        symmetry: &Symmetry,
        friedel: bool,
        hkl: &[[i32; 3]],
        lattice: &Lattice,
        radius: f64,
    ) -> bool {
        // |h| = |h* . a| is at most |h*| |a|; one more, as operations keep d to rounding.
        let widths = lattice.lengths().map(|a| 2.0 * (radius * a).floor() + 3.0);
        let size = widths[0] * widths[1] * widths[2];
        if size > (ROOM * hkl.len()) as f64 || size > MOST as f64 {
            return false;
        }
        let widths = widths.map(|width| width as i32);
        let code = [widths[1] * widths[2], widths[2], 1];
        let mut operations: Vec<&Operation> = Vec::new();
        for operation in &symmetry.operations {
            let negative = operation.negative();
            if !friedel || operations.iter().all(|own| own.rotation != negative) {
                operations.push(operation);
            }
        }
        let numbers: Vec<[i32; 3]> = operations
            .iter()
            .map(|own| {
                own.rotation.map(|row| {
                    (0..3)
                        .map(|c| i32::from(row[c]).wrapping_mul(code[c]))
                        .fold(0, i32::wrapping_add)
                })
            })
            .collect();
        self.largest.resize(hkl.len(), Largest::default());
        dispatch(Number {
            hkl,
            numbers: &numbers,
            friedel,
            out: &mut self.largest,
        });
        let shift = if friedel { 0 } else { size as i32 / 2 };
        self.table.clear();
        self.table
            .resize((size as usize).div_ceil(if friedel { 2 } else { 1 }), NONE);
        self.unique.clear();
        self.sources.clear();
        let denominator = symmetry.denominator;
        for (h, largest) in hkl.iter().zip(&self.largest) {
            let is_mate = friedel && largest.number < 0;
            let number = if is_mate {
                largest.number.wrapping_neg()
            } else {
                largest.number.wrapping_add(shift)
            };
            let operation = operations[largest.place as usize];
            let Some(orbit) = self.table.get_mut(number as usize) else {
                return false;
            };
            if *orbit == NONE {
                *orbit = self.unique.len() as u32;
                let sign = if is_mate { -1 } else { 1 };
                let w = &operation.rotation;
                self.unique
                    .push([0, 1, 2].map(|c| sign * (0..3).map(|r| h[r] * i32::from(w[r][c])).sum::<i32>()));
            }
            self.sources.push(Source {
                orbit: *orbit,
                is_mate,
                turns: operation.turns(*h).rem_euclid(denominator) as u32,
            });
        }
        self.turns.clear();
        self.turns.extend((0..denominator).map(|n| turn(n, denominator)));
        true
    }

    /// Structure factors of all reflections from `sums`, those of the orbits over atoms as [`Images::stands_for`] has them.
    ///
    /// [`Images::stands_for`]: super::obeyed::Images::stands_for
    pub fn expand(&self, symmetry: &Symmetry, inversion: bool, sums: &mut [Complex], out: &mut [Complex]) {
        let turns = |operation: &Operation, h: [i32; 3]| operation.turns(h).rem_euclid(symmetry.denominator) as usize;
        let inversion = symmetry.inversion.as_ref().filter(|_| inversion);
        for (&h, sum) in self.unique.iter().zip(sums.iter_mut()) {
            if symmetry.translations.iter().any(|step| turns(step, h) != 0) {
                *sum = [0.0; 2];
            } else if let Some(inversion) = inversion {
                // Half of the images are mates: (F + exp(2 pi i h.w) conj F) / 2.
                let mate = times([sum[0], -sum[1]], self.turns[turns(inversion, h)]);
                *sum = [0.5 * (sum[0] + mate[0]), 0.5 * (sum[1] + mate[1])];
            }
        }
        for (to, source) in out.iter_mut().zip(&self.sources) {
            let [re, im] = sums[source.orbit as usize];
            let im = if source.is_mate { -im } else { im };
            *to = times([re, im], self.turns[source.turns as usize]);
        }
    }
}

fn times(a: Complex, b: Complex) -> Complex {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

/// `exp(2 pi i n / denominator)`, exact for quarters.
fn turn(n: i64, denominator: i64) -> Complex {
    match (4 * n / denominator, 4 * n % denominator) {
        (0, 0) => [1.0, 0.0],
        (1, 0) => [0.0, 1.0],
        (2, 0) => [-1.0, 0.0],
        (3, 0) => [0.0, -1.0],
        _ => {
            let (sin, cos) = (std::f64::consts::TAU * n as f64 / denominator as f64).sin_cos();
            [cos, sin]
        }
    }
}

/// Finds the largest number of each orbit.
struct Number<'a> {
    hkl: &'a [[i32; 3]],
    /// `W c` of each operation, the identity first.
    numbers: &'a [[i32; 3]],
    friedel: bool,
    out: &'a mut [Largest],
}

impl Kernel for Number<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        for (hkl, out) in self.hkl.chunks(LANES).zip(self.out.chunks_mut(LANES)) {
            let mut h = [[0; LANES]; 3];
            for (i, row) in hkl.iter().enumerate() {
                for axis in 0..3 {
                    h[axis][i] = row[axis];
                }
            }
            let (mut most, mut found, mut place) = ([i32::MIN; LANES], [0; LANES], [0; LANES]);
            for (number, &[a, b, c]) in self.numbers.iter().enumerate() {
                for i in 0..LANES {
                    // What overflows between comes back: the sum is small.
                    let sum = h[0][i].wrapping_mul(a).wrapping_add(h[1][i].wrapping_mul(b));
                    let sum = sum.wrapping_add(h[2][i].wrapping_mul(c));
                    let size = if self.friedel { sum.wrapping_abs() } else { sum };
                    let is_more = size > most[i];
                    most[i] = if is_more { size } else { most[i] };
                    found[i] = if is_more { sum } else { found[i] };
                    place[i] = if is_more { number as u32 } else { place[i] };
                }
            }
            for (to, (number, place)) in out.iter_mut().zip(found.into_iter().zip(place)) {
                *to = Largest { number, place };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::factors::factors_by;
    use super::super::obeyed::{Images, obeyed};
    use super::super::settings::Setting;
    use super::*;
    use crate::machine::{Baseline, Fused, Wide};
    use crate::reciprocal::{ReflectionOptions, Unique, indices};
    use proptest::prelude::*;

    fn reflections(setting: &Setting, unique: Unique) -> Vec<[i32; 3]> {
        let options = ReflectionOptions {
            unique,
            ..ReflectionOptions::new(1.3)
        };
        indices(&setting.lattices, &[Some(setting.operations())], &options, Some(1))
            .unwrap()
            .hkl
    }

    /// With f' and f'' and without, of all lists: as summed term by term.
    #[test]
    fn all_settings_equal_brute_force() {
        let mut dispersion = vec![[0.0; 2]; 23];
        let none = dispersion.clone();
        dispersion[22] = [0.2, 1.8];
        for (dispersion, unique) in [
            (&none, Unique::None),
            (&none, Unique::Friedel),
            (&none, Unique::Laue),
            (&dispersion, Unique::None),
        ] {
            for setting in Setting::all(dispersion) {
                let (hkl, atoms) = (reflections(&setting, unique), setting.atoms());
                let mut found = vec![[0.0; 2]; hkl.len()];
                let (operations, lists) = ([Some(setting.operations())], [0, hkl.len() as i64]);
                assert!(
                    obeyed(&atoms, &operations, |_, _| true)[0].is_some(),
                    "{}",
                    setting.hall
                );
                factors_by(
                    &atoms,
                    &operations,
                    (&hkl, &lists),
                    (1e-13, (0.0, 0.0)),
                    Some(1),
                    &mut found,
                )
                .unwrap();
                let scale = 0.7 * 22.0 * setting.frac.len() as f64;
                for (h, found) in hkl.iter().zip(found) {
                    let h_float = h.map(f64::from);
                    let stol =
                        0.5 * crate::math::norm(crate::math::row_times(h_float, setting.lattices[0].reciprocal()));
                    let mut sum = [0.0; 2];
                    for (x, &kind) in setting.frac.iter().zip(atoms.kinds) {
                        let species = &atoms.species[kind as usize];
                        let mut f = [0.0];
                        species.factor.evaluate(&[stol * stol], &mut f);
                        let (sin, cos) = (std::f64::consts::TAU * crate::math::dot(h_float, *x)).sin_cos();
                        let weight = [0.7 * (f[0] + species.dispersion[0]), 0.7 * species.dispersion[1]];
                        let term = times(weight, [cos, sin]);
                        sum = [sum[0] + term[0], sum[1] + term[1]];
                    }
                    let error = (found[0] - sum[0]).hypot(found[1] - sum[1]) / scale;
                    assert!(error < 1e-13, "{} {h:?}: {found:?} {sum:?}", setting.hall);
                }
            }
        }
    }

    #[test]
    fn indices_beyond_their_range_are_refused_by_row() {
        let setting = Setting::new(523, &[[0.0; 2]; 23]);
        for bad in [4096, -4096, i32::MAX, i32::MIN] {
            let hkl = [[1, 0, 0], [2, 1, 0], [0, bad, 0]];
            for least in [0.0, f64::INFINITY] {
                let (operations, mut out) = ([Some(setting.operations())], [[0.0; 2]; 3]);
                let how = (1e-13, (least, least));
                let found = factors_by(&setting.atoms(), &operations, (&hkl, &[0, 3]), how, None, &mut out);
                let text = found.unwrap_err().to_string();
                assert!(text.contains("within +-4095") && text.contains("row 2"), "{text}");
            }
        }
    }

    proptest! {
        /// Any list, in any order, with repetitions and the origin: as summed whole.
        #[test]
        fn any_list(
            hall in 1i64..=530,
            hkl in prop::collection::vec(prop::array::uniform3(-6..7i32), 0..400),
            dispersed in any::<bool>(),
        ) {
            let mut dispersion = vec![[0.0; 2]; 23];
            if dispersed {
                dispersion[8] = [-0.3, 0.9];
            }
            let setting = Setting::new(hall, &dispersion);
            let (atoms, operations) = (setting.atoms(), [Some(setting.operations())]);
            let offsets = [0, hkl.len() as i64];
            let by = |least: f64| {
                let mut out = vec![[f64::NAN; 2]; hkl.len()];
                factors_by(&atoms, &operations, (&hkl, &offsets), (1e-13, (least, least)), Some(1), &mut out).unwrap();
                out
            };
            let scale = 0.7 * 22.0 * setting.frac.len() as f64;
            for (one, other) in by(0.0).into_iter().zip(by(f64::INFINITY)) {
                prop_assert!((one[0] - other[0]).hypot(one[1] - other[1]) < 1e-13 * scale, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn orbits_are_as_few_as_the_group_allows() {
        // Fm-3m: 24 rotations of each sign; 4 translations and the inversion leave an eighth of the general position.
        let setting = Setting::all(&[]).nth(522).unwrap();
        let atoms = setting.atoms();
        let symmetry = obeyed(&atoms, &[Some(setting.operations())], |_, _| true)
            .swap_remove(0)
            .unwrap();
        let hkl = reflections(&setting, Unique::None);
        let mut orbits = Orbits::default();
        assert!(orbits.set(&symmetry, true, &hkl, &setting.lattices[0], 1.0 / 1.3));
        let mut unique = reflections(&setting, Unique::Laue);
        let mut own = orbits.unique.clone();
        own.sort_unstable();
        unique.sort_unstable();
        assert_eq!(own, unique);
        let mut images = Images::default();
        let stands_for = images.stands_for(&atoms, 0, &symmetry, true).unwrap();
        assert_eq!(stands_for.len(), 196);
        let (general, special): (Vec<_>, Vec<_>) = stands_for.iter().filter(|&&n| n > 0.0).partition(|&&n| n > 4.0);
        assert_eq!((general, special), (vec![8.0; 24], vec![4.0]));
        // A sphere in a box that is much larger is summed as it is.
        assert!(!orbits.set(&symmetry, true, &hkl[..5], &setting.lattices[0], 1.0 / 1.3));
    }

    #[test]
    fn numbers_on_every_instruction_set() {
        let hkl: Vec<[i32; 3]> = (-20..30).map(|i| [i, 2 - i, i * i % 11]).collect();
        let numbers = [[441, 21, 1], [21, 1, 441], [-441, 21, -1]];
        for friedel in [true, false] {
            let mut out = [(); 3].map(|()| vec![Largest::default(); hkl.len()]);
            let [a, b, c] = &mut out;
            let kernel = |out| Number {
                hkl: &hkl,
                numbers: &numbers,
                friedel,
                out,
            };
            kernel(a).run::<Baseline>();
            kernel(b).run::<Fused>();
            kernel(c).run::<Wide>();
            for out in &out {
                for (h, found) in hkl.iter().zip(out) {
                    let all = numbers.map(|n| (0..3).map(|c| n[c] * h[c]).sum::<i32>());
                    assert_eq!(all[found.place as usize], found.number);
                    let size = |n: i32| if friedel { n.abs() } else { n };
                    assert_eq!(all.map(size).into_iter().max(), Some(size(found.number)));
                }
            }
        }
    }
}
