//! All neighbours within a cut-off.

use super::cell::{Hit, SearchCell};
use super::edges::{EdgePlan, Edges, Sink, Source};
use super::large::LargeHits;
use super::lists::{self, Lists};
use super::plan::{Asked, Budget, Plan, Stretch, TOGETHER, at_least, ball, count, load, with_slack};
use super::small::SmallSearch;
use crate::ahead::fetch;
use crate::batch::{BatchView, check_positive};
use crate::error::Result;
use crate::math::Real;
use crate::parallel;
use crate::scratch::Lent;

/// Hits that stay in a cache of their processor's own until they are ordered.
const FEW: usize = 1 << 15;

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
    plan_neighbors(batch, options, threads)?.finish()
}

/// [`neighbors`], found and counted, to be written to memory of the caller's.
///
/// # Errors
/// As [`neighbors`].
pub fn plan_neighbors<'a, T: Real>(
    batch: &'a BatchView,
    options: &RadiusOptions,
    threads: Option<usize>,
) -> Result<EdgePlan<'a, T>> {
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
    let budget = Budget::new(options.max_edges, expected, Asked::Within(options.cutoff));
    if expected > 0.1 * options.max_edges as f64 {
        refuse_early(batch, options, &budget, pairs)?;
    }
    let plan = Plan::new(batch, threads, |_| limit, estimate)?;
    let thin = options.half || !options.self_images;
    let wanted = |i: usize, hit: &Hit| options.wants(i, hit);
    let large = plan.search_large(thin.then_some(&wanted), Some(&budget))?;
    let workers = plan.workers;
    let mut search = Search {
        batch,
        half: options.half,
        plan,
        large,
        found: vec![],
    };
    search.found = parallel::try_map_with(search.plan.stretches.len(), workers, |scratch, at| {
        let mut found = search.room(at, estimate);
        search.find(at, (options, limit), &budget, scratch, &mut found)?;
        Ok(found)
    })?;
    let source = Source::Found(search);
    Ok(EdgePlan::new(source, batch.num_atoms(), batch.offsets(), workers))
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

/// What was found in a batch.
#[derive(Debug)]
pub struct Search<'a> {
    batch: &'a BatchView<'a>,
    half: bool,
    plan: Plan,
    large: Vec<Lent<LargeHits>>,
    found: Vec<Found>,
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
    /// How many stretches there are.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Edges of each atom of a stretch.
    pub fn counts(&self, at: usize) -> &[u32] {
        &self.found[at].counts
    }

    /// Memory for about what a stretch holds: threads that take more step by step would wait for each other.
    fn room(&self, at: usize, estimate: impl Fn(usize) -> f64) -> Found {
        const SLACK: f64 = 1.1;
        const MOST: f64 = 1e6;
        match &self.plan.stretches[at] {
            Stretch::Small(crystals) => {
                let atoms = self.batch.atoms(crystals.end - 1).end - self.batch.atoms(crystals.start).start;
                let edges = crystals.clone().map(estimate).sum::<f64>();
                let hits = if self.half { edges } else { 0.5 * edges };
                Found {
                    counts: Vec::with_capacity(atoms),
                    hits: Vec::with_capacity((SLACK * hits).min(MOST) as usize),
                    ends: Vec::with_capacity(atoms),
                }
            }
            Stretch::Large { .. } => Found::default(),
        }
    }

    /// Find the edges of small crystals, each once; count those of large ones.
    fn find(
        &self,
        at: usize,
        (options, limit): (&RadiusOptions, f64),
        budget: &Budget,
        (cell, search): &mut (SearchCell, SmallSearch),
        found: &mut Found,
    ) -> Result<()> {
        match &self.plan.stretches[at] {
            Stretch::Small(crystals) => {
                for b in crystals.clone() {
                    load(cell, self.batch, b);
                    let (begin, first) = (found.hits.len(), found.counts.len());
                    search.find(
                        cell,
                        limit,
                        options.self_images,
                        &mut found.hits,
                        (&mut found.ends, &mut found.counts),
                    );
                    let mut edges = 2 * (found.hits.len() - begin);
                    if options.half {
                        edges /= 2;
                        found.counts.truncate(first);
                        count(begin, &found.ends[first..], &mut found.counts);
                    }
                    budget.take(edges)?;
                }
            }
            Stretch::Large { crystal, atoms } => {
                let (large, at) = self.plan.large(*crystal);
                let count = |atom: usize| self.large[at].at(large.grid.place(atom)).len() as u32;
                found.counts.extend(atoms.clone().map(count));
            }
        }
        Ok(())
    }

    /// Order and write the edges of a stretch.
    pub fn write<T: Real>(&self, at: usize, lists: &mut Lists, out: &mut impl Sink<T>) {
        let found = &self.found[at];
        let mut write = |b: usize, found: &lists::Found| {
            let atoms = self.batch.atoms(b);
            let frac = &self.batch.frac_coords()[atoms.clone()];
            lists.load(found, frac, self.batch.lattices()[b].rows());
            lists.order(found);
            lists.write(atoms.start, out);
        };
        match &self.plan.stretches[at] {
            Stretch::Small(crystals) => {
                let (mut first, mut begin) = (0, 0);
                for b in crystals.clone() {
                    let atoms = first..first + self.batch.atoms(b).len();
                    let ends = &found.ends[atoms.clone()];
                    let end = ends.last().map_or(begin, |&end| end);
                    if found.hits.len() > FEW {
                        let bytes = (end - begin) as usize * size_of::<Hit>();
                        fetch([(found.hits[end as usize..].as_ptr().cast(), bytes)]);
                    }
                    write(
                        b,
                        &lists::Found {
                            hits: &found.hits[begin as usize..end as usize],
                            ends,
                            begin,
                            first: 0,
                            counts: &found.counts[atoms.clone()],
                            both: !self.half,
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
