//! Weights read from tables, for the kinds of atoms that there are, and the sums that are their gradient.

use std::ops::Range;

use super::ragged::{Piece, Ragged, check_length};
use super::runs::{Runs, STRETCH};
use super::weighted::{Complex, Place, add_real_parts, stretches};
use super::{TERM, check_kinds};
use crate::error::{ArgumentError, Error, Result};
use crate::machine::{Kernel, Machine, dispatch};
use crate::parallel;
use crate::scalar::Scalar;

/// Where weights are read in a table on a uniform grid: row-major, a row for each kind of atom.
///
/// By cubic convolution with a = -1/2 (R. G. Keys, IEEE Trans. ASSP 29 (1981) 1153, equation 15). A row has one more column
/// before its first and one after its last, to which the cubics of the outermost cells reach (equations 19 and 25 there).
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a, T> {
    /// Rows of the atoms (N).
    pub kinds: &'a [i64],
    /// Places of the reflections (H), from 0, where the second column is, to `columns - 3`.
    pub places: &'a [T],
    /// Rows of the table.
    pub rows: usize,
    /// Columns of the table, at least 4.
    pub columns: usize,
    /// How often the table's values are differentiated by the place.
    pub order: u32,
}

impl<T: Scalar> Lookup<'_, T> {
    pub(super) fn check(&self, batch: &Ragged<T>) -> Result<()> {
        check_kinds(self.kinds, self.rows, batch.num_atoms())?;
        check_length(
            "places",
            self.places.len(),
            batch.num_reflections(),
            "one for each reflection",
        )?;
        if self.columns >= 4 {
            return Ok(());
        }
        Err(Error::Argument(ArgumentError {
            name: "columns",
            value: self.columns.to_string(),
            message: "must be at least 4".into(),
        }))
    }

    /// First of the four columns about a place, and their weights. A place outside is of the outermost cell.
    #[inline(always)]
    fn stencil(&self, place: T) -> (usize, [T; 4]) {
        let cell = (place.into() as usize).min(self.columns - 4);
        let c = T::from_f64;
        let u = place - c(cell as f64);
        let v = c(1.0) - u;
        // The weights of the columns farther off and of those beside the place; those on the right are mirrored.
        let far = |t: T| match self.order {
            0 => c(-0.5) * t * (c(1.0) - t) * (c(1.0) - t),
            1 => c(-0.5) + t * (c(2.0) - c(1.5) * t),
            2 => c(2.0) - c(3.0) * t,
            3 => c(-3.0),
            _ => T::ZERO,
        };
        let near = |t: T| match self.order {
            0 => c(1.0) + t * t * (c(1.5) * t - c(2.5)),
            1 => t * (c(4.5) * t - c(5.0)),
            2 => c(9.0) * t - c(5.0),
            3 => c(9.0),
            _ => T::ZERO,
        };
        let mirror = c(if self.order.is_multiple_of(2) { 1.0 } else { -1.0 });
        (cell, [far(u), near(u), mirror * near(v), mirror * far(v)])
    }
}

/// Numbers by kind of atom for the reflections of a stretch, side by side: those of the atoms of a chunk.
pub(super) struct Columns<T> {
    /// The kinds that occur.
    kinds: Vec<usize>,
    /// Of each atom, its place in `kinds`.
    slots: Vec<usize>,
    stencils: Vec<(usize, [T; 4])>,
    pub values: Vec<T>,
}

impl<T: Scalar> Columns<T> {
    pub fn new() -> Self {
        Self {
            kinds: Vec::new(),
            slots: Vec::new(),
            stencils: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Which kinds there are and where they are read; all numbers are zero.
    #[inline(always)]
    pub fn set_stretch(&mut self, lookup: &Lookup<T>, atoms: Range<usize>, reflections: Range<usize>) {
        self.kinds.clear();
        self.slots.clear();
        for kind in lookup.kinds[atoms].iter().map(|&kind| kind as usize) {
            let slot = self.kinds.iter().position(|&known| known == kind);
            self.slots.push(slot.unwrap_or(self.kinds.len()));
            if slot.is_none() {
                self.kinds.push(kind);
            }
        }
        self.stencils.clear();
        self.stencils
            .extend(lookup.places[reflections].iter().map(|&place| lookup.stencil(place)));
        self.values.clear();
        self.values.resize(self.kinds.len() * STRETCH, T::ZERO);
    }

    /// Read them from a table.
    #[inline(always)]
    pub fn read<M: Machine>(&mut self, table: &[T], columns: usize) {
        for (to, &kind) in self.values.chunks_exact_mut(STRETCH).zip(&self.kinds) {
            let row = &table[kind * columns..(kind + 1) * columns];
            for (to, &(cell, [a, b, c, d])) in to.iter_mut().zip(&self.stencils) {
                let [p, q, r, s] = *row[cell..].first_chunk::<4>().expect("four columns about a place");
                *to = M::madd(a, p, b * q) + M::madd(c, r, d * s);
            }
        }
    }

    /// Add to a table what its values get of them.
    #[inline(always)]
    fn add_to<M: Machine>(&self, table: &mut [T], columns: usize) {
        for (values, &kind) in self.values.chunks_exact(STRETCH).zip(&self.kinds) {
            let row = &mut table[kind * columns..(kind + 1) * columns];
            for (&value, (cell, weights)) in values.iter().zip(&self.stencils) {
                let four = row[*cell..].first_chunk_mut::<4>().expect("four columns about a place");
                for (to, &weight) in four.iter_mut().zip(weights) {
                    *to = M::madd(weight, value, *to);
                }
            }
        }
    }

    /// Where the numbers of an atom are.
    pub fn of(&self, atom: usize) -> Range<usize> {
        self.slots[atom] * STRETCH..(self.slots[atom] + 1) * STRETCH
    }
}

/// Adds `Re[conj(exp(+2 pi i h.x_j)) g(h)]` to the values of a table that the weight of the term is read from.
struct TableAdjoint<'a, T> {
    batch: Ragged<'a, T>,
    g: &'a [[T; 2]],
    lookup: Lookup<'a, T>,
    pieces: &'a [Piece],
    out: &'a mut [T],
}

impl<T: Scalar> Kernel for TableAdjoint<'_, T> {
    #[inline(always)]
    fn run<M: Machine>(self) {
        let (mut g, mut columns) = (Complex::new(), Columns::new());
        for piece in self.pieces {
            let (atoms, rows) = (piece.part.atoms.clone(), piece.rows.clone());
            let visit = |phases: &mut Runs<T>, place: &Place| {
                let own = rows.start + place.first..rows.start + place.first + place.count;
                let first = atoms.start + place.first_atom;
                g.load(&self.g[own.clone()]);
                columns.set_stretch(&self.lookup, first..first + place.atoms, own);
                for j in (0..place.atoms).step_by(2) {
                    for (j, phase) in (j..place.atoms).zip(phases.two_atoms::<M>(j)) {
                        let to = columns.of(j);
                        add_real_parts::<T, M>(&g, phase, &mut columns.values[to]);
                    }
                }
                columns.add_to::<M>(self.out, self.lookup.columns);
            };
            stretches::<T, M>(&self.batch.frac[atoms.clone()], &self.batch.hkl[rows.clone()], visit);
        }
    }
}

/// Gradient of [`forward`](super::forward) in the values of a table, (rows, columns): `Re[conj(exp(+2 pi i h.x_j)) g(h)]` for `g` (H), times
/// the weight that the value has at the place of h, summed over all terms.
///
/// # Errors
/// Arrays that do not fit the batch.
pub fn table_adjoint<T: Scalar>(
    batch: &Ragged<T>,
    g: &[[T; 2]],
    lookup: &Lookup<T>,
    threads: Option<usize>,
    out: &mut [T],
) -> Result<()> {
    // Parts of the batch that are summed apart, in their order whatever the threads, and how large these sums may be.
    const PARTS: usize = 16;
    const NUMBERS: usize = 1 << 22;
    lookup.check(batch)?;
    check_length("g", g.len(), batch.num_reflections(), "one for each reflection")?;
    let size = lookup.rows.saturating_mul(lookup.columns);
    check_length("out", out.len(), size, "one for each row and column")?;
    out.fill(T::ZERO);
    let pieces = batch.pieces(true, STRETCH);
    if pieces.is_empty() || size == 0 {
        return Ok(());
    }
    let parts = (NUMBERS / size).clamp(1, PARTS);
    let mut sums = vec![T::ZERO; size * parts];
    let runs = pieces.chunks(pieces.len().div_ceil(parts));
    let items = runs.zip(sums.chunks_exact_mut(size)).collect();
    let workers = parallel::workers(threads, batch.num_terms() as f64 * TERM)?;
    parallel::for_each(items, workers, |(pieces, out)| {
        dispatch(TableAdjoint {
            batch: *batch,
            g,
            lookup: *lookup,
            pieces,
            out,
        });
    })?;
    for part in sums.chunks_exact(size) {
        for (to, &value) in out.iter_mut().zip(part) {
            *to += value;
        }
    }
    Ok(())
}
