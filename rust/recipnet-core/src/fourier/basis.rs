//! Orbits of plane waves with their exact phases: the invariant functions of a space group.
//!
//! Derivation (conventions of the crate: operations act on fractional columns, indices are rows): a function
//! `f(x) = sum_h c_h exp(2 pi i h x)` is invariant under `(W|w)` exactly when `c_{hW} = c_h exp(2 pi i h w)`. On an orbit
//! `{h0 W}` one free coefficient is left, or none: where two operations lead to the same index with different phases, the
//! orbit is systematically absent. International Tables for Crystallography B (2010), chapter 1.4, treats the same
//! relation for structure factors, which are proportional to `c_{-h}`.

use super::counts::Counts;
use super::evaluate::Plan;
use super::group::Group;
use super::modes::Modes;
use super::truncation::{Candidates, Truncation};
use crate::error::Result;
use crate::symmetry::Operations;
use std::sync::OnceLock;

/// More plane waves than this are refused unless the caller raises the limit.
pub const MAX_MODES: u64 = 10_000_000;

/// The symmetry-adapted Fourier basis of a space group: one function for each orbit of plane waves that is not absent.
///
/// Function k is `e_k(x) = |O|^(-1/2) sum over the members h of its orbit of exp(2 pi i (phase_h + h x))`. The functions are
/// orthonormal over the cell and span all invariant functions with frequencies in the truncation.
///
/// Functions are in order of their norm, then of falling representatives; members of an orbit fall lexicographically.
#[derive(Debug)]
pub struct FourierBasis {
    pub(super) group: Group,
    truncation: Truncation,
    hkl: Vec<[i32; 3]>,
    row_offsets: Vec<i64>,
    column: Vec<i64>,
    phase: Vec<i16>,
    centric: Vec<bool>,
    alpha: Vec<i16>,
    partner: Vec<i64>,
    norm: Vec<f64>,
    shell_gap: f64,
    counts: Counts,
    plan: OnceLock<Plan>,
}

/// An orbit while it is being built.
struct Orbit {
    /// Position of its representative, the lexicographically largest member.
    first: u32,
    size: u32,
    square: f64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Allowed,
    Absent,
    Outside,
}

const NONE: u32 = u32::MAX;

impl FourierBasis {
    /// Build the basis; more than `max_modes` plane waves are refused ([`MAX_MODES`] is the usual limit).
    ///
    /// # Errors
    /// Operations that are no group, a cell that does not fit them, a bad radius or spacing, too many plane waves.
    pub fn new(operations: &Operations, truncation: Truncation, max_modes: u64) -> Result<Self> {
        let group = Group::new(operations)?;
        let candidates = Candidates::new(&group, &truncation, max_modes)?;
        let modes = &candidates.modes;
        let mut links = Links::new(modes.len());
        let mut orbits: Vec<Orbit> = Vec::new();
        for place in (0..modes.len()).rev() {
            if links.orbit[place] == NONE {
                let number = orbits.len() as u32;
                orbits.push(links.follow(&group, &candidates, place, number));
            }
        }
        let order = ranked(&orbits, &candidates);
        let basis = Self::gather(group, truncation, &candidates, &links, &orbits, &order);
        debug_assert!(
            basis.counts.hold(&basis.group, &kept(modes, &links, &orbits)),
            "{:?}",
            basis.counts
        );
        Ok(basis)
    }

    fn gather(
        group: Group,
        truncation: Truncation,
        candidates: &Candidates,
        links: &Links,
        orbits: &[Orbit],
        order: &[u32],
    ) -> Self {
        let modes = &candidates.modes;
        let denominator = group.denominator();
        let mut rank = vec![NONE; orbits.len()];
        let mut row_offsets = Vec::with_capacity(order.len() + 1);
        let mut shell = Vec::with_capacity(order.len());
        row_offsets.push(0i64);
        for (k, &number) in order.iter().enumerate() {
            let orbit = &orbits[number as usize];
            rank[number as usize] = k as u32;
            row_offsets.push(row_offsets[k] + i64::from(orbit.size));
            let new = k > 0 && !candidates.same_shell(orbits[order[k - 1] as usize].square, orbit.square);
            shell.push(shell.last().map_or(0, |last| last + u32::from(new)));
        }
        // Columns of a shell follow each other, falling; members of an orbit fall too. Both are counting sorts.
        let shells = shell.last().map_or(0, |last| *last as usize + 1);
        let mut next_column = vec![0i64; shells + 1];
        for (k, &s) in shell.iter().enumerate() {
            next_column[s as usize + 1] += row_offsets[k + 1] - row_offsets[k];
        }
        for s in 0..shells {
            next_column[s + 1] += next_column[s];
        }
        let nnz = row_offsets[order.len()] as usize;
        let mut next_entry = row_offsets.clone();
        let (mut hkl, mut column, mut phase) = (vec![[0; 3]; nnz], vec![0; nnz], vec![0; nnz]);
        for place in (0..modes.len()).rev() {
            let row = rank[links.orbit[place] as usize];
            if row == NONE {
                continue;
            }
            let row = row as usize;
            let entry = next_entry[row] as usize;
            let slot = &mut next_column[shell[row] as usize];
            hkl[*slot as usize] = modes.hkl()[place];
            column[entry] = *slot;
            phase[entry] = links.phase[place] as i16;
            *slot += 1;
            next_entry[row] += 1;
        }
        let mut basis = Self {
            truncation,
            hkl,
            column,
            phase,
            centric: Vec::with_capacity(order.len()),
            alpha: Vec::with_capacity(order.len()),
            partner: Vec::with_capacity(order.len()),
            norm: Vec::with_capacity(order.len()),
            shell_gap: candidates.gap(orbits.iter().map(|orbit| orbit.square)),
            counts: Counts::default(),
            plan: OnceLock::new(),
            row_offsets,
            group,
        };
        for (k, &number) in order.iter().enumerate() {
            let orbit = &orbits[number as usize];
            let negative = modes.hkl()[orbit.first as usize].map(|x| -x);
            // The set is closed under negation: an orbit and its negative have the same norm.
            let place = modes.position(negative).unwrap_or(orbit.first as usize);
            let centric = links.orbit[place] == number;
            // Restricted phase of c_h0 for real functions: -(h0 w) / 2 modulo 1/2, over twice the denominator.
            let turned = (denominator - i32::from(links.phase[place])) % denominator;
            basis.centric.push(centric);
            basis.alpha.push(if centric { turned as i16 } else { 0 });
            basis.partner.push(if centric {
                k as i64
            } else {
                i64::from(rank[links.orbit[place] as usize])
            });
            basis.norm.push(candidates.norm(orbit.square));
        }
        basis.counts = basis.count(orbits);
        basis
    }

    fn count(&self, orbits: &[Orbit]) -> Counts {
        let mut counts = Counts {
            n_ops: self.group.operations().len() as u64,
            ..Counts::default()
        };
        for orbit in orbits {
            let size = u64::from(orbit.size);
            match orbit.state {
                State::Outside => continue,
                State::Absent => {
                    counts.n_absent_hkl += size;
                    counts.n_absent_orbits += 1;
                }
                State::Allowed => {
                    counts.nnz += size;
                    counts.n_basis += 1;
                }
            }
            counts.n_hkl += size;
            counts.n_orbits_all += 1;
        }
        for (k, &centric) in self.centric.iter().enumerate() {
            if centric {
                counts.n_centric_orbits += 1;
                counts.n_centric_hkl += self.size(k) as u64;
            } else {
                counts.n_acentric_orbits += 1;
            }
        }
        counts.n_real_basis = counts.n_basis;
        counts.sum_eps = counts.n_ops * counts.n_orbits_all;
        counts
    }

    /// The operations that leave every function as it is.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        self.group.operations()
    }

    /// Which plane waves were considered.
    #[must_use]
    pub fn truncation(&self) -> &Truncation {
        &self.truncation
    }

    /// Number K of functions.
    #[must_use]
    pub fn num_functions(&self) -> usize {
        self.norm.len()
    }

    /// Indices h that are not absent, by rising norm, falling inside a shell; h = 0 is the first.
    #[must_use]
    pub fn hkl(&self) -> &[[i32; 3]] {
        &self.hkl
    }

    /// Entries of function k are `row_offsets[k]..row_offsets[k + 1]`.
    #[must_use]
    pub fn row_offsets(&self) -> &[i64] {
        &self.row_offsets
    }

    /// Place in [`Self::hkl`] of each entry.
    #[must_use]
    pub fn column(&self) -> &[i64] {
        &self.column
    }

    /// Phase of each entry in turns, as a numerator over [`Self::denominator`]; 0 at the representative.
    #[must_use]
    pub fn phase(&self) -> &[i16] {
        &self.phase
    }

    /// Denominator of the phases: that of the operations.
    #[must_use]
    pub fn denominator(&self) -> i16 {
        self.group.operations().denominator()
    }

    /// Whether -h lies in the orbit of h.
    #[must_use]
    pub fn centric(&self) -> &[bool] {
        &self.centric
    }

    /// Restricted phase of centric functions, over twice the denominator: `exp(2 pi i alpha) e_k` is real. 0 for others.
    #[must_use]
    pub fn alpha(&self) -> &[i16] {
        &self.alpha
    }

    /// Function on the orbit of -h: itself where centric.
    #[must_use]
    pub fn partner(&self) -> &[i64] {
        &self.partner
    }

    /// Norm of each orbit: 1/d in 1/angstrom, or that of the integer ball.
    #[must_use]
    pub fn norm(&self) -> &[f64] {
        &self.norm
    }

    /// Places of the entries of function k.
    #[must_use]
    pub fn entries(&self, k: usize) -> std::ops::Range<usize> {
        self.row_offsets[k] as usize..self.row_offsets[k + 1] as usize
    }

    /// Number of plane waves of function k.
    #[must_use]
    pub fn size(&self, k: usize) -> usize {
        self.entries(k).len()
    }

    /// Number of plane waves of every function.
    #[must_use]
    pub fn sizes(&self) -> Vec<i32> {
        (0..self.num_functions()).map(|k| self.size(k) as i32).collect()
    }

    /// The lexicographically largest member of every orbit.
    #[must_use]
    pub fn representatives(&self) -> Vec<[i32; 3]> {
        (0..self.num_functions()).map(|k| self.representative(k)).collect()
    }

    /// The lexicographically largest member of the orbit of function k.
    #[must_use]
    pub fn representative(&self, k: usize) -> [i32; 3] {
        self.hkl[self.column[self.row_offsets[k] as usize] as usize]
    }

    /// Relative distance from the end of a physical ball to the nearest shell: below 1e-6, say, rounding of the cell can
    /// put the shell in or out. Shells outside are seen up to 1e-6 away. Infinite for the integer ball.
    #[must_use]
    pub fn shell_gap(&self) -> f64 {
        self.shell_gap
    }

    /// Sizes.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// One line for each function, `h,k,l:phase;h,k,l:phase;...`: what two builds of a basis have to agree on.
    #[must_use]
    pub fn canonical_text(&self) -> String {
        use std::fmt::Write as _;
        let mut out = String::with_capacity(self.column.len() * 12);
        for k in 0..self.num_functions() {
            for entry in self.entries(k) {
                let [h, k, l] = self.hkl[self.column[entry] as usize];
                let _ = write!(out, "{h},{k},{l}:{};", self.phase[entry]);
            }
            out.pop();
            out.push('\n');
        }
        out
    }

    pub(super) fn plan(&self) -> &Plan {
        self.plan.get_or_init(|| Plan::new(self))
    }
}

/// Orbit and phase of every index.
struct Links {
    orbit: Vec<u32>,
    phase: Vec<u16>,
}

impl Links {
    fn new(count: usize) -> Self {
        Self {
            orbit: vec![NONE; count],
            phase: vec![0; count],
        }
    }

    /// Mark the orbit of the index at `place`, its representative.
    fn follow(&mut self, group: &Group, candidates: &Candidates, place: usize, number: u32) -> Orbit {
        let modes = &candidates.modes;
        let h = modes.hkl()[place];
        // One index decides for an orbit and for its negative, or rounding could part them: the largest of both.
        let images = group.representatives().iter().map(|element| element.image(h));
        let opposite = images.min().map_or(h, |least| least.map(|x| -x));
        let square = candidates.square(h.max(opposite));
        let mut orbit = Orbit {
            first: place as u32,
            size: 0,
            square,
            state: if !candidates.contains(square) {
                State::Outside
            } else if group.is_centring_absent(h) {
                State::Absent
            } else {
                State::Allowed
            },
        };
        for element in group.representatives() {
            let Some(target) = modes.position(element.image(h)) else {
                // Only where the representative lies in the rim: the set itself is closed.
                orbit.state = State::Outside;
                continue;
            };
            let phase = element.phase(h, group.denominator()) as u16;
            if self.orbit[target] == NONE {
                self.orbit[target] = number;
                self.phase[target] = phase;
                orbit.size += 1;
            } else if self.phase[target] != phase && orbit.state == State::Allowed {
                orbit.state = State::Absent;
            }
        }
        orbit
    }
}

/// Allowed orbits by shell, then by falling representative.
fn ranked(orbits: &[Orbit], candidates: &Candidates) -> Vec<u32> {
    let mut order: Vec<u32> = (0..orbits.len() as u32)
        .filter(|&number| orbits[number as usize].state == State::Allowed)
        .collect();
    let square = |number: u32| orbits[number as usize].square;
    // Orbits are numbered by falling representatives.
    order.sort_by(|&a, &b| square(a).total_cmp(&square(b)).then(a.cmp(&b)));
    let mut start = 0;
    for end in 1..=order.len() {
        if end == order.len() || !candidates.same_shell(square(order[end - 1]), square(order[end])) {
            order[start..end].sort_unstable();
            start = end;
        }
    }
    order
}

/// Indices of the orbits inside the truncation.
fn kept(modes: &Modes, links: &Links, orbits: &[Orbit]) -> Vec<[i32; 3]> {
    modes
        .hkl()
        .iter()
        .zip(&links.orbit)
        .filter(|&(_, &number)| orbits[number as usize].state != State::Outside)
        .map(|(&h, _)| h)
        .collect()
}
