//! Where edges are written: growing buffers, or slices of arrays whose length was counted before.

use super::cell::Neighbor;
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

/// Takes the ordered neighbours of one atom after the other.
pub trait Sink {
    /// Neighbours of the atom with number `centre` in the batch, whose crystal starts at number `first`.
    fn atom(&mut self, centre: usize, first: usize, rows: &[Neighbor]);
}

/// Edges of a stretch of atoms, growing.
#[derive(Debug)]
pub struct Growing<T> {
    pub counts: Vec<u32>,
    centre: Vec<i64>,
    neighbor: Vec<i64>,
    shift: Vec<[i32; 3]>,
    vector: Vec<[T; 3]>,
    distance: Vec<T>,
}

impl<T> Default for Growing<T> {
    fn default() -> Self {
        Self {
            counts: vec![],
            centre: vec![],
            neighbor: vec![],
            shift: vec![],
            vector: vec![],
            distance: vec![],
        }
    }
}

impl<T> Growing<T> {
    pub fn len(&self) -> usize {
        self.distance.len()
    }

    /// Memory for about this many edges of this many atoms.
    pub fn reserve(&mut self, atoms: usize, edges: usize) {
        self.counts.reserve(atoms);
        self.centre.reserve(edges);
        self.neighbor.reserve(edges);
        self.shift.reserve(edges);
        self.vector.reserve(edges);
        self.distance.reserve(edges);
    }
}

impl<T: Real> Sink for Growing<T> {
    #[inline]
    fn atom(&mut self, centre: usize, first: usize, rows: &[Neighbor]) {
        self.counts.push(rows.len() as u32);
        self.centre.resize(self.centre.len() + rows.len(), centre as i64);
        self.neighbor
            .extend(rows.iter().map(|row| (first + row.j as usize) as i64));
        self.shift.extend(rows.iter().map(|row| row.shift));
        self.vector.extend(rows.iter().map(|row| row.vector.map(T::from_f64)));
        self.distance.extend(rows.iter().map(|row| T::from_f64(row.distance)));
    }
}

/// Edges of a stretch of atoms inside arrays of known length.
#[derive(Debug)]
pub struct Filling<'a, T> {
    pub centre: &'a mut [i64],
    pub neighbor: &'a mut [i64],
    pub shift: &'a mut [[i32; 3]],
    pub vector: &'a mut [[T; 3]],
    pub distance: &'a mut [T],
    pub done: usize,
}

impl<T: Real> Sink for Filling<'_, T> {
    fn atom(&mut self, centre: usize, first: usize, rows: &[Neighbor]) {
        for row in rows {
            let e = self.done;
            self.centre[e] = centre as i64;
            self.neighbor[e] = (first + row.j as usize) as i64;
            self.shift[e] = row.shift;
            self.vector[e] = row.vector.map(T::from_f64);
            self.distance[e] = T::from_f64(row.distance);
            self.done += 1;
        }
    }
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

/// Arrays of one length, cut into consecutive stretches that can be written at the same time.
pub fn cut<'a, T>(
    index: &'a mut [i64],
    mut shift: &'a mut [[i32; 3]],
    mut vector: &'a mut [[T; 3]],
    mut distance: &'a mut [T],
    lengths: &[usize],
) -> Vec<Filling<'a, T>> {
    let (mut centre, mut neighbor) = index.split_at_mut(distance.len());
    let mut stretches = Vec::with_capacity(lengths.len());
    for &length in lengths {
        let (a, rest) = centre.split_at_mut(length);
        centre = rest;
        let (b, rest) = neighbor.split_at_mut(length);
        neighbor = rest;
        let (c, rest) = shift.split_at_mut(length);
        shift = rest;
        let (d, rest) = vector.split_at_mut(length);
        vector = rest;
        let (e, rest) = distance.split_at_mut(length);
        distance = rest;
        stretches.push(Filling {
            centre: a,
            neighbor: b,
            shift: c,
            vector: d,
            distance: e,
            done: 0,
        });
    }
    stretches
}

/// Put stretches together; one stretch is handed over without copying its largest arrays.
pub fn join<T: Real>(
    mut parts: Vec<Growing<T>>,
    num_atoms: usize,
    crystal_offsets: &[i64],
    workers: usize,
) -> crate::error::Result<Edges<T>> {
    let (offsets, atom_offsets) = offsets(parts.iter().map(|p| p.counts.as_slice()), num_atoms, crystal_offsets);
    if parts.len() == 1 {
        let mut part = parts.swap_remove(0);
        part.centre.extend_from_slice(&part.neighbor);
        return Ok(Edges {
            index: part.centre,
            shift: part.shift,
            vector: part.vector,
            distance: part.distance,
            offsets,
            atom_offsets,
        });
    }
    let lengths: Vec<usize> = parts.iter().map(Growing::len).collect();
    let total = lengths.iter().sum();
    let mut edges = Edges {
        index: vec![0; 2 * total],
        shift: vec![[0; 3]; total],
        vector: vec![[T::default(); 3]; total],
        distance: vec![T::default(); total],
        offsets,
        atom_offsets,
    };
    let stretches = cut(
        &mut edges.index,
        &mut edges.shift,
        &mut edges.vector,
        &mut edges.distance,
        &lengths,
    );
    parallel::for_each(parts.into_iter().zip(stretches).collect(), workers, |(part, out)| {
        out.centre.copy_from_slice(&part.centre);
        out.neighbor.copy_from_slice(&part.neighbor);
        out.shift.copy_from_slice(&part.shift);
        out.vector.copy_from_slice(&part.vector);
        out.distance.copy_from_slice(&part.distance);
    })?;
    Ok(edges)
}
