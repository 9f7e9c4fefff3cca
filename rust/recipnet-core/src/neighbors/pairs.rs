//! Small crystals: every pair of rows is searched once and read from both ends.

use super::cell::{FORWARDS, Neighbor, SearchCell, Stages};

/// Neighbours found for all `i <= j` of one crystal. `find` reuses the memory of the crystal before.
#[derive(Debug, Default)]
pub struct Pairs {
    atoms: usize,
    /// Runs of one pair in rising order of shift, pairs in the order (0,0), (0,1), ..., (1,1), ...
    found: Vec<Neighbor>,
    /// Where the run of each pair begins in `found`, and the end of the last.
    starts: Vec<u32>,
    stages: Stages,
}

/// Which of the found neighbours belong to one atom, in the order (j, shift).
#[derive(Debug, Default)]
pub struct List {
    /// Position in `found`, with the other end's row, and whether the edge is read backwards.
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    at: u32,
    /// The row of the other end when read backwards, else [`FORWARDS`].
    back: u32,
}

impl List {
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Pairs {
    /// Search all pairs of a crystal.
    pub fn find(&mut self, cell: &SearchCell, limit: f64, self_images: bool) {
        self.atoms = cell.len();
        self.found.clear();
        self.starts.clear();
        let (found, starts) = (&mut self.found, &mut self.starts);
        for i in 0..self.atoms {
            let mut next = i;
            let others = if self_images { i..self.atoms } else { i + 1..self.atoms };
            cell.images(i, others, limit, &mut self.stages, |edge| {
                while next <= edge.j as usize {
                    starts.push(found.len() as u32);
                    next += 1;
                }
                found.push(edge);
            });
            starts.resize(starts.len() + self.atoms - next, found.len() as u32);
        }
        starts.push(found.len() as u32);
        if !cell.visits_in_order() {
            for run in starts.windows(2) {
                sort_short(&mut found[run[0] as usize..run[1] as usize]);
            }
        }
    }

    fn run(&self, i: usize, j: usize) -> std::ops::Range<u32> {
        let pair = i * self.atoms - i * i.saturating_sub(1) / 2 + (j - i);
        self.starts[pair]..self.starts[pair + 1]
    }

    /// Edges that the lists of all atoms will have.
    pub fn num_edges(&self, half: bool) -> usize {
        let own: usize = (0..self.atoms).map(|i| self.run(i, i).len()).sum();
        if half {
            self.found.len() - own / 2
        } else {
            2 * self.found.len() - own
        }
    }

    /// Neighbours of atom i, or only those of a half list.
    pub fn list(&self, i: usize, half: bool, list: &mut List) {
        list.entries.clear();
        if !half {
            for j in 0..i {
                // Negation turns the order of shifts round.
                let run = self.run(j, i).rev();
                list.entries.extend(run.map(|at| Entry { at, back: j as u32 }));
            }
        }
        if self.atoms == 0 {
            return;
        }
        let (own, end) = (self.run(i, i), self.run(i, self.atoms - 1).end);
        // Own images come in pairs +-n in rising order: the upper half is the positive one.
        let start = if half {
            own.start + (own.len() / 2) as u32
        } else {
            own.start
        };
        list.entries.extend((start..end).map(|at| Entry { at, back: FORWARDS }));
    }

    /// Distance of entry p.
    #[inline]
    pub fn distance(&self, list: &List, p: usize) -> f64 {
        self.found[list.entries[p].at as usize].distance
    }

    /// Entries in an order, as edges of their atom.
    pub fn gather(&self, list: &List, order: &[u32], edges: &mut Vec<Neighbor>) {
        edges.clear();
        edges.extend(order.iter().map(|&p| {
            let entry = list.entries[p as usize];
            self.found[entry.at as usize].seen(entry.back)
        }));
    }
}

/// Insertion sort by shift: runs hold a handful of images.
fn sort_short(run: &mut [Neighbor]) {
    if run.len() > 40 {
        run.sort_unstable_by_key(|edge| edge.shift);
        return;
    }
    for end in 1..run.len() {
        let edge = run[end];
        let mut at = end;
        while at > 0 && run[at - 1].shift > edge.shift {
            run[at] = run[at - 1];
            at -= 1;
        }
        run[at] = edge;
    }
}
