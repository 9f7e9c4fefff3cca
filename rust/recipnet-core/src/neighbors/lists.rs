//! From hits to the ordered neighbours of each atom.

use multiversion::multiversion;

use super::cell::{Hit, fractional};
use super::edges::{Edge, Sink};
use super::lanes::{self, LANES, NO_KEY};
use crate::machine::unrolled;
use crate::math::{Mat3, Real, Vec3, dot, row_times};
use crate::order::{REACH, Sorter, cut_nearest, sort_ties};
use crate::scratch::{Buffer, holds};

/// Longer lists are sorted one by one.
const LONG: u32 = 1024;

/// Hits of some atoms of one crystal, and what is made of them.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    pub hits: &'a [Hit],
    /// Where the hits of each atom end; the first one's begin at `begin`.
    pub ends: &'a [u32],
    pub begin: u32,
    /// The first of the atoms.
    pub first: usize,
    /// Entries of each atom's list.
    pub counts: &'a [u32],
    /// Whether each hit is an entry at both its ends (then these are all atoms), or at its centre alone.
    pub both: bool,
    /// Whether hits come in the order (i, j, shift).
    pub listed: bool,
}

/// What a list holds of a hit, or of a hit read from its other end.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    shift: [i32; 3],
    neighbor: u32,
    distance: f64,
}

/// The lists of one crystal, or some of them. `load` reuses the memory of the crystal before.
///
/// Each entry of a list has a code, its place in `entries`. Where hits are listed, codes rise in the order of ties.
#[derive(Debug, Default)]
pub struct Lists {
    /// Fractional vectors of the hits, each filled up to four numbers, which are computed together.
    fractional: Vec<[f64; 4]>,
    /// Length of each hit.
    lengths: Vec<f64>,
    /// What sorts the lengths.
    keys: Vec<u64>,
    entries: Vec<Entry>,
    /// How many entries there are; behind them, and behind what belongs to each hit, may lie older ones.
    total: usize,
    /// Entries of each list.
    counts: Vec<u32>,
    /// Where the lists of each eight atoms begin in `rows`, or that of each atom in `codes`.
    starts: Vec<u32>,
    /// Lists side by side.
    rows: Buffer<f64>,
    /// Whether a list's ties need a second look.
    open: Vec<[bool; LANES]>,
    /// Lists one after the other, where they are too long or too many to lie side by side.
    codes: Vec<u32>,
    /// Where the next entry of each list goes.
    places: Vec<u32>,
    /// The same before an atom's hits.
    before: Vec<u32>,
    /// The list at hand.
    order: Vec<u32>,
    /// Codes of what is to be written.
    ready: Vec<u32>,
    sorter: Sorter,
}

holds!(Lists: fractional, lengths, keys, entries, counts, starts, rows, open, codes, places, before, order, ready);

impl Lists {
    /// Compute the lengths of hits and deal them out to the lists, which are then sorted by bins of distance.
    pub fn load(&mut self, found: &Found, frac: &[Vec3], given: &Mat3) {
        let total = found.hits.len();
        self.total = if found.both { 2 * total } else { total };
        // What lies behind is of other crystals, and is not cleared.
        grow(&mut self.fractional, total);
        grow(&mut self.lengths, total);
        grow(&mut self.keys, total);
        grow(&mut self.entries, self.total);
        meet(found, frac, &mut self.fractional[..total]);
        let too_far = measure(&self.fractional[..total], &mut self.lengths, &mut self.keys, given);
        self.enter(found);
        self.counts.clear();
        self.counts.extend_from_slice(found.counts);
        let longest = found.counts.iter().copied().max().unwrap_or(0);
        self.starts.clear();
        self.codes.clear();
        if too_far || longest > LONG || self.total > 1 << lanes::CODE_BITS {
            self.deal_by_one(found);
        } else {
            self.deal(found);
        }
    }

    /// Entries of all hits, and if they stand in two lists of their other ends.
    fn enter(&mut self, found: &Found) {
        for (at, from, end) in found.stretches() {
            let (hits, lengths) = (&found.hits[from..end], &self.lengths[from..end]);
            let centre = (found.first + at) as u32;
            let own = hits.iter().zip(lengths).map(|(hit, &distance)| Entry {
                shift: hit.shift,
                neighbor: hit.j,
                distance,
            });
            if !found.both {
                for (entry, own) in self.entries[from..end].iter_mut().zip(own) {
                    *entry = own;
                }
                continue;
            }
            let (before, behind) = self.entries[2 * from..2 * end].split_at_mut(end - from);
            for ((own, behind), before) in own.zip(behind).zip(before.iter_mut().rev()) {
                *behind = own;
                *before = Entry {
                    shift: own.shift.map(i32::wrapping_neg),
                    neighbor: centre,
                    distance: own.distance,
                };
            }
        }
    }

    /// Deal out into lists side by side, and sort them.
    fn deal(&mut self, found: &Found) {
        self.places.clear();
        let mut total = 0;
        for eight in self.counts.chunks(LANES) {
            self.starts.push(total);
            self.places
                .extend((0..eight.len() as u32).map(|lane| total * LANES as u32 + lane));
            total += eight
                .iter()
                .copied()
                .max()
                .unwrap_or(0)
                .next_multiple_of(lanes::STEP as u32);
        }
        self.starts.push(total);
        let (rows, places) = (self.rows.set_len(total as usize * LANES), self.places.as_mut_slice());
        rows.fill(NO_KEY);
        self.before.resize(places.len(), 0);
        let before = self.before.as_mut_slice();
        for (at, from, end) in found.stretches() {
            // Own hits fill the end of a list, those of the atoms before its beginning.
            let start = (self.starts[at / LANES] + self.counts[at]) as usize - (end - from);
            let own = start * LANES + at % LANES;
            let keys = self.keys[from..end].iter().enumerate();
            if !found.both {
                for (n, key) in keys {
                    rows[own + n * LANES] = f64::from_bits(key | (from + n) as u64);
                }
                continue;
            }
            // Hits of one neighbour follow each other: to count them is faster than to read what was just written.
            before.clone_from_slice(places);
            let (mut last, mut rank) = (u32::MAX, 0);
            for ((n, key), hit) in keys.zip(&found.hits[from..end]) {
                rows[own + n * LANES] = f64::from_bits(key | (from + end + n) as u64);
                rank = if hit.j == last { rank + LANES as u32 } else { 0 };
                last = hit.j;
                let place = before[hit.j as usize] + rank;
                rows[place as usize] = f64::from_bits(key | (from + end - 1 - n) as u64);
                places[hit.j as usize] = place + LANES as u32;
            }
        }
        self.open.clear();
        let least = u64::from(found.listed);
        let (rows, _) = self.rows.as_chunks_mut();
        for pair in self.starts.windows(2) {
            let rows = &mut rows[pair[0] as usize..pair[1] as usize];
            self.open.push(lanes::sort(rows, least, REACH));
        }
    }

    /// Deal out into one list after the other.
    #[cold]
    fn deal_by_one(&mut self, found: &Found) {
        let mut total = 0;
        for &count in &self.counts {
            self.starts.push(total);
            total += count;
        }
        self.places.clone_from(&self.starts);
        self.codes.resize(total as usize, 0);
        let mut put = |list: usize, code: usize| {
            self.codes[self.places[list] as usize] = code as u32;
            self.places[list] += 1;
        };
        for (at, from, end) in found.stretches() {
            if !found.both {
                (from..end).for_each(|hit| put(at, hit));
                continue;
            }
            for (place, hit) in found.hits[from..end].iter().enumerate() {
                put(hit.j as usize, from + end - 1 - place);
            }
            (from + end..2 * end).for_each(|code| put(at, code));
        }
        for (&start, &count) in self.starts.iter().zip(&self.counts) {
            self.codes[start as usize..(start + count) as usize].sort_unstable();
        }
    }

    /// Take up the list of an atom in the order of bins, then codes; whether its ties need a second look.
    fn take(&mut self, list: usize) -> bool {
        self.order.clear();
        let count = self.counts[list] as usize;
        if self.codes.is_empty() {
            let (start, lane) = (self.starts[list / LANES] as usize, list % LANES);
            let rows = &self.rows.as_chunks::<LANES>().0[start..start + count];
            self.order.extend(rows.iter().map(|row| lanes::code(row[lane])));
            return self.open[list / LANES][lane];
        }
        let start = self.starts[list] as usize;
        let codes = &self.codes[start..start + count];
        let entries = &self.entries;
        let (order, open) = self.sorter.sort_bins(count, |p| entries[codes[p] as usize].distance);
        self.order.extend(order.iter().map(|&p| codes[p as usize]));
        open
    }

    /// Make ready all lists.
    pub fn order(&mut self, found: &Found) {
        for list in 0..self.counts.len() {
            if !self.codes.is_empty() {
                if self.take(list) {
                    settle(&mut self.order, &self.entries, found.listed);
                }
                self.ready.extend_from_slice(&self.order);
                continue;
            }
            let (start, lane) = (self.starts[list / LANES] as usize, list % LANES);
            let rows = &self.rows.as_chunks::<LANES>().0[start..start + self.counts[list] as usize];
            let begin = self.ready.len();
            self.ready.extend(rows.iter().map(|row| lanes::code(row[lane])));
            if self.open[list / LANES][lane] {
                let ready = &mut self.ready[begin..];
                lanes::for_near(rows, lane, |near| settle(&mut ready[near], &self.entries, found.listed));
            }
        }
    }

    /// Make ready the nearest k of a list with the rest of their shell, and give their number; None if the list is not
    /// long enough for that.
    pub fn order_nearest(&mut self, found: &Found, list: usize, k: usize, limits: (f64, f64)) -> Option<u32> {
        let open = self.take(list);
        let entries = &self.entries;
        if !cut_nearest(&mut self.order, k, limits, |code| entries[code].distance) {
            return None;
        }
        if open {
            settle(&mut self.order, &self.entries, found.listed);
        }
        self.ready.extend_from_slice(&self.order);
        Some(self.order.len() as u32)
    }

    /// Write what is ready; `first` is the number of the crystal's first atom.
    pub fn write<T: Real>(&mut self, first: usize, out: &mut impl Sink<T>) {
        let (entries, ready) = (self.entries.as_slice(), self.ready.as_slice());
        out.write(ready.len(), |e| {
            let entry = &entries[ready[e] as usize];
            // By components: as a whole it would go through memory.
            let [x, y, z] = entry.shift;
            Edge {
                neighbor: first as i64 + i64::from(entry.neighbor),
                shift: [x, y, z],
                distance: T::from_f64(entry.distance),
            }
        });
        self.ready.clear();
    }
}

impl Found<'_> {
    /// For each atom: its place, and its hits from .. to.
    fn stretches(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let mut from = 0;
        self.ends.iter().enumerate().map(move |(at, &end)| {
            let start = from;
            from = (end - self.begin) as usize;
            (at, start, from)
        })
    }
}

/// Make a vector at least so long.
fn grow<T: Copy + Default>(vector: &mut Vec<T>, length: usize) {
    if vector.len() < length {
        vector.resize(length, T::default());
    }
}

/// Put the ties among entries that lie in the order of bins in order.
fn settle(codes: &mut [u32], entries: &[Entry], listed: bool) {
    let distance = |code: usize| entries[code].distance;
    if listed {
        sort_ties(codes, distance, |a, b| a.cmp(&b));
    } else {
        let rank = |code: usize| (entries[code].neighbor, entries[code].shift);
        sort_ties(codes, distance, |a, b| rank(a).cmp(&rank(b)));
    }
}

/// Fractional vectors of all hits.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn meet(found: &Found, frac: &[Vec3], out: &mut [[f64; 4]]) {
    for (at, from, end) in found.stretches() {
        let [u, v, w] = frac[found.first + at];
        let here = [u, v, w, 0.0];
        unrolled::<2, _, _>(&found.hits[from..end], &mut out[from..end], |hit, vector| {
            let ([x, y, z], [a, b, c]) = (frac[hit.j as usize], hit.shift);
            *vector = fractional(&here, &[x, y, z, 0.0], [a, b, c, hit.j as i32]);
        });
    }
}

/// Lengths of fractional vectors and their keys; tells whether a length is too long for a key.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn measure(vectors: &[[f64; 4]], lengths: &mut [f64], keys: &mut [u64], given: &Mat3) -> bool {
    let count = vectors.len();
    let (lengths, keys) = (&mut lengths[..count], &mut keys[..count]);
    let mut too_far = 0;
    for n in 0..count {
        let [x, y, z, _] = vectors[n];
        let vector = row_times([x, y, z], given);
        let length = dot(vector, vector).sqrt();
        lengths[n] = length;
        keys[n] = lanes::key(length);
        too_far |= u64::from(length >= lanes::FARTHEST);
    }
    too_far != 0
}
