//! The ordered lists of a small crystal from one sort of all its hits.
//!
//! Hits in the order of distance are dealt out to the lists of both their ends, which are then in order too.

use super::cell::{Hit, fractional};
use super::edges::{Rows, Sink};
use crate::math::{Mat3, Real, Vec3, dot, row_times};
use crate::order::Sorter;

/// A hit with its vector.
#[derive(Debug, Clone, Copy, Default)]
struct Edge {
    vector: Vec3,
    distance: f64,
    shift: [i32; 3],
    ends: [u32; 2],
}

/// Memory of one crystal after the other.
#[derive(Debug, Default)]
pub struct Stream {
    edges: Vec<Edge>,
    sorter: Sorter,
    /// Where the next edge of each atom goes.
    places: Vec<u32>,
    /// Distances as written, in double precision.
    distances: Vec<f64>,
}

impl Stream {
    /// Order and write the edges of a crystal of which `hits` holds each once, in the order (i, j, shift).
    ///
    /// `ends`: where the hits of each atom end, the first beginning at `begin`; `counts`: of the lists to be written;
    /// `both`: write each hit at both its ends; `first`: number of the crystal's first atom. False, and nothing is
    /// written, if the distances are too many or too long for it.
    #[allow(clippy::too_many_arguments)] // What a crystal is.
    pub fn write<T: Real>(
        &mut self,
        hits: &[Hit],
        (begin, ends, counts): (u32, &[u32], &[u32]),
        both: bool,
        frac: &[Vec3],
        given: &Mat3,
        first: usize,
        out: &mut impl Sink<T>,
    ) -> bool {
        self.load(hits, begin, ends, frac, given);
        if !self.sorter.sort_all() {
            return false;
        }
        self.places.clear();
        let mut total = 0;
        for count in counts {
            self.places.push(total);
            total += count;
        }
        self.distances.resize(total as usize, 0.0);
        let mut rows = out.next(total as usize);
        self.deal(both, first as i64, &mut rows);
        self.mend(counts, &mut rows);
        true
    }

    fn load(&mut self, hits: &[Hit], begin: u32, ends: &[u32], frac: &[Vec3], given: &Mat3) {
        self.edges.clear();
        let mut from = 0;
        for (centre, &end) in ends.iter().enumerate() {
            let here = &frac[centre];
            let end = (end - begin) as usize;
            self.edges.extend(hits[from..end].iter().map(|hit| {
                let vector = row_times(fractional(here, &frac[hit.j as usize], hit.shift), given);
                Edge {
                    vector,
                    distance: dot(vector, vector).sqrt(),
                    shift: hit.shift,
                    ends: [centre as u32, hit.j],
                }
            }));
            from = end;
        }
        self.sorter
            .set(self.edges.iter().map(|edge| Sorter::key(edge.distance)));
    }

    /// Deal the hits out in the order of distance.
    ///
    /// Ties come in the order (i, j, shift). That is the order of the list of i, and of that of j but for hits of one
    /// pair: negation turns the order of their shifts round.
    fn deal<T: Real>(&mut self, both: bool, first: i64, rows: &mut Rows<'_, T>) {
        let total = self.distances.len();
        let (neighbor, shift) = (&mut rows.neighbor[..total], &mut rows.shift[..total]);
        let (vector, length) = (&mut rows.vector[..total], &mut rows.distance[..total]);
        let (places, distances) = (self.places.as_mut_slice(), self.distances.as_mut_slice());
        let (edges, keys) = (self.edges.as_slice(), self.sorter.keys());
        let mut start = 0;
        while start < keys.len() {
            let key = keys[start];
            let ends = edges[Sorter::position(key)].ends;
            let mut end = start + 1;
            while end < keys.len()
                && Sorter::is_one_bin(keys[end], key)
                && edges[Sorter::position(keys[end])].ends == ends
            {
                end += 1;
            }
            if both {
                let place = places[ends[1] as usize] as usize;
                places[ends[1] as usize] += (end - start) as u32;
                for (at, &key) in keys[start..end].iter().rev().enumerate() {
                    let edge = &edges[Sorter::position(key)];
                    let at = place + at;
                    neighbor[at] = first + i64::from(ends[0]);
                    shift[at] = edge.shift.map(|n| -n);
                    // No negative zeros.
                    vector[at] = edge.vector.map(|x| T::from_f64(0.0 - x));
                    length[at] = T::from_f64(edge.distance);
                    distances[at] = edge.distance;
                }
            }
            let place = places[ends[0] as usize] as usize;
            places[ends[0] as usize] += (end - start) as u32;
            for (at, &key) in keys[start..end].iter().enumerate() {
                let edge = &edges[Sorter::position(key)];
                let at = place + at;
                neighbor[at] = first + i64::from(ends[1]);
                shift[at] = edge.shift;
                vector[at] = edge.vector.map(|x| T::from_f64(x + 0.0));
                length[at] = T::from_f64(edge.distance);
                distances[at] = edge.distance;
            }
            start = end;
        }
    }

    /// Put ties that reach over bins in order, which the deal cannot.
    fn mend<T: Real>(&mut self, counts: &[u32], rows: &mut Rows<'_, T>) {
        let mut start = 0;
        for &count in counts {
            let range = start..start + count as usize;
            start = range.end;
            let distances = &self.distances[range.clone()];
            if !Sorter::has_open_ties(distances) {
                continue;
            }
            let (neighbor, shift) = (&mut rows.neighbor[range.clone()], &mut rows.shift[range.clone()]);
            let tie = |p: usize, q: usize| (neighbor[p], shift[p]).cmp(&(neighbor[q], shift[q]));
            let order = self.sorter.sort(distances.len(), |p| distances[p], tie);
            permute(neighbor, order);
            permute(shift, order);
            permute(&mut rows.vector[range.clone()], order);
            permute(&mut rows.distance[range], order);
        }
    }
}

#[cold]
fn permute<T: Copy>(items: &mut [T], order: &[u32]) {
    let sorted: Vec<T> = order.iter().map(|&p| items[p as usize]).collect();
    items.copy_from_slice(&sorted);
}
