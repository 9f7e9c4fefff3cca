//! Crystals, neighbours and reflections: the pure Rust core of recipnet.
//!
//! Flat arrays in, flat arrays out, many crystals in one call, on all cores. Each floor uses only those below it:
//!
//! | floor | modules |
//! | --- | --- |
//! | 5 | [`featurize`] |
//! | 4 | [`neighbors`], [`reciprocal`], [`structure_factor`], [`fourier`], and on them [`powder`] |
//! | 3 | [`cif`], [`cif_write`], [`poscar`], [`extxyz`], [`batch`] |
//! | 2 | [`crystal`], [`symmetry`] and on it [`structure`] (what a file holds), [`lines`] (texts made of lines) |
//! | 1 | [`lattice`], [`elements`], [`form_factor`] |
//! | 0 | [`error`], [`math`], [`parallel`] (the only file that names rayon), [`scratch`], [`mod@format`], and inside: `order` (sorting with ties), `machine`, `ahead`, `keep`, `scalar`, `elementary` |
//!
//! ```
//! use recipnet_core::batch::CrystalBatch;
//! use recipnet_core::crystal::Crystal;
//! use recipnet_core::lattice::Lattice;
//! use recipnet_core::neighbors::{RadiusOptions, neighbors};
//!
//! let cell = Lattice::from_parameters(5.64, 5.64, 5.64, 90.0, 90.0, 90.0)?;
//! let salt = Crystal::new(cell, vec![11, 17], vec![[0.0; 3], [0.5; 3]])?;
//! let batch = CrystalBatch::from_crystals([&salt, &salt]);
//! let edges = neighbors::<f32>(&batch.view(), &RadiusOptions::new(5.0), None)?;
//! assert_eq!(edges.offsets, [0, 16, 32]);
//! # Ok::<(), recipnet_core::error::Error>(())
//! ```

#![forbid(unsafe_code)]

mod ahead;
pub mod batch;
pub mod cif;
pub mod cif_write;
pub mod crystal;
mod elementary;
pub mod elements;
pub mod error;
pub mod extxyz;
pub mod featurize;
pub mod form_factor;
pub mod format;
pub mod fourier;
mod keep;
pub mod lattice;
pub mod lines;
mod machine;
pub mod math;
pub mod neighbors;
mod order;
pub mod parallel;
pub mod poscar;
pub mod powder;
pub mod reciprocal;
mod scalar;
pub mod scratch;
pub mod structure;
pub mod structure_factor;
pub mod symmetry;
