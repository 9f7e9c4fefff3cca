//! One crystal made ready for searching: reduced cell, wrapped atoms, and the way back to the given shifts.

use crate::math::{
    IntMat3, Mat3, Vec3, cross, dot, floor_int, int_row_times, norm, row_times, to_float, triangular,
    unimodular_inverse,
};
use crate::scratch::holds;
use crate::{lattice, math::INT_IDENTITY};

/// Added to every cut-off, so that a distance that equals it on paper is found in floating point.
pub const DISTANCE_SLACK: f64 = 1e-8;

/// Zeros behind columns of atoms, so that loops can take so many at a time.
pub(super) const PADDING: usize = 8;

/// Another atom's image that is near enough; its centre is known from where the hit lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hit {
    /// Lattice translation of j in the given cell, for the coordinates as given.
    pub shift: [i32; 3],
    /// Row of j in its crystal.
    pub j: u32,
}

/// `r_j + shift @ lattice - r_i`, antisymmetric in floating point too: the reverse edge is the exact negative.
#[inline(always)]
pub fn fractional<const N: usize>(here: &[f64; N], there: &[f64; N], shift: [i32; N]) -> [f64; N] {
    std::array::from_fn(|c| (there[c] - here[c]) + f64::from(shift[c]))
}

/// 1.5 * 2^52: adding it and taking it away rounds to a whole number.
pub(super) const SHIFTER: f64 = 6_755_399_441_055_744.0;

/// A whole number of magnitude below 2^31 as an integer: the low bits of its sum with 1.5 * 2^52.
#[inline(always)]
pub fn whole(x: f64) -> i32 {
    (x + SHIFTER).to_bits() as i32
}

/// Places of the bits that are set, rising.
#[inline(always)]
pub fn set_bits(mut bits: u64) -> impl ExactSizeIterator<Item = usize> {
    (0..bits.count_ones()).map(move |_| {
        let place = bits.trailing_zeros() as usize;
        bits &= bits.wrapping_sub(1);
        place
    })
}

/// A crystal in its reduced cell. `load` reuses the memory of the crystal before.
#[derive(Debug, Clone)]
pub struct SearchCell {
    pub(super) given: Mat3,
    transform: IntMat3,
    /// Reduced rows from given ones.
    pub(super) transform_float: Mat3,
    pub(super) is_given: bool,
    /// Reduced rows in a frame where they are triangular: a ball is then solved axis by axis.
    pub(super) frame: Mat3,
    /// Bound of rounding in the frame's coordinates, angstrom.
    margin: f64,
    /// Half the summed lengths of the reduced vectors: every point has a lattice point this near.
    covering: f64,
    pub(super) frac: Vec<Vec3>,
    /// Fractional coordinates in the reduced cell, in [0, 1), by axis; then [`PADDING`].
    pub(super) wrapped: [Vec<f64>; 3],
    /// Given-cell shift that carries each atom from where it was given to where it was wrapped, by axis; then
    /// [`PADDING`].
    pub(super) home: [Vec<f64>; 3],
    /// Empty where no two rows share a site.
    site: Vec<i32>,
}

impl Default for SearchCell {
    fn default() -> Self {
        let zero = [[0.0; 3]; 3];
        Self {
            given: zero,
            transform: INT_IDENTITY,
            transform_float: to_float(&INT_IDENTITY),
            is_given: true,
            frame: zero,
            margin: 0.0,
            covering: 0.0,
            frac: vec![],
            wrapped: [vec![], vec![], vec![]],
            home: [vec![], vec![], vec![]],
            site: vec![],
        }
    }
}

holds!(SearchCell: frac, wrapped, home, site);

impl SearchCell {
    /// Reduce the cell and wrap the atoms of one crystal.
    pub fn load(&mut self, given: &Mat3, frac: &[Vec3], site: Option<&[i32]>) {
        self.load_cell(given);
        self.frac.clear();
        self.frac.extend_from_slice(frac);
        self.site.clear();
        // Rising numbers differ: no two rows share a site, as in all ordered crystals that readers make.
        let mixed = site.filter(|site| !site.is_sorted_by(|a, b| a < b));
        self.site.extend_from_slice(mixed.unwrap_or_default());
        for c in 0..3 {
            self.wrapped[c].clear();
            self.home[c].clear();
        }
        let into_reduced = if self.is_given {
            self.transform_float
        } else {
            to_float(&unimodular_inverse(&self.transform))
        };
        for &[x, y, z] in frac {
            // First in the given cell, where it is exact however far the atom lies, then in the reduced one.
            let first = [floor_int(x), floor_int(y), floor_int(z)];
            let mut reduced = [x - first[0] as f64, y - first[1] as f64, z - first[2] as f64];
            let mut home = [-first[0], -first[1], -first[2]];
            if !self.is_given {
                reduced = row_times(reduced, &into_reduced);
                let second = [floor_int(reduced[0]), floor_int(reduced[1]), floor_int(reduced[2])];
                let back = int_row_times(second, &self.transform);
                for c in 0..3 {
                    reduced[c] -= second[c] as f64;
                    home[c] -= back[c];
                }
            }
            for c in 0..3 {
                self.wrapped[c].push(reduced[c]);
                self.home[c].push(home[c] as f64);
            }
        }
        for column in self.wrapped.iter_mut().chain(&mut self.home) {
            column.extend([0.0; PADDING]);
        }
    }

    fn load_cell(&mut self, given: &Mat3) {
        let mut reduction = lattice::reduce(given);
        self.is_given = reduction.transform == INT_IDENTITY;
        if !self.is_given {
            // Shortest vector last: the innermost loop then runs along the densest rows.
            reduction.rows.swap(0, 2);
            reduction.transform.swap(0, 2);
        }
        self.given = *given;
        self.transform = reduction.transform;
        self.transform_float = to_float(&self.transform);
        self.frame = triangular(&reduction.rows);
        let total: f64 = reduction.rows.iter().map(|row| norm(*row)).sum();
        self.covering = 0.5 * total;
        // Coordinates are accurate to some 1e-11 of the lengths even in the worst accepted cell.
        self.margin = 1e-9 * (1.0 + total);
    }

    /// Number of atoms.
    pub fn len(&self) -> usize {
        self.frac.len()
    }

    /// Volume in cubic angstrom.
    pub fn volume(&self) -> f64 {
        self.frame[0][0] * self.frame[1][1] * self.frame[2][2]
    }

    /// Every point of space has a lattice point within this distance.
    pub fn covering_radius(&self) -> f64 {
        self.covering
    }

    /// Distances of the reduced cell's planes.
    pub(super) fn spacings(&self) -> Vec3 {
        let rows = &self.frame;
        [0, 1, 2].map(|a| self.volume() / norm(cross(rows[(a + 1) % 3], rows[(a + 2) % 3])))
    }

    /// Distances in the frame below the first are surely within `limit`, those above the second surely not.
    #[inline]
    pub(super) fn bounds(&self, limit: f64) -> (f64, f64) {
        let margin = limit * 1e-9 + self.margin;
        ((limit - margin).max(0.0), limit + margin)
    }

    /// Whether the crystal has mixed sites.
    pub(super) fn has_sites(&self) -> bool {
        !self.site.is_empty()
    }

    /// Whether rows i and j lie on one mixed site.
    #[inline]
    pub(super) fn is_one_site(&self, i: usize, j: usize) -> bool {
        !self.site.is_empty() && self.site[i] == self.site[j]
    }

    /// Whether the image of j at a shift is a neighbour of i, by the coordinates as given.
    pub(super) fn is_neighbor(&self, i: usize, hit: Hit, limit: f64) -> bool {
        let j = hit.j as usize;
        let vector = row_times(fractional(&self.frac[i], &self.frac[j], hit.shift), &self.given);
        let distance = dot(vector, vector).sqrt();
        distance <= limit && !(distance <= DISTANCE_SLACK && (i == j || self.is_one_site(i, j)))
    }

    /// Of the hits of atom i from `begin` on, keep its neighbours by the coordinates as given.
    #[cold]
    pub(super) fn settle(&self, i: usize, limit: f64, hits: &mut Vec<Hit>, begin: usize) {
        let mut kept = begin;
        for at in begin..hits.len() {
            let hit = hits[at];
            hits[kept] = hit;
            kept += usize::from(self.is_neighbor(i, hit, limit));
        }
        hits.truncate(kept);
    }
}
