//! From directed k-nearest lists to the undirected graphs that are in use.

use std::cmp::Ordering;
use std::ops::Range;

use super::edges::{Edge, EdgePlan, Edges, Growing, Sink, Source};
use super::nearest::NearestMode;
use super::plan::Budget;
use crate::batch::BatchView;
use crate::error::Result;
use crate::math::Real;
use crate::order::{Sorter, TIE_GAP};
use crate::parallel;
use crate::scratch::{Buffer, holds};

/// Make a graph of the given kind from lists NN(i).
///
/// Distances of an edge and its reverse are the same bytes, so j's list holds the reverse of an edge (i, j) exactly if
/// the distance is not above the longest of j's list. What j receives beyond its list is farther than all of that: it
/// stands behind, and only where the two are one tie are they sorted together.
pub fn symmetrize<T: Real>(
    edges: &Edges<f64>,
    batch: &BatchView,
    mode: NearestMode,
    budget: &Budget,
    threads: Option<usize>,
) -> Result<EdgePlan<'static, T>> {
    /// Of one edge.
    const NANOS: f64 = 8.0;
    let count = |crystals: &Range<usize>| (edges.offsets[crystals.end] - edges.offsets[crystals.start]) as usize;
    let nanos = |b: usize| NANOS * count(&(b..b + 1)) as f64;
    let (stretches, workers) = parallel::stretches(batch.len(), threads, nanos)?;
    let parts = parallel::try_map_with(stretches.len(), workers, |graph: &mut Graph, at| {
        // Of atoms that list each other nothing is received: most do.
        let mut part = Growing::<T>::with_capacity(count(&stretches[at]) * 5 / 4);
        for b in stretches[at].clone() {
            graph.add(edges, batch.atoms(b), mode, budget, &mut part)?;
        }
        Ok(part)
    })?;
    let source = Source::Ready(parts);
    Ok(EdgePlan::new(source, batch.num_atoms(), batch.offsets(), workers))
}

/// The graph of one crystal after the other, reusing memory.
#[derive(Debug, Default)]
struct Graph {
    /// The longest edge of each atom's list.
    reach: Vec<f64>,
    /// Whether the other end does not list an edge too.
    one_sided: Vec<bool>,
    received: Received,
    picks: Buffer<Pick>,
    /// What is sorted.
    list: Vec<Pick>,
    sorter: Sorter,
}

holds!(Graph: reach, one_sided, received, picks, list);

impl Graph {
    /// Append the edges of the atoms of a crystal.
    fn add<T: Real>(
        &mut self,
        edges: &Edges<f64>,
        atoms: Range<usize>,
        mode: NearestMode,
        budget: &Budget,
        out: &mut Growing<T>,
    ) -> Result<()> {
        let at = |atom: usize| edges.atom_offsets[atom] as usize;
        let own = at(atoms.start)..at(atoms.end);
        let (distances, others) = (&edges.distance[own.clone()], &edges.index[edges.len()..][own.clone()]);
        let (centres, shifts) = (&edges.index[own.clone()], &edges.shift[own.clone()]);
        let first = atoms.start as i64;
        // Edges of an atom, both numbered in the crystal.
        let range = |i: usize| at(atoms.start + i) - own.start..at(atoms.start + i + 1) - own.start;
        self.reach.clear();
        let longest = |row: &[f64]| row.iter().fold(0.0, |most: f64, &d| if d > most { d } else { most });
        self.reach
            .extend((0..atoms.len()).map(|i| longest(&distances[range(i)])));
        self.one_sided.clear();
        let reach = &self.reach;
        let pairs = distances.iter().zip(others);
        self.one_sided
            .extend(pairs.map(|(&d, &j)| d > reach[(j - first) as usize]));
        self.received.deal(&self.one_sided, others, atoms.clone(), mode);

        let turned = |pick: Pick| {
            let (from, to) = (centres[pick.edge()], others[pick.edge()]);
            let turn = |n: i32| if pick.is_back() { -n } else { n };
            let neighbor = if pick.is_back() { from } else { to };
            (neighbor, shifts[pick.edge()].map(turn))
        };
        let distance = |pick: Pick| distances[pick.edge()];
        let tie = |p: Pick, q: Pick| -> Ordering { turned(p).cmp(&turned(q)) };
        let mut total = 0;
        // Each edge of a list is written twice, and what it should not be is written over.
        let picks = self.picks.set_len(2 * own.len() + self.received.picks.len() + 1);
        for i in 0..atoms.len() {
            let begin = total;
            for e in range(i) {
                let copies = match mode {
                    NearestMode::Directed | NearestMode::Union => 1,
                    NearestMode::Mutual => usize::from(!self.one_sided[e]),
                    NearestMode::Paper => 1 + usize::from(!self.one_sided[e]),
                    NearestMode::PaperCanonical => 1 + usize::from(centres[e] == others[e]),
                };
                picks[total..total + 2].fill(Pick::new(e, false));
                total += copies;
            }
            let (own, received) = (total, self.received.of(i));
            total += received.len();
            picks[own..total].copy_from_slice(received);
            if !received.is_empty() {
                let nearest = (received.iter()).fold(f64::INFINITY, |least, &pick| least.min(distance(pick)));
                let from = if nearest - reach[i] > TIE_GAP { own } else { begin };
                if total - from > 1 {
                    self.list.clear();
                    self.list.extend_from_slice(&picks[from..total]);
                    let list = &self.list;
                    let order = (self.sorter).sort(list.len(), |p| distance(list[p]), |p, q| tie(list[p], list[q]));
                    for (to, &p) in picks[from..total].iter_mut().zip(order) {
                        *to = list[p as usize];
                    }
                }
            }
            out.counts.push((total - begin) as u32);
        }
        budget.take(total)?;
        out.write(total, |n| {
            let pick = picks[n];
            let (neighbor, shift) = turned(pick);
            Edge {
                neighbor,
                shift,
                distance: T::from_f64(distance(pick)),
            }
        });
        Ok(())
    }
}

/// An edge, or its reverse.
#[derive(Debug, Clone, Copy, Default)]
struct Pick(u64);

impl Pick {
    fn new(edge: usize, back: bool) -> Self {
        Self((edge as u64) << 1 | u64::from(back))
    }

    fn edge(self) -> usize {
        (self.0 >> 1) as usize
    }

    fn is_back(self) -> bool {
        self.0 & 1 == 1
    }
}

/// What each atom receives because others list it and it does not list them.
#[derive(Debug, Default)]
struct Received {
    picks: Vec<Pick>,
    starts: Vec<u32>,
}

holds!(Received: picks, starts);

impl Received {
    fn of(&self, atom: usize) -> &[Pick] {
        &self.picks[self.starts[atom] as usize..self.starts[atom + 1] as usize]
    }

    fn deal(&mut self, one_sided: &[bool], others: &[i64], atoms: Range<usize>, mode: NearestMode) {
        let wanted = mode != NearestMode::Mutual;
        // Counted one place later, so that after the sums a start moves to the next one as it is used.
        let starts = &mut self.starts;
        starts.clear();
        starts.resize(atoms.len() + 2, 0);
        let place = |j: i64| j as usize - atoms.start;
        for (&is_one_sided, &j) in one_sided.iter().zip(others) {
            starts[place(j) + 2] += u32::from(is_one_sided & wanted);
        }
        for atom in 2..starts.len() {
            starts[atom] += starts[atom - 1];
        }
        self.picks.resize(starts[atoms.len() + 1] as usize, Pick::default());
        for (e, _) in one_sided.iter().enumerate().filter(|(_, one)| **one && wanted) {
            let start = &mut starts[place(others[e]) + 1];
            self.picks[*start as usize] = Pick::new(e, true);
            *start += 1;
        }
    }
}
