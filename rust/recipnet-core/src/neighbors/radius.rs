//! All neighbours within a cut-off.

use super::cell::{Hit, SearchCell};
use super::edges::{Edges, Growing, Sink, blank, cut, offsets};
use super::large::LargeHits;
use super::lists::{self, Lists};
use super::plan::{Budget, Plan, Stretch, TOGETHER, at_least, ball, count, load, with_slack};
use super::small::SmallSearch;
use crate::batch::{BatchView, check_positive};
use crate::error::Result;
use crate::math::Real;
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

    fn wants(&self, i: usize, hit: &Hit) -> bool {
        let j = hit.j as usize;
        (self.self_images || i != j) && (!self.half || i < j || (i == j && hit.shift > [0; 3]))
    }
}

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
    let plan = Plan::new(batch, threads, |_| limit, estimate)?;
    let thin = options.half || !options.self_images;
    let wanted = |i: usize, hit: &Hit| options.wants(i, hit);
    let large = plan.search_large(thin.then_some(&wanted), Some(&budget))?;
    let search = Search {
        batch,
        options,
        limit,
        plan: &plan,
        large: &large,
        budget: &budget,
    };
    let found = parallel::try_map(plan.stretches.len(), plan.workers, |at| search.find(at))?;
    let offsets = offsets(
        found.iter().map(|f| f.counts.as_slice()),
        batch.num_atoms(),
        batch.offsets(),
    );
    if plan.workers == 1 {
        // Memory that is written at once, in order, need not be cleared first.
        let counts = || found.iter().flat_map(|f| f.counts.iter().copied());
        let edges = offsets.1.last().map_or(0, |&end| end as usize);
        let mut out = Growing::exact(counts(), edges);
        for (at, found) in found.iter().enumerate() {
            search.write(at, found, &mut out);
        }
        return Ok(out.finish(offsets));
    }
    let lengths: Vec<usize> = found
        .iter()
        .map(|f| f.counts.iter().map(|&n| n as usize).sum())
        .collect();
    let mut edges = blank(offsets);
    let work = found.into_iter().zip(cut(&mut edges, &lengths)).enumerate().collect();
    parallel::for_each(work, plan.workers, |(at, (found, mut out))| {
        out.set_centres(&found.counts, plan.first_atom(batch, at));
        search.write(at, &found, &mut out);
    })?;
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
    large: &'a [LargeHits],
    budget: &'a Budget,
}

/// What a stretch holds, before it is ordered; of large crystals only how much.
#[derive(Debug, Default)]
struct Found {
    /// Edges of each atom.
    counts: Vec<u32>,
    hits: Vec<Hit>,
    /// Where the hits of each atom end.
    ends: Vec<u32>,
}

impl Search<'_> {
    /// Find the edges of small crystals, each once; count those of large ones.
    fn find(&self, at: usize) -> Result<Found> {
        let mut found = Found::default();
        match &self.plan.stretches[at] {
            Stretch::Small(crystals) => {
                let mut cell = SearchCell::default();
                let mut search = SmallSearch::default();
                for b in crystals.clone() {
                    load(&mut cell, self.batch, b);
                    let (begin, first) = (found.hits.len(), found.counts.len());
                    search.find(
                        &cell,
                        self.limit,
                        self.options.self_images,
                        &mut found.hits,
                        (&mut found.ends, &mut found.counts),
                    );
                    let mut edges = 2 * (found.hits.len() - begin);
                    if self.options.half {
                        edges /= 2;
                        found.counts.truncate(first);
                        count(begin, &found.ends[first..], &mut found.counts);
                    }
                    self.budget.take(edges)?;
                }
            }
            Stretch::Large { crystal, atoms } => {
                let (large, at) = self.plan.large(*crystal);
                let count = |atom: usize| self.large[at].at(large.grid.place(atom)).len() as u32;
                found.counts.extend(atoms.clone().map(count));
            }
        }
        Ok(found)
    }

    /// Order and write the edges of a stretch.
    fn write<T: Real>(&self, at: usize, found: &Found, out: &mut impl Sink<T>) {
        let mut lists = Lists::default();
        let mut write = |b: usize, found: &lists::Found| {
            let atoms = self.batch.atoms(b);
            let frac = &self.batch.frac_coords()[atoms.clone()];
            lists.load(found, frac, self.batch.lattices()[b].rows());
            lists.order(found);
            lists.write(found, atoms.start, out);
        };
        match &self.plan.stretches[at] {
            Stretch::Small(crystals) => {
                let (mut first, mut begin) = (0, 0);
                for b in crystals.clone() {
                    let atoms = first..first + self.batch.atoms(b).len();
                    let ends = &found.ends[atoms.clone()];
                    let end = ends.last().map_or(begin, |&end| end);
                    write(
                        b,
                        &lists::Found {
                            hits: &found.hits[begin as usize..end as usize],
                            ends,
                            begin,
                            first: 0,
                            counts: &found.counts[atoms.clone()],
                            both: !self.options.half,
                            listed: true,
                        },
                    );
                    (first, begin) = (atoms.end, end);
                }
            }
            Stretch::Large { crystal, atoms } => {
                let (large, at) = self.plan.large(*crystal);
                let (mut hits, mut ends, mut counts) = (vec![], vec![], vec![]);
                for from in atoms.clone().step_by(TOGETHER) {
                    let together = from..(from + TOGETHER).min(atoms.end);
                    self.large[at].gather(&large.grid, together, (&mut hits, &mut ends, &mut counts));
                    let found = lists::Found {
                        hits: &hits,
                        ends: &ends,
                        begin: 0,
                        first: from,
                        counts: &counts,
                        both: false,
                        listed: false,
                    };
                    write(*crystal, &found);
                }
            }
        }
    }
}
