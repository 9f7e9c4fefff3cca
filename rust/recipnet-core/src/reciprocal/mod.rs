//! Reflections: the exact ball `d >= d_min` of reciprocal space, its orbits under a Laue group, systematic absences.

mod absences;
mod ball;
mod fill;
mod group;
mod groups;
mod pairs;
mod plan;
mod sort;
mod wedge;

pub use absences::Absences;
pub use ball::BOUNDARY_TOLERANCE;
pub(crate) use ball::{Run, add_half, expected};
pub(crate) use group::generators;
pub use group::{LaueGroup, OperationsView};
pub use plan::Plan;
pub(crate) use sort::Sorter;

use self::fill::Lengths;
use self::groups::Groups;
use crate::batch::check_offsets;
use crate::error::{ArgumentError, Result};
use crate::lattice::Lattice;
use crate::machine::dispatch;
use crate::math::{Real, triangular};
use crate::parallel;

/// Which of equivalent reflections are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unique {
    /// The full sphere.
    None,
    /// One of each pair +-h: the one whose first non-zero index is positive.
    Friedel,
    /// One of each orbit under the rotations of the group and -1: the lexicographically largest.
    Laue,
}

impl std::str::FromStr for Unique {
    type Err = ArgumentError;

    fn from_str(text: &str) -> std::result::Result<Self, ArgumentError> {
        match text {
            "none" => Ok(Self::None),
            "friedel" => Ok(Self::Friedel),
            "laue" => Ok(Self::Laue),
            _ => Err(ArgumentError {
                name: "unique",
                value: format!("{text:?}"),
                message: "must be \"none\", \"friedel\" or \"laue\"".into(),
            }),
        }
    }
}

/// Order of the rows of one crystal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// d falling; runs of d with gaps up to 1e-9 are one tie, sorted inside by hkl falling.
    D,
    /// hkl rising, as the ball is enumerated.
    Scan,
}

impl std::str::FromStr for Order {
    type Err = ArgumentError;

    fn from_str(text: &str) -> std::result::Result<Self, ArgumentError> {
        match text {
            "d" => Ok(Self::D),
            "scan" => Ok(Self::Scan),
            _ => Err(ArgumentError {
                name: "order",
                value: format!("{text:?}"),
                message: "must be \"d\" or \"scan\"".into(),
            }),
        }
    }
}

/// What a list of reflections holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReflectionOptions {
    /// All reflections with `1/d <= (1 + 1e-9) / d_min`, angstrom.
    pub d_min: f64,
    /// Which of equivalent ones.
    pub unique: Unique,
    /// Leave systematic absences out.
    pub drop_absent: bool,
    /// More reflections in all are refused.
    pub max_reflections: u64,
}

impl ReflectionOptions {
    /// One of each +-h, absences kept, at most 10^8 reflections.
    #[must_use]
    pub fn new(d_min: f64) -> Self {
        Self {
            d_min,
            unique: Unique::Friedel,
            drop_absent: false,
            max_reflections: 100_000_000,
        }
    }
}

/// Indices of the reflections of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Indices {
    /// Integer rows h.
    pub hkl: Vec<[i32; 3]>,
    /// Rows of crystal b are `offsets[b]..offsets[b + 1]`.
    pub offsets: Vec<i64>,
}

/// What belongs to each reflection.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Details<T> {
    /// Spacing of the lattice planes, angstrom.
    pub d_spacing: Vec<T>,
    /// Reflections of the full sphere that the row stands for.
    pub multiplicity: Vec<i32>,
    /// Whether F vanishes for any content of the cell, by the group's translations.
    pub absent: Vec<bool>,
}

/// Operations by crystal: one for each crystal, or none at all.
pub type OperationsList<'a> = [Option<OperationsView<'a>>];

pub(crate) fn check_operations(lattices: usize, operations: &OperationsList) -> Result<()> {
    if operations.is_empty() || operations.len() == lattices {
        return Ok(());
    }
    let message = format!("one entry for each of the {lattices} crystals, or none at all");
    Err(ArgumentError {
        name: "operations",
        value: format!("{} entries", operations.len()),
        message,
    }
    .into())
}

/// All reflections h != 0 with `d >= d_min`, whole shells, in scan order (hkl rising).
///
/// # Errors
/// As [`Plan::new`].
pub fn indices(
    lattices: &[Lattice],
    operations: &OperationsList,
    options: &ReflectionOptions,
    threads: Option<usize>,
) -> Result<Indices> {
    let plan = Plan::new(lattices, operations, options, threads)?;
    let mut hkl = vec![[0; 3]; plan.len()];
    plan.scan(&mut hkl)?;
    let offsets = plan.offsets().to_vec();
    Ok(Indices { hkl, offsets })
}

/// Spacing, multiplicity and absence of given reflections; rows of crystal b are `offsets[b]..offsets[b + 1]`.
///
/// # Errors
/// `CrystalError` for offsets that do not fit, else as [`Plan::new`].
pub fn details<T: Real>(
    lattices: &[Lattice],
    operations: &OperationsList,
    hkl: &[[i32; 3]],
    offsets: &[i64],
    unique: Unique,
    threads: Option<usize>,
) -> Result<Details<T>> {
    check_operations(lattices.len(), operations)?;
    check_offsets("offsets", offsets, lattices.len(), hkl.len())?;
    let groups = Groups::new(lattices.len(), operations, unique)?;
    for (b, lattice) in lattices.iter().enumerate() {
        groups.check_lattice(b, lattice)?;
    }
    let (mut multiplicity, mut absent) = (vec![0; hkl.len()], vec![false; hkl.len()]);
    let d_spacing = lengths(lattices, hkl, offsets, true, threads)?;
    let (mut rest, mut others) = (multiplicity.as_mut_slice(), absent.as_mut_slice());
    let mut tasks = Vec::new();
    let (stretches, workers) = parallel::stretches(lattices.len(), threads, |b| {
        50.0 + 5.0 * (offsets[b + 1] - offsets[b]) as f64
    })?;
    for crystals in stretches {
        let count = (offsets[crystals.end] - offsets[crystals.start]) as usize;
        let parts = (rest.split_off_mut(..count), others.split_off_mut(..count));
        if let (Some(multiplicity), Some(absent)) = parts {
            tasks.push((crystals, multiplicity, absent));
        }
    }
    parallel::for_each(tasks, workers, |(crystals, mut multiplicity, mut absent)| {
        for b in crystals {
            let hkl = &hkl[offsets[b] as usize..offsets[b + 1] as usize];
            let own = multiplicity.split_off_mut(..hkl.len()).unwrap_or_default();
            fill::multiplicities(unique, groups.of(b), hkl, own);
            let own = absent.split_off_mut(..hkl.len()).unwrap_or_default();
            fill::absences(groups.of(b), hkl, own);
        }
    })?;
    Ok(Details {
        d_spacing,
        multiplicity,
        absent,
    })
}

/// `1/d` of given reflections.
///
/// # Errors
/// `CrystalError` for offsets that do not fit.
pub fn inverse_d<T: Real>(lattices: &[Lattice], indices: &Indices, threads: Option<usize>) -> Result<Vec<T>> {
    check_offsets("offsets", &indices.offsets, lattices.len(), indices.hkl.len())?;
    lengths(lattices, &indices.hkl, &indices.offsets, false, threads)
}

/// `1/d`, or d.
fn lengths<T: Real>(
    lattices: &[Lattice],
    hkl: &[[i32; 3]],
    offsets: &[i64],
    invert: bool,
    threads: Option<usize>,
) -> Result<Vec<T>> {
    let range = |b: usize| offsets[b] as usize..offsets[b + 1] as usize;
    let (stretches, workers) = parallel::stretches(lattices.len(), threads, |b| 50.0 + 3.0 * range(b).len() as f64)?;
    let parts = parallel::try_map(stretches.len(), workers, |at| {
        let mut out: Vec<T> = Vec::new();
        let mut lengths = Vec::new();
        for b in stretches[at].clone() {
            let hkl = &hkl[range(b)];
            lengths.resize(hkl.len(), 0.0);
            dispatch(Lengths {
                hkl,
                frame: &triangular(lattices[b].reciprocal()),
                out: &mut lengths,
                invert,
            });
            out.extend(lengths.iter().copied().map(T::from_f64));
        }
        Ok(out)
    })?;
    concatenate(parts, workers)
}

fn concatenate<T: Copy + Default + Send + Sync>(mut parts: Vec<Vec<T>>, workers: usize) -> Result<Vec<T>> {
    if parts.len() == 1 {
        return Ok(parts.swap_remove(0));
    }
    let mut out = vec![T::default(); parts.iter().map(Vec::len).sum()];
    let mut rest = out.as_mut_slice();
    let mut work = Vec::with_capacity(parts.len());
    for part in parts {
        let (mine, others) = rest.split_at_mut(part.len());
        rest = others;
        work.push((part, mine));
    }
    parallel::for_each(work, workers, |(part, mine)| mine.copy_from_slice(&part))?;
    Ok(out)
}
