//! Memory that is used again: of a call for one small crystal, taking it and giving it back would be a quarter of the
//! time, of a Fourier transform of a large cell the system's clearing of its pages half.
//!
//! What is small stays with its thread. What is large is there for every thread, at most 256 MiB of it, and none that lay
//! unused for ten seconds when something else is kept.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

/// Bytes of one kind that stay with a thread.
const SMALL: usize = 1 << 20;
/// Bytes of what is large in all, and how long it may lie.
const MOST: usize = 256 << 20;
const AGE: Duration = Duration::from_secs(10);
/// Bytes of a line of the cache.
const LINE: usize = 64;

/// What a computation writes before it reads.
pub(crate) trait Scratch: Default + Send + 'static {
    /// About how many bytes it holds.
    fn held(&self) -> usize;
}

struct Large {
    since: Instant,
    bytes: usize,
    item: Box<dyn Any + Send>,
}

thread_local! {
    static OWN: RefCell<Vec<(TypeId, Box<dyn Any>)>> = const { RefCell::new(Vec::new()) };
}
/// Who came last is last.
static LARGE: Mutex<Vec<Large>> = Mutex::new(Vec::new());

/// None while another thread is there, which after a fork may be for ever.
fn large() -> Option<MutexGuard<'static, Vec<Large>>> {
    match LARGE.try_lock() {
        Ok(kept) => Some(kept),
        Err(TryLockError::Poisoned(kept)) => Some(kept.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Bytes of what is large and lies unused.
#[must_use]
pub fn kept_bytes() -> usize {
    large().map_or(0, |kept| kept.iter().map(|one| one.bytes).sum())
}

/// Free what is large and lies unused.
pub fn empty() {
    if let Some(mut kept) = large() {
        kept.clear();
    }
}

/// Scratch that is given back when it is dropped, but for a panic. Some until then; it stays where it is, since to move
/// it takes longer than to find it.
#[derive(Debug)]
pub(crate) struct Lent<S: Scratch>(Option<Box<S>>);

impl<S: Scratch> Default for Lent<S> {
    /// As whoever had it last left it, or new.
    fn default() -> Self {
        let kind = TypeId::of::<S>();
        let own = OWN.try_with(|own| {
            let mut own = own.borrow_mut();
            let place = own.iter().position(|(other, _)| *other == kind)?;
            own.swap_remove(place).1.downcast::<S>().ok()
        });
        let found = own.ok().flatten().or_else(|| {
            let mut kept = large()?;
            let place = kept.iter().rposition(|one| one.item.is::<S>())?;
            kept.remove(place).item.downcast().ok()
        });
        Self(Some(found.unwrap_or_default()))
    }
}

impl<S: Scratch> Drop for Lent<S> {
    fn drop(&mut self) {
        let Some(scratch) = self.0.take() else { return };
        let bytes = scratch.held();
        if bytes == 0 || bytes > MOST || std::thread::panicking() {
            return;
        }
        if bytes <= SMALL {
            // Where the thread is about to end there is no place for it.
            let _ = OWN.try_with(|own| own.borrow_mut().push((TypeId::of::<S>(), scratch)));
        } else if let Some(mut kept) = large() {
            let now = Instant::now();
            kept.retain(|one| now - one.since < AGE);
            kept.push(Large {
                since: now,
                bytes,
                item: scratch,
            });
            let mut total: usize = kept.iter().map(|one| one.bytes).sum();
            while total > MOST {
                total -= kept.remove(0).bytes;
            }
        }
    }
}

impl<S: Scratch> Deref for Lent<S> {
    type Target = S;

    fn deref(&self) -> &S {
        match &self.0 {
            Some(scratch) => scratch,
            None => unreachable!("it is taken where it is dropped"),
        }
    }
}

impl<S: Scratch> DerefMut for Lent<S> {
    fn deref_mut(&mut self) -> &mut S {
        self.0.get_or_insert_default()
    }
}

impl<T: Send + 'static> Scratch for Vec<T> {
    fn held(&self) -> usize {
        self.capacity() * size_of::<T>()
    }
}

/// A list that is written before it is read: what lies behind its end is kept, so that it grows again without being
/// cleared. It begins a line of the cache: vectors that lie in two take twice as long.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffer<T> {
    memory: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Clone + Default> Buffer<T> {
    /// Some list of this length; its beginning is kept when it shrinks.
    pub fn set_len(&mut self, len: usize) -> &mut [T] {
        if self.memory.len() - self.start < len {
            let most = LINE / size_of::<T>();
            self.memory.resize(len + most, T::default());
            self.start = self.memory.as_ptr().align_offset(LINE).min(most);
        }
        self.len = len;
        self
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[self.start..][..self.len]
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..][..self.len]
    }
}

impl<T: Send + 'static> Scratch for Buffer<T>
where
    Self: Default,
{
    fn held(&self) -> usize {
        self.memory.capacity() * size_of::<T>()
    }
}

impl<S: Scratch, const N: usize> Scratch for [S; N]
where
    [S; N]: Default,
{
    fn held(&self) -> usize {
        self.iter().map(S::held).sum()
    }
}

impl Scratch for () {
    fn held(&self) -> usize {
        0
    }
}

macro_rules! tuple {
    ($($name:ident $place:tt),*) => {
        impl<$($name: Scratch),*> Scratch for ($($name,)*) {
            fn held(&self) -> usize {
                0 $(+ self.$place.held())*
            }
        }
    };
}
tuple!(A 0, B 1);

/// `Scratch` of a struct by its large fields.
macro_rules! holds {
    ($name:ty: $($field:ident),*) => {
        impl $crate::scratch::Scratch for $name {
            fn held(&self) -> usize {
                0 $(+ $crate::scratch::Scratch::held(&self.$field))*
            }
        }
    };
}
pub(crate) use holds;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Own {
        bytes: Vec<u8>,
    }
    holds!(Own: bytes);

    /// What was there, and what is there afterwards.
    fn capacity(wanted: usize) -> usize {
        let mut own = Lent::<Own>::default();
        let before = own.bytes.capacity();
        own.bytes.reserve_exact(wanted);
        // While it is lent, whoever asks gets another one.
        assert_eq!(Lent::<Own>::default().bytes.capacity(), 0);
        before
    }

    #[test]
    fn buffers_begin_a_line_of_the_cache_and_keep_what_they_are_cut_to() {
        let mut numbers = Buffer::<f64>::default();
        let mut other = Buffer::<[i32; 3]>::default();
        assert!(numbers.is_empty());
        for len in [1, 7, 100, 3, 100, 5000, 0, 4096] {
            numbers.set_len(len).fill(len as f64);
            assert_eq!(numbers.as_ptr().align_offset(LINE), 0);
            assert_eq!(numbers.set_len(len / 2), vec![len as f64; len / 2]);
            assert_eq!(other.set_len(len).len(), len);
        }
    }

    #[test]
    fn what_is_gone_is_used_again() {
        assert_eq!(capacity(100), 0);
        assert_eq!(capacity(2 * SMALL), 100);
        // What is large is there for other threads.
        assert!(kept_bytes() >= 2 * SMALL);
        let other = std::thread::spawn(|| capacity(0)).join().unwrap();
        assert_eq!(other, 2 * SMALL);
        // Another kind is another one.
        assert_eq!(Lent::<Vec<Own>>::default().capacity(), 0);
        // Too large to be kept.
        assert_eq!(capacity(MOST + 1), 2 * SMALL);
        assert_eq!(capacity(10), 0);
        let other = std::thread::spawn(|| capacity(0)).join().unwrap();
        assert_eq!(other, 0);
        // A panic takes it along.
        let failed = std::panic::catch_unwind(|| {
            let own = Lent::<Own>::default();
            assert_eq!(own.bytes.capacity(), 0, "as it should");
        });
        assert!(failed.is_err());
        assert_eq!(capacity(2 * SMALL), 0);
        // Only so much in all.
        let many: Vec<_> = (0..5).map(|_| Lent::<Own>::default()).collect();
        for mut own in many {
            own.bytes.reserve_exact(MOST / 4);
        }
        assert!(kept_bytes() <= MOST);
        empty();
        assert_eq!(capacity(0), 0);
    }
}
