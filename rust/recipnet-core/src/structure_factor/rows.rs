//! Reflections as lines of one index, around whose middle a sum of phases is even or odd.
//!
//! The middle lies between two reflections, (h, k, l0) and (h, k, l0 + 1). At a distance of n = m + 1/2 from it the terms
//! are `XYZ^(l0 + 1/2) . Z^(+-n)`, so four sums of real products serve two reflections.
//! Friedel mates `F(-h) = conj F(h)` of real weights share a place.

use std::ops::Range;

use crate::lattice::Lattice;
use crate::machine::{Kernel, Machine, dispatch, unrolled};
use crate::math::triangular;
use crate::reciprocal::{self, Run};
use crate::scratch::{Buffer, holds};

/// Reflections of each side of a line are a multiple of this.
pub const QUAD: usize = 4;
/// Reflections that are looked up, or compared, side by side.
pub const LANES: usize = 8;
/// A gap that is wider than this cuts a line when lines are sparse.
const GAP: i32 = 8;
/// The bit of a place that says that the mate of the reflection is stored.
const MATE: u32 = 1 << 31;

/// A line of reflections: `QUAD quads` up to `start`, and as many behind it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Row {
    /// The two indices of the line, then the running one before the middle.
    pub start: [i32; 3],
    /// Groups of [`QUAD`] of each side.
    pub quads: u32,
    /// Slots of the lines before.
    pub base: u32,
}

impl Row {
    /// Reflections of the line.
    #[inline]
    pub fn slots(&self) -> usize {
        2 * QUAD * self.quads as usize
    }

    /// The slot after its last.
    #[inline]
    pub fn end(&self) -> u32 {
        self.base + self.slots() as u32
    }
}

/// Where a reflection is found: its slot, and whether its mate is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place(u32);

impl Place {
    #[inline]
    pub fn slot(self) -> usize {
        (self.0 & !MATE) as usize
    }

    /// Whether the mate is stored.
    #[inline]
    pub fn is_mate(self) -> bool {
        self.0 & MATE != 0
    }
}

/// All reflections of a crystal as lines.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// The running index.
    pub axis: usize,
    /// Lines, longest first.
    pub lines: Vec<Row>,
    /// One for each reflection.
    pub places: Buffer<Place>,
    /// Whether some of them are those of mates.
    pub has_mates: bool,
    /// Scratch: for each line, of a dense box or of those there are, the slot of its running index 0.
    bins: Vec<i32>,
    /// Scratch: for each reflection, its line among these.
    numbers: Buffer<u32>,
    /// Scratch: what each line holds.
    runs: Vec<Run>,
    /// Scratch: number and slot of the next line of each length.
    next: Vec<[u32; 2]>,
    /// Scratch: the first and the last running index of each line.
    spans: Vec<(i32, i32)>,
}

/// Lines of a dense box of indices.
#[derive(Debug, Clone, Copy)]
struct Table {
    bins: usize,
    /// Bins of neighbours in the first index are this far apart.
    columns: usize,
    /// Bin of (0, 0).
    shift: i32,
    /// Most reflections of a line.
    longest: u32,
}

impl Table {
    #[inline]
    fn bin(&self, h: i32, k: i32) -> usize {
        (h * self.columns as i32 + k + self.shift) as usize
    }
}

/// Two indices that name a line, then the running one.
pub fn axes(axis: usize) -> [usize; 3] {
    match axis {
        0 => [1, 2, 0],
        1 => [0, 2, 1],
        _ => [0, 1, 2],
    }
}

/// The mate whose first index that is not 0 is positive, or, on the line through the origin, any; and -1 if the
/// indices changed their signs, else 0.
#[inline]
fn positive(h: [i32; 3]) -> ([i32; 3], i32) {
    let sign = if h[0] == 0 { h[1] >> 31 } else { h[0] >> 31 };
    (h.map(|i| (i ^ sign) - sign), sign)
}

/// Place of running index `l` on a line with running index 0 at slot `zero`.
#[inline]
fn place(zero: i32, l: i32, sign: i32) -> Place {
    Place((zero + l) as u32 | (sign as u32 & MATE))
}

holds!(Rows: lines, places, bins, numbers, runs, next, spans);

/// Lines of some runs of at most `longest` reflections, the longest first; `put` gets the slot of the running index 0 of
/// each run, by its number.
fn lay(
    (runs, longest): (&[Run], u32),
    lines: &mut Vec<Row>,
    next: &mut Vec<[u32; 2]>,
    mut put: impl FnMut(usize, i32),
) {
    const QUADS: u32 = 2 * QUAD as u32;
    let longest = longest.div_ceil(QUADS);
    next.clear();
    next.resize(longest as usize + 1, [0; 2]);
    for run in runs {
        next[run.count.div_ceil(QUADS) as usize][0] += 1;
    }
    let mut begin = [0; 2];
    for (quads, next) in next.iter_mut().enumerate().rev() {
        let slots = next[0] * QUADS * quads as u32;
        (*next, begin) = (begin, [begin[0] + next[0], begin[1] + slots]);
    }
    lines.resize(runs.len(), Row::default());
    for (run, i) in runs.iter().zip(0..) {
        let quads = run.count.div_ceil(QUADS);
        let [number, base] = &mut next[quads as usize];
        // Of an odd number one more lies behind the middle.
        let middle = run.l + (run.count / 2) as i32 - 1;
        lines[*number as usize] = Row {
            start: [run.h, run.k, middle],
            quads,
            base: *base,
        };
        put(i, (*base + QUAD as u32 * quads) as i32 - 1 - middle);
        *number += 1;
        *base += QUADS * quads;
    }
}

impl Rows {
    /// Sort reflections, all of them within `1/d <= 2 stol`, into lines along the longest axis.
    pub fn set(&mut self, hkl: &[[i32; 3]], lattice: &Lattice, stol: f64) {
        let radius = 2.0 * stol * (1.0 + 1e-9);
        // |h| = |h* . a| is at most |h*| |a|.
        let extent = lattice.lengths().map(|a| (radius * a) as i32 + 1);
        self.axis = (0..3).rev().max_by_key(|&a| extent[a]).unwrap_or(2);
        let [p, q, _] = axes(self.axis);
        let columns = 2 * extent[q] as usize + 1;
        let table = Table {
            bins: (extent[p] as usize + 1) * columns,
            columns,
            shift: extent[q],
            longest: 2 * extent[self.axis] as u32 + 1,
        };
        let is_set = table.bins <= 2 * hkl.len() + 64
            && (self.set_ball(table, lattice, radius, hkl.len()) || self.set_spans(table, hkl));
        if !is_set {
            self.set_sparse(hkl);
            return;
        }
        let look_up = LookUp {
            hkl,
            axes: axes(self.axis),
            columns: columns as i32,
            shift: table.shift,
            bins: &self.bins,
            numbers: self.numbers.set_len(hkl.len()),
            places: self.places.set_len(hkl.len()),
            has_mates: &mut self.has_mates,
        };
        dispatch(look_up);
    }

    /// No lines: reflections lie in their order.
    pub fn set_consecutive(&mut self, count: usize) {
        self.lines.clear();
        for (to, slot) in self.places.set_len(count).iter_mut().zip(0..) {
            *to = Place(slot);
        }
        self.has_mates = false;
    }

    /// All lines of the half ball; false if that would be far more reflections than were asked for.
    fn set_ball(&mut self, table: Table, lattice: &Lattice, radius: f64, asked: usize) -> bool {
        let volume = 2.0 / 3.0 * std::f64::consts::PI * radius.powi(3) * lattice.volume();
        if volume > 3.0 * asked as f64 + 64.0 {
            return false;
        }
        let reciprocal = lattice.reciprocal();
        let frame = triangular(&axes(self.axis).map(|a| reciprocal[a]));
        self.runs.clear();
        reciprocal::add_half(&frame, radius, &mut self.runs);
        // The line through the origin has both sides.
        if let Some(Run { h: 0, k: 0, l, count }) = self.runs.first_mut() {
            (*l, *count) = (-(*count as i32), 2 * *count + 1);
        } else {
            self.runs.insert(
                0,
                Run {
                    h: 0,
                    k: 0,
                    l: 0,
                    count: 1,
                },
            );
        }
        self.lay_in_table(table);
        true
    }

    /// Lines of all runs, which lie in a table.
    fn lay_in_table(&mut self, table: Table) {
        let Self {
            runs,
            lines,
            next,
            bins: zeros,
            ..
        } = self;
        zeros.clear();
        zeros.resize(table.bins, 0);
        lay((runs, table.longest), lines, next, |number, zero| {
            let Run { h, k, .. } = runs[number];
            zeros[table.bin(h, k)] = zero;
        });
    }

    /// Lines from their first reflection to their last; false if that would be far more than were asked for.
    fn set_spans(&mut self, table: Table, hkl: &[[i32; 3]]) -> bool {
        let [p, q, r] = axes(self.axis);
        self.spans.clear();
        self.spans.resize(table.bins, (i32::MAX, i32::MIN));
        for h in hkl {
            let ([h, k, l], _) = positive([h[p], h[q], h[r]]);
            let (low, high) = &mut self.spans[table.bin(h, k)];
            (*low, *high) = (l.min(*low), l.max(*high));
        }
        let lengths = self.spans.iter().filter(|(low, high)| low <= high);
        let count: i64 = lengths.map(|(low, high)| i64::from(high - low) + 1).sum();
        if count > 3 * hkl.len() as i64 + 64 {
            return false;
        }
        self.runs.clear();
        for (bin, &(low, high)) in self.spans.iter().enumerate() {
            if low <= high {
                let (h, k) = ((bin / table.columns) as i32, (bin % table.columns) as i32 - table.shift);
                let count = (high - low) as u32 + 1;
                self.runs.push(Run { h, k, l: low, count });
            }
        }
        self.lay_in_table(table);
        true
    }

    /// Lines by sorting, cut at gaps.
    fn set_sparse(&mut self, hkl: &[[i32; 3]]) {
        let [p, q, r] = axes(self.axis);
        let canonical = |i: u32| {
            let h = hkl[i as usize];
            positive([h[p], h[q], h[r]])
        };
        let mut order: Vec<u32> = (0..hkl.len() as u32).collect();
        order.sort_unstable_by_key(|&i| canonical(i).0);
        self.runs.clear();
        self.numbers.set_len(order.len());
        let mut rest = order.as_slice();
        while let Some(&first) = rest.first() {
            let [h, k, low] = canonical(first).0;
            let mut high = low;
            let count = rest.iter().take_while(|&&i| {
                let [a, b, l] = canonical(i).0;
                let same = [a, b] == [h, k] && l - high <= GAP;
                high = if same { l } else { high };
                same
            });
            let (members, others) = rest.split_at(count.count());
            rest = others;
            for &i in members {
                self.numbers[i as usize] = self.runs.len() as u32;
            }
            let count = (high - low) as u32 + 1;
            self.runs.push(Run { h, k, l: low, count });
        }
        self.bins.resize(self.runs.len(), 0);
        let longest = self.runs.iter().map(|run| run.count).max().unwrap_or(0);
        lay(
            (&self.runs, longest),
            &mut self.lines,
            &mut self.next,
            |number, zero| self.bins[number] = zero,
        );
        for (i, to) in (0..).zip(self.places.set_len(order.len())) {
            let (h, sign) = canonical(i);
            *to = place(self.bins[self.numbers[i as usize] as usize], h[2], sign);
        }
        self.has_mates = true;
    }

    /// Consecutive lines that have at most about `limit` slots.
    pub fn slabs(&self, limit: usize) -> Vec<Range<usize>> {
        if self.lines.last().map_or(0, Row::end) as usize <= limit && !self.lines.is_empty() {
            return std::iter::once(0..self.lines.len()).collect();
        }
        let mut slabs = Vec::new();
        let (mut first, mut size) = (0, 0);
        for (place, row) in self.lines.iter().enumerate() {
            if size > 0 && size + row.slots() > limit {
                slabs.push(first..place);
                (first, size) = (place, 0);
            }
            size += row.slots();
        }
        if first < self.lines.len() {
            slabs.push(first..self.lines.len());
        }
        slabs
    }
}

/// Places of reflections by the table of lines.
struct LookUp<'a> {
    hkl: &'a [[i32; 3]],
    axes: [usize; 3],
    columns: i32,
    shift: i32,
    bins: &'a [i32],
    /// Scratch: number of each reflection's line in the table.
    numbers: &'a mut [u32],
    places: &'a mut [Place],
    has_mates: &'a mut bool,
}

impl Kernel for LookUp<'_> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        match self.axes {
            [1, 2, 0] => self.along::<1, 2, 0>(),
            [0, 2, 1] => self.along::<0, 2, 1>(),
            _ => self.along::<0, 1, 2>(),
        }
    }
}

impl LookUp<'_> {
    /// P, Q and R are the axes.
    #[inline(always)]
    fn along<const P: usize, const Q: usize, const R: usize>(self) {
        let (columns, shift) = (self.columns, self.shift);
        let mut signs = 0;
        // Two loops: the first one is of whole vectors.
        for ((h, number), place) in self.hkl.iter().zip(&mut *self.numbers).zip(&mut *self.places) {
            // Negative where the first index is, or the second if the first is 0.
            let line = h[P] * columns + h[Q];
            let sign = line >> 31;
            signs |= sign;
            *number = ((line ^ sign) - sign + shift) as u32;
            // Within the line, about its running index 0; the mate's bit is the highest.
            *place = Place((((h[R] ^ sign) - sign) as u32).wrapping_add(sign as u32 & MATE));
        }
        *self.has_mates = signs != 0;
        unrolled::<4, _, _>(self.numbers, self.places, |number, place| {
            place.0 = place.0.wrapping_add(self.bins[number as usize] as u32);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{norm, row_times};
    use proptest::prelude::*;

    fn check(hkl: &[[i32; 3]], lattice: &Lattice) {
        let stol = hkl
            .iter()
            .map(|h| 0.5 * norm(row_times(h.map(f64::from), lattice.reciprocal())))
            .fold(0.0, f64::max);
        let mut rows = Rows::default();
        rows.set(hkl, lattice, stol);
        assert_eq!(rows.places.len(), hkl.len());
        for (h, place) in hkl.iter().zip(&*rows.places) {
            let next = rows.lines.partition_point(|row| row.base as usize <= place.slot());
            let row = rows.lines[next - 1];
            let mut found = [0; 3];
            for (axis, index) in axes(rows.axis).into_iter().zip(row.start) {
                found[axis] = index;
            }
            found[rows.axis] += (place.slot() - row.base as usize) as i32 + 1 - row.slots() as i32 / 2;
            let sign = if place.is_mate() { -1 } else { 1 };
            assert_eq!(found.map(|i| sign * i), *h);
        }
        let mut sum = 0;
        for row in &rows.lines {
            assert_eq!(row.base, sum);
            sum += row.slots() as u32;
        }
        for limit in [1, 200, 10_000] {
            let slabs = rows.slabs(limit);
            assert_eq!(
                slabs.iter().map(ExactSizeIterator::len).sum::<usize>(),
                rows.lines.len()
            );
        }
    }

    proptest! {
        #[test]
        fn every_reflection_has_its_place(
            hkl in prop::collection::vec(prop::array::uniform3(-9..10i32), 0..600),
            shear in -4.0..4.0f64,
        ) {
            let lattice = Lattice::new([[3.0, 0.0, 0.0], [shear, 4.0, 0.0], [0.3 * shear, shear, 5.0]]).unwrap();
            check(&hkl, &lattice);
        }

        #[test]
        fn sparse_ones_too(hkl in prop::collection::vec(prop::array::uniform3(-4000..4000i32), 0..40)) {
            check(&hkl, &Lattice::new([[3.0, 0.0, 0.0], [1.0, 4.0, 0.0], [0.0, 1.0, 5.0]]).unwrap());
        }

        #[test]
        fn whole_balls(
            lengths in prop::array::uniform3(2.0..12.0f64),
            angles in prop::array::uniform3(60.0..120.0f64),
            half in any::<bool>(),
        ) {
            let cell = Lattice::from_parameters(lengths[0], lengths[1], lengths[2], angles[0], angles[1], angles[2]);
            prop_assume!(cell.is_ok());
            let lattice = cell.unwrap();
            let mut hkl = vec![];
            crate::lattice::lines(&triangular(lattice.reciprocal()), 1.0, half, |h, k, from, to| {
                hkl.extend((from..=to).map(|l| [h, k, l]));
            });
            check(&hkl, &lattice);
            // A part of it, as unique reflections are: lines of their own.
            hkl.retain(|&[h, k, l]| h >= k && k >= l && l >= 0);
            check(&hkl, &lattice);
        }
    }
}
