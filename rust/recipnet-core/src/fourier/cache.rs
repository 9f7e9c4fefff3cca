//! Bases that were built before, so that one group's table is made once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::basis::FourierBasis;
use super::truncation::Truncation;
use crate::error::Result;
use crate::symmetry::{Operation, Operations};

/// Plane waves that are kept in all (some 50 bytes each); the oldest bases go first.
const CAPACITY: u64 = 2_000_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    operations: Vec<Operation>,
    denominator: i16,
    truncation: Vec<u64>,
}

impl Key {
    fn new(operations: &Operations, truncation: &Truncation) -> Self {
        let mut listed = operations.as_slice().to_vec();
        listed.sort_unstable();
        let truncation = match truncation {
            Truncation::Radius(radius) => vec![radius.to_bits()],
            Truncation::Spacing { lattice, d_min } => {
                let rows = lattice.rows().iter().flatten();
                rows.chain([d_min]).map(|x| x.to_bits()).collect()
            }
        };
        Self {
            operations: listed,
            denominator: operations.denominator(),
            truncation,
        }
    }
}

#[derive(Debug, Default)]
struct Cache {
    bases: HashMap<Key, Arc<FourierBasis>>,
    order: VecDeque<Key>,
    size: u64,
}

impl FourierBasis {
    /// The basis of [`FourierBasis::new`], shared with earlier calls for the same set of operations and truncation.
    ///
    /// # Errors
    /// As [`FourierBasis::new`].
    pub fn cached(operations: &Operations, truncation: Truncation, max_modes: u64) -> Result<Arc<Self>> {
        static CACHE: OnceLock<Mutex<Cache>> = OnceLock::new();
        let cache = CACHE.get_or_init(Mutex::default);
        let key = Key::new(operations, &truncation);
        let known = {
            let cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.bases.get(&key).map(Arc::clone)
        };
        if let Some(known) = known.filter(|basis| basis.counts().n_hkl <= max_modes) {
            return Ok(known);
        }
        // Built outside the lock: two threads may both build, and the first to come back is kept.
        let basis = Arc::new(Self::new(operations, truncation, max_modes)?);
        let size = basis.counts().n_hkl;
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = cache.bases.get(&key) {
            return Ok(Arc::clone(known));
        }
        if size <= CAPACITY {
            cache.size += size;
            cache.order.push_back(key.clone());
            cache.bases.insert(key, Arc::clone(&basis));
            while cache.size > CAPACITY {
                let Some(oldest) = cache.order.pop_front() else { break };
                if let Some(gone) = cache.bases.remove(&oldest) {
                    cache.size -= gone.counts().n_hkl;
                }
            }
        }
        Ok(basis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symmetry::settings;

    #[test]
    fn a_set_of_operations_is_built_once_whatever_its_order() {
        let operations = settings()[368].operations();
        let mut backwards = operations.as_slice().to_vec();
        backwards.reverse();
        let backwards = Operations::new(backwards, operations.denominator()).unwrap();
        let truncation = Truncation::Radius(2.75);
        let one = FourierBasis::cached(operations, truncation, 1000).unwrap();
        let other = FourierBasis::cached(&backwards, truncation, 1000).unwrap();
        assert!(Arc::ptr_eq(&one, &other));
        assert!(FourierBasis::cached(operations, truncation, 10).is_err());
        let more = FourierBasis::cached(operations, Truncation::Radius(1.5), 1000).unwrap();
        assert!(more.num_functions() < one.num_functions());
    }

    #[test]
    fn threads_share_it() {
        let bases: Vec<_> = std::thread::scope(|scope| {
            let work = |hall: usize| {
                let operations = settings()[hall % 7].operations();
                FourierBasis::cached(operations, Truncation::Radius(3.25), 1000)
                    .unwrap()
                    .canonical_text()
            };
            let threads: Vec<_> = (0..14).map(|hall| scope.spawn(move || work(hall))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(bases[..7], bases[7..]);
    }
}
