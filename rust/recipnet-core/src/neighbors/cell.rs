//! One crystal made ready for searching: reduced cell, wrapped atoms, and the way back to the given shifts.

use std::ops::Range;

use crate::math::{
    IntMat3, Mat3, Vec3, dot, floor_int, int_row_times, norm, row_times, sub, to_float, triangular, unimodular_inverse,
};
use crate::{lattice, math::INT_IDENTITY};

/// Added to every cut-off, so that a distance that equals it on paper is found in floating point.
pub const DISTANCE_SLACK: f64 = 1e-8;

/// Stands for an edge that is read as it was found.
pub const FORWARDS: u32 = u32::MAX;

/// One neighbour of an atom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// `r_j + shift @ lattice - r_i`.
    pub vector: Vec3,
    /// Length of `vector`.
    pub distance: f64,
    /// Lattice translation of j in the given cell, for the coordinates as given.
    pub shift: [i32; 3],
    /// Row of j in its crystal.
    pub j: u32,
}

impl Neighbor {
    /// The edge itself for [`FORWARDS`], else seen from its other end, where row `back` is the neighbour.
    ///
    /// Exact, without negative zeros, and without branches: after sorting, the two kinds alternate at random.
    #[inline]
    pub fn seen(&self, back: u32) -> Self {
        let reverse = back != FORWARDS;
        let sign = 1.0 - 2.0 * f64::from(u8::from(reverse));
        Self {
            vector: self.vector.map(|x| x * sign + 0.0),
            distance: self.distance,
            shift: self.shift.map(|x| x * (1 - 2 * i32::from(reverse))),
            j: if reverse { back } else { self.j },
        }
    }

    /// What orders neighbours at one distance.
    #[inline]
    pub fn tie_key(&self) -> (u32, [i32; 3]) {
        (self.j, self.shift)
    }
}

/// What is left of the ball after one axis: planes of lattice points, then rows, then points.
#[derive(Debug, Default)]
pub struct Stages {
    planes: Vec<Plane>,
    rows: Vec<Row>,
    points: Vec<Point>,
}

/// Translations are whole numbers kept as floats until they are handed out; `left` is what remains of the squared radius.
#[derive(Debug, Clone, Copy, Default)]
struct Plane {
    j: usize,
    n: f64,
    left: f64,
    y: f64,
    z: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Row {
    j: usize,
    n: [f64; 2],
    left: f64,
    z: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Point {
    j: usize,
    n: [f64; 3],
}

/// A slice with a place for each of `count` items and one that is overwritten.
fn room<T: Copy + Default>(buffer: &mut Vec<T>, count: usize) -> &mut [T] {
    if buffer.len() <= count {
        buffer.resize(count + 1, T::default());
    }
    &mut buffer[..=count]
}

/// 1.5 * 2^52: adding it and taking it away rounds to a whole number.
const SHIFTER: f64 = 6_755_399_441_055_744.0;

/// Smallest whole number not below `x`, or one that is below it by less than 1e-9.
#[inline]
fn ceil_loose(x: f64) -> f64 {
    (x + (0.5 - 1e-9) + SHIFTER) - SHIFTER
}

/// A whole number of magnitude below 2^31 as an integer: the low bits of its sum with 1.5 * 2^52.
#[inline]
fn whole(x: f64) -> i32 {
    (x + SHIFTER).to_bits() as i32
}

/// A crystal in its reduced cell. `load` reuses the memory of the crystal before.
#[derive(Debug, Clone)]
pub struct SearchCell {
    given: Mat3,
    transform: IntMat3,
    transform_float: Mat3,
    is_given: bool,
    /// Reduced rows in a frame where they are triangular: a ball is then solved axis by axis.
    frame: Mat3,
    inverse_diagonal: Vec3,
    /// Distances of the reduced cell's planes.
    spacings: Vec3,
    /// Bound of rounding in the frame's coordinates, angstrom.
    margin: f64,
    /// Half the summed lengths of the reduced vectors: every point has a lattice point this near.
    covering: f64,
    frac: Vec<Vec3>,
    /// Fractional coordinates in the reduced cell, in [0, 1).
    wrapped: Vec<Vec3>,
    /// Wrapped positions in the frame.
    position: Vec<Vec3>,
    /// Given-cell shift that carries atom i from where it was given to where it was wrapped.
    home: Vec<Vec3>,
    site: Vec<i32>,
}

impl Default for SearchCell {
    fn default() -> Self {
        let zero = [[0.0; 3]; 3];
        Self {
            given: zero,
            transform: INT_IDENTITY,
            transform_float: zero,
            is_given: true,
            frame: zero,
            inverse_diagonal: [0.0; 3],
            spacings: [0.0; 3],
            margin: 0.0,
            covering: 0.0,
            frac: vec![],
            wrapped: vec![],
            position: vec![],
            home: vec![],
            site: vec![],
        }
    }
}

impl SearchCell {
    /// Reduce the cell and wrap the atoms of one crystal.
    pub fn load(&mut self, given: &Mat3, frac: &[Vec3], site: Option<&[i32]>) {
        self.load_cell(given);
        let into_reduced = to_float(&unimodular_inverse(&self.transform));
        self.frac.clear();
        self.frac.extend_from_slice(frac);
        self.wrapped.clear();
        self.position.clear();
        self.home.clear();
        for x in frac {
            // First in the given cell, where it is exact however far the atom lies, then in the reduced one.
            let first = x.map(floor_int);
            let inside = [0, 1, 2].map(|c| x[c] - first[c] as f64);
            let mut reduced = inside;
            let mut home = [0, 1, 2].map(|c| -first[c]);
            if !self.is_given {
                reduced = row_times(inside, &into_reduced);
                let second = reduced.map(floor_int);
                reduced = [0, 1, 2].map(|c| reduced[c] - second[c] as f64);
                let back = int_row_times(second, &self.transform);
                home = [0, 1, 2].map(|c| home[c] - back[c]);
            }
            self.position.push(row_times(reduced, &self.frame));
            self.wrapped.push(reduced);
            self.home.push(home.map(|n| n as f64));
        }
        self.site.clear();
        self.site.extend_from_slice(site.unwrap_or_default());
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
        self.inverse_diagonal = [0, 1, 2].map(|a| 1.0 / self.frame[a][a]);
        let rows = &reduction.rows;
        let volume = self.frame[0][0] * self.frame[1][1] * self.frame[2][2];
        self.spacings = [0, 1, 2].map(|a| {
            let face = crate::math::cross(rows[(a + 1) % 3], rows[(a + 2) % 3]);
            volume / norm(face)
        });
        let total: f64 = rows.iter().map(|row| norm(*row)).sum();
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

    pub(super) fn spacings(&self) -> Vec3 {
        self.spacings
    }

    pub(super) fn wrapped(&self) -> &[Vec3] {
        &self.wrapped
    }

    pub(super) fn positions(&self) -> &[Vec3] {
        &self.position
    }

    pub(super) fn frame(&self) -> &Mat3 {
        &self.frame
    }

    /// Search radius that surely holds everything at `distance <= limit`.
    #[inline]
    pub(super) fn reach(&self, limit: f64) -> f64 {
        limit * (1.0 + 1e-9) + self.margin
    }

    /// Whether [`Self::images`] visits in rising order of shifts.
    pub fn visits_in_order(&self) -> bool {
        self.is_given
    }

    /// Visit all images of the atoms `others` within `limit` of atom i, in rising order of j and reduced translation;
    /// the atom itself and its mixed-site partners excepted.
    ///
    /// The ball is solved axis by axis. Each axis is one loop over a window of fixed length with an append that does
    /// not branch: for the small crystals that this serves, mispredicted branches would cost more than the tests.
    #[inline]
    pub fn images(
        &self,
        i: usize,
        others: Range<usize>,
        limit: f64,
        stages: &mut Stages,
        mut visit: impl FnMut(Neighbor),
    ) {
        let reach = self.reach(limit);
        let square = reach * reach;
        let [a, b, c] = self.frame;
        let here = self.position[i];
        let window = [0, 1, 2].map(|axis| 1 + (2.0 * reach * self.inverse_diagonal[axis] + 1e-6) as usize);

        let planes = room(&mut stages.planes, others.len() * window[0]);
        let mut count = 0;
        for j in others {
            let base = sub(self.position[j], here);
            let mut n = ceil_loose((-reach - base[0]) * self.inverse_diagonal[0]);
            for _ in 0..window[0] {
                let x = base[0] + n * a[0];
                let left = square - x * x;
                planes[count] = Plane {
                    j,
                    n,
                    left,
                    y: base[1] + n * a[1],
                    z: base[2] + n * a[2],
                };
                count += usize::from(left >= 0.0);
                n += 1.0;
            }
        }
        let rows = room(&mut stages.rows, count * window[1]);
        let planes = &stages.planes[..count];
        count = 0;
        for plane in planes {
            let mut n = ceil_loose((-reach - plane.y) * self.inverse_diagonal[1]);
            for _ in 0..window[1] {
                let y = plane.y + n * b[1];
                let left = plane.left - y * y;
                rows[count] = Row {
                    j: plane.j,
                    n: [plane.n, n],
                    left,
                    z: plane.z + n * b[2],
                };
                count += usize::from(left >= 0.0);
                n += 1.0;
            }
        }
        let points = room(&mut stages.points, count * window[2]);
        let rows = &stages.rows[..count];
        count = 0;
        for row in rows {
            let mut n = ceil_loose((-reach - row.z) * self.inverse_diagonal[2]);
            for _ in 0..window[2] {
                let z = row.z + n * c[2];
                points[count] = Point {
                    j: row.j,
                    n: [row.n[0], row.n[1], n],
                };
                count += usize::from(row.left - z * z >= 0.0);
                n += 1.0;
            }
        }
        for point in &stages.points[..count] {
            self.offer(i, point.j, point.n, limit, &mut visit);
        }
    }

    /// Hand over the image of j at reduced translation n, if it is a neighbour by the given coordinates.
    #[inline]
    pub(super) fn offer(&self, i: usize, j: usize, n: Vec3, limit: f64, visit: &mut impl FnMut(Neighbor)) {
        let n = if self.is_given {
            n
        } else {
            row_times(n, &self.transform_float)
        };
        let (from, to) = (&self.home[i], &self.home[j]);
        let shift = [0, 1, 2].map(|c| n[c] + to[c] - from[c]);
        let (here, there) = (&self.frac[i], &self.frac[j]);
        // Antisymmetric in floating point too: the reverse edge is the exact negative.
        let delta = [0, 1, 2].map(|c| (there[c] - here[c]) + shift[c]);
        // Adding zero turns -0 into 0.
        let vector = row_times(delta, &self.given).map(|x| x + 0.0);
        let distance = dot(vector, vector).sqrt();
        if distance > limit {
            return;
        }
        if distance <= DISTANCE_SLACK && self.is_same_site(i, j) {
            return;
        }
        visit(Neighbor {
            vector,
            distance,
            shift: shift.map(whole),
            j: j as u32,
        });
    }

    fn is_same_site(&self, i: usize, j: usize) -> bool {
        i == j || (!self.site.is_empty() && self.site[i] == self.site[j])
    }
}
