//! Memory that a thread keeps between calls: of a call for one small crystal, taking it and giving it back is a third.

use std::any::{Any, TypeId};
use std::cell::RefCell;

/// Bytes of one kind that a thread keeps, at most.
const MOST: usize = 1 << 20;

thread_local! {
    static KEPT: RefCell<Vec<(TypeId, Box<dyn Any>)>> = const { RefCell::new(Vec::new()) };
}

/// What a computation writes before it reads.
pub trait Scratch: Default + 'static {
    /// About how many bytes it holds.
    fn held(&self) -> usize;
}

/// Lend `f` the thread's scratch of this kind, as whoever had it last left it.
pub fn with<S: Scratch, R>(f: impl FnOnce(&mut S) -> R) -> R {
    let kind = TypeId::of::<S>();
    let kept = KEPT.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        let place = kept.iter().position(|(own, _)| *own == kind)?;
        Some(kept.swap_remove(place).1)
    });
    let mut scratch: Box<S> = (kept.ok().flatten())
        .and_then(|any| any.downcast().ok())
        .unwrap_or_default();
    let result = f(&mut scratch);
    if (1..=MOST).contains(&scratch.held()) {
        // Where the thread is about to end there is no place for it.
        let _ = KEPT.try_with(|kept| kept.borrow_mut().push((kind, scratch)));
    }
    result
}

impl<T: 'static> Scratch for Vec<T> {
    fn held(&self) -> usize {
        self.capacity() * size_of::<T>()
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
tuple!(A 0, B 1, C 2, D 3, E 4);

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

    #[test]
    fn what_is_small_is_kept() {
        let capacity = |wanted: usize| {
            with(|own: &mut Own| {
                let before = own.bytes.capacity();
                own.bytes.reserve_exact(wanted);
                // Inside, the scratch is away: whoever asks gets another one.
                assert_eq!(with(|inner: &mut Own| inner.bytes.capacity()), 0);
                before
            })
        };
        assert_eq!(capacity(100), 0);
        assert_eq!(capacity(2 * MOST), 100);
        assert_eq!(capacity(10), 0);
        // Of another kind, or on another thread, is another one.
        assert_eq!(with(|other: &mut Vec<u8>| other.capacity()), 0);
        std::thread::spawn(|| assert_eq!(with(|own: &mut Own| own.bytes.capacity()), 0))
            .join()
            .unwrap();
        // A panic takes it along.
        let failed = std::panic::catch_unwind(|| with(|_: &mut Own| panic!("as it should")));
        assert!(failed.is_err());
        assert_eq!(capacity(10), 0);
    }
}
