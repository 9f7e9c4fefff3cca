//! Crystals of few atoms: each atom meets all images that lie near the cell, which are laid out once in columns.

use multiversion::multiversion;

use super::cell::{Hit, SearchCell, whole};
use super::lanes::Pending;
use crate::math::{Vec3, ceil_int, floor_int, row_times};

/// Search of one crystal after the other, reusing memory.
#[derive(Debug, Default)]
pub struct SmallSearch {
    /// Images of the atoms in the frame, those of one atom together.
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
    /// Atom and shift of each image.
    images: Vec<Hit>,
    /// Where the images of each atom begin.
    starts: Vec<u32>,
    /// Shifts of the images that an atom has of itself within the limit, the positive half, in rising order.
    own: Vec<[i32; 3]>,
    limit: f64,
    /// Squares of what [`SearchCell::bounds`] gives.
    bounds: (f64, f64),
    pending: Pending,
}

/// Runs of hits of one pair that are sorted by insertion.
const SHORT: usize = 40;

impl SmallSearch {
    /// Every undirected edge of a crystal once: with `i < j`, or with `i = j` and a positive shift.
    ///
    /// Appends the hits of each atom in the order (j, shift), and to `ends` where they end.
    pub fn find(&mut self, cell: &SearchCell, limit: f64, self_images: bool, hits: &mut Vec<Hit>, ends: &mut Vec<u32>) {
        if cell.len() == 0 {
            return;
        }
        self.prepare(cell, limit);
        if !self_images {
            self.own.clear();
        }
        rows(self, cell, hits, ends);
    }

    /// All neighbours of atom i, in no particular order.
    pub fn find_around(&mut self, cell: &SearchCell, i: usize, limit: f64, hits: &mut Vec<Hit>) {
        self.prepare(cell, limit);
        for &shift in &self.own {
            let back = shift.map(|n| -n);
            hits.extend([shift, back].map(|shift| Hit { shift, j: i as u32 }));
        }
        one_row(self, cell, i, hits);
    }

    /// Lay out the images for a limit.
    fn prepare(&mut self, cell: &SearchCell, limit: f64) {
        let (sure, possible) = cell.bounds(limit);
        self.limit = limit;
        self.bounds = (sure * sure, possible * possible);
        let reach = cell.spacings().map(|spacing| possible / spacing);
        self.find_own(cell, reach);
        self.x.clear();
        self.y.clear();
        self.z.clear();
        self.images.clear();
        self.starts.clear();
        if cell.len() > 1 {
            // Images are needed where the atoms are, and as far around as the limit reaches.
            let ends = [0, 1, 2].map(|c| {
                let span = cell.wrapped[c]
                    .iter()
                    .fold((f64::INFINITY, 0.0f64), |(low, high), &u| (low.min(u), high.max(u)));
                (span.0 - reach[c], span.1 + reach[c])
            });
            for j in 0..cell.len() {
                self.starts.push(self.x.len() as u32);
                self.lay_out(cell, j, ends);
            }
        }
        self.starts.push(self.x.len() as u32);
    }

    /// Images of atom j whose reduced coordinates lie between the ends.
    fn lay_out(&mut self, cell: &SearchCell, j: usize, ends: [(f64, f64); 3]) {
        let [a, b, c] = cell.frame;
        let u = [0, 1, 2].map(|axis| cell.wrapped[axis][j]);
        let home = [0, 1, 2].map(|axis| cell.home[axis][j]);
        let [x, y, z] = row_times(u, &cell.frame);
        let low = [0, 1, 2].map(|axis| ceil_int(ends[axis].0 - u[axis]));
        let high = [0, 1, 2].map(|axis| floor_int(ends[axis].1 - u[axis]));
        let counts = [0, 1, 2].map(|axis| (high[axis] - low[axis] + 1).max(0) as usize);
        let begin = self.x.len();
        let end = begin + counts[0] * counts[1] * counts[2];
        for column in [&mut self.x, &mut self.y, &mut self.z] {
            column.resize(end, 0.0);
        }
        self.images.resize(end, Hit::default());
        if end == begin {
            return;
        }
        let rows = (self.x[begin..].chunks_exact_mut(counts[2]))
            .zip(self.y[begin..].chunks_exact_mut(counts[2]))
            .zip(self.z[begin..].chunks_exact_mut(counts[2]))
            .zip(self.images[begin..].chunks_exact_mut(counts[2]));
        let step = [0, 1, 2].map(|axis| whole(cell.transform_float[2][axis]));
        let first = low[2] as f64;
        let (mut n0, mut n1) = (low[0], low[1]);
        for (((xs, ys), zs), images) in rows {
            let (p, q) = (n0 as f64, n1 as f64);
            let (x, y) = (x + p * a[0], y + p * a[1] + q * b[1]);
            let z = z + p * a[2] + q * b[2] + first * c[2];
            let start = row_times([p, q, first], &cell.transform_float);
            let mut shift = [0, 1, 2].map(|axis| whole(start[axis] + home[axis]));
            for (at, (((xs, ys), zs), image)) in xs.iter_mut().zip(ys).zip(zs).zip(images).enumerate() {
                (*xs, *ys, *zs) = (x, y, z + at as f64 * c[2]);
                *image = Hit { shift, j: j as u32 };
                shift = [0, 1, 2].map(|axis| shift[axis] + step[axis]);
            }
            n1 += 1;
            if n1 > high[1] {
                (n0, n1) = (n0 + 1, low[1]);
            }
        }
    }

    fn find_own(&mut self, cell: &SearchCell, reach: Vec3) {
        self.own.clear();
        let reach = reach.map(floor_int);
        let [a, b, c] = cell.frame;
        for n0 in 0..=reach[0] {
            for n1 in if n0 == 0 { 0 } else { -reach[1] }..=reach[1] {
                for n2 in if n0 == 0 && n1 == 0 { 1 } else { -reach[2] }..=reach[2] {
                    let n = [n0, n1, n2].map(|n| n as f64);
                    let z = n[0] * a[2] + n[1] * b[2] + n[2] * c[2];
                    let (x, y) = (n[0] * a[0], n[0] * a[1] + n[1] * b[1]);
                    let square = x * x + y * y + z * z;
                    if square <= self.bounds.1 {
                        let shift = row_times(n, &cell.transform_float).map(whole);
                        // One of each pair +-n is positive in the given cell.
                        let shift = if shift > [0; 3] { shift } else { shift.map(|n| -n) };
                        if square <= self.bounds.0 || cell.is_neighbor(0, Hit { shift, j: 0 }, self.limit) {
                            self.own.push(shift);
                        }
                    }
                }
            }
        }
        if !cell.is_given {
            self.own.sort_unstable();
        }
    }

    /// Gather the images between two places that lie near atom i, and append them as hits.
    #[inline(always)]
    fn meet(&mut self, cell: &SearchCell, i: usize, from: usize, to: usize, hits: &mut Vec<Hit>) {
        let here = row_times([0, 1, 2].map(|c| cell.wrapped[c][i]), &cell.frame).map(|x| -x);
        let home = [0, 1, 2].map(|c| whole(cell.home[c][i]));
        let columns = [&self.x[from..to], &self.y[from..to], &self.z[from..to]];
        self.pending.clear();
        let doubtful = self.pending.gather(columns, here, self.bounds, from as u64);
        let begin = hits.len();
        let images = &self.images;
        hits.extend(self.pending.items().iter().map(|&at| {
            let image = images[at as usize];
            Hit {
                shift: [0, 1, 2].map(|c| image.shift[c] - home[c]),
                j: image.j,
            }
        }));
        if doubtful || cell.has_sites() {
            cell.settle(i, self.limit, hits, begin);
        }
        if !cell.is_given {
            sort_runs(&mut hits[begin..]);
        }
    }
}

/// Sort each run of hits of one atom by shift.
fn sort_runs(hits: &mut [Hit]) {
    for run in hits.chunk_by_mut(|a, b| a.j == b.j) {
        if run.len() > SHORT {
            run.sort_unstable_by_key(|hit| hit.shift);
            continue;
        }
        for end in 1..run.len() {
            let hit = run[end];
            let mut at = end;
            while at > 0 && run[at - 1].shift > hit.shift {
                run[at] = run[at - 1];
                at -= 1;
            }
            run[at] = hit;
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn rows(search: &mut SmallSearch, cell: &SearchCell, hits: &mut Vec<Hit>, ends: &mut Vec<u32>) {
    for i in 0..cell.len() {
        hits.extend(search.own.iter().map(|&shift| Hit { shift, j: i as u32 }));
        if i + 1 < cell.len() {
            let (from, to) = (search.starts[i + 1] as usize, search.x.len());
            search.meet(cell, i, from, to, hits);
        }
        ends.push(hits.len() as u32);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn one_row(search: &mut SmallSearch, cell: &SearchCell, i: usize, hits: &mut Vec<Hit>) {
    if cell.len() > 1 {
        let (from, to) = (search.starts[i] as usize, search.starts[i + 1] as usize);
        search.meet(cell, i, 0, from, hits);
        search.meet(cell, i, to, search.x.len(), hits);
    }
}
