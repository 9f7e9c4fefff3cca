//! The k nearest neighbours with all ties of the last shell.

use super::cell::{DISTANCE_SLACK, Neighbor, SearchCell, Stages};
use super::edges::{Edges, Growing, Sink, join};
use super::pairs::{List, Pairs};
use super::plan::{Budget, Plan, Stretch, ball, load};
use super::symmetrize::symmetrize;
use crate::batch::BatchView;
use crate::error::{ArgumentError, Result, check_tolerance};
use crate::math::Real;
use crate::order::Sorter;
use crate::parallel;

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
    let what = format!("nearest_neighbors with k = {}", options.k);
    let budget = Budget::new(options.max_edges, expected, what.clone());
    if expected > options.max_edges as f64 {
        return Err(budget.refusal(None).into());
    }
    if options.mode == NearestMode::Directed {
        return directed(batch, options, &budget, threads);
    }
    let edges = directed::<f64>(batch, options, &budget, threads)?;
    symmetrize(
        &edges,
        batch.offsets(),
        options.mode,
        &Budget::new(options.max_edges, expected, what),
    )
}

/// Number density above which a crystal is not taken to be denser, atoms per cubic angstrom: where a cell holds vacuum,
/// the search starts at the distances of solids.
const DENSITY_OF_SOLIDS: f64 = 0.03;

fn directed<T: Real>(
    batch: &BatchView,
    options: &NearestOptions,
    budget: &Budget,
    threads: Option<usize>,
) -> Result<Edges<T>> {
    let start = |b: usize| {
        let atoms = batch.atoms(b).len();
        let mut density = atoms as f64 / batch.lattices()[b].volume();
        if atoms > 8 {
            density = density.max(DENSITY_OF_SOLIDS);
        }
        // A ball that holds half as many again as are needed.
        let volume = (1.5 * options.k as f64 + 4.0) / density;
        (volume * 0.75 / std::f64::consts::PI).cbrt() + options.shell_tol
    };
    let expected = options.k as f64 * batch.num_atoms() as f64;
    let estimate = |b: usize| 2.0 * (options.k as f64) * batch.atoms(b).len() as f64;
    let bin_width = (0.25 * ball(1.0) * options.k as f64 / DENSITY_OF_SOLIDS)
        .cbrt()
        .clamp(1.0, 10.0)
        * 0.5;
    let plan = Plan::new(batch, threads, bin_width, estimate)?;
    let parts = parallel::try_map(plan.stretches.len(), plan.workers, |at| {
        let mut part = Growing::<T>::default();
        if plan.stretches.len() == 1 {
            part.reserve(batch.num_atoms(), (1.15 * expected) as usize);
        }
        match &plan.stretches[at] {
            Stretch::Small(crystals) => {
                let mut cell = SearchCell::default();
                let mut search = Search::new(options);
                for b in crystals.clone() {
                    load(&mut cell, batch, b);
                    let before = part.len();
                    search.small(&cell, start(b), batch.atoms(b).start, &mut part);
                    budget.take(part.len() - before)?;
                }
            }
            Stretch::Large { crystal, atoms } => {
                let large = plan.large(*crystal);
                let first = batch.atoms(*crystal).start;
                let mut search = Search::new(options);
                for i in atoms.clone() {
                    let before = part.len();
                    let visit = |radius: f64, found: &mut Vec<Neighbor>| {
                        large.grid.around(&large.cell, i, radius, |edge| found.push(edge));
                    };
                    search.widen(start(*crystal), first + i, first, visit, &mut part);
                    budget.take(part.len() - before)?;
                }
            }
        }
        Ok(part)
    })?;
    join(parts, batch.num_atoms(), batch.offsets(), plan.workers)
}

/// Lists of pairs are in the order of ties.
const IN_ORDER: Option<fn(usize, usize) -> std::cmp::Ordering> = None;

struct Search {
    k: usize,
    shell_tol: f64,
    pairs: Pairs,
    list: List,
    found: Vec<Neighbor>,
    edges: Vec<Neighbor>,
    stages: Stages,
    sorter: Sorter,
}

impl Search {
    fn new(options: &NearestOptions) -> Self {
        Self {
            k: options.k,
            shell_tol: options.shell_tol,
            pairs: Pairs::default(),
            list: List::default(),
            found: vec![],
            edges: vec![],
            stages: Stages::default(),
            sorter: Sorter::default(),
        }
    }

    /// All atoms of a small crystal: pairs are searched once; atoms that lack neighbours are searched again alone.
    fn small(&mut self, cell: &SearchCell, radius: f64, first: usize, sink: &mut impl Sink) {
        self.pairs.find(cell, radius, true);
        for i in 0..cell.len() {
            self.pairs.list(i, false, &mut self.list);
            let (pairs, list) = (&self.pairs, &self.list);
            let sizes = (list.len(), self.k);
            let limits = (self.shell_tol, radius);
            let distance = |p: usize| pairs.distance(list, p);
            if let Some(order) = self.sorter.nearest(sizes, limits, distance, IN_ORDER) {
                pairs.gather(list, order, &mut self.edges);
                sink.atom(first + i, first, &self.edges);
            } else {
                let mut stages = std::mem::take(&mut self.stages);
                let visit = |radius: f64, found: &mut Vec<Neighbor>| {
                    cell.images(i, 0..cell.len(), radius, &mut stages, |edge| found.push(edge));
                };
                self.widen(1.25 * radius, first + i, first, visit, sink);
                self.stages = stages;
            }
        }
    }

    /// One atom, with a radius that grows until its k-th shell is complete.
    fn widen(
        &mut self,
        mut radius: f64,
        centre: usize,
        first: usize,
        mut visit: impl FnMut(f64, &mut Vec<Neighbor>),
        sink: &mut impl Sink,
    ) {
        loop {
            self.found.clear();
            visit(radius, &mut self.found);
            let found = &self.found;
            let sizes = (found.len(), self.k);
            let limits = (self.shell_tol, radius);
            let tie = |p: usize, q: usize| found[p].tie_key().cmp(&found[q].tie_key());
            if let Some(order) = self.sorter.nearest(sizes, limits, |p| found[p].distance, Some(tie)) {
                self.edges.clear();
                self.edges.extend(order.iter().map(|&p| found[p as usize]));
                sink.atom(centre, first, &self.edges);
                return;
            }
            radius = 1.25 * radius + DISTANCE_SLACK;
        }
    }
}
