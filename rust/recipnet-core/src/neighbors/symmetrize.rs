//! From directed k-nearest lists to the undirected graphs that are in use.

use super::edges::{Edge, EdgePlan, Edges, Growing, Sink, Source};
use super::nearest::NearestMode;
use super::plan::Budget;
use crate::error::Result;
use crate::math::{Real, Vec3};
use crate::order::Sorter;

/// An edge of the atom at hand.
#[derive(Debug, Clone, Copy)]
struct Neighbor {
    vector: Vec3,
    distance: f64,
    shift: [i32; 3],
    j: u32,
}

/// Make a graph of the given kind from lists NN(i).
///
/// Distances of an edge and its reverse are the same bytes, so j's list holds the reverse of an edge (i, j) exactly if
/// the distance is not above the longest of j's list.
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
    let reach: Vec<f64> = (0..num_atoms)
        .map(|i| edges.distance[range(i)].iter().copied().fold(0.0, f64::max))
        .collect();

    let one_sided = |e: usize| {
        let (_, j) = edges.pair(e);
        edges.distance[e] > reach[j]
    };
    // Edges that j receives because i lists them and j does not.
    let mut incoming = vec![Vec::new(); if mode == NearestMode::Mutual { 0 } else { num_atoms }];
    if mode != NearestMode::Mutual {
        for e in (0..edges.len()).filter(|&e| one_sided(e)) {
            incoming[edges.pair(e).1].push(e);
        }
    }

    let mut sorter = Sorter::default();
    let mut out = Growing::<T>::default();
    let mut list: Vec<Neighbor> = Vec::new();
    for atoms in crystal_offsets.windows(2) {
        let first = atoms[0] as usize;
        for i in first..atoms[1] as usize {
            list.clear();
            for e in range(i) {
                let j = edges.pair(e).1;
                let edge = Neighbor {
                    vector: edges.vector[e],
                    distance: edges.distance[e],
                    shift: edges.shift[e],
                    j: (j - first) as u32,
                };
                let mutual = !one_sided(e);
                let copies = match mode {
                    NearestMode::Directed | NearestMode::Union => 1,
                    NearestMode::Mutual => usize::from(mutual),
                    NearestMode::Paper => 1 + usize::from(mutual),
                    NearestMode::PaperCanonical => 1 + usize::from(i == j),
                };
                list.extend(std::iter::repeat_n(edge, copies));
            }
            if let Some(received) = incoming.get(i) {
                list.extend(received.iter().map(|&e| {
                    let from = edges.pair(e).0;
                    Neighbor {
                        vector: edges.vector[e].map(|x| 0.0 - x),
                        distance: edges.distance[e],
                        shift: edges.shift[e].map(|x| -x),
                        j: (from - first) as u32,
                    }
                }));
            }
            budget.take(list.len())?;
            let key = |p: usize| (list[p].j, list[p].shift);
            let order = sorter.sort(list.len(), |p| list[p].distance, |p, q| key(p).cmp(&key(q)));
            out.counts.push(order.len() as u32);
            out.write(order.len(), |e| {
                let edge = &list[order[e] as usize];
                Edge {
                    neighbor: (first + edge.j as usize) as i64,
                    shift: edge.shift,
                    vector: edge.vector.map(T::from_f64),
                    distance: T::from_f64(edge.distance),
                }
            });
        }
    }
    Ok(EdgePlan::new(Source::Ready(vec![out]), num_atoms, crystal_offsets, 1))
}
