//! The groups of a batch: operations are checked against each other once, not for each crystal, nor at each call.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, TryLockError};

use super::group::{Group, OperationsView};
use super::{OperationsList, Unique};
use crate::error::{Error, Result, SymmetryError};
use crate::lattice::Lattice;

/// Groups that are kept between calls, some kilobytes each; all are forgotten when there are more.
const KEPT: usize = 1024;

/// The group of each crystal of a batch.
#[derive(Debug, Default)]
pub(super) struct Groups {
    distinct: Vec<Arc<Group>>,
    of: Vec<Option<usize>>,
}

impl Groups {
    /// Check the operations of each crystal, but for whether they keep its lattice.
    pub fn new(crystals: usize, operations: &OperationsList, unique: Unique) -> Result<Self> {
        let mut out = Self::default();
        if operations.is_empty() && unique != Unique::Laue {
            return Ok(out);
        }
        let mut known: HashMap<u64, (usize, &OperationsView)> = HashMap::new();
        for b in 0..crystals {
            let named = |error: Error| error.in_crystal(b);
            let Some(view) = operations.get(b).and_then(Option::as_ref) else {
                if unique == Unique::Laue {
                    let message = "no symmetry is declared: unique = \"laue\" needs it; pass operations, or take \
                                   unique = \"friedel\"";
                    return Err(named(Error::Symmetry(SymmetryError {
                        message: message.into(),
                        value: String::new(),
                    })));
                }
                out.of.push(None);
                continue;
            };
            let key = BuildHasherDefault::<DefaultHasher>::default().hash_one(view);
            let place = match known.get(&key) {
                Some((place, seen)) if *seen == view => *place,
                _ => {
                    out.distinct
                        .push(group(key, view, unique == Unique::Laue).map_err(named)?);
                    known.insert(key, (out.distinct.len() - 1, view));
                    out.distinct.len() - 1
                }
            };
            out.of.push(Some(place));
        }
        Ok(out)
    }

    /// Check that the operations of a crystal keep its lattice, where unique reflections are asked for.
    pub fn check_lattice(&self, crystal: usize, lattice: &Lattice) -> Result<()> {
        match self.of(crystal).and_then(|group| group.laue.as_ref()) {
            Some(laue) => laue.check_lattice(lattice).map_err(|error| error.in_crystal(crystal)),
            None => Ok(()),
        }
    }

    /// The group of a crystal, if it declares one.
    pub fn of(&self, crystal: usize) -> Option<&Group> {
        self.of
            .get(crystal)
            .copied()
            .flatten()
            .map(|place| &*self.distinct[place])
    }
}

/// A group with the operations that it was made of.
#[derive(Debug)]
struct Made {
    rotations: Vec<[[i8; 3]; 3]>,
    translations: Vec<[i16; 3]>,
    denominator: i32,
    group: Arc<Group>,
}

impl Made {
    fn view(&self) -> OperationsView<'_> {
        OperationsView {
            rotations: &self.rotations,
            translations: &self.translations,
            denominator: self.denominator,
        }
    }
}

/// By hash of the operations, and whether for unique reflections.
static MADE: LazyLock<Mutex<HashMap<(u64, bool), Made>>> = LazyLock::new(Mutex::default);

/// None while another thread is there, which after a fork may be for ever.
fn made() -> Option<MutexGuard<'static, HashMap<(u64, bool), Made>>> {
    match MADE.try_lock() {
        Ok(made) => Some(made),
        Err(TryLockError::Poisoned(made)) => Some(made.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// The group of operations with a hash, made or found.
fn group(hash: u64, view: &OperationsView, laue: bool) -> Result<Arc<Group>> {
    let key = (hash, laue);
    if let Some(made) = made()
        && let Some(known) = made.get(&key).filter(|made| made.view() == *view)
    {
        return Ok(Arc::clone(&known.group));
    }
    // Outside the lock.
    let group = Arc::new(Group::new(view, laue)?);
    if let Some(mut made) = made() {
        if made.len() >= KEPT {
            made.clear();
        }
        let new = Made {
            rotations: view.rotations.to_vec(),
            translations: view.translations.to_vec(),
            denominator: view.denominator,
            group: Arc::clone(&group),
        };
        made.insert(key, new);
    }
    Ok(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_made_once_and_told_from_others() {
        const ONE: [[i8; 3]; 3] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
        let view = |translations: &'static [[i16; 3]]| OperationsView {
            rotations: &[ONE, ONE],
            translations,
            denominator: 24,
        };
        let (body, face) = (view(&[[0; 3], [12, 12, 12]]), view(&[[0; 3], [12, 12, 0]]));
        let given = [Some(body), Some(face), Some(body)];
        let groups = Groups::new(3, &given, Unique::Friedel).unwrap();
        let is_absent = |b: usize, h| groups.of(b).unwrap().absences.is_absent(h);
        assert!(is_absent(0, [1, 0, 0]) && is_absent(2, [1, 0, 0]) && !is_absent(1, [0, 0, 1]));
        assert!(std::ptr::eq(groups.of(0).unwrap(), groups.of(2).unwrap()));
        assert!(groups.of(0).unwrap().laue.is_none());
        let unique = Groups::new(3, &given, Unique::Laue).unwrap();
        assert!(unique.of(0).unwrap().laue.is_some());
        // Whoever comes with the hash of another is not given its group.
        let hash = 7;
        let one = group(hash, &body, false).unwrap();
        let other = group(hash, &face, false).unwrap();
        assert!(one.absences.is_absent([0, 0, 1]) && !other.absences.is_absent([0, 0, 1]));
    }
}
