//! From hits to the ordered neighbours of each atom.

use std::ops::Range;

use super::cell::{Hit, fractional};
use super::edges::Sink;
use crate::math::{Mat3, Real, Vec3, dot, row_times};
use crate::order::Sorter;

/// Marks an entry that is read from its other end.
const BACKWARDS: u32 = 1 << 31;

/// A hit with its vector.
#[derive(Debug, Clone, Copy, Default)]
struct Edge {
    vector: Vec3,
    distance: f64,
    /// What sorts it, see [`Sorter::key`].
    key: u64,
    shift: [i32; 3],
    j: u32,
    centre: u32,
}

/// The hits of some atoms of one crystal with their vectors. `load` reuses the memory of the crystal before.
#[derive(Debug, Default)]
pub struct Lists {
    edges: Vec<Edge>,
    /// Hits by their other end, see [`Self::turn`].
    incoming: Vec<u32>,
    incoming_ends: Vec<u32>,
    /// Hits of the list at hand.
    entries: Vec<u32>,
    sorter: Sorter,
}

impl Lists {
    /// Vectors of the hits of the atoms `first..`, which end at `ends` (the first of them beginning at `begin`).
    pub fn load(&mut self, hits: &[Hit], begin: u32, ends: &[u32], first: usize, frac: &[Vec3], given: &Mat3) {
        self.edges.clear();
        let mut from = begin;
        for (at, &end) in ends.iter().enumerate() {
            let centre = first + at;
            let here = &frac[centre];
            let own = &hits[(from - begin) as usize..(end - begin) as usize];
            self.edges.extend(own.iter().map(|hit| {
                let vector = row_times(fractional(here, &frac[hit.j as usize], hit.shift), given);
                let distance = dot(vector, vector).sqrt();
                Edge {
                    vector,
                    distance,
                    key: Sorter::key(distance),
                    shift: hit.shift,
                    j: hit.j,
                    centre: centre as u32,
                }
            }));
            from = end;
        }
    }

    /// For half lists of a whole crystal: find for each atom the hits that lead to it, in the order (j, shift) of the
    /// reverse edges.
    pub fn turn(&mut self, atoms: usize) {
        let edges = &self.edges;
        let ends = &mut self.incoming_ends;
        ends.clear();
        ends.resize(atoms + 1, 0);
        for edge in edges {
            ends[edge.j as usize + 1] += 1;
        }
        for atom in 0..atoms {
            ends[atom + 1] += ends[atom];
        }
        self.incoming.resize(edges.len(), 0);
        // Negation turns the order of shifts round: the hits of one centre are taken last to first.
        let mut start = 0;
        while start < edges.len() {
            let centre = edges[start].centre;
            let mut end = start;
            while end < edges.len() && edges[end].centre == centre {
                end += 1;
            }
            for e in (start..end).rev() {
                let place = &mut ends[edges[e].j as usize];
                self.incoming[*place as usize] = e as u32;
                *place += 1;
            }
            start = end;
        }
        // Each place has moved to where the next atom's begin.
        ends.pop();
    }

    /// Take up the hits `own` of an atom, and before them, if `turned`, what leads to it.
    pub fn take(&mut self, atom: usize, own: Range<u32>, turned: bool) {
        self.entries.clear();
        if turned {
            let from = if atom == 0 { 0 } else { self.incoming_ends[atom - 1] };
            let incoming = &self.incoming[from as usize..self.incoming_ends[atom] as usize];
            self.entries.extend(incoming.iter().map(|e| e | BACKWARDS));
        }
        self.entries.extend(own);
        let edges = &self.edges;
        self.sorter
            .set(self.entries.iter().map(|e| edges[(e & !BACKWARDS) as usize].key));
    }

    /// Order what was taken; `listed`: it lies in the order of ties already.
    pub fn order(&mut self, listed: bool) {
        let (entries, edges) = (&self.entries, &self.edges);
        let edge = |p: usize| &edges[(entries[p] & !BACKWARDS) as usize];
        if listed {
            self.sorter.sort_listed(|p| edge(p).distance);
        } else {
            self.sorter
                .sort_set(|p| edge(p).distance, |p, q| edge(p).tie_key().cmp(&edge(q).tie_key()));
        }
    }

    /// Order the nearest k of what was taken with the rest of their shell; whether the list was long enough for that.
    pub fn order_nearest(&mut self, k: usize, limits: (f64, f64), listed: bool) -> bool {
        let (entries, edges) = (&self.entries, &self.edges);
        let edge = |p: usize| &edges[(entries[p] & !BACKWARDS) as usize];
        let tie = (!listed).then_some(|p: usize, q: usize| edge(p).tie_key().cmp(&edge(q).tie_key()));
        self.sorter.nearest(k, limits, |p| edge(p).distance, tie).is_some()
    }

    /// Write what was ordered; `first` is the number of the crystal's first atom.
    ///
    /// Exact, without negative zeros, and without branches: after sorting, the two kinds alternate at random.
    #[inline]
    pub fn write<T: Real>(&self, first: usize, out: &mut impl Sink<T>) {
        let order = self.sorter.order();
        let room = out.next(order.len());
        let columns = room
            .neighbor
            .iter_mut()
            .zip(room.shift)
            .zip(room.vector)
            .zip(room.distance);
        for (&p, (((neighbor, shift), vector), length)) in order.iter().zip(columns) {
            let entry = self.entries[p as usize];
            let back = entry & BACKWARDS != 0;
            let edge = &self.edges[(entry & !BACKWARDS) as usize];
            let (sign, turn) = (1.0 - 2.0 * f64::from(u8::from(back)), 1 - 2 * i32::from(back));
            *neighbor = (first + (if back { edge.centre } else { edge.j }) as usize) as i64;
            *shift = edge.shift.map(|n| n * turn);
            *vector = edge.vector.map(|v| T::from_f64(v * sign + 0.0));
            *length = T::from_f64(edge.distance);
        }
    }
}

impl Edge {
    /// What orders neighbours at one distance.
    fn tie_key(&self) -> (u32, [i32; 3]) {
        (self.j, self.shift)
    }
}
