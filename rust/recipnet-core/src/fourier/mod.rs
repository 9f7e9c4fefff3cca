//! The symmetry-adapted Fourier basis of a space group: exact, for any setting, in any cell.

mod aligned;
mod basis;
mod cache;
mod counts;
mod evaluate;
mod features;
mod group;
mod modes;
mod truncation;

pub use aligned::AlignedRouting;
pub use basis::{FourierBasis, MAX_MODES};
pub use counts::Counts;
pub use evaluate::{Kind, Lane};
pub use features::{CrystalGroup, FeatureOptions, FourierFeatures, fourier_features};
pub use group::METRIC_TOLERANCE;
pub use truncation::Truncation;

#[cfg(test)]
mod tests;
