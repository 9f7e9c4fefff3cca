//! Memory of large results, used again: what a loop over batches makes has about the size of what it has just let go, and
//! pages that the system would have to clear first take as long as the work (measured: a third of the time of radius
//! lists of 8 angstrom).

use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use numpy::PyArray1;
use pyo3::prelude::*;
use recipnet_core::scratch;

use crate::arrays::Fresh;

/// Results below this come from `NumPy`: the allocator keeps such memory itself.
pub const LARGE: usize = 1 << 18;
/// Bytes that are kept, at most, and for how long.
const KEPT: usize = 256 << 20;
const AGE: Duration = Duration::from_secs(10);
const PAGE: usize = 4096;

/// Some memory of our own.
struct Block {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: nobody else knows the address.
unsafe impl Send for Block {}
// SAFETY: a shared block is only asked for its address.
unsafe impl Sync for Block {}

impl Block {
    /// None where there is no more memory. The size is not 0.
    fn new(size: usize) -> Option<Self> {
        let start = system::take(size)?;
        Some(Self { start, size })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: as it was taken, and nobody uses it any more.
        unsafe { system::give_back(self.start, self.size) };
    }
}

/// Pages of the system, so that what is given back is free at once, whatever lies around it.
#[cfg(target_os = "linux")]
mod system {
    use std::ptr::{NonNull, null_mut};

    /// From this size on `NumPy` asks for large pages too.
    const LONG: usize = 4 << 20;

    pub fn take(size: usize) -> Option<NonNull<u8>> {
        let (rights, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        // SAFETY: new pages, wherever the system puts them.
        let start = unsafe { libc::mmap(null_mut(), size, rights, kind, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        if size >= LONG {
            // SAFETY: these pages; advice that is not taken changes nothing.
            unsafe { libc::madvise(start, size, libc::MADV_HUGEPAGE) };
        }
        NonNull::new(start.cast())
    }

    pub unsafe fn give_back(start: NonNull<u8>, size: usize) {
        // SAFETY: the caller's.
        unsafe { libc::munmap(start.as_ptr().cast(), size) };
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::ptr::NonNull;

    /// Cache lines are not shared, and vectors are stored whole.
    const ALIGNMENT: usize = 64;

    pub fn take(size: usize) -> Option<NonNull<u8>> {
        let layout = Layout::from_size_align(size, ALIGNMENT).ok()?;
        // SAFETY: the size is not 0.
        NonNull::new(unsafe { alloc(layout) })
    }

    pub unsafe fn give_back(start: NonNull<u8>, size: usize) {
        if let Ok(layout) = Layout::from_size_align(size, ALIGNMENT) {
            // SAFETY: the caller's.
            unsafe { dealloc(start.as_ptr(), layout) };
        }
    }
}

/// Blocks that nobody uses, the one that was let go first in front.
struct Pool {
    blocks: Vec<(Instant, Block)>,
    size: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    blocks: Vec::new(),
    size: 0,
});

/// None while another thread is there, which after a fork may be for ever.
fn pool() -> Option<MutexGuard<'static, Pool>> {
    match POOL.try_lock() {
        Ok(pool) => Some(pool),
        Err(TryLockError::Poisoned(pool)) => Some(pool.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl Pool {
    /// The smallest block that is large enough, and not by more than half.
    fn take(&mut self, size: usize) -> Option<Block> {
        let fits = |block: &Block| (size..=size + size / 2).contains(&block.size);
        let found = self.blocks.iter().enumerate().filter(|(_, (_, block))| fits(block));
        let (place, _) = found.min_by_key(|(_, (_, block))| block.size)?;
        Some(self.remove(place))
    }

    fn remove(&mut self, place: usize) -> Block {
        let (_, block) = self.blocks.remove(place);
        self.size -= block.size;
        block
    }

    /// Keep a block, and let go what is old or too much.
    fn give(&mut self, block: Block, now: Instant) {
        if block.size > KEPT {
            return;
        }
        self.size += block.size;
        self.blocks.push((now, block));
        while self.size > KEPT || self.blocks.first().is_some_and(|(since, _)| now - *since > AGE) {
            self.remove(0);
        }
    }
}

/// A size for many lengths: an eighth more at most, so that batches of about one length have one.
fn rounded(size: usize) -> usize {
    let step = (size.next_power_of_two() / 16).max(PAGE);
    size.next_multiple_of(step)
}

/// What owns the memory of an array.
#[pyclass(frozen, module = "recipnet._core")]
pub struct Memory(Option<Block>);

impl Memory {
    /// At least this many bytes, which is not 0; None where there is no more memory.
    pub fn new(size: usize) -> Option<Self> {
        let size = rounded(size);
        let block = pool().and_then(|mut pool| pool.take(size));
        block.or_else(|| Block::new(size)).map(|block| Self(Some(block)))
    }

    pub fn start(&self) -> *mut u8 {
        self.0
            .as_ref()
            .map_or(std::ptr::null_mut(), |block| block.start.as_ptr())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let (Some(block), Some(mut pool)) = (self.0.take(), pool()) {
            pool.give(block, Instant::now());
        }
    }
}

/// An array of bytes for torch to write whole, in memory that is used again; see `recipnet.memory`.
#[pyfunction]
pub fn empty_bytes(py: Python<'_>, size: usize) -> PyResult<Bound<'_, PyArray1<u8>>> {
    Ok(Fresh::empty(py, [size])?.done())
}

/// Bytes that are kept and not used.
#[pyfunction]
pub fn kept_bytes() -> usize {
    scratch::kept_bytes() + pool().map_or(0, |pool| pool.size)
}

/// Give back what is kept and not used.
#[pyfunction]
pub fn empty_cache() {
    scratch::empty();
    if let Some(mut pool) = pool() {
        pool.blocks.clear();
        pool.size = 0;
    }
}

/// Add what this file offers.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(empty_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(kept_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(empty_cache, module)?)
}
