//! Cutting a batch into stretches of work, and refusing what would be too large.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cell::{DISTANCE_SLACK, SearchCell};
use super::grid::Grid;
use super::large::{Large, LargeHits, Wanted};
use crate::batch::BatchView;
use crate::error::{LimitError, Result};
use crate::parallel;
use crate::scratch::Lent;

/// Crystals of more atoms than this are searched through bins.
const LARGE: usize = 300;
/// Crystals of more atoms than this are, too, if few pairs of rows find an edge.
const MIDDLE: usize = 40;
const SPARSE: f64 = 0.5;
/// Atoms of a large crystal that make one stretch.
const BLOCK: usize = 512;
/// Atoms of a large crystal whose lists are made together: few enough that all of it stays in the cache.
pub const TOGETHER: usize = 64;

/// A stretch of consecutive atoms.
#[derive(Debug, Clone)]
pub enum Stretch {
    /// Whole small crystals.
    Small(Range<usize>),
    /// Some atoms (numbered in the crystal) of a large crystal.
    Large { crystal: usize, atoms: Range<usize> },
}

/// How a batch is worked on.
#[derive(Debug)]
pub struct Plan {
    pub stretches: Vec<Stretch>,
    pub workers: usize,
    large: Vec<(usize, Large)>,
}

impl Plan {
    /// Cut a batch of which crystal b is expected to give about `estimate(b)` edges, searched within `radius(b)`.
    pub fn new(
        batch: &BatchView,
        threads: Option<usize>,
        radius: impl Fn(usize) -> f64 + Sync,
        estimate: impl Fn(usize) -> f64,
    ) -> Result<Self> {
        // Nanoseconds; only the order of magnitude matters.
        let is_large = |b: usize| {
            let atoms = batch.atoms(b).len();
            atoms > LARGE || (atoms > MIDDLE && estimate(b) < SPARSE * (atoms * atoms) as f64)
        };
        let cost = |b: usize| {
            let atoms = batch.atoms(b).len() as f64;
            let search = if is_large(b) {
                200.0 * atoms
            } else {
                10.0 * atoms * atoms
            };
            500.0 + 12.0 * estimate(b) + search
        };
        let total: f64 = (0..batch.len()).map(cost).sum();
        let workers = parallel::workers(threads, total)?;
        // One stretch when serial: what it writes is then the result.
        let share = parallel::share(total, workers);
        let mut stretches = Vec::new();
        let mut large = Vec::new();
        let (mut start, mut sum) = (0, 0.0);
        for b in 0..batch.len() {
            let atoms = batch.atoms(b).len();
            if is_large(b) {
                if start < b {
                    stretches.push(Stretch::Small(start..b));
                }
                large.push(b);
                let blocks = (0..atoms).step_by(BLOCK).map(|a| a..(a + BLOCK).min(atoms));
                stretches.extend(blocks.map(|atoms| Stretch::Large { crystal: b, atoms }));
                (start, sum) = (b + 1, 0.0);
                continue;
            }
            sum += cost(b);
            if sum >= share {
                stretches.push(Stretch::Small(start..b + 1));
                (start, sum) = (b + 1, 0.0);
            }
        }
        if start < batch.len() {
            stretches.push(Stretch::Small(start..batch.len()));
        }
        let large = parallel::try_map(large.len(), workers, |at| {
            let mut cell = SearchCell::default();
            load(&mut cell, batch, large[at]);
            let radius = radius(large[at]);
            let grid = Grid::new(&cell, radius);
            Ok((large[at], Large { cell, grid, radius }))
        })?;
        Ok(Self {
            stretches,
            workers,
            large,
        })
    }

    /// What was made ready for a large crystal, and which one it is of them.
    pub fn large(&self, crystal: usize) -> (&Large, usize) {
        let at = self.large.partition_point(|(b, _)| *b < crystal);
        (&self.large[at].1, at)
    }

    /// Search all large crystals; `wanted`: which hits of an atom are kept.
    pub fn search_large(&self, wanted: Option<Wanted>, budget: Option<&Budget>) -> Result<Vec<Lent<LargeHits>>> {
        let found = self.large.iter();
        found
            .map(|(_, large)| large.search(self.workers, wanted, budget))
            .collect()
    }
}

/// Make crystal b of a batch ready.
pub fn load(cell: &mut SearchCell, batch: &BatchView, crystal: usize) {
    let frac = &batch.frac_coords()[batch.atoms(crystal)];
    cell.load(batch.lattices()[crystal].rows(), frac, batch.site(crystal));
}

/// Append how many hits each atom has.
pub fn count(begin: usize, ends: &[u32], counts: &mut Vec<u32>) {
    let mut from = begin as u32;
    counts.extend(ends.iter().map(|&end| end - std::mem::replace(&mut from, end)));
}

/// Volume of a ball.
pub fn ball(radius: f64) -> f64 {
    4.0 / 3.0 * std::f64::consts::PI * radius * radius * radius
}

/// What was asked for, as messages name it.
#[derive(Debug, Clone, Copy)]
pub enum Asked {
    /// Neighbours within this many angstrom.
    Within(f64),
    /// This many neighbours.
    Nearest(usize),
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Within(cutoff) => write!(f, "neighbors with cutoff = {cutoff} angstrom"),
            Self::Nearest(k) => write!(f, "nearest_neighbors with k = {k}"),
        }
    }
}

/// Running total of edges that refuses to pass the limit.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    used: AtomicU64,
    expected: f64,
    asked: Asked,
}

impl Budget {
    /// `expected` is the estimate that the message names.
    pub fn new(limit: u64, expected: f64, asked: Asked) -> Self {
        // Positions in lists are 32-bit numbers.
        let limit = limit.min(u64::from(u32::MAX));
        Self {
            limit,
            used: AtomicU64::new(0),
            expected,
            asked,
        }
    }

    /// Count edges in.
    pub fn take(&self, edges: usize) -> Result<()> {
        let before = self.used.fetch_add(edges as u64, Ordering::Relaxed);
        if before.saturating_add(edges as u64) > self.limit {
            Err(self.refusal(None).into())
        } else {
            Ok(())
        }
    }

    /// The error; the same whichever thread meets the limit.
    pub fn refusal(&self, crystal: Option<usize>) -> LimitError {
        let needed = self.expected.max(self.limit as f64 + 1.0);
        LimitError {
            message: format!(
                "{}: more than max_edges = {} edges (about {needed:.2e}); take smaller batches, ask for less, or raise \
                 max_edges",
                self.asked, self.limit
            ),
            name: "max_edges",
            limit: self.limit,
            needed,
            crystal,
        }
    }
}

/// Edges that crystal b surely has within a radius, from the volume that lattice points must fill.
pub fn at_least(cell: &SearchCell, cutoff: f64, pairs: f64) -> f64 {
    let inner = cutoff - cell.covering_radius();
    if inner <= 0.0 {
        0.0
    } else {
        pairs * (ball(inner) / cell.volume() - 1.0).max(0.0)
    }
}

/// Cut-off with the slack that all lists share.
pub fn with_slack(cutoff: f64) -> f64 {
    cutoff + DISTANCE_SLACK
}
