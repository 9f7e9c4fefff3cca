//! Which atoms are near a point: bins of the unit cell, of which a table of twice as many places as atoms keeps some each.

use super::cell::{Cell, wrap};

/// Up to this many atoms all are looked at.
const FEW: usize = 32;
/// Bins are at least so many times as wide as the search reaches, so that most points need one bin only.
const WIDE: f64 = 4.0;
/// Bins are at most so wide, angstrom: a cluster in an empty cell must not fall into one.
const WIDEST: f64 = 2.5;
/// Most bins along an axis.
const MOST: usize = 1 << 20;
/// Borders of bins lie where atoms seldom do: not at halves, thirds and quarters.
const SHIFT: f64 = 0.31;

/// Finds atoms near a point.
pub(super) struct Neighborhood<'s> {
    cell: &'s Cell,
    sites: &'s [[f64; 3]],
    bins: [usize; 3],
    /// How far a search reaches, in bins.
    reach: [f64; 3],
    /// Where each bin starts in `members`; empty where all atoms are looked at.
    starts: Vec<u32>,
    members: Vec<u32>,
}

impl<'s> Neighborhood<'s> {
    /// Prepare for searches within `reach` (angstrom) or less; positions lie in [0, 1).
    pub fn new(cell: &'s Cell, sites: &'s [[f64; 3]], reach: f64) -> Self {
        let mut out = Self {
            cell,
            sites,
            bins: [1; 3],
            reach: [0.0; 3],
            starts: Vec::new(),
            members: Vec::new(),
        };
        if sites.len() <= FEW {
            return out;
        }
        let width = (cell.volume / (2 * sites.len()) as f64)
            .cbrt()
            .min(WIDEST)
            .max(WIDE * reach);
        for axis in 0..3 {
            // Cells are at most 1e4 angstrom long, unless the caller says otherwise.
            out.bins[axis] = ((cell.spacings[axis] / width) as usize).clamp(1, MOST);
            // Rounding of places must not hide an atom on the border.
            out.reach[axis] = reach / cell.spacings[axis] * out.bins[axis] as f64 + 1e-9;
        }
        out.starts.resize((2 * sites.len()).next_power_of_two() + 1, 0);
        let keys: Vec<u32> = sites.iter().map(|&site| out.key(site)).collect();
        for &key in &keys {
            out.starts[key as usize] += 1;
        }
        let mut sum = 0;
        for start in &mut out.starts {
            sum += *start;
            *start = sum;
        }
        out.members.resize(sites.len(), 0);
        // Filled from behind, so that every bin lists its atoms by rising index and `starts` moves to the starts.
        for (index, &key) in keys.iter().enumerate().rev() {
            let start = &mut out.starts[key as usize];
            *start -= 1;
            out.members[*start as usize] = index as u32;
        }
        out
    }

    /// Place on an axis, in bins.
    #[inline]
    fn place(&self, x: f64, axis: usize) -> f64 {
        x * self.bins[axis] as f64 + SHIFT
    }

    #[inline]
    fn key(&self, x: [f64; 3]) -> u32 {
        let place = |axis: usize| {
            let place = self.place(x[axis], axis) as usize;
            if place >= self.bins[axis] { 0 } else { place }
        };
        self.slot([place(0), place(1), place(2)])
    }

    /// Place of a bin in the table. Bins that share one cost tests in vain, nothing else.
    #[inline]
    fn slot(&self, bin: [usize; 3]) -> u32 {
        let number = (bin[0] as u64) << 40 | (bin[1] as u64) << 20 | bin[2] as u64;
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ mixed >> 32) as usize & (self.starts.len() - 2)) as u32
    }

    /// Bins on an axis that a search around `x` must look into, the first twice where it is the only one.
    #[inline]
    fn span(&self, x: f64, axis: usize) -> [usize; 2] {
        let (place, bins) = (self.place(x, axis), self.bins[axis]);
        let turn = |place: f64| {
            // Between -1 and one more than the number of bins.
            let whole = place + bins as f64;
            let bin = whole as usize;
            let bin = if bin >= bins { bin - bins } else { bin };
            if bin >= bins { bin - bins } else { bin }
        };
        [turn(place - self.reach[axis]), turn(place + self.reach[axis])]
    }

    /// Those of the first `count` sites that lie within `limit` of `x`, with their squared distances, by rising index.
    pub fn near(&self, x: [f64; 3], limit: f64, count: usize, found: &mut Vec<(u32, f64)>) {
        found.clear();
        let mut test = |index: u32| {
            if let Some(square) = self.cell.within(self.sites[index as usize], x, limit) {
                found.push((index, square));
            }
        };
        if self.starts.is_empty() {
            (0..count as u32).for_each(&mut test);
            return;
        }
        let x = x.map(wrap);
        let [a, b, c] = [0, 1, 2].map(|axis| self.span(x[axis], axis));
        let steps = |span: [usize; 2]| 1 + usize::from(span[0] != span[1]);
        let (mut slots, mut known) = ([0; 8], 0);
        for &a in &a[..steps(a)] {
            for &b in &b[..steps(b)] {
                for &c in &c[..steps(c)] {
                    let slot = self.slot([a, b, c]);
                    // Two bins of one slot are looked into once.
                    if slots[..known].contains(&slot) {
                        continue;
                    }
                    slots[known] = slot;
                    known += 1;
                    let slot = slot as usize;
                    for &index in &self.members[self.starts[slot] as usize..self.starts[slot + 1] as usize] {
                        if index as usize >= count {
                            break;
                        }
                        test(index);
                    }
                }
            }
        }
        if found.len() > 1 {
            found.sort_unstable_by_key(|entry| entry.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cif::options::CifOptions;

    #[test]
    fn bins_find_what_brute_force_finds() {
        let mut state = 1u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        for (count, parameters) in [
            (3000, [9.0, 11.0, 7.0, 80.0, 100.0, 115.0]),
            (60, [4.0, 3.0, 5.0, 90.0, 95.0, 90.0]),
            (33, [1.0, 1.0, 40.0, 90.0, 90.0, 120.0]),
            (40, [3.0, 2000.0, 9000.0, 90.0, 90.0, 90.0]),
            (32, [3.0, 3.0, 3.0, 90.0, 90.0, 90.0]),
        ] {
            let cell = Cell::from_parameters(parameters, &CifOptions::default()).unwrap();
            let sites: Vec<[f64; 3]> = (0..count).map(|_| [random(), random(), random()]).collect();
            let search = Neighborhood::new(&cell, &sites, 0.5);
            let (mut found, mut pairs) = (Vec::new(), 0);
            for &x in &sites {
                search.near(x, 0.5, sites.len(), &mut found);
                let brute: Vec<u32> = (0..sites.len() as u32)
                    .filter(|&index| cell.within(sites[index as usize], x, 0.5).is_some())
                    .collect();
                assert_eq!(found.iter().map(|entry| entry.0).collect::<Vec<_>>(), brute);
                pairs += brute.len();
            }
            assert!(pairs >= sites.len());
        }
    }
}
