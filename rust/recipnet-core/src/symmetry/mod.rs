//! Space-group operations: exact integers and rationals, from text and back.

mod group;
mod operation;
mod xyz;

pub use operation::{DENOMINATOR, MAX_DENOMINATOR, MAX_OPERATIONS, Operation, Operations, Tidied};
pub use xyz::{ParsedOperation, parse_xyz};
