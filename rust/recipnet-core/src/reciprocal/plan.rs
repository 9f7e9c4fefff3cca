//! A list of reflections before it is written: how many each crystal has, and on which lines.

use std::ops::Range;

use super::ball::{self, Run, WHOLE_SECTOR};
use super::fill::{self, Fill};
use super::group::Group;
use super::groups::Groups;
use super::sort::{Shape, Sorter};
use super::wedge::EXACT;
use super::{OperationsList, ReflectionOptions, Unique};
use crate::batch::check_positive;
use crate::error::{ArgumentError, LimitError, Result};
use crate::lattice::Lattice;
use crate::machine::dispatch;
use crate::math::Real;
use crate::parallel;

/// The reflections of a batch, counted and not yet written.
#[derive(Debug)]
pub struct Plan<'a> {
    lattices: &'a [Lattice],
    options: ReflectionOptions,
    groups: Groups,
    parts: Vec<Part>,
    workers: usize,
    offsets: Vec<i64>,
}

/// What one task lists: consecutive crystals.
#[derive(Debug)]
struct Part {
    crystals: Range<usize>,
    runs: Vec<Run>,
    /// Where the runs of each crystal end.
    ends: Vec<usize>,
    counts: Vec<u64>,
}

impl Part {
    /// Crystals with their runs and how many reflections these are.
    fn runs(&self) -> impl Iterator<Item = (usize, &[Run], usize)> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        self.crystals
            .clone()
            .zip(starts.zip(&self.ends))
            .zip(&self.counts)
            .map(|((b, (start, &end)), &count)| (b, &self.runs[start..end], count as usize))
    }
}

impl<'a> Plan<'a> {
    /// Count the reflections h != 0 with `d >= d_min`.
    ///
    /// # Errors
    /// `ArgumentError` for a bad `d_min`, `SymmetryError` for operations that are missing or no group, `LimitError`
    /// past `max_reflections`, from the estimate `4/3 pi V / d_min^3` before memory is taken.
    pub fn new(
        lattices: &'a [Lattice],
        operations: &OperationsList,
        options: &ReflectionOptions,
        threads: Option<usize>,
    ) -> Result<Self> {
        check_positive("d_min", options.d_min)?;
        super::check_operations(lattices.len(), operations)?;
        let half = options.unique != Unique::None;
        let enumerated = |b: usize| ball::expected(&lattices[b], options.d_min) * if half { 0.5 } else { 1.0 };
        let groups = Groups::new(lattices.len(), operations, options.unique)?;
        // An orbit has at most twice as many members as there are rotations.
        let wanted = |b: usize| {
            let laue = groups.of(b).and_then(|group| group.laue.as_ref());
            enumerated(b) / laue.map_or(1, super::LaueGroup::half_order) as f64
        };
        let limit = options.max_reflections.min(u64::from(u32::MAX));
        let refusal = |needed: f64, crystal: Option<usize>| LimitError {
            message: format!(
                "reflections with d_min = {} angstrom: about {needed:.2e} of them, more than max_reflections = {limit}; \
                 take a larger d_min, a smaller batch, or raise max_reflections",
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
        let (stretches, workers) = parallel::stretches(lattices.len(), threads, |b| 300.0 + 2.0 * enumerated(b))?;
        let parts = parallel::try_map_with(stretches.len(), workers, |whole: &mut Vec<Run>, at| {
            let mut part = Part {
                crystals: stretches[at].clone(),
                runs: Vec::new(),
                ends: Vec::with_capacity(stretches[at].len()),
                counts: Vec::with_capacity(stretches[at].len()),
            };
            let mut listed = 0;
            for b in stretches[at].clone() {
                groups.check_lattice(b, &lattices[b])?;
                let ball = |sector, runs: &mut Vec<Run>| {
                    let half = half.then_some(sector);
                    ball::add_runs(&lattices[b], options.d_min, half, 2 * limit, runs)
                };
                let selecting = groups.of(b).filter(|g| g.laue.is_some() || options.drop_absent);
                let count = if let Some(group) = selecting {
                    whole.clear();
                    let largest = lattices[b].lengths().into_iter().fold(0.0, f64::max) * ball::radius(options.d_min);
                    ball(if largest < EXACT { group.sector() } else { WHOLE_SECTOR }, whole);
                    select(group, options.drop_absent, whole, &mut part.runs)
                } else {
                    ball(WHOLE_SECTOR, &mut part.runs)
                };
                part.ends.push(part.runs.len());
                part.counts.push(count);
                listed += count;
                if listed > limit {
                    return Err(refusal(total.max(listed as f64), None).into());
                }
            }
            Ok(part)
        })?;
        let mut offsets = Vec::with_capacity(lattices.len() + 1);
        offsets.push(0);
        let mut end = 0;
        for count in parts.iter().flat_map(|part| &part.counts) {
            end += *count as i64;
            offsets.push(end);
        }
        if end as u64 > limit {
            return Err(refusal(end as f64, None).into());
        }
        Ok(Self {
            lattices,
            options: *options,
            groups,
            parts,
            workers,
            offsets,
        })
    }

    /// Rows of crystal b will be `offsets[b]..offsets[b + 1]`.
    #[must_use]
    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// Number of reflections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.last().map_or(0, |end| *end as usize)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn step(&self, crystal: usize) -> i32 {
        match self.groups.of(crystal) {
            Some(group) if self.options.drop_absent => group.absences.step(),
            _ => 1,
        }
    }

    fn lengths(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().map(|part| part.counts.iter().sum::<u64>() as usize)
    }

    fn check_length(&self, name: &'static str, length: usize) -> Result<()> {
        if length == self.len() {
            return Ok(());
        }
        Err(ArgumentError {
            name,
            value: format!("{length} rows"),
            message: format!("room for {} is needed", self.len()),
        }
        .into())
    }

    /// Write all indices in scan order (hkl rising).
    ///
    /// # Errors
    /// A length that does not fit.
    pub fn scan(&self, hkl: &mut [[i32; 3]]) -> Result<()> {
        self.check_length("hkl", hkl.len())?;
        let tasks = self.parts.iter().zip(cut(hkl, self.lengths())).collect();
        parallel::for_each(tasks, self.workers, |(part, mut hkl): (&Part, &mut [[i32; 3]])| {
            for (b, runs, count) in part.runs() {
                dispatch(Fill {
                    runs,
                    step: self.step(b),
                    out: hkl.split_off_mut(..count).unwrap_or_default(),
                });
            }
        })
    }

    /// Write all indices and the spacings of their planes in angstrom: d falling, runs of d with gaps up to 1e-9 are one
    /// tie, sorted inside by hkl falling.
    ///
    /// # Errors
    /// Lengths that do not fit.
    pub fn sorted<T: Real>(&self, hkl: &mut [[i32; 3]], d_spacing: &mut [T]) -> Result<()> {
        self.check_length("hkl", hkl.len())?;
        self.check_length("d_spacing", d_spacing.len())?;
        let parts = cut(hkl, self.lengths()).into_iter().zip(cut(d_spacing, self.lengths()));
        let tasks = self.parts.iter().zip(parts).collect::<Vec<_>>();
        parallel::for_each_with(
            tasks,
            self.workers,
            |sorter: &mut Sorter, (part, (mut hkl, mut d_spacing))| {
                for (b, runs, count) in part.runs() {
                    let hkl = hkl.split_off_mut(..count).unwrap_or_default();
                    let shape = Shape::new(&self.lattices[b], ball::radius(self.options.d_min), self.step(b));
                    let d = sorter.sort(&shape, runs, hkl);
                    let to = d_spacing.split_off_mut(..count).unwrap_or_default();
                    for (to, d) in to.iter_mut().zip(d) {
                        *to = T::from_f64(*d);
                    }
                }
            },
        )
    }

    /// Number of parts that [`Self::visit`] goes through, each of consecutive crystals.
    pub(crate) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// The crystals of a part: each with its number, with the indices and spacings that [`Self::sorted`] would write but
    /// for the order of ties, and with how many reflections each of them stands for.
    pub(crate) fn visit(
        &self,
        part: usize,
        (sorter, hkl, multiplicity): (&mut Sorter, &mut Vec<[i32; 3]>, &mut Vec<i32>),
        mut f: impl FnMut(usize, &[[i32; 3]], &[f64], &[i32]) -> Result<()>,
    ) -> Result<()> {
        for (b, runs, count) in self.parts[part].runs() {
            hkl.resize(count, [0; 3]);
            let shape = Shape::new(&self.lattices[b], ball::radius(self.options.d_min), self.step(b));
            let d_spacing = sorter.sort_roughly(&shape, runs, hkl);
            multiplicity.resize(count, 0);
            fill::multiplicities(self.options.unique, self.groups.of(b), hkl, multiplicity);
            f(b, hkl, d_spacing, multiplicity)?;
        }
        Ok(())
    }

    /// Write how many reflections of the full sphere each one stands for, and whether it is absent; `hkl` as [`scan`] or
    /// [`sorted`] wrote them.
    ///
    /// # Errors
    /// Lengths that do not fit.
    ///
    /// [`scan`]: Self::scan
    /// [`sorted`]: Self::sorted
    pub fn describe(&self, hkl: &[[i32; 3]], multiplicity: &mut [i32], absent: &mut [bool]) -> Result<()> {
        self.check_length("hkl", hkl.len())?;
        self.check_length("multiplicity", multiplicity.len())?;
        self.check_length("absent", absent.len())?;
        let parts = cut(multiplicity, self.lengths())
            .into_iter()
            .zip(cut(absent, self.lengths()));
        let tasks = self.parts.iter().zip(parts).collect::<Vec<_>>();
        parallel::for_each(tasks, self.workers, |(part, (mut multiplicity, mut absent))| {
            for b in part.crystals.clone() {
                let hkl = &hkl[self.offsets[b] as usize..self.offsets[b + 1] as usize];
                let multiplicity = multiplicity.split_off_mut(..hkl.len()).unwrap_or_default();
                let absent = absent.split_off_mut(..hkl.len()).unwrap_or_default();
                let group = self.groups.of(b);
                fill::multiplicities(self.options.unique, group, hkl, multiplicity);
                fill::absences(group.filter(|_| !self.options.drop_absent), hkl, absent);
            }
        })
    }
}

/// Add what a group asks for of the runs of a ball; returns how many reflections these are.
fn select(group: &Group, drop_absent: bool, whole: &[Run], runs: &mut Vec<Run>) -> u64 {
    let wedge = group.laue.as_ref().map(super::LaueGroup::wedge);
    let mut total = 0;
    for &Run { h, k, l, count } in whole {
        let line = (l, l + count as i32 - 1);
        let Some((from, to)) = wedge.map_or(Some(line), |wedge| wedge.clip(h, k, line)) else {
            continue;
        };
        if drop_absent {
            total += group.absences.add_present((h, k), (from, to), runs);
        } else {
            let count = (to - from) as u32 + 1;
            runs.push(Run { h, k, l: from, count });
            total += u64::from(count);
        }
    }
    total
}

/// Consecutive parts of a slice.
fn cut<T>(mut rest: &mut [T], lengths: impl Iterator<Item = usize>) -> Vec<&mut [T]> {
    lengths
        .map(|length| rest.split_off_mut(..length).unwrap_or_default())
        .collect()
}
