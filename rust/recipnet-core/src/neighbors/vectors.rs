//! Vectors of edges, for those who read them.

use super::cell::fractional;
use crate::batch::{BatchView, check_offsets};
use crate::error::{ArgumentError, Result};
use crate::math::{Real, row_times};
use crate::parallel;

/// A thread takes at least so many edges at a time.
const SHARE: usize = 1 << 14;

/// Edges as [`super::Edges`] has them, without their lengths.
#[derive(Debug, Clone, Copy)]
pub struct EdgesView<'a> {
    /// Neighbour j of each edge (E), numbered through the batch.
    pub neighbor: &'a [i64],
    /// Lattice translation of j (E).
    pub shift: &'a [[i32; 3]],
    /// Edges of atom i are `atom_offsets[i]..atom_offsets[i + 1]`.
    pub atom_offsets: &'a [i64],
}

/// `r_j + shift @ lattice - r_i` of each edge, angstrom, written to `out` (E).
///
/// Computed as the lengths in [`super::neighbors`] are, in float64; the vector of the reverse edge is the exact
/// negative, and no component is -0.
///
/// # Errors
/// `ArgumentError` for arrays of different lengths and for neighbours outside the batch, `CrystalError` for offsets that
/// do not fit.
pub fn edge_vectors<T: Real>(
    batch: &BatchView,
    edges: &EdgesView,
    out: &mut [[T; 3]],
    threads: Option<usize>,
) -> Result<()> {
    let (total, atoms) = (edges.neighbor.len(), batch.num_atoms());
    for (name, length) in [("shift", edges.shift.len()), ("vector", out.len())] {
        if length != total {
            return Err(refuse(
                name,
                format!("{length} rows"),
                format!("index has {total} edges"),
            ));
        }
    }
    check_offsets("atom_offsets", edges.atom_offsets, atoms, total)?;
    let outside = |j: &i64| usize::try_from(*j).map_or(true, |j| j >= atoms);
    if let Some(e) = edges.neighbor.iter().position(outside) {
        let value = edges.neighbor[e].to_string();
        return Err(refuse("index", value, format!("of edge {e} is none of {atoms} atoms")));
    }
    let mut tasks = Vec::new();
    let mut rest = out;
    let mut first = 0;
    for atom in 0..atoms {
        let length = (edges.atom_offsets[atom + 1] - edges.atom_offsets[first]) as usize;
        if length >= SHARE || atom + 1 == atoms {
            let (front, behind) = rest.split_at_mut(length);
            rest = behind;
            tasks.push((first..atom + 1, front));
            first = atom + 1;
        }
    }
    let workers = parallel::workers(threads, 4.0 * total as f64)?;
    parallel::for_each(tasks, workers, |(some, out)| {
        let start = edges.atom_offsets[some.start] as usize;
        let mut b = batch.offsets().partition_point(|&begin| begin as usize <= some.start) - 1;
        for i in some {
            while i >= batch.atoms(b).end {
                b += 1;
            }
            let (cell, here) = (batch.lattices()[b].rows(), &batch.frac_coords()[i]);
            let (from, to) = (edges.atom_offsets[i] as usize, edges.atom_offsets[i + 1] as usize);
            let rows = edges.neighbor[from..to].iter().zip(&edges.shift[from..to]);
            for (vector, (&j, &shift)) in out[from - start..to - start].iter_mut().zip(rows) {
                let apart = fractional(here, &batch.frac_coords()[j as usize], shift);
                *vector = row_times(apart, cell).map(|x| T::from_f64(x + 0.0));
            }
        }
    })
}

fn refuse(name: &'static str, value: String, message: String) -> crate::error::Error {
    ArgumentError { name, value, message }.into()
}
