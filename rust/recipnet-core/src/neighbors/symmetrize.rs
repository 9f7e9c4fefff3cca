//! From directed k-nearest lists to the undirected graphs that are in use.

use std::cmp::Ordering;

use super::edges::{Edge, EdgePlan, Edges, Growing, Sink, Source};
use super::nearest::NearestMode;
use super::plan::Budget;
use crate::error::Result;
use crate::math::Real;
use crate::order::{Sorter, TIE_GAP};

/// Make a graph of the given kind from lists NN(i).
///
/// Distances of an edge and its reverse are the same bytes, so j's list holds the reverse of an edge (i, j) exactly if
/// the distance is not above the longest of j's list. What j receives beyond its list is farther than all of that: it
/// stands behind, and only where the two are one tie are they sorted together.
///
/// `crystal_offsets`: where each crystal's atoms begin.
pub fn symmetrize<T: Real>(
    edges: &Edges<f64>,
    crystal_offsets: &[i64],
    mode: NearestMode,
    budget: &Budget,
) -> Result<EdgePlan<'static, T>> {
    let num_atoms = edges.atom_offsets.len() - 1;
    let range = |i: usize| edges.atom_offsets[i] as usize..edges.atom_offsets[i + 1] as usize;
    let (centres, others) = edges.index.split_at(edges.len());
    let reach: Vec<f64> = (0..num_atoms)
        .map(|i| (edges.distance[range(i)].iter()).fold(0.0, |most, &d| if d > most { d } else { most }))
        .collect();
    let one_sided: Vec<bool> = (edges.distance.iter().zip(others))
        .map(|(&d, &j)| d > reach[j as usize])
        .collect();
    let received = received(&one_sided, others, num_atoms, mode);
    let turned = |pick: Pick| {
        let (from, to) = (centres[pick.edge()], others[pick.edge()]);
        let turn = |n: i32| if pick.is_back() { -n } else { n };
        let neighbor = if pick.is_back() { from } else { to };
        (neighbor, edges.shift[pick.edge()].map(turn))
    };
    let distance = |pick: Pick| edges.distance[pick.edge()];
    let tie = |p: Pick, q: Pick| -> Ordering { turned(p).cmp(&turned(q)) };

    let mut sorter = Sorter::default();
    let mut picks = Vec::with_capacity(2 * edges.len());
    let mut counts = Vec::with_capacity(num_atoms);
    let mut list: Vec<Pick> = Vec::new();
    let mut sort = |rows: &mut [Pick]| {
        list.clear();
        list.extend_from_slice(rows);
        let order = sorter.sort(list.len(), |p| distance(list[p]), |p, q| tie(list[p], list[q]));
        for (to, &p) in rows.iter_mut().zip(order) {
            *to = list[p as usize];
        }
    };
    for i in 0..num_atoms {
        let begin = picks.len();
        for e in range(i) {
            let copies = match mode {
                NearestMode::Directed | NearestMode::Union => 1,
                NearestMode::Mutual => usize::from(!one_sided[e]),
                NearestMode::Paper => 1 + usize::from(!one_sided[e]),
                NearestMode::PaperCanonical => 1 + usize::from(i as i64 == others[e]),
            };
            picks.extend(std::iter::repeat_n(Pick::new(e, false), copies));
        }
        let own = picks.len();
        picks.extend_from_slice(received.of(i));
        if picks.len() > own {
            let nearest = picks[own..]
                .iter()
                .fold(f64::INFINITY, |least, &p| least.min(distance(p)));
            let from = if nearest - reach[i] > TIE_GAP { own } else { begin };
            if picks.len() - from > 1 {
                sort(&mut picks[from..]);
            }
        }
        budget.take(picks.len() - begin)?;
        counts.push((picks.len() - begin) as u32);
    }
    let mut out = Growing::<T>::with_capacity(picks.len());
    out.counts = counts;
    out.write(picks.len(), |n| {
        let pick = picks[n];
        let (neighbor, shift) = turned(pick);
        Edge {
            neighbor,
            shift,
            distance: T::from_f64(distance(pick)),
        }
    });
    Ok(EdgePlan::new(Source::Ready(vec![out]), num_atoms, crystal_offsets, 1))
}

/// An edge, or its reverse.
#[derive(Debug, Clone, Copy)]
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
struct Received {
    picks: Vec<Pick>,
    starts: Vec<u32>,
}

impl Received {
    fn of(&self, atom: usize) -> &[Pick] {
        &self.picks[self.starts[atom] as usize..self.starts[atom + 1] as usize]
    }
}

fn received(one_sided: &[bool], others: &[i64], num_atoms: usize, mode: NearestMode) -> Received {
    // Counted one place later, so that after the sums a start moves to the next one as it is used.
    let mut starts = vec![0u32; num_atoms + 2];
    let wanted = mode != NearestMode::Mutual;
    for (&is_one_sided, &j) in one_sided.iter().zip(others) {
        starts[j as usize + 2] += u32::from(is_one_sided & wanted);
    }
    for atom in 2..starts.len() {
        starts[atom] += starts[atom - 1];
    }
    let mut picks = vec![Pick(0); starts[num_atoms + 1] as usize];
    for (e, _) in one_sided.iter().enumerate().filter(|(_, one)| **one && wanted) {
        let start = &mut starts[others[e] as usize + 1];
        picks[*start as usize] = Pick::new(e, true);
        *start += 1;
    }
    Received { picks, starts }
}
