//! Reflections: the exact ball `d >= d_min` of reciprocal space, its orbits under a Laue group, systematic absences.

mod ball;
mod orbit;

pub(crate) use crate::lattice::lines;
pub use ball::BOUNDARY_TOLERANCE;
pub use orbit::{Absences, LaueGroup, OperationsView};

use crate::batch::{check_offsets, check_positive};
use crate::error::{ArgumentError, Error, LimitError, Result, SymmetryError};
use crate::lattice::Lattice;
use crate::math::{Real, norm, row_times};
use crate::order::Sorter;
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

struct Group {
    laue: Option<LaueGroup>,
    absences: Option<Absences>,
}

impl Group {
    fn new(lattice: &Lattice, view: Option<&OperationsView>, unique: Unique, crystal: usize) -> Result<Self> {
        let named = |error: Error| error.in_crystal(crystal);
        let absences = view.map(Absences::new).transpose().map_err(named)?;
        let laue = match (unique, view) {
            (Unique::Laue, Some(view)) => Some(LaueGroup::new(view, lattice).map_err(named)?),
            (Unique::Laue, None) => {
                let message = "no symmetry is declared: unique = \"laue\" needs it; pass operations, or take unique = \
                               \"friedel\"";
                return Err(named(Error::Symmetry(SymmetryError {
                    message: message.into(),
                    value: String::new(),
                })));
            }
            _ => None,
        };
        Ok(Self { laue, absences })
    }

    fn is_absent(&self, h: [i32; 3]) -> bool {
        self.absences.as_ref().is_some_and(|absences| absences.is_absent(h))
    }
}

fn check_operations(lattices: usize, operations: &OperationsList) -> Result<()> {
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
/// `ArgumentError` for a bad `d_min`, `SymmetryError` for operations that are missing or no group, `LimitError` past
/// `max_reflections`, from the estimate `4/3 pi V / d_min^3` before memory is taken.
pub fn indices(
    lattices: &[Lattice],
    operations: &OperationsList,
    options: &ReflectionOptions,
    threads: Option<usize>,
) -> Result<Indices> {
    check_positive("d_min", options.d_min)?;
    check_operations(lattices.len(), operations)?;
    let half = options.unique != Unique::None;
    let enumerated = |b: usize| ball::expected(&lattices[b], options.d_min) * if half { 0.5 } else { 1.0 };
    let groups = (0..lattices.len())
        .map(|b| {
            let view = operations.get(b).and_then(Option::as_ref);
            let needed = options.unique == Unique::Laue || options.drop_absent;
            if needed {
                Group::new(&lattices[b], view, options.unique, b).map(Some)
            } else {
                Ok(None)
            }
        })
        .collect::<Result<Vec<_>>>()?;
    // An orbit has at most twice as many members as there are rotations.
    let wanted = |b: usize| {
        let laue = groups[b].as_ref().and_then(|group| group.laue.as_ref());
        enumerated(b) / laue.map_or(1, LaueGroup::half_order) as f64
    };
    let limit = options.max_reflections.min(u64::from(u32::MAX));
    let refusal = |needed: f64, crystal: Option<usize>| LimitError {
        message: format!(
            "reflections with d_min = {} angstrom: about {needed:.2e} of them, more than max_reflections = {limit}; take \
             a larger d_min, a smaller batch, or raise max_reflections",
            options.d_min
        ),
        name: "max_reflections",
        limit,
        needed,
        crystal,
    };
    let mut total = 0.0;
    for b in 0..lattices.len() {
        total += wanted(b);
        if total > limit as f64 {
            return Err(refusal(total.max((0..lattices.len()).map(wanted).sum()), Some(b)).into());
        }
    }
    // 1 ns a reflection and 5 ns a row.
    let cost = |b: usize| 200.0 + 2.0 * enumerated(b) + 10.0 * enumerated(b).powf(2.0 / 3.0);
    let (stretches, workers) = stretches(lattices.len(), threads, cost)?;
    let parts = parallel::try_map(stretches.len(), workers, |at| {
        let mut hkl: Vec<[i32; 3]> = Vec::new();
        if stretches.len() == 1 {
            hkl.reserve((1.02 * total) as usize + 64);
        }
        let mut counts = Vec::with_capacity(stretches[at].len());
        for b in stretches[at].clone() {
            let start = hkl.len();
            match &groups[b] {
                None => ball::rows(&lattices[b], options.d_min, half, |h, k, from, to| {
                    if hkl.len() <= limit as usize {
                        hkl.extend((from..=to).map(|l| [h, k, l]));
                    }
                }),
                Some(group) => ball::rows(&lattices[b], options.d_min, half, |h, k, from, to| {
                    if hkl.len() <= limit as usize {
                        hkl.extend((from..=to).map(|l| [h, k, l]).filter(|&h| {
                            group
                                .laue
                                .as_ref()
                                .is_none_or(|laue| laue.orbit_of_representative(h).is_some())
                                && !(options.drop_absent && group.is_absent(h))
                        }));
                    }
                }),
            }
            counts.push(hkl.len() - start);
            if hkl.len() as u64 > limit {
                return Err(refusal(total.max(limit as f64 + 1.0), None).into());
            }
        }
        Ok((hkl, counts))
    })?;
    let mut offsets = vec![0];
    let mut end = 0;
    for count in parts.iter().flat_map(|(_, counts)| counts) {
        end += *count as i64;
        offsets.push(end);
    }
    if end as u64 > limit {
        return Err(refusal(end as f64, None).into());
    }
    Ok(Indices {
        hkl: concatenate(parts.into_iter().map(|(hkl, _)| hkl).collect(), workers)?,
        offsets,
    })
}

/// Spacing, multiplicity and absence of given reflections; rows of crystal b are `offsets[b]..offsets[b + 1]`.
///
/// # Errors
/// `CrystalError` for offsets that do not fit, else as [`indices`].
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
    let range = |b: usize| offsets[b] as usize..offsets[b + 1] as usize;
    let (stretches, workers) = stretches(lattices.len(), threads, |b| 50.0 + 5.0 * range(b).len() as f64)?;
    let parts = parallel::try_map(stretches.len(), workers, |at| {
        let mut out = Details::<T>::default();
        for b in stretches[at].clone() {
            let hkl = &hkl[range(b)];
            let group = Group::new(&lattices[b], operations.get(b).and_then(Option::as_ref), unique, b)?;
            let reciprocal = lattices[b].reciprocal();
            out.d_spacing.extend(
                hkl.iter()
                    .map(|h| T::from_f64(1.0 / norm(row_times(h.map(f64::from), reciprocal)))),
            );
            if let Some(laue) = &group.laue {
                out.multiplicity
                    .extend(hkl.iter().map(|&h| laue.orbit_of_representative(h).unwrap_or(0)));
            } else {
                let each = if unique == Unique::None { 1 } else { 2 };
                out.multiplicity.resize(out.multiplicity.len() + hkl.len(), each);
            }
            match &group.absences {
                Some(absences) => out.absent.extend(hkl.iter().map(|&h| absences.is_absent(h))),
                None => out.absent.resize(out.absent.len() + hkl.len(), false),
            }
        }
        Ok(out)
    })?;
    let mut joined = Details::default();
    let (mut d, mut multiplicity, mut absent) = (vec![], vec![], vec![]);
    for part in parts {
        d.push(part.d_spacing);
        multiplicity.push(part.multiplicity);
        absent.push(part.absent);
    }
    joined.d_spacing = concatenate(d, workers)?;
    joined.multiplicity = concatenate(multiplicity, workers)?;
    joined.absent = concatenate(absent, workers)?;
    Ok(joined)
}

/// Sort each crystal's reflections by [`Order::D`].
///
/// # Errors
/// Only when the pool cannot be had.
pub fn sort_by_d(lattices: &[Lattice], indices: &mut Indices, threads: Option<usize>) -> Result<()> {
    let cost = |b: usize| 50.0 * (indices.offsets[b + 1] - indices.offsets[b]) as f64;
    let (stretches, workers) = stretches(lattices.len(), threads, cost)?;
    let mut rest = indices.hkl.as_mut_slice();
    let mut work = Vec::with_capacity(stretches.len());
    for crystals in stretches {
        let length = indices.offsets[crystals.end] - indices.offsets[crystals.start];
        let (mine, others) = rest.split_at_mut(length as usize);
        rest = others;
        work.push((crystals, mine));
    }
    let offsets = &indices.offsets;
    parallel::for_each(work, workers, |(crystals, hkl)| {
        let mut sorter = Sorter::default();
        let mut d: Vec<f64> = Vec::new();
        let mut sorted = Vec::new();
        let base = offsets[crystals.start];
        for b in crystals {
            let rows = &mut hkl[(offsets[b] - base) as usize..(offsets[b + 1] - base) as usize];
            let reciprocal = lattices[b].reciprocal();
            d.clear();
            d.extend(rows.iter().map(|h| 1.0 / norm(row_times(h.map(f64::from), reciprocal))));
            let order = sorter.sort(rows.len(), |p| d[p], |p, q| rows[p].cmp(&rows[q]));
            sorted.clear();
            // Rising in d and hkl, read backwards.
            sorted.extend(order.iter().rev().map(|&p| rows[p as usize]));
            rows.copy_from_slice(&sorted);
        }
    })
}

/// `1/d` of given reflections, the same bytes as one over the spacing would round to in float64.
///
/// # Errors
/// Only when the pool cannot be had.
pub fn inverse_d<T: Real>(lattices: &[Lattice], indices: &Indices, threads: Option<usize>) -> Result<Vec<T>> {
    let range = |b: usize| indices.offsets[b] as usize..indices.offsets[b + 1] as usize;
    let (stretches, workers) = stretches(lattices.len(), threads, |b| 20.0 + 3.0 * range(b).len() as f64)?;
    let parts = parallel::try_map(stretches.len(), workers, |at| {
        let mut out: Vec<T> = Vec::new();
        for b in stretches[at].clone() {
            let reciprocal = lattices[b].reciprocal();
            let lengths = indices.hkl[range(b)]
                .iter()
                .map(|h| norm(row_times(h.map(f64::from), reciprocal)));
            out.extend(lengths.map(T::from_f64));
        }
        Ok(out)
    })?;
    concatenate(parts, workers)
}

/// Consecutive crystals that are worth about the same, and how many threads to use.
fn stretches(
    count: usize,
    threads: Option<usize>,
    nanos: impl Fn(usize) -> f64,
) -> Result<(Vec<std::ops::Range<usize>>, usize)> {
    let total: f64 = (0..count).map(&nanos).sum();
    let workers = parallel::workers(threads, total)?;
    let share = if workers == 1 {
        f64::INFINITY
    } else {
        (total / (8 * workers) as f64).max(50_000.0)
    };
    let mut out = Vec::new();
    let (mut start, mut sum) = (0, 0.0);
    for b in 0..count {
        sum += nanos(b);
        if sum >= share {
            out.push(start..b + 1);
            (start, sum) = (b + 1, 0.0);
        }
    }
    if start < count {
        out.push(start..count);
    }
    Ok((out, workers))
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
