//! Crystals of few atoms: each pair of atoms meets all lattice translations that can bring it near, laid out in columns.

use multiversion::multiversion;

use super::cell::{Hit, SHIFTER, SearchCell, whole};
use crate::lattice::lines;
use crate::math::{Vec3, floor_int, row_times};

/// Translations that are looked at together, one bit for each.
const BLOCK: usize = 64;
const LANES: usize = 8;

/// A shift of the given cell; the fourth number is the atom that is carried by it.
type Image = [i32; 4];

/// Search of one crystal after the other, reusing memory.
#[derive(Debug, Default)]
pub struct SmallSearch {
    /// From each atom to the nearest image, or nearly so, of those behind it.
    pairs: Pairs,
    translations: Translations,
    /// Shifts of the images that an atom has of itself within the limit, the positive half, in rising order.
    own: Vec<[i32; 3]>,
    limit: f64,
    /// Squares of what [`SearchCell::bounds`] gives.
    bounds: (f64, f64),
}

/// Vectors in the frame, by column, and the images they lead to.
#[derive(Debug, Default)]
struct Pairs {
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
    images: Vec<Image>,
}

/// Lattice vectors in rising order of their shifts, cut into blocks.
#[derive(Debug, Default)]
struct Translations {
    shifts: Vec<Image>,
    /// Rows of each block; lane l of row r is translation `l * rows + r` of the block.
    rows: usize,
    x: Vec<[f64; LANES]>,
    y: Vec<[f64; LANES]>,
    z: Vec<[f64; LANES]>,
    /// While they are gathered: vectors in the frame.
    vectors: Vec<Vec3>,
}

impl SmallSearch {
    /// Every undirected edge of a crystal once: with `i < j`, or with `i = j` and a positive shift.
    ///
    /// Appends the hits of each atom in the order (j, shift), to `ends` where they end, and to `counts` the edges of
    /// each atom, both directions counted.
    pub fn find(
        &mut self,
        cell: &SearchCell,
        limit: f64,
        self_images: bool,
        hits: &mut Vec<Hit>,
        (ends, counts): (&mut Vec<u32>, &mut Vec<u32>),
    ) {
        let atoms = cell.len();
        if atoms == 0 {
            return;
        }
        self.pairs.clear();
        self.pairs.reserve(atoms * (atoms - 1) / 2);
        for i in 0..atoms {
            self.pairs.meet(cell, i, i + 1..atoms);
        }
        self.prepare(cell, limit);
        if !self_images {
            self.own.clear();
        }
        let first = counts.len();
        counts.resize(first + atoms, 2 * self.own.len() as u32);
        rows(self, cell, hits, ends, &mut counts[first..]);
    }

    /// All neighbours of atom i, in no particular order.
    pub fn find_around(&mut self, cell: &SearchCell, i: usize, limit: f64, hits: &mut Vec<Hit>) {
        self.pairs.clear();
        self.pairs.meet(cell, i, 0..i);
        self.pairs.meet(cell, i, i + 1..cell.len());
        self.prepare(cell, limit);
        for &shift in &self.own {
            let back = shift.map(|n| -n);
            hits.extend([shift, back].map(|shift| Hit { shift, j: i as u32 }));
        }
        for pair in 0..self.pairs.images.len() {
            self.near(pair, (cell, i), hits);
        }
    }

    /// Lay out the translations for a limit and the pairs at hand.
    fn prepare(&mut self, cell: &SearchCell, limit: f64) {
        let (sure, possible) = cell.bounds(limit);
        self.limit = limit;
        self.bounds = (sure * sure, possible * possible);
        self.translations.lay_out(cell, possible, self.pairs.farthest());
        self.own.clear();
        for block in 0..self.translations.blocks() {
            let (mut near, doubtful) = self.translations.near(block, [0.0; 3], self.bounds);
            let shifts = self.translations.of_block(block);
            while near != 0 {
                let [n0, n1, n2, _] = shifts[near.trailing_zeros() as usize];
                near &= near - 1;
                let shift = [n0, n1, n2];
                if shift > [0; 3] && (!doubtful || cell.is_neighbor(0, Hit { shift, j: 0 }, limit)) {
                    self.own.push(shift);
                }
            }
        }
    }

    /// Append the images of a pair from atom i within the limit.
    #[inline(always)]
    fn near(&self, pair: usize, (cell, i): (&SearchCell, usize), hits: &mut Vec<Hit>) {
        let pairs = &self.pairs;
        let to = [pairs.x[pair], pairs.y[pair], pairs.z[pair]];
        let image = pairs.images[pair];
        let begin = hits.len();
        let mut doubtful = false;
        for block in 0..self.translations.blocks() {
            let (mut near, doubts) = self.translations.near(block, to, self.bounds);
            doubtful |= doubts;
            let shifts = self.translations.of_block(block);
            hits.extend((0..near.count_ones()).map(|_| {
                let shift = &shifts[near.trailing_zeros() as usize];
                near &= near.wrapping_sub(1);
                let [n0, n1, n2, j] = [0, 1, 2, 3].map(|c| image[c].wrapping_add(shift[c]));
                Hit {
                    shift: [n0, n1, n2],
                    j: j as u32,
                }
            }));
        }
        if doubtful || cell.is_one_site(i, image[3] as usize) {
            cell.settle(i, self.limit, hits, begin);
        }
    }
}

impl Pairs {
    fn clear(&mut self) {
        self.x.clear();
        self.y.clear();
        self.z.clear();
        self.images.clear();
    }

    fn reserve(&mut self, count: usize) {
        self.x.reserve(count);
        self.y.reserve(count);
        self.z.reserve(count);
        self.images.reserve(count);
    }

    /// Append the pairs of atom i with some others.
    fn meet(&mut self, cell: &SearchCell, i: usize, others: std::ops::Range<usize>) {
        let [a, b, c] = cell.frame;
        let here = [0, 1, 2].map(|axis| cell.wrapped[axis][i]);
        let home = [0, 1, 2].map(|axis| cell.home[axis][i]);
        for j in others {
            let apart = [0, 1, 2].map(|axis| cell.wrapped[axis][j] - here[axis]);
            let cells = apart.map(|u| (u + SHIFTER) - SHIFTER);
            let u = [0, 1, 2].map(|axis| apart[axis] - cells[axis]);
            self.x.push(u[0] * a[0]);
            self.y.push(u[0] * a[1] + u[1] * b[1]);
            self.z.push(u[0] * a[2] + u[1] * b[2] + u[2] * c[2]);
            let carried = row_times(cells, &cell.transform_float);
            let shift = [0, 1, 2].map(|axis| whole(cell.home[axis][j] - home[axis] - carried[axis]));
            self.images.push([shift[0], shift[1], shift[2], j as i32]);
        }
    }

    /// Length of the longest vector.
    fn farthest(&self) -> f64 {
        let squares = (self.x.iter().zip(&self.y).zip(&self.z)).map(|((x, y), z)| x * x + y * y + z * z);
        squares
            .fold(0.0, |most: f64, square| if square > most { square } else { most })
            .sqrt()
    }
}

impl Translations {
    fn blocks(&self) -> usize {
        self.x.len() / self.rows
    }

    /// Shifts of a block; more than lie in it where it is not full.
    #[inline(always)]
    fn of_block(&self, block: usize) -> &[Image] {
        &self.shifts[block * self.rows * LANES..]
    }

    /// All lattice vectors that bring a vector, no longer than `farthest` and no longer than half a reduced cell along
    /// each axis, to within the limit.
    fn lay_out(&mut self, cell: &SearchCell, limit: f64, farthest: f64) {
        let [a, b, c] = cell.frame;
        // Along each axis the atoms of a pair are at most half a cell apart, and a hair.
        let most = cell.spacings().map(|spacing| floor_int(limit / spacing + 0.501) as i32);
        let radius = (limit + farthest) * (1.0 + 1e-9);
        self.shifts.clear();
        self.vectors.clear();
        lines(&cell.frame, radius, false, |n0, n1, from, to| {
            if n0.abs() > most[0] || n1.abs() > most[1] {
                return;
            }
            let (p, q) = (f64::from(n0), f64::from(n1));
            let (x, y, z) = (p * a[0], p * a[1] + q * b[1], p * a[2] + q * b[2]);
            for n2 in from.max(-most[2])..=to.min(most[2]) {
                let r = f64::from(n2);
                self.vectors.push([x, y, z + r * c[2]]);
                let shift = row_times([p, q, r], &cell.transform_float).map(whole);
                self.shifts.push([shift[0], shift[1], shift[2], 0]);
            }
        });
        let count = self.shifts.len();
        if !cell.is_given {
            let mut order: Vec<u32> = (0..count as u32).collect();
            order.sort_unstable_by_key(|&at| self.shifts[at as usize]);
            self.shifts = order.iter().map(|&at| self.shifts[at as usize]).collect();
            self.vectors = order.iter().map(|&at| self.vectors[at as usize]).collect();
        }
        let blocks = count.div_ceil(BLOCK).max(1);
        self.rows = count.div_ceil(blocks * LANES).max(1);
        for column in [&mut self.x, &mut self.y, &mut self.z] {
            column.clear();
            column.resize(blocks * self.rows, [f64::INFINITY; LANES]);
        }
        let (mut row, mut lane) = (0, 0);
        for &[x, y, z] in &self.vectors {
            (self.x[row][lane], self.y[row][lane], self.z[row][lane]) = (x, y, z);
            row += 1;
            if row % self.rows == 0 {
                lane += 1;
                if lane == LANES {
                    lane = 0;
                } else {
                    row -= self.rows;
                }
            }
        }
    }

    /// Which translations of a block bring a vector to within the second bound (squares), and whether one of them is
    /// above the first.
    #[inline(always)]
    fn near(&self, block: usize, to: Vec3, bounds: (f64, f64)) -> (u64, bool) {
        let rows = block * self.rows..(block + 1) * self.rows;
        let columns = (self.x[rows.clone()].iter())
            .zip(&self.y[rows.clone()])
            .zip(&self.z[rows]);
        let (mut near, mut doubts) = ([0u64; LANES], [0u64; LANES]);
        let mut bit = 1u64;
        for ((x, y), z) in columns {
            for lane in 0..LANES {
                let (x, y, z) = (x[lane] + to[0], y[lane] + to[1], z[lane] + to[2]);
                let square = x * x + y * y + z * z;
                near[lane] |= if square <= bounds.1 { bit } else { 0 };
                doubts[lane] |= if square <= bounds.0 { 0 } else { bit };
            }
            bit <<= 1;
        }
        let (mut all, mut doubtful) = (0, 0);
        for lane in 0..LANES {
            all |= near[lane] << (lane * self.rows);
            doubtful |= near[lane] & doubts[lane];
        }
        (all, doubtful != 0)
    }
}

#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512vl+avx2+bmi1+bmi2+popcnt",
    "x86_64+avx2+bmi1+bmi2+popcnt"
))]
fn rows(search: &SmallSearch, cell: &SearchCell, hits: &mut Vec<Hit>, ends: &mut Vec<u32>, counts: &mut [u32]) {
    let mut pair = 0;
    for i in 0..counts.len() {
        hits.extend(search.own.iter().map(|&shift| Hit { shift, j: i as u32 }));
        for j in i + 1..counts.len() {
            let begin = hits.len();
            search.near(pair, (cell, i), hits);
            pair += 1;
            let count = (hits.len() - begin) as u32;
            counts[i] += count;
            counts[j] += count;
        }
        ends.push(hits.len() as u32);
    }
}
