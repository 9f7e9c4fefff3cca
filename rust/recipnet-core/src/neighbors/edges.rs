//! Where edges are written: growing arrays, or parts of arrays whose length was counted before.

use super::lists::Lists;
use super::radius::Search;
use super::vectors::{EdgesView, edge_vectors};
use crate::ahead::fetch;
use crate::batch::BatchView;
use crate::error::{ArgumentError, Result};
use crate::math::Real;
use crate::parallel;

/// Edges of a batch. Those of one atom are contiguous; both ends are numbered through the batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Edges<T> {
    /// First all centres i (E), then all neighbours j (E).
    pub index: Vec<i64>,
    /// Lattice translation of j in the given cell.
    pub shift: Vec<[i32; 3]>,
    /// Length of `r_j + shift @ lattice - r_i`, angstrom; for the vectors see [`Self::vectors`].
    pub distance: Vec<T>,
    /// Edges of crystal b are `offsets[b]..offsets[b + 1]`.
    pub offsets: Vec<i64>,
    /// Edges of atom i are `atom_offsets[i]..atom_offsets[i + 1]`.
    pub atom_offsets: Vec<i64>,
}

impl<T> Edges<T> {
    /// Number of edges.
    #[must_use]
    pub fn len(&self) -> usize {
        self.distance.len()
    }

    /// Whether there are no edges.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.distance.is_empty()
    }

    /// `r_j + shift @ lattice - r_i` of each edge, angstrom, of the batch that the edges were found in.
    ///
    /// # Errors
    /// As [`edge_vectors`].
    pub fn vectors(&self, batch: &BatchView, threads: Option<usize>) -> Result<Vec<[T; 3]>>
    where
        T: Real,
    {
        let view = EdgesView {
            neighbor: self.index.get(self.len()..).unwrap_or_default(),
            shift: &self.shift,
            atom_offsets: &self.atom_offsets,
        };
        let mut vectors = vec![[T::default(); 3]; self.len()];
        edge_vectors(batch, &view, &mut vectors, threads)?;
        Ok(vectors)
    }

    /// Centre and neighbour of edge e.
    #[must_use]
    pub fn pair(&self, edge: usize) -> (usize, usize) {
        (self.index[edge] as usize, self.index[self.len() + edge] as usize)
    }
}

/// Memory that edges are written to, of E edges.
#[derive(Debug)]
pub struct EdgesMut<'a, T> {
    /// First all centres, then all neighbours (2 E).
    pub index: &'a mut [i64],
    /// Lattice translations (E).
    pub shift: &'a mut [[i32; 3]],
    /// Lengths (E).
    pub distance: &'a mut [T],
}

/// Columns of the edges of some atoms that follow each other.
#[derive(Debug)]
struct Rows<'a, T> {
    neighbor: &'a mut [i64],
    shift: &'a mut [[i32; 3]],
    distance: &'a mut [T],
}

/// One edge, but for its centre.
#[derive(Debug, Clone, Copy)]
pub struct Edge<T> {
    pub neighbor: i64,
    pub shift: [i32; 3],
    pub distance: T,
}

/// Takes the edges of one atom after the other.
pub trait Sink<T> {
    /// Write this many edges.
    fn write(&mut self, count: usize, edge: impl Fn(usize) -> Edge<T>);
}

impl<T> Rows<'_, T> {
    /// One pass, so that what an edge is made of is read once; by index, which compiles to half the instructions of
    /// iterators over three columns.
    #[inline(always)]
    fn set(self, ahead: bool, edge: impl Fn(usize) -> Edge<T>) {
        let (count, distance) = (self.distance.len(), self.distance);
        let (neighbor, shift) = (&mut self.neighbor[..count], &mut self.shift[..count]);
        for from in (0..count).step_by(TOGETHER) {
            if ahead {
                fetch([
                    stretch_ahead(neighbor, from),
                    stretch_ahead(shift, from),
                    stretch_ahead(distance, from),
                ]);
            }
            for e in from..(from + TOGETHER).min(count) {
                let edge = edge(e);
                (neighbor[e], shift[e], distance[e]) = (edge.neighbor, edge.shift, edge.distance);
            }
        }
    }
}

/// Edges that are written between two looks ahead, and how far these look. Three columns are more than what processors
/// foresee by themselves: of results that do not stay in the cache a tenth of the time was waiting for their lines.
const TOGETHER: usize = 64;
const AHEAD: usize = 512;
/// Edges of a result that stays in a cache of its processor's own.
const FEW: usize = 1 << 16;

/// What is written to a column some time after a place.
#[inline(always)]
fn stretch_ahead<T>(column: &[T], from: usize) -> (*const i8, usize) {
    let start = column.as_ptr().wrapping_add(from + AHEAD);
    (start.cast(), TOGETHER * size_of::<T>())
}

/// Columns that grow.
#[derive(Debug, Default)]
pub struct Growing<T> {
    pub counts: Vec<u32>,
    neighbor: Vec<i64>,
    shift: Vec<[i32; 3]>,
    distance: Vec<T>,
}

impl<T: Real> Growing<T> {
    /// Memory for this many edges.
    pub fn with_capacity(edges: usize) -> Self {
        Self {
            counts: vec![],
            neighbor: Vec::with_capacity(edges),
            shift: Vec::with_capacity(edges),
            distance: Vec::with_capacity(edges),
        }
    }

    pub fn len(&self) -> usize {
        self.distance.len()
    }
}

impl<T: Real> Sink<T> for Growing<T> {
    #[inline(always)]
    fn write(&mut self, count: usize, edge: impl Fn(usize) -> Edge<T>) {
        let (begin, end) = (self.len(), self.len() + count);
        self.neighbor.resize(end, 0);
        self.shift.resize(end, [0; 3]);
        self.distance.resize(end, T::default());
        let rows = Rows {
            neighbor: &mut self.neighbor[begin..],
            shift: &mut self.shift[begin..],
            distance: &mut self.distance[begin..],
        };
        rows.set(false, edge);
    }
}

/// A part of arrays of known length; what is written falls off the front.
#[derive(Debug)]
pub struct Part<'a, T> {
    centre: &'a mut [i64],
    rows: Rows<'a, T>,
    /// Whether what is written is far from the cache.
    ahead: bool,
}

impl<T: Real> Part<'_, T> {
    /// Write the centres of atoms with these numbers of edges, the first of which has this number.
    pub fn set_centres(&mut self, counts: &[u32], first: usize) {
        let mut rest = &mut *self.centre;
        for (at, &count) in counts.iter().enumerate() {
            split(&mut rest, count as usize).fill((first + at) as i64);
        }
    }

    fn copy_from(&mut self, part: &Growing<T>) {
        self.rows.neighbor.copy_from_slice(&part.neighbor);
        self.rows.shift.copy_from_slice(&part.shift);
        self.rows.distance.copy_from_slice(&part.distance);
    }
}

impl<T> Sink<T> for Part<'_, T> {
    #[inline(always)]
    fn write(&mut self, count: usize, edge: impl Fn(usize) -> Edge<T>) {
        let rows = Rows {
            neighbor: split(&mut self.rows.neighbor, count),
            shift: split(&mut self.rows.shift, count),
            distance: split(&mut self.rows.distance, count),
        };
        rows.set(self.ahead, edge);
    }
}

#[inline]
#[allow(clippy::mut_mut)] // The slice itself moves on.
fn split<'a, T>(slice: &mut &'a mut [T], at: usize) -> &'a mut [T] {
    let (front, rest) = std::mem::take(slice).split_at_mut(at);
    *slice = rest;
    front
}

impl<'a, T: Real> EdgesMut<'a, T> {
    /// All of it as one part.
    ///
    /// # Errors
    /// Memory for another number of edges.
    fn whole(self, total: usize) -> Result<Part<'a, T>> {
        let rows = [
            ("index", self.index.len(), 2 * total),
            ("shift", self.shift.len(), total),
            ("distance", self.distance.len(), total),
        ];
        if let Some((name, length, needed)) = rows.into_iter().find(|(_, length, needed)| length != needed) {
            return Err(ArgumentError {
                name,
                value: format!("{length} rows"),
                message: format!("room for {needed} is needed"),
            }
            .into());
        }
        let (centre, neighbor) = self.index.split_at_mut(total);
        Ok(Part {
            centre,
            rows: Rows {
                neighbor,
                shift: self.shift,
                distance: self.distance,
            },
            ahead: total > FEW,
        })
    }
}

impl<'a, T> Part<'a, T> {
    /// Its first edges, which fall off; they can be written while the others are.
    fn split(&mut self, length: usize) -> Part<'a, T> {
        Part {
            centre: split(&mut self.centre, length),
            rows: Rows {
                neighbor: split(&mut self.rows.neighbor, length),
                shift: split(&mut self.rows.shift, length),
                distance: split(&mut self.rows.distance, length),
            },
            ahead: self.ahead,
        }
    }
}

/// The edges of a batch, counted and not yet written.
#[derive(Debug)]
pub struct EdgePlan<'a, T> {
    source: Source<'a, T>,
    workers: usize,
    offsets: Vec<i64>,
    atom_offsets: Vec<i64>,
}

/// Where edges come from, by stretches of atoms that follow each other.
#[derive(Debug)]
pub enum Source<'a, T> {
    /// Found and not yet ordered.
    Found(Search<'a>),
    /// Written already.
    Ready(Vec<Growing<T>>),
}

impl<T> Source<'_, T> {
    /// How many stretches there are.
    fn len(&self) -> usize {
        match self {
            Self::Found(search) => search.len(),
            Self::Ready(parts) => parts.len(),
        }
    }

    /// Edges of each atom of a stretch.
    fn counts(&self, at: usize) -> &[u32] {
        match self {
            Self::Found(search) => search.counts(at),
            Self::Ready(parts) => &parts[at].counts,
        }
    }
}

impl<'a, T: Real> EdgePlan<'a, T> {
    pub(super) fn new(source: Source<'a, T>, num_atoms: usize, crystal_offsets: &[i64], workers: usize) -> Self {
        let mut atom_offsets = Vec::with_capacity(num_atoms + 1);
        let mut total = 0;
        atom_offsets.push(0);
        for &count in (0..source.len()).flat_map(|at| source.counts(at)) {
            total += i64::from(count);
            atom_offsets.push(total);
        }
        let end_of = |&atom: &i64| atom_offsets[atom as usize];
        Self {
            offsets: crystal_offsets.iter().map(end_of).collect(),
            atom_offsets,
            source,
            workers,
        }
    }

    /// Number of edges.
    #[must_use]
    pub fn len(&self) -> usize {
        self.atom_offsets.last().map_or(0, |&end| end as usize)
    }

    /// Whether there are no edges.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Edges of crystal b will be `offsets[b]..offsets[b + 1]`.
    #[must_use]
    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// Edges of atom i will be `atom_offsets[i]..atom_offsets[i + 1]`.
    #[must_use]
    pub fn atom_offsets(&self) -> &[i64] {
        &self.atom_offsets
    }

    /// Whether the edges lie in the arrays that [`Self::finish`] hands over; else it takes memory and writes them.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(&self.source, Source::Ready(parts) if parts.len() == 1)
    }

    /// Write all edges.
    ///
    /// # Errors
    /// Memory for another number of edges than [`Self::len`].
    pub fn write(&self, out: EdgesMut<T>) -> Result<()> {
        let mut rest = out.whole(self.len())?;
        let mut first = 0;
        let mut tasks = Vec::with_capacity(self.source.len());
        for at in 0..self.source.len() {
            let next = first + self.source.counts(at).len();
            let length = self.atom_offsets[next] - self.atom_offsets[first];
            tasks.push((at, rest.split(length as usize), first));
            first = next;
        }
        parallel::for_each_with(tasks, self.workers, |lists: &mut Lists, (at, mut part, first)| {
            part.set_centres(self.source.counts(at), first);
            match &self.source {
                Source::Found(search) => search.write(at, lists, &mut part),
                Source::Ready(parts) => part.copy_from(&parts[at]),
            }
        })
    }

    /// The edges in arrays of their own.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn finish(mut self) -> Result<Edges<T>> {
        if let (true, Source::Ready(parts)) = (self.is_ready(), &mut self.source) {
            let part = parts.swap_remove(0);
            let mut index = Vec::with_capacity(2 * part.len());
            for (atom, &count) in part.counts.iter().enumerate() {
                index.resize(index.len() + count as usize, atom as i64);
            }
            index.extend_from_slice(&part.neighbor);
            return Ok(Edges {
                index,
                shift: part.shift,
                distance: part.distance,
                offsets: self.offsets,
                atom_offsets: self.atom_offsets,
            });
        }
        let total = self.len();
        let mut edges = Edges {
            index: vec![0; 2 * total],
            shift: vec![[0; 3]; total],
            distance: vec![T::default(); total],
            ..Edges::default()
        };
        self.write(EdgesMut {
            index: &mut edges.index,
            shift: &mut edges.shift,
            distance: &mut edges.distance,
        })?;
        (edges.offsets, edges.atom_offsets) = (self.offsets, self.atom_offsets);
        Ok(edges)
    }
}
