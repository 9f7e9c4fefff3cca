//! Crystals of many atoms: searched bin by bin, handed out atom by atom.

use std::sync::atomic::{AtomicBool, Ordering};

use super::cell::{Hit, SearchCell};
use super::grid::{Around, Grid};
use super::plan::{Budget, ball};
use crate::error::Result;
use crate::parallel;
use crate::scratch::{Lent, Scratch};

/// Atoms that are searched together, in the order of bins.
const BLOCK: usize = 512;
/// Most hits of a block for which memory is taken before they are found.
const ROOM: f64 = 1e5;

/// Whether a hit of an atom is wanted.
pub type Wanted<'a> = &'a (dyn Fn(usize, &Hit) -> bool + Sync);

/// A large crystal made ready once for all its stretches.
#[derive(Debug)]
pub struct Large {
    pub cell: SearchCell,
    pub grid: Grid,
    /// Within which neighbours are searched.
    pub radius: f64,
}

/// Hits of a large crystal, those of one atom together, atoms in the order of bins.
#[derive(Debug, Default)]
pub struct LargeHits {
    /// Perhaps more than the crystal has.
    blocks: Vec<(Vec<Hit>, Vec<u32>)>,
}

impl Scratch for LargeHits {
    fn held(&self) -> usize {
        self.blocks.iter().map(|(hits, ends)| hits.held() + ends.held()).sum()
    }
}

impl Large {
    /// All neighbours of all atoms, or those that are wanted of them.
    pub fn search(&self, workers: usize, wanted: Option<Wanted>, budget: Option<&Budget>) -> Result<Lent<LargeHits>> {
        let atoms = self.cell.len();
        let expected = 1.1 * ball(self.radius) * atoms as f64 / self.cell.volume();
        // Memory of an earlier search: the system would clear that of a new one first, as long as half the search.
        let mut found = Lent::<LargeHits>::default();
        let count = atoms.div_ceil(BLOCK);
        if found.blocks.len() < count {
            found.blocks.resize_with(count, Default::default);
        }
        let refused = AtomicBool::new(false);
        let blocks = found.blocks[..count].iter_mut().enumerate().collect();
        parallel::for_each(blocks, workers, |(at, (hits, ends))| {
            hits.clear();
            ends.clear();
            if refused.load(Ordering::Relaxed) {
                return;
            }
            let places = at * BLOCK..((at + 1) * BLOCK).min(atoms);
            hits.reserve((expected * places.len() as f64).min(ROOM) as usize);
            let mut around = Around::default();
            self.grid
                .find(&self.cell, places.clone(), self.radius, &mut around, hits, ends);
            if let Some(wanted) = wanted {
                let (mut from, mut kept) = (0, 0);
                for (place, end) in places.zip(ends) {
                    let atom = self.grid.atom(place);
                    for at in from..*end as usize {
                        hits[kept] = hits[at];
                        kept += usize::from(wanted(atom, &hits[at]));
                    }
                    from = *end as usize;
                    *end = kept as u32;
                }
                hits.truncate(kept);
            }
            if budget.is_some_and(|budget| budget.take(hits.len()).is_err()) {
                refused.store(true, Ordering::Relaxed);
            }
        })?;
        match budget {
            Some(budget) if refused.into_inner() => Err(budget.refusal(None).into()),
            _ => Ok(found),
        }
    }
}

impl LargeHits {
    /// Hits of the atom at a place.
    pub fn at(&self, place: usize) -> &[Hit] {
        let (hits, ends) = &self.blocks[place / BLOCK];
        let at = place % BLOCK;
        let begin = if at == 0 { 0 } else { ends[at - 1] };
        &hits[begin as usize..ends[at] as usize]
    }

    /// Put the hits of some atoms one after the other, with where they end and how many they are.
    pub fn gather(
        &self,
        grid: &Grid,
        atoms: std::ops::Range<usize>,
        (hits, ends, counts): (&mut Vec<Hit>, &mut Vec<u32>, &mut Vec<u32>),
    ) {
        hits.clear();
        ends.clear();
        counts.clear();
        for atom in atoms {
            let own = self.at(grid.place(atom));
            hits.extend_from_slice(own);
            ends.push(hits.len() as u32);
            counts.push(own.len() as u32);
        }
    }
}
