//! Periodic neighbours, exact for any cell.
//!
//! The cell is Minkowski-reduced and the atoms wrapped inside, so that sheared cells and far coordinates cost nothing. In
//! small crystals each atom then meets all images near the cell, in large ones the atoms of nearby bins. What is found is
//! mapped back: shifts, vectors and distances are those of the cell and the coordinates as given.

// What loops call is compiled with them, for each instruction set.
#![allow(clippy::inline_always)]

mod cell;
mod edges;
mod grid;
mod lanes;
mod large;
mod lists;
mod nearest;
mod plan;
mod radius;
mod small;
mod symmetrize;
mod triplets;
mod vectors;

pub use crate::order::TIE_GAP;
pub use cell::DISTANCE_SLACK;
pub use edges::{EdgePlan, Edges, EdgesMut};
pub use nearest::{NearestMode, NearestOptions, nearest_neighbors, plan_nearest_neighbors};
pub use radius::{RadiusOptions, neighbors, plan_neighbors};
pub use triplets::{Triplets, triplets};
pub use vectors::{EdgesView, edge_vectors};

#[cfg(test)]
mod tests;
