//! Bins for crystals of many atoms: only atoms of nearby bins are looked at.

use std::ops::Range;

use multiversion::multiversion;

use super::cell::{Hit, SearchCell, whole};
use super::gather::Pending;
use crate::math::{floor_int, row_times};

/// Atoms sorted by bin. Empty bins cost nothing, so a cluster in a huge vacuum is no special case.
#[derive(Debug, Clone)]
pub struct Grid {
    bins: [i64; 3],
    /// Bin of each sorted atom: `(b0 * bins[1] + b1) * bins[2] + b2`.
    keys: Vec<u64>,
    /// Where each bin begins, unless there are many more bins than atoms.
    starts: Vec<u32>,
    atoms: Vec<u32>,
    /// Positions in the frame, sorted.
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
}

/// Bins for each atom up to which their beginnings are listed.
const BINS_PER_ATOM: u64 = 8;

impl Grid {
    /// Sort the atoms of a cell into bins about `width` angstrom wide.
    pub fn new(cell: &SearchCell, width: f64) -> Self {
        let bins = cell
            .spacings()
            .map(|spacing| ((spacing / width) as i64).clamp(1, 1 << 20));
        let [u, v, w] = &cell.wrapped;
        let mut order: Vec<(u64, u32)> = (0..cell.len())
            .map(|atom| {
                let b = [0, 1, 2].map(|c| ((cell.wrapped[c][atom] * bins[c] as f64) as i64).clamp(0, bins[c] - 1));
                (((b[0] * bins[1] + b[1]) * bins[2] + b[2]) as u64, atom as u32)
            })
            .collect();
        order.sort_unstable();
        let (keys, atoms): (Vec<u64>, Vec<u32>) = order.into_iter().unzip();
        let total = (bins[0] * bins[1]) as u64 * bins[2] as u64;
        let mut starts = Vec::new();
        if total <= BINS_PER_ATOM * keys.len() as u64 {
            starts.resize(total as usize + 1, 0);
            for &key in &keys {
                starts[key as usize + 1] += 1;
            }
            for bin in 0..total as usize {
                starts[bin + 1] += starts[bin];
            }
        }
        let mut grid = Self {
            bins,
            keys,
            starts,
            atoms,
            x: vec![],
            y: vec![],
            z: vec![],
        };
        for &atom in &grid.atoms {
            let at = atom as usize;
            let [x, y, z] = row_times([u[at], v[at], w[at]], &cell.frame);
            grid.x.push(x);
            grid.y.push(y);
            grid.z.push(z);
        }
        grid
    }

    /// Sorted atoms of the bins `first..=last`, which lie in one row.
    #[inline(always)]
    fn between(&self, first: i64, last: i64) -> Range<usize> {
        if self.starts.is_empty() {
            let start = self.keys.partition_point(|&key| key < first as u64);
            let length = self.keys[start..].iter().take_while(|&&key| key <= last as u64).count();
            start..start + length
        } else {
            self.starts[first as usize] as usize..self.starts[last as usize + 1] as usize
        }
    }

    /// Append all neighbours of an atom within `limit`, in no particular order.
    #[inline(always)]
    fn around(&self, cell: &SearchCell, i: usize, limit: f64, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        let (sure, possible) = cell.bounds(limit);
        let bounds = (sure * sure, possible * possible);
        let u = [0, 1, 2].map(|c| cell.wrapped[c][i]);
        let here = row_times(u, &cell.frame);
        let frame = &cell.frame;
        let bound =
            |c: usize, sign: f64| floor_int((u[c] + sign * possible * scratch.inverse[c]) * self.bins[c] as f64);
        let (low, high) = ([0, 1, 2].map(|c| bound(c, -1.0)), [0, 1, 2].map(|c| bound(c, 1.0)));
        scratch.rows.clear();
        scratch.pending.clear();
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
                    let range = self.between(row + from, row + to);
                    if range.is_empty() {
                        continue;
                    }
                    let n = [n0, n1, n2].map(|x| x as f64);
                    let to = [
                        n[0] * frame[0][0] - here[0],
                        n[0] * frame[0][1] + n[1] * frame[1][1] - here[1],
                        n[0] * frame[0][2] + n[1] * frame[1][2] + n[2] * frame[2][2] - here[2],
                    ];
                    let shift = row_times(n, &cell.transform_float);
                    let shift = [0, 1, 2].map(|c| shift[c] - cell.home[c][i]);
                    let place = (scratch.rows.len() as u64) << 32;
                    scratch.rows.push(shift);
                    let start = range.start as u64;
                    let columns = [&self.x[range.clone()], &self.y[range.clone()], &self.z[range]];
                    scratch.doubtful |= scratch.pending.gather(columns, to, bounds, place | start);
                }
            }
        }
        let begin = hits.len();
        hits.extend(scratch.pending.items().iter().map(|item| {
            let (row, at) = (&scratch.rows[(item >> 32) as usize], *item as u32 as usize);
            let j = self.atoms[at];
            Hit {
                shift: [0, 1, 2].map(|c| whole(row[c] + cell.home[c][j as usize])),
                j,
            }
        }));
        // The atom itself is among them, always.
        let mut kept = begin;
        for at in begin..hits.len() {
            let hit = hits[at];
            let j = hit.j as usize;
            let itself = j == i && hit.shift == [0; 3];
            hits[kept] = hit;
            kept += usize::from(!itself);
        }
        hits.truncate(kept);
    }
}

/// Memory of one search after the other.
#[derive(Debug, Default)]
struct Scratch {
    pending: Pending,
    rows: Vec<[f64; 3]>,
    inverse: [f64; 3],
    doubtful: bool,
}

/// Neighbours of some atoms, those of each in no particular order; appends to `ends` where they end.
///
/// `keeps`: whether a hit of an atom is wanted.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
pub fn around(
    grid: &Grid,
    cell: &SearchCell,
    atoms: Range<usize>,
    limit: f64,
    hits: &mut Vec<Hit>,
    ends: &mut Vec<u32>,
) {
    let mut scratch = Scratch {
        inverse: cell.spacings().map(|spacing| 1.0 / spacing),
        ..Scratch::default()
    };
    for i in atoms {
        let begin = hits.len();
        scratch.doubtful = cell.has_sites();
        grid.around(cell, i, limit, &mut scratch, hits);
        if scratch.doubtful {
            cell.settle(i, limit, hits, begin);
        }
        ends.push(hits.len() as u32);
    }
}
