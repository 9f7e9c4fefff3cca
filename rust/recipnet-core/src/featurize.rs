//! A spec applied to a batch: all arrays that a model reads, in their final types.

use crate::batch::BatchView;
use crate::error::Result;
use crate::math::Real;
use crate::neighbors::{Edges, NearestOptions, RadiusOptions, nearest_neighbors, neighbors};
use crate::reciprocal::{self, Indices, ReflectionOptions};

/// Which edges a model wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EdgeSpec {
    /// All within a cut-off.
    Radius(RadiusOptions),
    /// The nearest.
    Nearest(NearestOptions),
}

/// What a model wants of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FeatureOptions {
    /// Edges, if any.
    pub edges: Option<EdgeSpec>,
    /// Reflections, if any: one of each +-h in scan order.
    pub reflections: Option<ReflectionOptions>,
}

/// Arrays of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Features<T> {
    /// Atomic numbers.
    pub numbers: Vec<i64>,
    /// Fractional coordinates wrapped to [0, 1), also after rounding.
    pub frac: Vec<[T; 3]>,
    /// Rows of the cells.
    pub lattice: Vec<[[T; 3]; 3]>,
    /// Atoms of crystal b are `atom_offsets[b]..atom_offsets[b + 1]`.
    pub atom_offsets: Vec<i64>,
    /// Edges with their vectors.
    pub edges: Option<(Edges<T>, Vec<[T; 3]>)>,
    /// Reflections and their `1/d`.
    pub reflections: Option<(Indices, Vec<T>)>,
}

/// Featurize a batch; every array is freshly made.
///
/// # Errors
/// As [`neighbors`], [`nearest_neighbors`] and [`reciprocal::indices`].
pub fn featurize<T: Real>(batch: &BatchView, options: &FeatureOptions, threads: Option<usize>) -> Result<Features<T>> {
    let edges = match &options.edges {
        None => None,
        Some(EdgeSpec::Radius(radius)) => Some(neighbors(batch, radius, threads)?),
        Some(EdgeSpec::Nearest(nearest)) => Some(nearest_neighbors(batch, nearest, threads)?),
    };
    let edges = match edges {
        None => None,
        Some(edges) => {
            let vectors = edges.vectors(batch, threads)?;
            Some((edges, vectors))
        }
    };
    let reflections = match &options.reflections {
        None => None,
        Some(reflections) => {
            let indices = reciprocal::indices(batch.lattices(), &[], reflections, threads)?;
            let inverse_d = reciprocal::inverse_d(batch.lattices(), &indices, threads)?;
            Some((indices, inverse_d))
        }
    };
    let numbers = match batch.numbers() {
        Some(numbers) => numbers.iter().map(|&z| i64::from(z)).collect(),
        None => vec![0; batch.num_atoms()],
    };
    Ok(Features {
        numbers,
        frac: batch.frac_coords().iter().map(|x| x.map(T::wrapped)).collect(),
        lattice: batch
            .lattices()
            .iter()
            .map(|cell| cell.rows().map(|row| row.map(T::from_f64)))
            .collect(),
        atom_offsets: batch.offsets().to_vec(),
        edges,
        reflections,
    })
}
