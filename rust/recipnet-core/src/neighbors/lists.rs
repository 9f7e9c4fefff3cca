//! From hits to the ordered neighbours of each atom.

use std::cmp::Ordering;

use multiversion::multiversion;

use super::cell::{Hit, fractional};
use super::edges::{Edge, Sink};
use super::lanes::{self, LANES, NO_KEY};
use crate::math::{Mat3, Real, Vec3, dot, row_times};
use crate::order::{REACH, Sorter, cut_nearest, sort_ties};
use crate::scratch::holds;

/// Marks a hit that is read from its other end.
const BACKWARDS: u32 = 1 << 31;
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

/// The lists of one crystal, or some of them. `load` reuses the memory of the crystal before.
///
/// Each entry of a list has a code. Where hits are listed, codes rise in the order of ties.
#[derive(Debug, Default)]
pub struct Lists {
    /// Fractional vectors of the hits by column.
    fractional: [Vec<f64>; 3],
    /// Vector and length of each hit.
    vectors: Vec<[f64; 4]>,
    /// What sorts the lengths.
    keys: Vec<u64>,
    /// Neighbour and centre of each hit.
    pairs: Vec<[u32; 2]>,
    /// The hit that each code stands for.
    sources: Vec<u32>,
    /// Entries of each list.
    counts: Vec<u32>,
    /// Where the lists of each eight atoms begin in `rows`, or that of each atom in `codes`.
    starts: Vec<u32>,
    /// Lists side by side.
    rows: Vec<[f64; LANES]>,
    /// Whether a list's ties need a second look.
    open: Vec<[bool; LANES]>,
    /// Lists one after the other, where they are too long or too many to lie side by side.
    codes: Vec<u32>,
    /// Where the next entry of each list goes.
    places: Vec<u32>,
    /// The list at hand.
    order: Vec<u32>,
    /// Sources of what is to be written.
    ready: Vec<u32>,
    sorter: Sorter,
}

holds!(Lists: fractional, vectors, keys, pairs, sources, counts, starts, rows, open, codes, places, order, ready);

impl Lists {
    /// Compute the vectors of hits and deal them out to the lists, which are then sorted by bins of distance.
    pub fn load(&mut self, found: &Found, frac: &[Vec3], given: &Mat3) {
        let total = found.hits.len();
        let room = total.next_multiple_of(LANES);
        for column in &mut self.fractional {
            column.resize(room, 0.0);
            column[total..].fill(0.0);
        }
        self.vectors.resize(room, [0.0; 4]);
        self.keys.resize(room, 0);
        self.pairs.resize(total, [0; 2]);
        if found.both {
            self.sources.resize(2 * total, 0);
            self.meet::<true>(found, frac);
        } else {
            self.sources.clear();
            self.sources.extend(0..total as u32);
            self.meet::<false>(found, frac);
        }
        let [x, y, z] = &self.fractional;
        let too_far = measure([x, y, z], &mut self.vectors, &mut self.keys, given);
        self.counts.clear();
        self.counts.extend_from_slice(found.counts);
        let longest = found.counts.iter().copied().max().unwrap_or(0);
        self.starts.clear();
        self.rows.clear();
        self.codes.clear();
        if too_far || longest > LONG || self.sources.len() > 1 << lanes::CODE_BITS {
            self.deal_by_one(found);
        } else {
            self.deal(found);
        }
    }

    /// Fractional vectors of all hits, their atoms, and if they have codes at both ends what those stand for.
    ///
    /// One loop for all of it: how often it runs cannot be foretold, and to find out costs more than a turn.
    fn meet<const BOTH: bool>(&mut self, found: &Found, frac: &[Vec3]) {
        let [x, y, z] = &mut self.fractional;
        for (at, from, end) in found.stretches() {
            let centre = found.first + at;
            let here = &frac[centre];
            let hits = &found.hits[from..end];
            let (x, y, z) = (&mut x[from..end], &mut y[from..end], &mut z[from..end]);
            let (x, y, z) = (&mut x[..hits.len()], &mut y[..hits.len()], &mut z[..hits.len()]);
            let pairs = &mut self.pairs[from..end][..hits.len()];
            let sources = if BOTH {
                &mut self.sources[2 * from..2 * end]
            } else {
                &mut [][..]
            };
            for (n, hit) in hits.iter().enumerate() {
                [x[n], y[n], z[n]] = fractional(here, &frac[hit.j as usize], hit.shift);
                pairs[n] = [hit.j, centre as u32];
                if BOTH {
                    sources[hits.len() + n] = (from + n) as u32;
                    sources[hits.len() - 1 - n] = (from + n) as u32 | BACKWARDS;
                }
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
        self.rows.resize(total as usize, [NO_KEY; LANES]);
        let (rows, places) = (self.rows.as_flattened_mut(), self.places.as_mut_slice());
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
            for ((n, key), hit) in keys.zip(&found.hits[from..end]) {
                rows[own + n * LANES] = f64::from_bits(key | (from + end + n) as u64);
                let place = &mut places[hit.j as usize];
                rows[*place as usize] = f64::from_bits(key | (from + end - 1 - n) as u64);
                *place += LANES as u32;
            }
        }
        self.open.clear();
        let least = u64::from(found.listed);
        for pair in self.starts.windows(2) {
            let rows = &mut self.rows[pair[0] as usize..pair[1] as usize];
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
            let rows = &self.rows[start..start + count];
            self.order.extend(rows.iter().map(|row| lanes::code(row[lane])));
            return self.open[list / LANES][lane];
        }
        let start = self.starts[list] as usize;
        let codes = &self.codes[start..start + count];
        let (sources, vectors) = (&self.sources, &self.vectors);
        let (order, open) = self.sorter.sort_bins(count, |p| length(sources, vectors, codes[p]));
        self.order.extend(order.iter().map(|&p| codes[p as usize]));
        open
    }

    /// Put the ties of the list at hand in order.
    fn settle(&mut self, found: &Found) {
        let (sources, vectors) = (&self.sources, &self.vectors);
        let rank = |code: usize| {
            let hit = found.hits[code];
            (hit.j, hit.shift)
        };
        let tie = |a: usize, b: usize| -> Ordering { if found.listed { a.cmp(&b) } else { rank(a).cmp(&rank(b)) } };
        sort_ties(&mut self.order, |code| length(sources, vectors, code as u32), tie);
    }

    /// Make ready all lists.
    pub fn order(&mut self, found: &Found) {
        for list in 0..self.counts.len() {
            if self.codes.is_empty() && !self.open[list / LANES][list % LANES] {
                let (start, lane) = (self.starts[list / LANES] as usize, list % LANES);
                let rows = &self.rows[start..start + self.counts[list] as usize];
                let sources = &self.sources;
                let ready = rows.iter().map(|row| sources[lanes::code(row[lane]) as usize]);
                self.ready.extend(ready);
                continue;
            }
            if self.take(list) {
                self.settle(found);
            }
            self.ready
                .extend(self.order.iter().map(|&code| self.sources[code as usize]));
        }
    }

    /// Make ready the nearest k of a list with the rest of their shell, and give their number; None if the list is not
    /// long enough for that.
    pub fn order_nearest(&mut self, found: &Found, list: usize, k: usize, limits: (f64, f64)) -> Option<u32> {
        let open = self.take(list);
        let (sources, vectors) = (&self.sources, &self.vectors);
        if !cut_nearest(&mut self.order, k, limits, |code| length(sources, vectors, code as u32)) {
            return None;
        }
        if open {
            self.settle(found);
        }
        self.ready
            .extend(self.order.iter().map(|&code| self.sources[code as usize]));
        Some(self.order.len() as u32)
    }

    /// Write what is ready; `first` is the number of the crystal's first atom.
    ///
    /// Exact, without negative zeros, and without branches: after sorting, the two kinds alternate at random.
    pub fn write<T: Real>(&mut self, found: &Found, first: usize, out: &mut impl Sink<T>) {
        const SIGNS: [f64; 2] = [1.0, -1.0];
        let total = found.hits.len();
        let (hits, pairs, vectors) = (&found.hits[..total], &self.pairs[..total], &self.vectors[..total]);
        let ready = self.ready.as_slice();
        out.write(ready.len(), |e| {
            let source = ready[e];
            let (hit, back) = ((source & !BACKWARDS) as usize, source >> 31);
            let turn = |n: i32| (n ^ -(back as i32)).wrapping_add(back as i32);
            let sign = SIGNS[back as usize];
            let [x, y, z, distance] = vectors[hit];
            Edge {
                neighbor: (first + pairs[hit][back as usize] as usize) as i64,
                shift: hits[hit].shift.map(turn),
                vector: [x, y, z].map(|v| T::from_f64(v * sign + 0.0)),
                distance: T::from_f64(distance),
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

#[inline(always)]
fn length(sources: &[u32], vectors: &[[f64; 4]], code: u32) -> f64 {
    vectors[(sources[code as usize] & !BACKWARDS) as usize][3]
}

/// Turn fractional vectors into Cartesian ones with their lengths and keys; tells whether a length is too long for a key.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn measure([x, y, z]: [&[f64]; 3], vectors: &mut [[f64; 4]], keys: &mut [u64], given: &Mat3) -> bool {
    let columns = (x.as_chunks::<LANES>().0.iter())
        .zip(y.as_chunks::<LANES>().0)
        .zip(z.as_chunks::<LANES>().0);
    let out = vectors.as_chunks_mut::<LANES>().0.iter_mut();
    let out = out.zip(keys.as_chunks_mut::<LANES>().0);
    let mut too_far = [0; LANES];
    for (((x, y), z), (vectors, keys)) in columns.zip(out) {
        let mut columns = [[0.0; LANES]; 4];
        for lane in 0..LANES {
            let [u, v, w] = row_times([x[lane], y[lane], z[lane]], given);
            let distance = dot([u, v, w], [u, v, w]).sqrt();
            (columns[0][lane], columns[1][lane], columns[2][lane], columns[3][lane]) = (u, v, w, distance);
            keys[lane] = lanes::key(distance);
            too_far[lane] |= u64::from(distance >= lanes::FARTHEST);
        }
        for (lane, vector) in vectors.iter_mut().enumerate() {
            *vector = [columns[0][lane], columns[1][lane], columns[2][lane], columns[3][lane]];
        }
    }
    too_far != [0; LANES]
}
