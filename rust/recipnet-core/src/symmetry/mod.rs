//! Space-group operations: exact integers and rationals, from text and back.

mod atoms;
mod basis;
mod group;
mod guard;
mod hall;
mod operation;
mod search;
mod space_group;
mod table;
mod xyz;

pub use atoms::equivalent_atoms;
pub use basis::ChangeOfBasis;
pub use hall::parse_hall;
pub use operation::{DENOMINATOR, MAX_DENOMINATOR, MAX_OPERATIONS, Operation, Operations, Tidied};
pub use search::{FoundCell, FoundSymmetry, Rows, SearchOptions, find_symmetry, niggli};
pub use space_group::{Preference, SpaceGroup};
pub use table::{Setting, settings, settings_of_number, settings_of_symbol};
pub use xyz::{ParsedOperation, parse_xyz};
