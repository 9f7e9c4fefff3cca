//! Where edges are written: growing arrays, or parts of arrays whose length was counted before.

use crate::error::Result;
use crate::math::Real;
use crate::parallel;

/// Edges of a batch. Those of one atom are contiguous; both ends are numbered through the batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Edges<T> {
    /// First all centres i (E), then all neighbours j (E).
    pub index: Vec<i64>,
    /// Lattice translation of j in the given cell.
    pub shift: Vec<[i32; 3]>,
    /// `r_j + shift @ lattice - r_i`, angstrom.
    pub vector: Vec<[T; 3]>,
    /// Length of `vector`, angstrom.
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

    /// Centre and neighbour of edge e.
    #[must_use]
    pub fn pair(&self, edge: usize) -> (usize, usize) {
        (self.index[edge] as usize, self.index[self.len() + edge] as usize)
    }
}

/// Columns of the edges of some atoms that follow each other.
#[derive(Debug)]
pub struct Rows<'a, T> {
    pub neighbor: &'a mut [i64],
    pub shift: &'a mut [[i32; 3]],
    pub vector: &'a mut [[T; 3]],
    pub distance: &'a mut [T],
}

/// Takes the edges of one atom after the other.
pub trait Sink<T> {
    /// Write edges, by columns of one length.
    fn write(
        &mut self,
        neighbor: impl ExactSizeIterator<Item = i64>,
        shift: impl ExactSizeIterator<Item = [i32; 3]>,
        vector: impl ExactSizeIterator<Item = [T; 3]>,
        distance: impl ExactSizeIterator<Item = T>,
    );
}

/// Columns that grow.
#[derive(Debug, Default)]
pub struct Growing<T> {
    pub counts: Vec<u32>,
    neighbor: Vec<i64>,
    shift: Vec<[i32; 3]>,
    vector: Vec<[T; 3]>,
    distance: Vec<T>,
}

impl<T: Real> Growing<T> {
    /// Memory for exactly the edges of atoms with these numbers of edges; see [`Self::finish`].
    pub fn exact(counts: impl Iterator<Item = u32>, edges: usize) -> Self {
        let mut neighbor = Vec::with_capacity(2 * edges);
        for (atom, count) in counts.enumerate() {
            neighbor.resize(neighbor.len() + count as usize, atom as i64);
        }
        Self {
            neighbor,
            ..Self::with_capacity(edges)
        }
    }

    /// What was written to [`Self::exact`] memory, whose neighbours lie behind the centres already.
    pub fn finish(self, (offsets, atom_offsets): (Vec<i64>, Vec<i64>)) -> Edges<T> {
        Edges {
            index: self.neighbor,
            shift: self.shift,
            vector: self.vector,
            distance: self.distance,
            offsets,
            atom_offsets,
        }
    }

    /// Memory for this many edges.
    pub fn with_capacity(edges: usize) -> Self {
        Self {
            counts: vec![],
            neighbor: Vec::with_capacity(edges),
            shift: Vec::with_capacity(edges),
            vector: Vec::with_capacity(edges),
            distance: Vec::with_capacity(edges),
        }
    }

    pub fn len(&self) -> usize {
        self.distance.len()
    }
}

impl<T: Real> Sink<T> for Growing<T> {
    #[inline]
    fn write(
        &mut self,
        neighbor: impl ExactSizeIterator<Item = i64>,
        shift: impl ExactSizeIterator<Item = [i32; 3]>,
        vector: impl ExactSizeIterator<Item = [T; 3]>,
        distance: impl ExactSizeIterator<Item = T>,
    ) {
        self.neighbor.extend(neighbor);
        self.shift.extend(shift);
        self.vector.extend(vector);
        self.distance.extend(distance);
    }
}

/// A part of arrays of known length; what is written falls off the front.
#[derive(Debug)]
pub struct Part<'a, T> {
    centre: &'a mut [i64],
    rows: Rows<'a, T>,
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
        self.rows.vector.copy_from_slice(&part.vector);
        self.rows.distance.copy_from_slice(&part.distance);
    }
}

impl<T> Sink<T> for Part<'_, T> {
    #[inline]
    fn write(
        &mut self,
        neighbor: impl ExactSizeIterator<Item = i64>,
        shift: impl ExactSizeIterator<Item = [i32; 3]>,
        vector: impl ExactSizeIterator<Item = [T; 3]>,
        distance: impl ExactSizeIterator<Item = T>,
    ) {
        let rows = &mut self.rows;
        fill(&mut rows.neighbor, neighbor);
        fill(&mut rows.shift, shift);
        fill(&mut rows.vector, vector);
        fill(&mut rows.distance, distance);
    }
}

#[inline]
#[allow(clippy::mut_mut)] // The slice itself moves on.
fn fill<T>(slice: &mut &mut [T], items: impl ExactSizeIterator<Item = T>) {
    for (place, item) in split(slice, items.len()).iter_mut().zip(items) {
        *place = item;
    }
}

#[inline]
#[allow(clippy::mut_mut)] // The slice itself moves on.
fn split<'a, T>(slice: &mut &'a mut [T], at: usize) -> &'a mut [T] {
    let (front, rest) = std::mem::take(slice).split_at_mut(at);
    *slice = rest;
    front
}

/// Offsets of atoms and crystals from the counts of each stretch of atoms, which follow each other.
pub fn offsets<'a>(
    counts: impl Iterator<Item = &'a [u32]>,
    num_atoms: usize,
    crystal_offsets: &[i64],
) -> (Vec<i64>, Vec<i64>) {
    let mut atom_offsets = Vec::with_capacity(num_atoms + 1);
    let mut total = 0;
    atom_offsets.push(0);
    for stretch in counts {
        atom_offsets.extend(stretch.iter().map(|&count| {
            total += i64::from(count);
            total
        }));
    }
    let offsets = crystal_offsets
        .iter()
        .map(|&atom| atom_offsets[atom as usize])
        .collect();
    (offsets, atom_offsets)
}

/// Arrays of zeros, to be cut and written.
pub fn blank<T: Real>((offsets, atom_offsets): (Vec<i64>, Vec<i64>)) -> Edges<T> {
    let total = atom_offsets.last().map_or(0, |&end| end as usize);
    Edges {
        index: vec![0; 2 * total],
        shift: vec![[0; 3]; total],
        vector: vec![[T::default(); 3]; total],
        distance: vec![T::default(); total],
        offsets,
        atom_offsets,
    }
}

/// The arrays, cut into consecutive parts of these lengths that can be written at the same time.
pub fn cut<'a, T>(edges: &'a mut Edges<T>, lengths: &[usize]) -> Vec<Part<'a, T>> {
    let (mut centre, mut neighbor) = edges.index.split_at_mut(edges.distance.len());
    let (mut shift, mut vector) = (edges.shift.as_mut_slice(), edges.vector.as_mut_slice());
    let mut distance = edges.distance.as_mut_slice();
    let parts = lengths.iter().map(|&length| Part {
        centre: split(&mut centre, length),
        rows: Rows {
            neighbor: split(&mut neighbor, length),
            shift: split(&mut shift, length),
            vector: split(&mut vector, length),
            distance: split(&mut distance, length),
        },
    });
    parts.collect()
}

/// Put stretches together; the columns of one stretch are handed over without a copy.
pub fn join<T: Real>(
    mut parts: Vec<Growing<T>>,
    num_atoms: usize,
    crystal_offsets: &[i64],
    workers: usize,
) -> Result<Edges<T>> {
    let (offsets, atom_offsets) = offsets(parts.iter().map(|p| p.counts.as_slice()), num_atoms, crystal_offsets);
    if parts.len() == 1 {
        let part = parts.swap_remove(0);
        let mut index = Vec::with_capacity(2 * part.len());
        for (atom, &count) in part.counts.iter().enumerate() {
            index.resize(index.len() + count as usize, atom as i64);
        }
        index.extend_from_slice(&part.neighbor);
        return Ok(Edges {
            index,
            shift: part.shift,
            vector: part.vector,
            distance: part.distance,
            offsets,
            atom_offsets,
        });
    }
    let lengths: Vec<usize> = parts.iter().map(Growing::len).collect();
    let mut edges = blank((offsets, atom_offsets));
    let mut first = 0;
    let mut work = Vec::with_capacity(parts.len());
    for (part, out) in parts.into_iter().zip(cut(&mut edges, &lengths)) {
        let atoms = part.counts.len();
        work.push((part, out, first));
        first += atoms;
    }
    parallel::for_each(work, workers, |(part, mut out, first)| {
        out.set_centres(&part.counts, first);
        out.copy_from(&part);
    })?;
    Ok(edges)
}
