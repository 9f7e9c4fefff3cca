//! Crystals of few atoms: each pair of atoms meets all lattice translations that can bring it near, eight pairs at once.

use std::array::from_fn;
use std::ops::Range;

use multiversion::multiversion;

use super::cell::{Hit, PADDING, SHIFTER, SearchCell, set_bits, whole};
use crate::lattice::lines;
use crate::math::{Vec3, floor_int, row_times};
use crate::scratch::holds;

/// Translations that are looked at together, one bit for each.
const BLOCK: usize = 64;
const LANES: usize = PADDING;

/// A shift of the given cell; the fourth number is the atom that is carried by it.
type Image = [i32; 4];

/// Search of one crystal after the other, reusing memory.
///
/// Loops that run a few times for each pair of atoms would cost more by their ends, which cannot be foretold, than by
/// what they do: here they run over all pairs, or all hits.
#[derive(Debug, Default)]
pub struct SmallSearch {
    /// Pairs of atoms: vectors in the frame by column, each to an image that is the nearest or nearly so. Filled up with
    /// vectors that lead nowhere.
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
    /// Which image of the second atom that is; then each atom where it was given.
    images: Vec<Image>,
    pairs: usize,
    /// Lattice vectors in rising order of their shifts, in the frame: for each one its opposite too.
    translations: Vec<Vec3>,
    shifts: Vec<Image>,
    /// While these are sorted.
    keys: Vec<u128>,
    unsorted: (Vec<Vec3>, Vec<Image>),
    /// Translations that lead from an atom to its own images within the limit, the positive half: blocks of bits.
    own: Vec<u64>,
    /// Which translations bring eight pairs near: blocks of translations of the first eight pairs, then of the next.
    near: Vec<[u64; LANES]>,
    /// Blocks that are not empty, the images that they belong to, and their first translations.
    words: Vec<u64>,
    places: Vec<[u32; 2]>,
    limit: f64,
    /// Squares of what [`SearchCell::bounds`] gives.
    bounds: (f64, f64),
    /// Whether a distance lies between the bounds.
    doubtful: bool,
}

holds!(SmallSearch: x, y, z, images, translations, shifts, keys, unsorted, own, near, words, places);

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
        let count = cell.len();
        if count == 0 {
            return;
        }
        self.prepare(cell, count * (count - 1) / 2, limit);
        meet(self, cell, (0..count).map(|i| (i, i + 1..count)));
        self.find_translations(cell);
        if !self_images {
            self.own.fill(0);
        }
        mark(self);
        let (begin, first) = (hits.len(), counts.len());
        counts.resize(first + count, 0);
        count_all(self, begin, ends, &mut counts[first..]);
        emit(self, ends.last().map_or(0, |&end| end as usize), hits);
        if self.doubtful || cell.has_sites() {
            self.settle(cell, begin, hits, (&mut ends[first..], &mut counts[first..]));
        }
    }

    /// All neighbours of atom i, in no particular order.
    pub fn find_around(&mut self, cell: &SearchCell, i: usize, limit: f64, hits: &mut Vec<Hit>) {
        let begin = hits.len();
        self.prepare(cell, cell.len() - 1, limit);
        meet(self, cell, [(i, 0..i), (i, i + 1..cell.len())].into_iter());
        self.find_translations(cell);
        mark(self);
        let mut end = begin;
        self.words.clear();
        self.places.clear();
        for pair in 0..self.pairs {
            end += self.push_pair(pair);
        }
        emit(self, end, hits);
        if self.doubtful || cell.has_sites() {
            cell.settle(i, limit, hits, begin);
        }
        for (&own, first) in self.own.iter().zip((0..).step_by(BLOCK)) {
            for place in set_bits(own) {
                let [n0, n1, n2, _] = self.shifts[first + place];
                let back = [-n0, -n1, -n2];
                hits.extend([[n0, n1, n2], back].map(|shift| Hit { shift, j: i as u32 }));
            }
        }
    }

    /// Room for so many pairs.
    fn prepare(&mut self, cell: &SearchCell, pairs: usize, limit: f64) {
        let (sure, possible) = cell.bounds(limit);
        self.limit = limit;
        self.bounds = (sure * sure, possible * possible);
        self.pairs = pairs;
        for column in [&mut self.x, &mut self.y, &mut self.z] {
            column.resize(pairs + LANES, f64::INFINITY);
        }
        self.images.resize(pairs + cell.len() + LANES, [0; 4]);
    }

    /// Lay out the translations for a limit and the pairs at hand: all lattice vectors that may bring one of them near.
    fn find_translations(&mut self, cell: &SearchCell) {
        let possible = cell.bounds(self.limit).1;
        let squares = (self.x.iter().zip(&self.y).zip(&self.z)).map(|((x, y), z)| x * x + y * y + z * z);
        let farthest = squares
            .take(self.pairs)
            .fold(0.0, |most: f64, square| if square > most { square } else { most })
            .sqrt();
        for column in [&mut self.x, &mut self.y, &mut self.z] {
            column[self.pairs..].fill(f64::INFINITY);
            column.truncate(self.pairs.next_multiple_of(LANES));
        }
        let [a, b, c] = cell.frame;
        // Along each axis the atoms of a pair are at most half a cell apart, and a hair.
        let most = cell
            .spacings()
            .map(|spacing| floor_int(possible / spacing + 0.501) as i32);
        let radius = (possible + farthest) * (1.0 + 1e-9);
        self.shifts.clear();
        self.translations.clear();
        lines(&cell.frame, radius, true, |n0, n1, from, to| {
            if n0 > most[0] || n1.abs() > most[1] {
                return;
            }
            let from = if (n0, n1) == (0, 0) { 1 } else { from };
            let (p, q) = (f64::from(n0), f64::from(n1));
            let (x, y, z) = (p * a[0], p * a[1] + q * b[1], p * a[2] + q * b[2]);
            for n2 in from.max(-most[2])..=to.min(most[2]) {
                let r = f64::from(n2);
                self.translations.push([x, y, z + r * c[2]]);
                let [s0, s1, s2] = row_times([p, q, r], &cell.transform_float);
                self.shifts.push([whole(s0), whole(s1), whole(s2), 0]);
            }
        });
        if !cell.is_given {
            self.sort_translations();
        }
        mirror(&mut self.translations, |x| -x);
        mirror(&mut self.shifts, |n| -n);
        self.find_own(cell);
    }

    /// Positive shifts stand behind the middle, where 0 is.
    fn find_own(&mut self, cell: &SearchCell) {
        let count = self.translations.len();
        self.own.clear();
        self.own.resize(count.div_ceil(BLOCK), 0);
        let mut doubtful = false;
        for (place, [x, y, z]) in self.translations.iter().enumerate().skip(count / 2 + 1) {
            let square = x * x + y * y + z * z;
            let (near, sure) = (square <= self.bounds.1, square <= self.bounds.0);
            self.own[place / BLOCK] |= u64::from(near) << (place % BLOCK);
            doubtful |= near != sure;
        }
        if doubtful {
            for (place, &[n0, n1, n2, _]) in self.shifts.iter().enumerate() {
                let hit = Hit {
                    shift: [n0, n1, n2],
                    j: 0,
                };
                if !cell.is_neighbor(0, hit, self.limit) {
                    self.own[place / BLOCK] &= !(1 << (place % BLOCK));
                }
            }
        }
    }

    /// Take up the blocks of a pair; how many hits they hold.
    #[inline(always)]
    fn push_pair(&mut self, pair: usize) -> usize {
        let blocks = self.own.len();
        let mut count = 0;
        for block in 0..blocks {
            let near = self.near[pair / LANES * blocks + block][pair % LANES];
            count += self.push(near, pair, block);
        }
        count
    }

    /// Without a branch: what is empty is written over.
    #[inline(always)]
    fn push(&mut self, near: u64, image: usize, block: usize) -> usize {
        self.words.push(near);
        self.places.push([image as u32, (block * BLOCK) as u32]);
        let kept = self.words.len() - usize::from(near == 0);
        self.words.truncate(kept);
        self.places.truncate(kept);
        near.count_ones() as usize
    }

    /// Of the hits from `begin` on keep what are neighbours by the coordinates as given.
    #[cold]
    fn settle(&self, cell: &SearchCell, begin: usize, hits: &mut Vec<Hit>, (ends, counts): (&mut [u32], &mut [u32])) {
        let (mut from, mut kept) = (begin, begin);
        for (i, end) in ends.iter_mut().enumerate() {
            for at in from..*end as usize {
                let hit = hits[at];
                let j = hit.j as usize;
                // Own images are settled already.
                if i != j && !cell.is_neighbor(i, hit, self.limit) {
                    counts[i] -= 1;
                    counts[j] -= 1;
                    continue;
                }
                hits[kept] = hit;
                kept += 1;
            }
            from = *end as usize;
            *end = kept as u32;
        }
        hits.truncate(kept);
    }

    /// Turn the half of the translations that is there to positive shifts, in rising order.
    fn sort_translations(&mut self) {
        for (translation, shift) in self.translations.iter_mut().zip(&mut self.shifts) {
            if *shift < [0; 4] {
                (*translation, *shift) = (translation.map(|x| -x), shift.map(|n| -n));
            }
        }
        // The shift with its signs turned into an order of whole numbers, above the place.
        let part = |n: i32| u128::from(n as u32 ^ (1 << 31));
        self.keys.clear();
        let keys = (self.shifts.iter().zip(0u128..))
            .map(|([n0, n1, n2, _], place)| part(*n0) << 96 | part(*n1) << 64 | part(*n2) << 32 | place);
        self.keys.extend(keys);
        self.keys.sort_unstable();
        let (translations, shifts) = &mut self.unsorted;
        std::mem::swap(translations, &mut self.translations);
        std::mem::swap(shifts, &mut self.shifts);
        let order = || self.keys.iter().map(|&key| key as u32 as usize);
        self.shifts.clear();
        self.shifts.extend(order().map(|place| shifts[place]));
        self.translations.clear();
        self.translations.extend(order().map(|place| translations[place]));
    }
}

/// Set the pairs of some centres with some others.
///
/// Eight others at a time; what goes beyond the last of them is written over by the next centre.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn meet<I: Iterator<Item = (usize, Range<usize>)>>(search: &mut SmallSearch, cell: &SearchCell, centres: I) {
    let [a, b, c] = cell.frame;
    let [t0, t1, t2] = cell.transform_float;
    let ([u, v, w], [h0, h1, h2]) = (&cell.wrapped, &cell.home);
    let mut pair = 0;
    for (i, others) in centres {
        let ([u0, v0, w0], [g0, g1, g2]) = ([u[i], v[i], w[i]], [h0[i], h1[i], h2[i]]);
        let count = others.len();
        for (at, j) in (pair..).step_by(LANES).zip(others.step_by(LANES)) {
            let (Some(u), Some(v), Some(w)) = (u[j..].first_chunk(), v[j..].first_chunk(), w[j..].first_chunk()) else {
                return;
            };
            let (Some(h0), Some(h1), Some(h2)) = (h0[j..].first_chunk(), h1[j..].first_chunk(), h2[j..].first_chunk())
            else {
                return;
            };
            let (u, v, w): (&[f64; LANES], &[f64; LANES], &[f64; LANES]) = (u, v, w);
            let (h0, h1, h2): (&[f64; LANES], &[f64; LANES], &[f64; LANES]) = (h0, h1, h2);
            let (mut x, mut y, mut z) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
            let (mut s0, mut s1, mut s2) = ([0; LANES], [0; LANES], [0; LANES]);
            for lane in 0..LANES {
                let (du, dv, dw) = (u[lane] - u0, v[lane] - v0, w[lane] - w0);
                let nearest = |apart: f64| (apart + SHIFTER) - SHIFTER;
                let (nu, nv, nw) = (nearest(du), nearest(dv), nearest(dw));
                let (du, dv, dw) = (du - nu, dv - nv, dw - nw);
                x[lane] = du * a[0];
                y[lane] = du * a[1] + dv * b[1];
                z[lane] = du * a[2] + dv * b[2] + dw * c[2];
                s0[lane] = whole(h0[lane] - g0 - (nu * t0[0] + nv * t1[0] + nw * t2[0]));
                s1[lane] = whole(h1[lane] - g1 - (nu * t0[1] + nv * t1[1] + nw * t2[1]));
                s2[lane] = whole(h2[lane] - g2 - (nu * t0[2] + nv * t1[2] + nw * t2[2]));
            }
            search.x[at..at + LANES].copy_from_slice(&x);
            search.y[at..at + LANES].copy_from_slice(&y);
            search.z[at..at + LANES].copy_from_slice(&z);
            for (lane, image) in search.images[at..at + LANES].iter_mut().enumerate() {
                *image = [s0[lane], s1[lane], s2[lane], (j + lane) as i32];
            }
        }
        pair += count;
    }
    for (image, atom) in search.images[pair..].iter_mut().zip(0..) {
        *image = [0, 0, 0, atom];
    }
}

/// Put zero and the vectors' opposites before them.
fn mirror<T: Copy + Default, const N: usize>(vectors: &mut Vec<[T; N]>, negative: impl Fn(T) -> T) {
    let count = vectors.len();
    vectors.resize(2 * count + 1, [T::default(); N]);
    vectors.copy_within(..count, count + 1);
    let (before, after) = vectors.split_at_mut(count + 1);
    for (to, from) in before[..count].iter_mut().rev().zip(after) {
        *to = from.map(&negative);
    }
}

/// Find out which translations bring which pairs near.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn mark(search: &mut SmallSearch) {
    let bounds = search.bounds;
    let pairs = (search.x.as_chunks::<LANES>().0.iter())
        .zip(search.y.as_chunks::<LANES>().0)
        .zip(search.z.as_chunks::<LANES>().0);
    search.near.clear();
    let mut all_doubts = [0u64; LANES];
    for ((xs, ys), zs) in pairs {
        for block in search.translations.chunks(BLOCK) {
            let (mut near, mut doubts) = ([0u64; LANES], [0u64; LANES]);
            let mut bit = 1u64;
            for &[x, y, z] in block {
                for lane in 0..LANES {
                    let (x, y, z) = (xs[lane] + x, ys[lane] + y, zs[lane] + z);
                    let square = x * x + y * y + z * z;
                    near[lane] |= if square <= bounds.1 { bit } else { 0 };
                    doubts[lane] |= if square <= bounds.0 { 0 } else { bit };
                }
                bit = bit.rotate_left(1);
            }
            for lane in 0..LANES {
                all_doubts[lane] |= near[lane] & doubts[lane];
            }
            search.near.push(near);
        }
    }
    search.doubtful = all_doubts != [0; LANES];
}

/// Take up all blocks in the order of hits, count the edges of each atom, and tell where the hits of each one end.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2+popcnt"))]
fn count_all(search: &mut SmallSearch, begin: usize, ends: &mut Vec<u32>, counts: &mut [u32]) {
    search.words.clear();
    search.places.clear();
    let (mut pair, mut end) = (0, begin);
    for i in 0..counts.len() {
        let mut own = 0;
        for block in 0..search.own.len() {
            own += search.push(search.own[block], search.pairs + i, block);
        }
        let mut forward = 0;
        for j in i + 1..counts.len() {
            let near = search.push_pair(pair);
            counts[j] += near as u32;
            forward += near;
            pair += 1;
        }
        counts[i] += (forward + 2 * own) as u32;
        end += forward + own;
        ends.push(end as u32);
    }
}

/// Append hits up to an end: all of the blocks.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2+popcnt"))]
fn emit(search: &mut SmallSearch, end: usize, hits: &mut Vec<Hit>) {
    let begin = hits.len();
    hits.resize(end, Hit::default());
    search.words.extend([0; 2]);
    search.places.push([0; 2]);
    let (words, places) = (&search.words[..], &search.places[..search.words.len() - 1]);
    // The next block is loaded before it is needed: each hit waits for the one before.
    let (mut at, mut near, mut next) = (0, words[0], words[1]);
    for hit in &mut hits[begin..] {
        let [image, first] = places[at];
        let (image, shift) = (
            &search.images[image as usize],
            &search.shifts[first as usize + near.trailing_zeros() as usize],
        );
        // The last of a shift is 0: one sum of four.
        let [a, b, c, j] = from_fn(|i| image[i].wrapping_add(shift[i]));
        *hit = Hit {
            shift: [a, b, c],
            j: j as u32,
        };
        let rest = near & near.wrapping_sub(1);
        at += usize::from(rest == 0);
        near = if rest == 0 { next } else { rest };
        next = words[at + 1];
    }
}
