//! Space-group operations: exact integers and rationals, from text and back.

mod basis;
mod group;
mod hall;
mod operation;
mod space_group;
mod table;
mod xyz;

pub use basis::ChangeOfBasis;
pub use hall::parse_hall;
pub use operation::{DENOMINATOR, MAX_DENOMINATOR, MAX_OPERATIONS, Operation, Operations, Tidied};
pub use space_group::{Preference, SpaceGroup};
pub use table::{Setting, settings, settings_of_number, settings_of_symbol};
pub use xyz::{ParsedOperation, parse_xyz};
