//! Crystals, neighbours and reflections: the pure Rust core of recipnet.

pub mod error;
