//! Systematic absences: some operation leaves h and turns its phase, `F(hW) = F(h) exp(-2 pi i h.w)`.

use super::ball::Run;
use super::group::{IDENTITY, OperationsView, Rotation, image, same};
use super::wedge::Wedge;
use crate::error::{Result, SymmetryError};
use crate::math::{gcd, int_det};

/// Highest order of a rotation of a lattice.
const HIGHEST_ORDER: i64 = 6;
/// The denominator of the tables and of what is read.
const USUAL: i64 = 24;
/// Reflections of a run that are looked at one by one; if there are more, all are.
const FEW: usize = 16;

/// An operation that makes reflections vanish which it leaves: those on a plane or an axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Special {
    /// h is left if both are zero; the second is zero for every h where the operation leaves a plane.
    pub equations: [[i64; 3]; 2],
    /// Numerators of its translation.
    shift: [i64; 3],
}

/// What an operation leaves of a line (h, k, *).
enum Left {
    Nothing,
    One(i64),
    All,
}

impl Special {
    /// None if the operation leaves no h.
    fn new(w: &Rotation, shift: [i64; 3]) -> Option<Self> {
        let column = |c: usize| [0, 1, 2].map(|r| i64::from(w[r][c] - IDENTITY[r][c]));
        let columns = [0, 1, 2].map(column);
        if int_det(&columns) != 0 {
            return None;
        }
        let first = columns.into_iter().find(|c| *c != [0; 3])?;
        let is_parallel = |c: &[i64; 3]| {
            c[0] * first[1] == c[1] * first[0]
                && c[1] * first[2] == c[2] * first[1]
                && c[2] * first[0] == c[0] * first[2]
        };
        let second = columns.into_iter().find(|c| !is_parallel(c)).unwrap_or([0; 3]);
        Some(Self {
            equations: [first, second],
            shift,
        })
    }

    fn leaves(&self, h: [i64; 3]) -> bool {
        self.equations.iter().all(|equation| product(*equation, h) == 0)
    }

    fn of_line(&self, h: i64, k: i64) -> Left {
        let mut left = Left::All;
        for [a, b, c] in self.equations {
            let rest = a * h + b * k;
            left = match (c, left) {
                (0, left) if rest == 0 => left,
                (0, _) => return Left::Nothing,
                (_, Left::One(l)) if rest + c * l == 0 => Left::One(l),
                (_, Left::All) if rest % c == 0 => Left::One(-rest / c),
                _ => return Left::Nothing,
            };
        }
        left
    }
}

fn product(a: [i64; 3], h: [i64; 3]) -> i64 {
    a[0] * h[0] + a[1] * h[1] + a[2] * h[2]
}

/// Absences of a group, from exact integers.
#[derive(Debug, Clone)]
pub struct Absences {
    denominator: i64,
    /// Numerators of pure translations.
    centring: Vec<[i64; 3]>,
    special: Vec<Special>,
    /// On a line (h, k, *) the reflections that the translations leave are this far from each other.
    step: i64,
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
        let denominator = i64::from(view.denominator);
        let reduced = |w: [i64; 3]| w.map(|x| x.rem_euclid(denominator));
        let operations = || {
            view.rotations
                .iter()
                .zip(view.translations)
                .map(|(rotation, w)| (rotation.map(|row| row.map(i32::from)), reduced(w.map(i64::from))))
        };
        let mut centring = Vec::new();
        for (rotation, w) in operations() {
            if same(&rotation, &IDENTITY) && w != [0; 3] && !centring.contains(&w) {
                centring.push(w);
            }
        }
        let mut seen: Vec<(Rotation, [i64; 3])> = Vec::new();
        let mut special = Vec::new();
        for (rotation, w) in operations() {
            // Operations that differ by a pure translation say the same of what the translation leaves.
            let is_known = |(other, v): &(Rotation, [i64; 3])| {
                same(other, &rotation) && {
                    let difference = reduced([w[0] - v[0], w[1] - v[1], w[2] - v[2]]);
                    difference == [0; 3] || centring.contains(&difference)
                }
            };
            if same(&rotation, &IDENTITY) || seen.iter().any(is_known) {
                continue;
            }
            seen.push((rotation, w));
            let mut shifts = std::iter::once([0; 3]).chain(centring.iter().copied());
            if !shifts.any(|t| never_turns(&rotation, [w[0] + t[0], w[1] + t[1], w[2] + t[2]], denominator)) {
                special.extend(Special::new(&rotation, w));
            }
        }
        let period = |t: &[i64; 3]| denominator / gcd(t[2], denominator);
        let step = centring.iter().map(period).fold(1, |step, p| step / gcd(step, p) * p);
        Ok(Self {
            denominator,
            centring,
            special,
            step,
        })
    }

    /// Forget the operations that leave nothing of a wedge.
    pub(super) fn keep_touching(&mut self, wedge: &Wedge) {
        self.special.retain(|special| wedge.touches(special));
    }

    /// Distance in l of the reflections of a run, where absences are left out.
    pub(super) fn step(&self) -> i32 {
        i32::try_from(self.step).unwrap_or(i32::MAX)
    }

    /// Whether F(h) = 0 for any content: some operation leaves h and turns its phase.
    #[must_use]
    pub fn is_absent(&self, h: [i32; 3]) -> bool {
        let h = h.map(i64::from);
        !self.is_centred(h) || self.is_special(h)
    }

    /// Whether so many parts are whole turns.
    #[inline]
    fn is_whole(&self, parts: i64) -> bool {
        if self.denominator == USUAL {
            // By a number that is known a product, not a division.
            parts % USUAL == 0
        } else {
            parts % self.denominator == 0
        }
    }

    fn is_centred(&self, h: [i64; 3]) -> bool {
        self.centring.iter().all(|t| self.is_whole(product(*t, h)))
    }

    fn is_special(&self, h: [i64; 3]) -> bool {
        self.special
            .iter()
            .any(|special| special.leaves(h) && !self.is_whole(product(special.shift, h)))
    }

    /// Add what is present of the reflections (h, k, from ..= to); returns how many are.
    pub(super) fn add_present(&self, (h, k): (i32, i32), (from, to): (i32, i32), out: &mut Vec<Run>) -> u64 {
        let step = self.step();
        let (wide_h, wide_k) = (i64::from(h), i64::from(k));
        let Some(from) = (from..=to)
            .take(step as usize)
            .find(|&l| self.is_centred([wide_h, wide_k, i64::from(l)]))
        else {
            return 0;
        };
        let (mut doubtful, mut count) = ([0; FEW], 0);
        for special in &self.special {
            match special.of_line(wide_h, wide_k) {
                Left::Nothing => {}
                Left::One(l) => {
                    if count < FEW {
                        doubtful[count] = l;
                    }
                    count += 1;
                }
                Left::All => count = FEW + 1,
            }
        }
        let members = (to - from) / step + 1;
        if count == 0 {
            let (l, count) = (from, members as u32);
            out.push(Run { h, k, l, count });
            return u64::from(count);
        }
        let is_absent = |l: i32| {
            let l = i64::from(l);
            let looked_at = count > FEW || doubtful[..count].contains(&l);
            looked_at && self.is_special([wide_h, wide_k, l])
        };
        let (mut run, mut total) = (
            Run {
                h,
                k,
                l: from,
                count: 0,
            },
            0,
        );
        for l in (0..members).map(|i| from + i * step) {
            if !is_absent(l) {
                if run.count == 0 {
                    run.l = l;
                }
                run.count += 1;
                continue;
            }
            if run.count > 0 {
                total += u64::from(run.count);
                out.push(run);
                run.count = 0;
            }
        }
        if run.count > 0 {
            total += u64::from(run.count);
            out.push(run);
        }
        total
    }
}

/// Whether no reflection that the operation leaves has its phase turned: with its order n, `n h.w = h.sum W^k w`.
fn never_turns(rotation: &Rotation, w: [i64; 3], denominator: i64) -> bool {
    let (mut sum, mut moved, mut power) = (w, w, *rotation);
    let mut order = 1;
    while !same(&power, &IDENTITY) {
        if order == HIGHEST_ORDER {
            return false;
        }
        moved = [0, 1, 2].map(|r| (0..3).map(|c| i64::from(rotation[r][c]) * moved[c]).sum());
        for axis in 0..3 {
            sum[axis] += moved[axis];
        }
        power = power.map(|row| image(row, rotation));
        order += 1;
    }
    sum.iter().all(|x| x % (order * denominator) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: [[i8; 3]; 3] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];

    #[test]
    fn centring_and_screw_absences() {
        let view = |rotations, translations| OperationsView {
            rotations,
            translations,
            denominator: 24,
        };
        let absences = Absences::new(&view(&[ONE, ONE], &[[0; 3], [12; 3]])).unwrap();
        assert!(absences.is_absent([1, 0, 0]) && absences.is_absent([-1, 1, 1]));
        assert!(!absences.is_absent([1, 1, 0]) && !absences.is_absent([2, 0, 0]));
        let fourfold = [
            ONE,
            [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
            [[-1, 0, 0], [0, -1, 0], [0, 0, 1]],
            [[0, 1, 0], [-1, 0, 0], [0, 0, 1]],
        ];
        let shifts = [[0; 3], [0, 0, 6], [0, 0, 12], [0, 0, 18]];
        let absences = Absences::new(&view(&fourfold, &shifts)).unwrap();
        assert!((1..4).all(|l| absences.is_absent([0, 0, l])) && !absences.is_absent([0, 0, 4]));
        assert!(!absences.is_absent([1, 0, 1]));
        // A fourfold axis elsewhere is no screw.
        let shifts = [[0; 3], [12, 0, 0], [12, 12, 0], [0, 12, 0]];
        assert!(Absences::new(&view(&fourfold, &shifts)).unwrap().special.is_empty());
    }
}
