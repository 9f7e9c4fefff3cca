//! Bins for crystals of many atoms: only atoms of nearby bins are looked at.

use super::cell::{Neighbor, SearchCell};
use crate::math::{dot, floor_int, sub};

/// Atoms sorted by bin. Empty bins cost nothing, so a cluster in a huge vacuum is no special case.
#[derive(Debug, Clone)]
pub struct Grid {
    bins: [i64; 3],
    /// Bin of each sorted atom: `(b0 * bins[1] + b1) * bins[2] + b2`.
    keys: Vec<u64>,
    atoms: Vec<u32>,
}

impl Grid {
    /// Sort the atoms of a cell into bins about `width` angstrom wide.
    pub fn new(cell: &SearchCell, width: f64) -> Self {
        let bins = cell
            .spacings()
            .map(|spacing| ((spacing / width) as i64).clamp(1, 1 << 20));
        let mut order: Vec<(u64, u32)> = cell
            .wrapped()
            .iter()
            .enumerate()
            .map(|(atom, u)| {
                let b = [0, 1, 2].map(|c| ((u[c] * bins[c] as f64) as i64).clamp(0, bins[c] - 1));
                (((b[0] * bins[1] + b[1]) * bins[2] + b[2]) as u64, atom as u32)
            })
            .collect();
        order.sort_unstable();
        let (keys, atoms) = order.into_iter().unzip();
        Self { bins, keys, atoms }
    }

    /// Visit all neighbours of atom i within `limit`, in no particular order.
    pub fn around(&self, cell: &SearchCell, i: usize, limit: f64, mut visit: impl FnMut(Neighbor)) {
        let reach = cell.reach(limit);
        let square = reach * reach;
        let (u, here) = (cell.wrapped()[i], cell.positions()[i]);
        let spacings = cell.spacings();
        let frame = cell.frame();
        let bound = |c: usize, sign: f64| floor_int((u[c] + sign * reach / spacings[c]) * self.bins[c] as f64);
        let (low, high) = ([0, 1, 2].map(|c| bound(c, -1.0)), [0, 1, 2].map(|c| bound(c, 1.0)));
        for t0 in low[0]..=high[0] {
            let (n0, b0) = (t0.div_euclid(self.bins[0]), t0.rem_euclid(self.bins[0]));
            for t1 in low[1]..=high[1] {
                let (n1, b1) = (t1.div_euclid(self.bins[1]), t1.rem_euclid(self.bins[1]));
                let row = (b0 * self.bins[1] + b1) * self.bins[2];
                for n2 in low[2].div_euclid(self.bins[2])..=high[2].div_euclid(self.bins[2]) {
                    let from = (low[2] - n2 * self.bins[2]).max(0);
                    let to = (high[2] - n2 * self.bins[2]).min(self.bins[2] - 1);
                    let n = [n0, n1, n2];
                    let t = n.map(|x| x as f64);
                    let origin = [
                        here[0] - t[0] * frame[0][0],
                        here[1] - t[0] * frame[0][1] - t[1] * frame[1][1],
                        here[2] - t[0] * frame[0][2] - t[1] * frame[1][2] - t[2] * frame[2][2],
                    ];
                    let (first, last) = ((row + from) as u64, (row + to) as u64);
                    let start = self.keys.partition_point(|&key| key < first);
                    for at in start..self.keys.len() {
                        if self.keys[at] > last {
                            break;
                        }
                        let j = self.atoms[at] as usize;
                        let d = sub(cell.positions()[j], origin);
                        if dot(d, d) <= square {
                            cell.offer(i, j, t, limit, &mut visit);
                        }
                    }
                }
            }
        }
    }
}
