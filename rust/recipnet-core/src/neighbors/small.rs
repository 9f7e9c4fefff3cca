//! Crystals of few atoms: each pair of atoms meets all lattice translations that can bring it near, eight pairs at once.

use multiversion::multiversion;

use super::cell::{Hit, SHIFTER, SearchCell, set_bits, whole};
use crate::lattice::lines;
use crate::math::{Vec3, floor_int, row_times};
use crate::scratch::holds;

/// Translations that are looked at together, one bit for each.
const BLOCK: usize = 64;
const LANES: usize = 8;

/// A shift of the given cell; the fourth number is the atom that is carried by it.
type Image = [i32; 4];

/// Search of one crystal after the other, reusing memory.
#[derive(Debug, Default)]
pub struct SmallSearch {
    /// Pairs of atoms: vectors in the frame by column, each to an image that is the nearest or nearly so. Filled up with
    /// vectors that lead nowhere.
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
    /// The two atoms of each pair.
    atoms: Vec<[u32; 2]>,
    /// Lattice vectors in rising order of their shifts, in the frame.
    translations: Vec<Vec3>,
    shifts: Vec<Image>,
    /// While these are sorted.
    keys: Vec<u128>,
    unsorted: (Vec<Vec3>, Vec<Image>),
    /// Shifts of the images that an atom has of itself within the limit, the positive half, in rising order.
    own: Vec<[i32; 3]>,
    /// Which translations bring eight pairs near: blocks of translations of the first eight pairs, then of the next.
    near: Vec<[u64; LANES]>,
    limit: f64,
    /// Squares of what [`SearchCell::bounds`] gives.
    bounds: (f64, f64),
    /// Whether a distance lies between the bounds.
    doubtful: bool,
}

holds!(SmallSearch: x, y, z, atoms, translations, shifts, keys, unsorted, own, near);

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
        self.clear();
        for i in 0..count {
            self.meet(cell, i, i + 1..count);
        }
        self.prepare(cell, limit);
        if !self_images {
            self.own.clear();
        }
        let first = counts.len();
        counts.resize(first + count, 2 * self.own.len() as u32);
        let counts = &mut counts[first..];
        mark(self);
        let mut pair = 0;
        for i in 0..count {
            hits.extend(self.own.iter().map(|&shift| Hit { shift, j: i as u32 }));
            let own = hits.len();
            collect(self, cell, pair..pair + count - 1 - i, hits, counts);
            pair += count - 1 - i;
            counts[i] += (hits.len() - own) as u32;
            ends.push(hits.len() as u32);
        }
    }

    /// All neighbours of atom i, in no particular order.
    pub fn find_around(&mut self, cell: &SearchCell, i: usize, limit: f64, hits: &mut Vec<Hit>) {
        self.clear();
        self.meet(cell, i, 0..i);
        self.meet(cell, i, i + 1..cell.len());
        self.prepare(cell, limit);
        for &shift in &self.own {
            let back = shift.map(|n| -n);
            hits.extend([shift, back].map(|shift| Hit { shift, j: i as u32 }));
        }
        mark(self);
        collect(self, cell, 0..self.atoms.len(), hits, &mut vec![0; cell.len()]);
    }

    fn clear(&mut self) {
        for column in [&mut self.x, &mut self.y, &mut self.z] {
            column.clear();
        }
        self.atoms.clear();
    }

    /// Append the pairs of atom i with some others.
    fn meet(&mut self, cell: &SearchCell, i: usize, others: std::ops::Range<usize>) {
        let [a, b, c] = cell.frame;
        let [u, v, w] = &cell.wrapped;
        let (u0, v0, w0) = (u[i], v[i], w[i]);
        let (u, v, w) = (&u[others.clone()], &v[others.clone()], &w[others.clone()]);
        let nearest = |apart: f64| apart - ((apart + SHIFTER) - SHIFTER);
        self.atoms.extend(others.map(|j| [i as u32, j as u32]));
        self.x.extend(u.iter().map(|u| nearest(u - u0) * a[0]));
        let both = u.iter().zip(v);
        self.y
            .extend(both.map(|(u, v)| nearest(u - u0) * a[1] + nearest(v - v0) * b[1]));
        let all = u.iter().zip(v).zip(w);
        self.z
            .extend(all.map(|((u, v), w)| nearest(u - u0) * a[2] + nearest(v - v0) * b[2] + nearest(w - w0) * c[2]));
    }

    /// Lay out the translations for a limit and the pairs at hand: all lattice vectors that may bring one of them near.
    fn prepare(&mut self, cell: &SearchCell, limit: f64) {
        let (sure, possible) = cell.bounds(limit);
        self.limit = limit;
        self.bounds = (sure * sure, possible * possible);
        let squares = (self.x.iter().zip(&self.y).zip(&self.z)).map(|((x, y), z)| x * x + y * y + z * z);
        let farthest = squares
            .fold(0.0, |most: f64, square| if square > most { square } else { most })
            .sqrt();
        for column in [&mut self.x, &mut self.y, &mut self.z] {
            column.resize(column.len().next_multiple_of(LANES), f64::INFINITY);
        }
        let [a, b, c] = cell.frame;
        // Along each axis the atoms of a pair are at most half a cell apart, and a hair.
        let most = cell
            .spacings()
            .map(|spacing| floor_int(possible / spacing + 0.501) as i32);
        let radius = (possible + farthest) * (1.0 + 1e-9);
        self.shifts.clear();
        self.translations.clear();
        lines(&cell.frame, radius, false, |n0, n1, from, to| {
            if n0.abs() > most[0] || n1.abs() > most[1] {
                return;
            }
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
        self.own.clear();
        for (&[n0, n1, n2, _], &[x, y, z]) in self.shifts.iter().zip(&self.translations) {
            let (shift, square) = ([n0, n1, n2], x * x + y * y + z * z);
            if square <= self.bounds.1
                && shift > [0; 3]
                && (square <= self.bounds.0 || cell.is_neighbor(0, Hit { shift, j: 0 }, limit))
            {
                self.own.push(shift);
            }
        }
    }

    fn sort_translations(&mut self) {
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

/// Append the hits of some pairs of one centre, and count those of each neighbour.
#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512vl+avx2+bmi1+bmi2+popcnt",
    "x86_64+avx2+bmi1+bmi2+popcnt"
))]
fn collect(
    search: &SmallSearch,
    cell: &SearchCell,
    pairs: std::ops::Range<usize>,
    hits: &mut Vec<Hit>,
    counts: &mut [u32],
) {
    let blocks = search.translations.len().div_ceil(BLOCK);
    for pair in pairs {
        let [i, j] = search.atoms[pair].map(|atom| atom as usize);
        let [u, v, w] = &cell.wrapped;
        let cells = [u[j] - u[i], v[j] - v[i], w[j] - w[i]].map(|apart| (apart + SHIFTER) - SHIFTER);
        let [s0, s1, s2] = row_times(cells, &cell.transform_float);
        let [h0, h1, h2] = &cell.home;
        let image = [
            whole(h0[j] - h0[i] - s0),
            whole(h1[j] - h1[i] - s1),
            whole(h2[j] - h2[i] - s2),
            j as i32,
        ];
        let begin = hits.len();
        for block in 0..blocks {
            let near = search.near[pair / LANES * blocks + block][pair % LANES];
            let shifts = &search.shifts[block * BLOCK..];
            hits.extend(set_bits(near).map(|place| {
                let shift = &shifts[place];
                Hit {
                    shift: [
                        image[0].wrapping_add(shift[0]),
                        image[1].wrapping_add(shift[1]),
                        image[2].wrapping_add(shift[2]),
                    ],
                    j: image[3] as u32,
                }
            }));
        }
        if search.doubtful || cell.is_one_site(i, j) {
            cell.settle(i, search.limit, hits, begin);
        }
        counts[j] += (hits.len() - begin) as u32;
    }
}
