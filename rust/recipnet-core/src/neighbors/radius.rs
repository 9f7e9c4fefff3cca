//! All neighbours within a cut-off.

use super::cell::{Neighbor, SearchCell, Stages};
use super::edges::{Edges, Growing, Sink, cut, join, offsets};
use super::pairs::{List, Pairs};
use super::plan::{Budget, Plan, Stretch, at_least, ball, load, with_slack};
use crate::batch::{BatchView, check_positive};
use crate::error::Result;
use crate::math::Real;
use crate::order::Sorter;
use crate::parallel;

/// What a radius list holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RadiusOptions {
    /// Every pair with `distance <= cutoff + 1e-8` is listed, angstrom.
    pub cutoff: f64,
    /// Each pair once: `i < j`, or `i = j` with the first non-zero component of `shift` positive.
    pub half: bool,
    /// Whether images of an atom are its neighbours.
    pub self_images: bool,
    /// More edges in all are refused.
    pub max_edges: u64,
}

impl RadiusOptions {
    /// Both directions, images of the atom itself included, at most 10^8 edges.
    #[must_use]
    pub fn new(cutoff: f64) -> Self {
        Self {
            cutoff,
            half: false,
            self_images: true,
            max_edges: 100_000_000,
        }
    }
}

/// Expected edges above which they are counted before memory is taken, rather than while it grows.
const COUNT_FIRST: f64 = 1e7;

/// All neighbours within `options.cutoff`, periodic images included, exact for any cell.
///
/// Vectors and distances come from the coordinates as given, in float64. Rows of one `site` at zero distance and the
/// atom itself are no neighbours; rows of different sites at one point are. Sorted by centre, then distance; runs of
/// distances with gaps up to 1e-9 are one tie, sorted inside by (j, shift). The arrays do not depend on `threads`.
///
/// # Errors
/// `ArgumentError` for a cut-off that is not above 0, `LimitError` past `max_edges`.
pub fn neighbors<T: Real>(batch: &BatchView, options: &RadiusOptions, threads: Option<usize>) -> Result<Edges<T>> {
    check_positive("cutoff", options.cutoff)?;
    let limit = with_slack(options.cutoff);
    let sphere = ball(limit);
    let pairs = |b: usize| {
        let atoms = batch.atoms(b).len() as f64;
        let ordered = if options.self_images {
            atoms * atoms
        } else {
            atoms * (atoms - 1.0).max(0.0)
        };
        if options.half { 0.5 * ordered } else { ordered }
    };
    let estimate = |b: usize| pairs(b) * sphere / batch.lattices()[b].volume();
    let expected: f64 = (0..batch.len()).map(estimate).sum();
    let what = format!("neighbors with cutoff = {} angstrom", options.cutoff);
    let budget = Budget::new(options.max_edges, expected, what);
    if expected > 0.1 * options.max_edges as f64 {
        refuse_early(batch, options, &budget, pairs)?;
    }
    let plan = Plan::new(batch, threads, (0.5 * options.cutoff).clamp(1.0, 10.0), estimate)?;
    let search = Search {
        batch,
        options,
        limit,
        plan: &plan,
        budget: &budget,
    };
    if expected <= COUNT_FIRST && !plan.has_large() {
        let parts = parallel::try_map(plan.stretches.len(), plan.workers, |at| {
            let mut part = Growing::<T>::default();
            part.reserve(
                search.atoms(at),
                if plan.stretches.len() == 1 {
                    expected as usize
                } else {
                    0
                },
            );
            search.run(at, &mut part, true)?;
            Ok(part)
        })?;
        return join(parts, batch.num_atoms(), batch.offsets(), plan.workers);
    }
    let counts = parallel::try_map(plan.stretches.len(), plan.workers, |at| search.count(at))?;
    let lengths: Vec<usize> = counts.iter().map(|c| c.iter().map(|&n| n as usize).sum()).collect();
    let (offsets, atom_offsets) = offsets(counts.iter().map(Vec::as_slice), batch.num_atoms(), batch.offsets());
    let total = lengths.iter().sum();
    let mut edges = Edges {
        index: vec![0; 2 * total],
        shift: vec![[0; 3]; total],
        vector: vec![[T::default(); 3]; total],
        distance: vec![T::default(); total],
        offsets,
        atom_offsets,
    };
    let parts = cut(
        &mut edges.index,
        &mut edges.shift,
        &mut edges.vector,
        &mut edges.distance,
        &lengths,
    );
    let parts: Vec<_> = parts.into_iter().map(std::sync::Mutex::new).collect();
    parallel::try_map(parts.len(), plan.workers, |at| {
        let mut part = parts[at].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        search.run(at, &mut *part, false)
    })?;
    drop(parts);
    Ok(edges)
}

/// Refuse what must pass the limit, without counting it.
fn refuse_early(
    batch: &BatchView,
    options: &RadiusOptions,
    budget: &Budget,
    pairs: impl Fn(usize) -> f64,
) -> Result<()> {
    let mut cell = SearchCell::default();
    let mut sum = 0.0;
    for b in 0..batch.len() {
        cell.load(batch.lattices()[b].rows(), &[], None);
        sum += at_least(&cell, options.cutoff, pairs(b));
        if sum > options.max_edges as f64 {
            return Err(budget.refusal(Some(b)).into());
        }
    }
    Ok(())
}

struct Search<'a> {
    batch: &'a BatchView<'a>,
    options: &'a RadiusOptions,
    limit: f64,
    plan: &'a Plan,
    budget: &'a Budget,
}

impl Search<'_> {
    fn atoms(&self, at: usize) -> usize {
        match &self.plan.stretches[at] {
            Stretch::Small(crystals) => crystals.clone().map(|b| self.batch.atoms(b).len()).sum(),
            Stretch::Large { atoms, .. } => atoms.len(),
        }
    }

    /// Whether an edge is listed at its centre i.
    fn keeps(&self, i: usize, edge: &Neighbor) -> bool {
        let j = edge.j as usize;
        (self.options.self_images || i != j) && (!self.options.half || i < j || (i == j && edge.shift > [0; 3]))
    }

    /// Edges of each atom of a stretch.
    fn count(&self, at: usize) -> Result<Vec<u32>> {
        let mut counts = Vec::with_capacity(self.atoms(at));
        match &self.plan.stretches[at] {
            Stretch::Small(crystals) => {
                let mut cell = SearchCell::default();
                let mut stages = Stages::default();
                for b in crystals.clone() {
                    load(&mut cell, self.batch, b);
                    let (start, atoms) = (counts.len(), cell.len());
                    counts.resize(start + atoms, 0);
                    for i in 0..atoms {
                        let mut listed = 0;
                        cell.images(i, i..atoms, self.limit, &mut stages, |edge| {
                            let both = edge.j as usize > i && !self.options.half;
                            let count = u32::from(self.keeps(i, &edge));
                            counts[start + i] += count;
                            counts[start + edge.j as usize] += if both { count } else { 0 };
                            listed += if both { 2 * count } else { count };
                        });
                        self.budget.take(listed as usize)?;
                    }
                }
            }
            Stretch::Large { crystal, atoms } => {
                let large = self.plan.large(*crystal);
                for i in atoms.clone() {
                    let mut count = 0;
                    large.grid.around(&large.cell, i, self.limit, |edge| {
                        count += u32::from(self.keeps(i, &edge));
                    });
                    counts.push(count);
                    self.budget.take(count as usize)?;
                }
            }
        }
        Ok(counts)
    }

    /// Find, order and write the edges of a stretch.
    fn run(&self, at: usize, sink: &mut impl Sink, counted: bool) -> Result<()> {
        let mut sorter = Sorter::default();
        match &self.plan.stretches[at] {
            Stretch::Small(crystals) => {
                let mut cell = SearchCell::default();
                let mut pairs = Pairs::default();
                let mut list = List::default();
                let mut edges = Vec::new();
                for b in crystals.clone() {
                    load(&mut cell, self.batch, b);
                    pairs.find(&cell, self.limit, self.options.self_images);
                    if counted {
                        self.budget.take(pairs.num_edges(self.options.half))?;
                    }
                    let first = self.batch.atoms(b).start;
                    for i in 0..cell.len() {
                        pairs.list(i, self.options.half, &mut list);
                        let order = sorter.sort_listed(list.len(), |p| pairs.distance(&list, p));
                        pairs.gather(&list, order, &mut edges);
                        sink.atom(first + i, first, &edges);
                    }
                }
            }
            Stretch::Large { crystal, atoms } => {
                let large = self.plan.large(*crystal);
                let first = self.batch.atoms(*crystal).start;
                let (mut found, mut ordered) = (Vec::new(), Vec::new());
                for i in atoms.clone() {
                    found.clear();
                    large.grid.around(&large.cell, i, self.limit, |edge| {
                        if self.keeps(i, &edge) {
                            found.push(edge);
                        }
                    });
                    let order = sorter.sort(
                        found.len(),
                        |p| found[p].distance,
                        |p, q| found[p].tie_key().cmp(&found[q].tie_key()),
                    );
                    ordered.clear();
                    ordered.extend(order.iter().map(|&p| found[p as usize]));
                    sink.atom(first + i, first, &ordered);
                }
            }
        }
        Ok(())
    }
}
