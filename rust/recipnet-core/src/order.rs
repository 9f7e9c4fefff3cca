//! The order of rows: distance first; in a run of ties (gaps of at most 1e-9 angstrom) what the caller says.

use std::cmp::Ordering;

/// Distances that follow each other with gaps up to this are one tie.
pub const TIE_GAP: f64 = 1e-9;

/// Distances are binned to 2^-32 angstrom for sorting: finer than the gap, coarser than rounding.
pub const BINS_PER_UNIT: f64 = 4_294_967_296.0;
/// 2^52: the low bits of its sum with a smaller number are that number, rounded to a whole one.
pub const WHOLE: f64 = 4_503_599_627_370_496.0;
/// Bins over which a tie may reach.
pub const REACH: u64 = (TIE_GAP * BINS_PER_UNIT) as u64 + 1;
const INDEX_BITS: u32 = 16;
/// Stands for a distance that has too many bins.
const NO_KEY: u64 = u64::MAX;

/// Sorts positions 0..n of a list by distance with ties. Holds the memory between lists.
#[derive(Debug, Default)]
pub struct Sorter {
    keys: Vec<u64>,
    wide: Vec<(u64, u32)>,
    order: Vec<u32>,
}

/// The binned distance, above room for a position.
#[inline]
fn key(distance: f64) -> u64 {
    let bins = distance * BINS_PER_UNIT;
    let key = (bins + WHOLE).to_bits() << INDEX_BITS;
    if bins < (1u64 << (63 - INDEX_BITS)) as f64 {
        key
    } else {
        NO_KEY
    }
}

impl Sorter {
    /// Positions in order; `tie` compares positions inside a tie. `distance` must be finite and not negative.
    pub fn sort(
        &mut self,
        count: usize,
        distance: impl Fn(usize) -> f64,
        tie: impl Fn(usize, usize) -> Ordering,
    ) -> &[u32] {
        self.sort_bins(count, &distance);
        sort_ties(&mut self.order, distance, tie);
        &self.order
    }

    /// Order by bins of distance, then position (by distance itself where there are too many rows or bins).
    ///
    /// Tells too whether ties may reach over bins: where they do not, every tie is in order of positions already.
    pub fn sort_bins(&mut self, count: usize, distance: impl Fn(usize) -> f64) -> (&[u32], bool) {
        self.order.clear();
        self.keys.clear();
        self.keys.extend((0..count).map(|p| key(distance(p)) | p as u64));
        if count <= 1 << INDEX_BITS && self.keys.iter().all(|key| key >> 63 == 0) {
            self.keys.sort_unstable();
            let mask = (1u64 << INDEX_BITS) - 1;
            self.order.extend(self.keys.iter().map(|key| (key & mask) as u32));
            // One pass without branches: such a tie is very rare.
            let open = self.keys.windows(2).fold(false, |found, pair| {
                let apart = (pair[1] >> INDEX_BITS) - (pair[0] >> INDEX_BITS);
                found | (apart.wrapping_sub(1) < REACH)
            });
            return (&self.order, open);
        }
        // Not negative, so the bits of the float sort as the float does.
        self.wide.clear();
        self.wide.extend((0..count).map(|p| (distance(p).to_bits(), p as u32)));
        self.wide.sort_unstable();
        self.order.extend(self.wide.iter().map(|(_, p)| *p));
        (&self.order, true)
    }
}

/// Of rows in the order of bins keep those that are not farther than the k-th smallest distance plus `tolerance`.
///
/// False, with nothing done, if there are fewer than k, or if that reach is above `complete`, up to which all distances
/// are known.
pub fn cut_nearest(
    order: &mut Vec<u32>,
    k: usize,
    (tolerance, complete): (f64, f64),
    distance: impl Fn(usize) -> f64,
) -> bool {
    if order.len() < k {
        return false;
    }
    let at = |p: &u32| distance(*p as usize);
    // Rows of one bin are not sorted among themselves: look at all that may lie in the bin of the k-th.
    let (near, width) = (at(&order[k - 1]), 2.0 / BINS_PER_UNIT);
    let before = order[..k].iter().rev().take_while(|p| at(p) >= near - width).count();
    let after = order[k..].iter().take_while(|p| at(p) <= near + width).count();
    let close = order[k - before..k + after].iter().map(at);
    let mut reach = near + tolerance;
    if close.clone().any(|d| d != near) {
        let mut close: Vec<f64> = close.collect();
        let (_, kth, _) = close.select_nth_unstable_by(before - 1, f64::total_cmp);
        reach = *kth + tolerance;
    }
    if reach > complete {
        return false;
    }
    let more = order[k..].iter().take_while(|p| at(p) <= reach + width).count();
    order.truncate(k + more);
    // Of these only the last may be too far.
    let last = order.iter().rev().take_while(|p| at(p) >= reach - width).count();
    let first = order.len() - last;
    let mut kept = first;
    for n in first..order.len() {
        let row = order[n];
        order[kept] = row;
        kept += usize::from(at(&row) <= reach);
    }
    order.truncate(kept);
    true
}

/// Put rows that lie in the order of bins into order: sort each run of ties.
pub fn sort_ties(order: &mut [u32], distance: impl Fn(usize) -> f64, tie: impl Fn(usize, usize) -> Ordering) {
    let count = order.len();
    let at = |order: &[u32], p: usize| distance(order[p] as usize);
    let mut start = 0;
    while start < count {
        let mut farthest = at(order, start);
        let mut end = start + 1;
        while end < count {
            let next = at(order, end);
            let gap = next - farthest;
            if gap > TIE_GAP + 1.0 / BINS_PER_UNIT
                || (gap > TIE_GAP && !bin_mate_joins(order, end, farthest, &distance))
            {
                break;
            }
            farthest = farthest.max(next);
            end += 1;
        }
        if end - start > 1 {
            let run = &mut order[start..end];
            let compare = |p: &u32, q: &u32| tie(*p as usize, *q as usize);
            if !run.is_sorted_by(|p, q| compare(p, q).is_lt()) {
                run.sort_unstable_by(compare);
            }
        }
        start = end;
    }
}

/// Rows of one bin are not sorted among themselves: does a later one of the same bin reach back over the gap?
#[cold]
fn bin_mate_joins(order: &[u32], at: usize, farthest: f64, distance: &impl Fn(usize) -> f64) -> bool {
    let width = 1.0 / BINS_PER_UNIT;
    let here = distance(order[at] as usize);
    order[at + 1..]
        .iter()
        .map(|&p| distance(p as usize))
        .take_while(|&d| d <= here + width)
        .any(|d| d - farthest <= TIE_GAP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Exact twin: full sort by distance, then runs.
    fn twin(distances: &[f64], label: &[u32]) -> Vec<u32> {
        let mut order: Vec<u32> = (0..distances.len() as u32).collect();
        order.sort_by(|&p, &q| distances[p as usize].total_cmp(&distances[q as usize]));
        let mut start = 0;
        while start < order.len() {
            let mut end = start + 1;
            while end < order.len() && distances[order[end] as usize] - distances[order[end - 1] as usize] <= TIE_GAP {
                end += 1;
            }
            order[start..end].sort_by_key(|&p| label[p as usize]);
            start = end;
        }
        order
    }

    proptest! {
        #[test]
        fn agrees_with_the_exact_rule(
            steps in prop::collection::vec(prop::sample::select(vec![0.0, 1e-16, 1e-10, 3e-10, 9e-10, 1.1e-9, 0.5]), 0..80),
            seed in any::<u64>(),
            offset in prop::sample::select(vec![0.0, 2.5, 1e5]),
        ) {
            let mut distances: Vec<f64> = steps
                .iter()
                .scan(offset, |d, step| { *d += step; Some(*d) })
                .collect();
            let mut label: Vec<u32> = (0..distances.len() as u32).collect();
            let mut state = seed | 1;
            for p in (1..distances.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                distances.swap(p, (state >> 33) as usize % (p + 1));
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                label.swap(p, (state >> 33) as usize % (p + 1));
            }
            let mut sorter = Sorter::default();
            let order = sorter.sort(distances.len(), |p| distances[p], |p, q| label[p].cmp(&label[q]));
            prop_assert_eq!(order, &twin(&distances, &label)[..]);
            let positions: Vec<u32> = (0..distances.len() as u32).collect();
            let (order, open) = sorter.sort_bins(distances.len(), |p| distances[p]);
            if !open {
                prop_assert_eq!(order, &twin(&distances, &positions)[..]);
            }
        }
    }

    proptest! {
        #[test]
        fn the_nearest_are_cut_exactly(
            steps in prop::collection::vec(prop::sample::select(vec![0.0, 1e-16, 1e-10, 3e-10, 1.1e-9, 0.5]), 1..60),
            k in 1usize..60,
            tolerance in prop::sample::select(vec![0.0, 1e-10, 0.6]),
        ) {
            let mut distances: Vec<f64> = steps.iter().scan(2.5, |d, step| { *d += step; Some(*d) }).collect();
            distances.reverse();
            let found = {
                let mut sorter = Sorter::default();
                let mut order = sorter.sort_bins(distances.len(), |p| distances[p]).0.to_vec();
                cut_nearest(&mut order, k, (tolerance, 1e9), |p| distances[p]).then_some(order)
            };
            if k > distances.len() {
                prop_assert_eq!(found, None);
            } else {
                let reach = distances[distances.len() - k] + tolerance;
                let mut found = found.unwrap();
                found.sort_unstable();
                let expected: Vec<u32> =
                    (0..distances.len() as u32).filter(|&p| distances[p as usize] <= reach).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn long_lists_take_the_wide_path() {
        let distances: Vec<f64> = (0..70_000u32).map(|p| f64::from(p * 7919 % 70_000) * 0.01).collect();
        let label: Vec<u32> = (0..70_000).collect();
        let mut sorter = Sorter::default();
        let order = sorter
            .sort(distances.len(), |p| distances[p], |p, q| label[p].cmp(&label[q]))
            .to_vec();
        assert_eq!(order, twin(&distances, &label));
    }
}
