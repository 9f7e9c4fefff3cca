//! Extended XYZ: number of atoms, a comment of `key=value` pairs with `Lattice` and `Properties`, one row per atom.
//!
//! The part that crystals need of <https://github.com/libAtoms/extxyz>: periodic in three directions, real, whole,
//! logical and text columns. Several frames may follow each other.

mod comment;
mod read;
mod write;

pub use read::read_extxyz;
pub use write::write_extxyz;
