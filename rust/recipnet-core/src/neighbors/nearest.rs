//! The k nearest neighbours with all ties of the last shell.

use std::ops::Range;

use super::cell::{DISTANCE_SLACK, Hit, SearchCell};
use super::edges::{EdgePlan, Edges, Growing, Source};
use super::large::{Large, LargeHits};
use super::lists::{Found, Lists};
use super::plan::{Asked, Budget, Plan, Stretch, TOGETHER, load};
use super::small::SmallSearch;
use super::symmetrize::symmetrize;
use crate::batch::BatchView;
use crate::error::{ArgumentError, Result, check_tolerance};
use crate::math::Real;
use crate::parallel;
use crate::scratch::holds;

/// Which edges a k-nearest list holds, with NN(i) the neighbours of i.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NearestMode {
    /// Row i lists NN(i).
    Directed,
    /// j in NN(i) or i in NN(j), each edge once.
    Union,
    /// j in NN(i) and i in NN(j).
    Mutual,
    /// j in NN(i) plus i in NN(j): an edge for which both hold is listed twice (jarvis, `PotNet`, `PRDNet`).
    Paper,
    /// Both directions of the set of keys (min(i, j), max(i, j), image): images of the atom itself come twice
    /// (Matformer, `ComFormer`).
    PaperCanonical,
}

impl std::str::FromStr for NearestMode {
    type Err = ArgumentError;

    fn from_str(text: &str) -> std::result::Result<Self, ArgumentError> {
        Ok(match text {
            "directed" => Self::Directed,
            "union" => Self::Union,
            "mutual" => Self::Mutual,
            "paper" => Self::Paper,
            "paper_canonical" => Self::PaperCanonical,
            _ => {
                return Err(ArgumentError {
                    name: "edges",
                    value: format!("{text:?}"),
                    message: "must be \"directed\", \"union\", \"mutual\", \"paper\" or \"paper_canonical\"".into(),
                });
            }
        })
    }
}

/// What a k-nearest list holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearestOptions {
    /// Neighbours of each atom, at least.
    pub k: usize,
    /// Everything up to this much farther than the k-th neighbour belongs to its shell, angstrom.
    pub shell_tol: f64,
    /// Which edges are listed.
    pub mode: NearestMode,
    /// More edges in all are refused.
    pub max_edges: u64,
}

impl NearestOptions {
    /// Directed lists, shells 1e-3 angstrom thick, at most 10^8 edges.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self {
            k,
            shell_tol: 1e-3,
            mode: NearestMode::Directed,
            max_edges: 100_000_000,
        }
    }
}

/// For each atom all neighbours with `d <= d_k + shell_tol`, `d_k` the distance of its k-th.
///
/// What counts as a neighbour, the order and the vectors are those of [`super::neighbors`].
///
/// # Errors
/// `ArgumentError` for k = 0 or a bad tolerance, `LimitError` past `max_edges`.
pub fn nearest_neighbors<T: Real>(
    batch: &BatchView,
    options: &NearestOptions,
    threads: Option<usize>,
) -> Result<Edges<T>> {
    plan_nearest_neighbors(batch, options, threads)?.finish()
}

/// [`nearest_neighbors`], found and counted, to be written to memory of the caller's.
///
/// # Errors
/// As [`nearest_neighbors`].
pub fn plan_nearest_neighbors<T: Real>(
    batch: &BatchView,
    options: &NearestOptions,
    threads: Option<usize>,
) -> Result<EdgePlan<'static, T>> {
    if options.k == 0 {
        return Err(ArgumentError {
            name: "k",
            value: "0".into(),
            message: "must be at least 1".into(),
        }
        .into());
    }
    check_tolerance("shell_tol", options.shell_tol)?;
    let expected = options.k as f64 * batch.num_atoms() as f64;
    let budget = || Budget::new(options.max_edges, expected, Asked::Nearest(options.k));
    if expected > options.max_edges as f64 {
        return Err(budget().refusal(None).into());
    }
    if options.mode == NearestMode::Directed {
        return directed(batch, options, &budget(), threads);
    }
    let edges = directed::<f64>(batch, options, &budget(), threads)?.finish()?;
    symmetrize(&edges, batch, options.mode, &budget(), threads)
}

/// Number density above which a crystal is not taken to be denser, atoms per cubic angstrom: where a cell holds vacuum,
/// the search starts at the distances of solids.
const DENSITY_OF_SOLIDS: f64 = 0.03;

fn directed<T: Real>(
    batch: &BatchView,
    options: &NearestOptions,
    budget: &Budget,
    threads: Option<usize>,
) -> Result<EdgePlan<'static, T>> {
    let start = |b: usize| {
        let atoms = batch.atoms(b).len();
        let mut density = atoms as f64 / batch.lattices()[b].volume();
        if atoms > 8 {
            density = density.max(DENSITY_OF_SOLIDS);
        }
        // A ball that holds a third as many again as are needed: larger ones are slower, and so is searching again.
        let volume = (1.35 * options.k as f64 + 4.0) / density;
        (volume * 0.75 / std::f64::consts::PI).cbrt() + options.shell_tol
    };
    let expected = options.k as f64 * batch.num_atoms() as f64;
    let estimate = |b: usize| 2.0 * (options.k as f64) * batch.atoms(b).len() as f64;
    let plan = Plan::new(batch, threads, start, estimate)?;
    let large = plan.search_large(None, None)?;
    let parts = parallel::try_map_with(
        plan.stretches.len(),
        plan.workers,
        |(cell, search): &mut (SearchCell, Search), at| {
            (search.k, search.shell_tol) = (options.k, options.shell_tol);
            let mut part = Growing::<T>::with_capacity((1.15 * expected / plan.stretches.len() as f64) as usize);
            match &plan.stretches[at] {
                Stretch::Small(crystals) => {
                    for b in crystals.clone() {
                        load(cell, batch, b);
                        let before = part.len();
                        search.small(cell, start(b), batch.atoms(b).start, &mut part);
                        budget.take(part.len() - before)?;
                    }
                }
                Stretch::Large { crystal, atoms } => {
                    let before = part.len();
                    for from in atoms.clone().step_by(TOGETHER) {
                        let together = from..(from + TOGETHER).min(atoms.end);
                        let first = batch.atoms(*crystal).start;
                        search.large(
                            plan.large(*crystal).0,
                            &large[plan.large(*crystal).1],
                            together,
                            first,
                            &mut part,
                        );
                    }
                    budget.take(part.len() - before)?;
                }
            }
            Ok(part)
        },
    )?;
    let source = Source::Ready(parts);
    Ok(EdgePlan::new(source, batch.num_atoms(), batch.offsets(), plan.workers))
}

#[derive(Default)]
struct Search {
    k: usize,
    shell_tol: f64,
    small: SmallSearch,
    hits: Vec<Hit>,
    ends: Vec<u32>,
    counts: Vec<u32>,
    lists: Lists,
    /// Of atoms that are searched again alone.
    again: (Vec<Hit>, Lists),
}

holds!(Search: small, hits, ends, counts, lists, again);

impl Search {
    /// All atoms of a small crystal: pairs are searched once; atoms that lack neighbours are searched again alone.
    fn small<T: Real>(&mut self, cell: &SearchCell, radius: f64, first: usize, out: &mut Growing<T>) {
        self.hits.clear();
        self.ends.clear();
        self.counts.clear();
        let tables = (&mut self.ends, &mut self.counts);
        self.small.find(cell, radius, true, &mut self.hits, tables);
        let found = Found {
            hits: &self.hits,
            ends: &self.ends,
            begin: 0,
            first: 0,
            counts: &self.counts,
            both: true,
            listed: true,
        };
        let small = &mut self.small;
        let visit = |i: usize, radius: f64, hits: &mut Vec<Hit>| small.find_around(cell, i, radius, hits);
        let demand = (self.k, self.shell_tol, radius);
        write(
            &mut self.lists,
            &found,
            &mut self.again,
            demand,
            (first, cell),
            visit,
            out,
        );
    }

    /// Some atoms of a large crystal.
    fn large<T: Real>(
        &mut self,
        large: &Large,
        found: &LargeHits,
        atoms: Range<usize>,
        first: usize,
        out: &mut Growing<T>,
    ) {
        let cell = &large.cell;
        let columns = (&mut self.hits, &mut self.ends, &mut self.counts);
        found.gather(&large.grid, atoms.clone(), columns);
        let found = Found {
            hits: &self.hits,
            ends: &self.ends,
            begin: 0,
            first: atoms.start,
            counts: &self.counts,
            both: false,
            listed: false,
        };
        let visit = |i: usize, radius: f64, hits: &mut Vec<Hit>| {
            large.grid.find_around(cell, i, radius, hits);
        };
        let demand = (self.k, self.shell_tol, large.radius);
        write(
            &mut self.lists,
            &found,
            &mut self.again,
            demand,
            (first, cell),
            visit,
            out,
        );
    }
}

/// Order and write the nearest of each atom; those that lack neighbours are searched again by `visit`.
fn write<T: Real>(
    lists: &mut Lists,
    found: &Found,
    again: &mut (Vec<Hit>, Lists),
    (k, shell_tol, radius): (usize, f64, f64),
    (first, cell): (usize, &SearchCell),
    mut visit: impl FnMut(usize, f64, &mut Vec<Hit>),
    out: &mut Growing<T>,
) {
    lists.load(found, &cell.frac, &cell.given);
    for list in 0..found.counts.len() {
        if let Some(count) = lists.order_nearest(found, list, k, (shell_tol, radius)) {
            out.counts.push(count);
            continue;
        }
        lists.write(first, out);
        let i = found.first + list;
        let visit = |radius: f64, hits: &mut Vec<Hit>| visit(i, radius, hits);
        widen(again, (k, shell_tol), 1.25 * radius, (i, first), cell, visit, out);
    }
    lists.write(first, out);
}

/// One atom, with a radius that grows until its k-th shell is complete.
fn widen<T: Real>(
    (hits, lists): &mut (Vec<Hit>, Lists),
    (k, shell_tol): (usize, f64),
    mut radius: f64,
    (i, first): (usize, usize),
    cell: &SearchCell,
    mut visit: impl FnMut(f64, &mut Vec<Hit>),
    out: &mut Growing<T>,
) {
    loop {
        hits.clear();
        visit(radius, hits);
        let end = [hits.len() as u32];
        let found = Found {
            hits,
            ends: &end,
            begin: 0,
            first: i,
            counts: &end,
            both: false,
            listed: false,
        };
        lists.load(&found, &cell.frac, &cell.given);
        if let Some(count) = lists.order_nearest(&found, 0, k, (shell_tol, radius)) {
            out.counts.push(count);
            lists.write(first, out);
            return;
        }
        radius = 1.25 * radius + DISTANCE_SLACK;
    }
}
