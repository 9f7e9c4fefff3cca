//! Crystals, neighbours and reflections: the pure Rust core of recipnet.

pub mod batch;
pub mod cif;
pub mod crystal;
pub mod elements;
pub mod error;
pub mod featurize;
pub mod lattice;
pub mod math;
pub mod neighbors;
mod order;
pub mod parallel;
pub mod reciprocal;
pub mod symmetry;
