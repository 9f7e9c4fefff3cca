//! Bins for crystals of many atoms: only atoms of nearby bins are looked at, once for all atoms of a bin.

use std::ops::Range;

use multiversion::multiversion;

use super::cell::{Hit, SearchCell, set_bits, whole};
use crate::math::{Vec3, ceil_int, floor_int, row_times};

const LANES: usize = 8;
/// Candidates that are looked at together, one bit for each.
const BLOCK: usize = 64;
/// Bins for each atom up to which their beginnings are listed.
const BINS_PER_ATOM: u64 = 8;

/// Widest bins, angstrom.
const WIDEST: f64 = 10.0;

/// A shift of the given cell; the fourth number is the atom that is carried by it.
type Image = [i32; 4];

/// Atoms sorted by bin. Empty bins cost nothing, so a cluster in a huge vacuum is no special case.
#[derive(Debug, Clone)]
pub struct Grid {
    bins: [i64; 3],
    /// Bin of each sorted atom: `(b0 * bins[1] + b1) * bins[2] + b2`.
    keys: Vec<u64>,
    /// Where each bin begins, unless there are many more bins than atoms.
    starts: Vec<u32>,
    /// The sorted atoms, each with what carries it to where it was wrapped.
    images: Vec<Image>,
    /// Place of each atom among the sorted ones.
    places: Vec<u32>,
    /// Positions in the frame, sorted.
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
}

/// Some bins of a row, seen from where the crystal is repeated.
struct Row {
    atoms: Range<usize>,
    /// Translation that repeats it, in reduced cells.
    cells: Vec3,
    /// The same in the frame, and as a shift of the given cell.
    translation: Vec3,
    shift: [i32; 3],
}

/// Images around a bin, and which of them lie near eight atoms of it. Memory of one search after the other.
#[derive(Debug, Default)]
pub struct Around {
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
    images: Vec<Image>,
    near: Vec<[u64; LANES]>,
    doubtful: bool,
}

impl Grid {
    /// Sort the atoms of a cell into bins about as wide as `limit`, within which neighbours will be searched.
    pub fn new(cell: &SearchCell, limit: f64) -> Self {
        let (_, possible) = cell.bounds(limit);
        // A whole number of bins reach that far; bins wider than this would hold too many atoms that are not near.
        let width = (possible / (possible / WIDEST).ceil()).max(1.0) * (1.0 + 1e-12);
        let bins = cell
            .spacings()
            .map(|spacing| ((spacing / width) as i64).clamp(1, 1 << 20));
        let [u, v, w] = &cell.wrapped;
        let bin = |c: usize, atom: usize| ((cell.wrapped[c][atom] * bins[c] as f64) as i64).clamp(0, bins[c] - 1);
        let key = |atom| ((bin(0, atom) * bins[1] + bin(1, atom)) * bins[2] + bin(2, atom)) as u64;
        let of_atoms: Vec<u64> = (0..cell.len()).map(key).collect();
        let total = (bins[0] * bins[1]) as u64 * bins[2] as u64;
        let mut order: Vec<u32> = (0..cell.len() as u32).collect();
        let mut starts = Vec::new();
        if total <= BINS_PER_ATOM * order.len() as u64 {
            starts.resize(total as usize + 1, 0);
            for &key in &of_atoms {
                starts[key as usize + 1] += 1;
            }
            for bin in 0..total as usize {
                starts[bin + 1] += starts[bin];
            }
            let mut next = starts.clone();
            for (atom, &key) in (0..).zip(&of_atoms) {
                order[next[key as usize] as usize] = atom;
                next[key as usize] += 1;
            }
        } else {
            order.sort_by_key(|&atom| of_atoms[atom as usize]);
        }
        let mut grid = Self {
            bins,
            keys: order.iter().map(|&atom| of_atoms[atom as usize]).collect(),
            starts,
            images: vec![],
            places: vec![0; order.len()],
            x: vec![],
            y: vec![],
            z: vec![],
        };
        for (place, &atom) in order.iter().enumerate() {
            let at = atom as usize;
            let [x, y, z] = row_times([u[at], v[at], w[at]], &cell.frame);
            grid.x.push(x);
            grid.y.push(y);
            grid.z.push(z);
            let [h0, h1, h2] = &cell.home;
            grid.images
                .push([whole(h0[at]), whole(h1[at]), whole(h2[at]), atom as i32]);
            grid.places[at] = place as u32;
        }
        grid
    }

    /// Place of an atom among the sorted ones.
    pub fn place(&self, atom: usize) -> usize {
        self.places[atom] as usize
    }

    /// The atom at a place.
    pub fn atom(&self, place: usize) -> usize {
        self.images[place][3] as usize
    }

    /// Sorted atoms of the bins `first..=last`, which lie in one row.
    fn between(&self, first: i64, last: i64) -> Range<usize> {
        if self.starts.is_empty() {
            let start = self.keys.partition_point(|&key| key < first as u64);
            let length = self.keys[start..].iter().take_while(|&&key| key <= last as u64).count();
            start..start + length
        } else {
            self.starts[first as usize] as usize..self.starts[last as usize + 1] as usize
        }
    }

    /// Visit the rows of atoms in the bins from `low` to `high`, which may lie outside the cell.
    fn rows(&self, cell: &SearchCell, low: [i64; 3], high: [i64; 3], mut visit: impl FnMut(Row)) {
        let [a, b, c] = cell.frame;
        let outer = low[2].div_euclid(self.bins[2])..=high[2].div_euclid(self.bins[2]);
        for t0 in low[0]..=high[0] {
            let n0 = t0.div_euclid(self.bins[0]);
            let b0 = t0 - n0 * self.bins[0];
            for t1 in low[1]..=high[1] {
                let n1 = t1.div_euclid(self.bins[1]);
                let b1 = t1 - n1 * self.bins[1];
                let row = (b0 * self.bins[1] + b1) * self.bins[2];
                for n2 in outer.clone() {
                    let from = (low[2] - n2 * self.bins[2]).max(0);
                    let to = (high[2] - n2 * self.bins[2]).min(self.bins[2] - 1);
                    let atoms = self.between(row + from, row + to);
                    if atoms.is_empty() {
                        continue;
                    }
                    let (p, q, r) = (n0 as f64, n1 as f64, n2 as f64);
                    let [s0, s1, s2] = row_times([p, q, r], &cell.transform_float);
                    visit(Row {
                        atoms,
                        cells: [p, q, r],
                        translation: [p * a[0], p * a[1] + q * b[1], p * a[2] + q * b[2] + r * c[2]],
                        shift: [whole(s0), whole(s1), whole(s2)],
                    });
                }
            }
        }
    }

    /// Append the neighbours within `limit` of the atoms at some places, those of each in no particular order, and to
    /// `ends` where they end.
    pub fn find(
        &self,
        cell: &SearchCell,
        places: Range<usize>,
        limit: f64,
        around: &mut Around,
        hits: &mut Vec<Hit>,
        ends: &mut Vec<u32>,
    ) {
        let (sure, possible) = cell.bounds(limit);
        let bounds = (sure * sure, possible * possible);
        let spacings = cell.spacings();
        let reach = [0, 1, 2].map(|c| ceil_int(possible / spacings[c] * self.bins[c] as f64));
        let mut start = places.start;
        while start < places.end {
            let key = self.keys[start];
            let same = self.keys[start..places.end].iter().take_while(|&&other| other == key);
            let bin = start..start + same.count();
            let key = key as i64;
            let outer = key / self.bins[2];
            let b = [outer / self.bins[1], outer % self.bins[1], key % self.bins[2]];
            let (low, high) = ([0, 1, 2].map(|c| b[c] - reach[c]), [0, 1, 2].map(|c| b[c] + reach[c]));
            around.clear();
            // Where the atoms of the bin itself are among the candidates.
            let mut home = 0;
            self.rows(cell, low, high, |row| {
                if row.cells == [0.0; 3] && row.atoms.contains(&bin.start) {
                    home = around.images.len() + bin.start - row.atoms.start;
                }
                around.add(self, row);
            });
            around.fill_up();
            for eight in bin.clone().step_by(LANES) {
                let eight = eight..(eight + LANES).min(bin.end);
                mark(self, around, eight.clone(), bounds);
                for (lane, place) in eight.enumerate() {
                    let itself = home + place - bin.start;
                    around.near[itself / BLOCK][lane] &= !(1 << (itself % BLOCK));
                    let begin = hits.len();
                    collect(around, lane, self.images[place], hits);
                    if around.doubtful || cell.has_sites() {
                        cell.settle(self.atom(place), limit, hits, begin);
                    }
                    ends.push(hits.len() as u32);
                }
            }
            start = bin.end;
        }
    }

    /// Append the neighbours of one atom within `limit`, however large that is.
    pub fn find_around(&self, cell: &SearchCell, atom: usize, limit: f64, hits: &mut Vec<Hit>) {
        let (_, possible) = cell.bounds(limit);
        let spacings = cell.spacings();
        let bound = |c: usize, sign: f64| {
            floor_int((cell.wrapped[c][atom] + sign * possible / spacings[c]) * self.bins[c] as f64)
        };
        let place = self.place(atom);
        let here = [self.x[place], self.y[place], self.z[place]];
        let home = self.images[place];
        let begin = hits.len();
        self.rows(
            cell,
            [0, 1, 2].map(|c| bound(c, -1.0)),
            [0, 1, 2].map(|c| bound(c, 1.0)),
            |row| {
                let to = [0, 1, 2].map(|c| row.translation[c] - here[c]);
                for at in row.atoms {
                    let (x, y, z) = (self.x[at] + to[0], self.y[at] + to[1], self.z[at] + to[2]);
                    let image = self.images[at];
                    let shift = [0, 1, 2].map(|c| row.shift[c] + image[c] - home[c]);
                    let itself = at == place && shift == [0; 3];
                    if x * x + y * y + z * z <= possible * possible && !itself {
                        hits.push(Hit {
                            shift,
                            j: image[3] as u32,
                        });
                    }
                }
            },
        );
        cell.settle(atom, limit, hits, begin);
    }
}

impl Around {
    fn clear(&mut self) {
        for column in [&mut self.x, &mut self.y, &mut self.z] {
            column.clear();
        }
        self.images.clear();
    }

    fn add(&mut self, grid: &Grid, row: Row) {
        let begin = self.images.len();
        self.x.extend_from_slice(&grid.x[row.atoms.clone()]);
        self.y.extend_from_slice(&grid.y[row.atoms.clone()]);
        self.z.extend_from_slice(&grid.z[row.atoms.clone()]);
        self.images.extend_from_slice(&grid.images[row.atoms]);
        if row.cells == [0.0; 3] {
            return;
        }
        for (column, by) in [&mut self.x, &mut self.y, &mut self.z].into_iter().zip(row.translation) {
            column[begin..].iter_mut().for_each(|place| *place += by);
        }
        let [a, b, c] = row.shift;
        let by = [a, b, c, 0];
        for image in &mut self.images[begin..] {
            *image = [0, 1, 2, 3].map(|c| image[c].wrapping_add(by[c]));
        }
    }

    /// Candidates that are nowhere, so that each block is full.
    fn fill_up(&mut self) {
        let length = self.x.len().next_multiple_of(BLOCK);
        self.near.resize(length / BLOCK, [0; LANES]);
    }
}

/// Find out which candidates lie near up to eight atoms.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn mark(grid: &Grid, around: &mut Around, places: Range<usize>, bounds: (f64, f64)) {
    let mut here = [[f64::INFINITY; LANES]; 3];
    for (lane, place) in places.enumerate() {
        here[0][lane] = grid.x[place];
        here[1][lane] = grid.y[place];
        here[2][lane] = grid.z[place];
    }
    let mut all_doubts = [0u64; LANES];
    let columns = (around.x.chunks(BLOCK))
        .zip(around.y.chunks(BLOCK))
        .zip(around.z.chunks(BLOCK));
    for (((xs, ys), zs), out) in columns.zip(&mut around.near) {
        let (mut near, mut doubts) = ([0u64; LANES], [0u64; LANES]);
        let mut bit = 1u64;
        for ((&x, &y), &z) in xs.iter().zip(ys).zip(zs) {
            for lane in 0..LANES {
                let (x, y, z) = (x - here[0][lane], y - here[1][lane], z - here[2][lane]);
                let square = x * x + y * y + z * z;
                near[lane] |= if square <= bounds.1 { bit } else { 0 };
                doubts[lane] |= if square <= bounds.0 { 0 } else { bit };
            }
            bit = bit.rotate_left(1);
        }
        for lane in 0..LANES {
            all_doubts[lane] |= near[lane] & doubts[lane];
        }
        *out = near;
    }
    around.doubtful = all_doubts != [0; LANES];
}

/// Append what lies near one of the eight atoms, which was carried home by `home`.
#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512vl+avx2+bmi1+bmi2+popcnt",
    "x86_64+avx2+bmi1+bmi2+popcnt"
))]
fn collect(around: &Around, lane: usize, home: Image, hits: &mut Vec<Hit>) {
    for (near, images) in around.near.iter().zip(around.images.chunks(BLOCK)) {
        hits.extend(set_bits(near[lane]).map(|place| {
            let image = &images[place];
            Hit {
                shift: [
                    image[0].wrapping_sub(home[0]),
                    image[1].wrapping_sub(home[1]),
                    image[2].wrapping_sub(home[2]),
                ],
                j: image[3] as u32,
            }
        }));
    }
}
