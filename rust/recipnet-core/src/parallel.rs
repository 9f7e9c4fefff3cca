//! Threads: one lazily built pool for the process, and the only file that names rayon.
//!
//! - Size: the environment variable `RECIPNET_NUM_THREADS`, else the CPUs this process may use (affinity mask and
//!   cgroup quota included, as `std::thread::available_parallelism` reads them). A value that is not a number from 1
//!   to 1024 is refused with an error at the first parallel call.
//! - Fork: a forked child has none of its parent's threads. The process that loaded the crate or built the pool is
//!   remembered, and any other process works serially without touching the pool.
//! - A `threads` argument limits one call; it never makes the pool larger.
//! - A host that has threads of its own can lend them for a call ([`on_team`]), in place of the pool: idle threads
//!   that spin, as OpenMP's do, would otherwise keep a core from ours.
//! - Results are placed by index, so they do not depend on which thread made them.

use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::error::{ArgumentError, Error, Result};
use crate::scratch::{Lent, Scratch};

/// Environment variable that sets the size of the pool.
pub const NUM_THREADS_VARIABLE: &str = "RECIPNET_NUM_THREADS";
const MAX_THREADS: usize = 1024;
/// Waking the pool costs some ten microseconds: less work than this (nanoseconds) stays on the calling thread.
const SERIAL_BELOW_NANOS: f64 = 100_000.0;

static OWNER: AtomicU32 = AtomicU32::new(0);
static POOL: OnceLock<Option<rayon::ThreadPool>> = OnceLock::new();

/// Threads of the host: runs the function on the calling thread and on as many others as it likes, each once, and
/// returns when all are done. The function does not panic.
pub type Team = fn(&(dyn Fn() + Sync));

thread_local! {
    static TEAM: Cell<Option<Team>> = const { Cell::new(None) };
}

/// Run `f`; what it does in parallel from this thread, it does on the threads of `team` and not on the pool's.
///
/// The pool's size still limits how many of them work. In a forked child none does but the calling one.
pub fn on_team<R>(team: Team, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<Team>);
    impl Drop for Restore {
        fn drop(&mut self) {
            TEAM.set(self.0);
        }
    }
    let _restore = Restore(TEAM.replace(Some(team)));
    f()
}

/// Remember this process as the one that may use threads; a fork of it will work serially.
///
/// Called when a host loads the crate. Without it, the first parallel call does the same.
pub fn remember_process() {
    let _ = OWNER.compare_exchange(0, std::process::id(), Ordering::SeqCst, Ordering::SeqCst);
}

/// Whether this process is a fork of the one that may use threads.
#[must_use]
pub fn is_forked() -> bool {
    let owner = OWNER.load(Ordering::SeqCst);
    owner != 0 && owner != std::process::id()
}

/// Threads that a call without a `threads` argument may use: 1 in a forked child.
///
/// # Errors
/// [`ArgumentError`] when `RECIPNET_NUM_THREADS` is not a number from 1 to 1024.
pub fn num_threads() -> Result<usize> {
    if is_forked() {
        return Ok(1);
    }
    match POOL.get() {
        Some(pool) => Ok(pool.as_ref().map_or(1, |pool| pool.current_num_threads() + 1)),
        None => configured_threads(std::env::var(NUM_THREADS_VARIABLE).ok().as_deref()),
    }
}

fn configured_threads(value: Option<&str>) -> Result<usize> {
    let Some(text) = value else {
        return Ok(std::thread::available_parallelism()
            .map_or(1, std::num::NonZero::get)
            .min(MAX_THREADS));
    };
    match text.trim().parse::<usize>() {
        Ok(n @ 1..=MAX_THREADS) => Ok(n),
        _ => Err(Error::Argument(ArgumentError {
            name: NUM_THREADS_VARIABLE,
            value: format!("{text:?}"),
            message: format!("must be a whole number from 1 to {MAX_THREADS}, or unset for all available CPUs"),
        })),
    }
}

fn pool() -> Result<Option<&'static rayon::ThreadPool>> {
    remember_process();
    if is_forked() {
        return Ok(None);
    }
    if POOL.get().is_none() {
        let threads = configured_threads(std::env::var(NUM_THREADS_VARIABLE).ok().as_deref())?;
        POOL.get_or_init(|| {
            if threads == 1 {
                return None;
            }
            // The calling thread is one of them. A system that refuses threads still gets its answer, serially.
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads - 1)
                .thread_name(|i| format!("recipnet-{i}"))
                .build()
                .ok()
        });
    }
    Ok(POOL.get().and_then(Option::as_ref))
}

/// Threads that a call with this `threads` argument and this much work would use.
///
/// # Errors
/// [`ArgumentError`] when `threads` is 0 or the environment variable is bad.
pub fn workers(threads: Option<usize>, nanos: f64) -> Result<usize> {
    if threads == Some(0) {
        return Err(Error::Argument(ArgumentError {
            name: "threads",
            value: "0".into(),
            message: "must be at least 1, or None for the pool's size".into(),
        }));
    }
    if threads == Some(1) || nanos < SERIAL_BELOW_NANOS {
        return Ok(1);
    }
    let size = num_threads()?;
    Ok(threads.map_or(size, |n| n.min(size)))
}

/// Nanoseconds that a task for one of the workers should take, of work that takes `total`: all of it when serial, else
/// little enough to share evenly, and much more than handing it out takes.
pub(crate) fn share(total: f64, workers: usize) -> f64 {
    const LEAST: f64 = 15_000.0;
    if workers == 1 {
        f64::INFINITY
    } else {
        (total / (8 * workers) as f64).max(LEAST)
    }
}

/// Consecutive items that are worth about the same, and how many threads to use.
///
/// # Errors
/// As [`workers`].
pub(crate) fn stretches(
    count: usize,
    threads: Option<usize>,
    nanos: impl Fn(usize) -> f64,
) -> Result<(Vec<Range<usize>>, usize)> {
    let total: f64 = (0..count).map(&nanos).sum();
    let workers = workers(threads, total)?;
    let share = share(total, workers);
    let mut out = Vec::new();
    let (mut start, mut sum) = (0, 0.0);
    for at in 0..count {
        sum += nanos(at);
        if sum >= share {
            out.push(start..at + 1);
            (start, sum) = (at + 1, 0.0);
        }
    }
    if start < count {
        out.push(start..count);
    }
    Ok((out, workers))
}

/// `(0..count).map(f)` on up to `workers` threads; results lie by index. The first error by index is returned.
///
/// Items are taken one by one from a shared counter, so make each worth some microseconds. A panic in `f` is carried
/// to the caller.
///
/// # Errors
/// The error of the lowest failing index.
pub fn try_map<R, F>(count: usize, workers: usize, f: F) -> Result<Vec<R>>
where
    R: Send,
    F: Fn(usize) -> Result<R> + Sync,
{
    try_map_with(count, workers, |(), index| f(index))
}

/// [`try_map`] with scratch of each thread's own, which `f` uses again.
///
/// # Errors
/// The error of the lowest failing index.
pub(crate) fn try_map_with<S, R, F>(count: usize, workers: usize, f: F) -> Result<Vec<R>>
where
    S: Scratch,
    R: Send,
    F: Fn(&mut S, usize) -> Result<R> + Sync,
{
    let workers = workers.min(count);
    let team = TEAM.get().filter(|_| workers > 1 && !is_forked());
    let pool = if workers > 1 && team.is_none() { pool()? } else { None };
    if team.is_none() && pool.is_none() {
        let mut own = Lent::default();
        return (0..count).map(|index| f(&mut own, index)).collect();
    }
    let next = AtomicUsize::new(0);
    let slots: Mutex<Vec<Option<Result<R>>>> = Mutex::new((0..count).map(|_| None).collect());
    let panic = Mutex::new(None);
    let work = || {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut own = Lent::default();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    break;
                }
                let value = f(&mut own, index);
                if value.is_err() {
                    // Lower indices are already taken by some thread and will be finished.
                    next.store(count, Ordering::Relaxed);
                }
                slots.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[index] = Some(value);
            }
        }));
        if let Err(payload) = result {
            next.store(count, Ordering::Relaxed);
            *panic.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(payload);
        }
    };
    if let Some(team) = team {
        let came = AtomicUsize::new(0);
        team(&|| {
            if came.fetch_add(1, Ordering::Relaxed) < workers {
                work();
            }
        });
    } else if let Some(pool) = pool {
        // The calling thread begins at once; the others take a while to wake.
        pool.in_place_scope(|scope| {
            for _ in 1..workers {
                scope.spawn(|_| work());
            }
            work();
        });
    }
    if let Some(payload) = panic.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        std::panic::resume_unwind(payload);
    }
    let slots = slots.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Untaken items exist only behind an error, which comes first.
    slots.into_iter().map_while(|slot| slot).collect()
}

/// Run `f` on every item, which it owns, on up to `workers` threads.
///
/// # Errors
/// Only when the pool cannot be had; see [`num_threads`].
pub fn for_each<T: Send>(items: Vec<T>, workers: usize, f: impl Fn(T) + Sync) -> Result<()> {
    for_each_with(items, workers, |(), item| f(item))
}

/// [`for_each`] with scratch of each thread's own, which `f` uses again.
///
/// # Errors
/// Only when the pool cannot be had; see [`num_threads`].
pub(crate) fn for_each_with<S: Scratch, T: Send>(
    items: Vec<T>,
    workers: usize,
    f: impl Fn(&mut S, T) + Sync,
) -> Result<()> {
    if workers.min(items.len()) <= 1 {
        let mut own = Lent::default();
        for item in items {
            f(&mut own, item);
        }
        return Ok(());
    }
    let cells: Vec<Mutex<Option<T>>> = items.into_iter().map(|item| Mutex::new(Some(item))).collect();
    try_map_with(cells.len(), workers, |own, index| {
        let item = cells[index]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(item) = item {
            f(own, item);
        }
        Ok(())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_variable_is_refused_and_a_good_one_is_obeyed() {
        for text in ["", "0", "-1", "many", "1.5", "1025"] {
            let error = configured_threads(Some(text)).unwrap_err();
            assert!(error.to_string().contains(NUM_THREADS_VARIABLE), "{error}");
        }
        assert_eq!(configured_threads(Some(" 7 ")).unwrap(), 7);
        assert!(configured_threads(None).unwrap() >= 1);
    }

    #[test]
    fn results_lie_by_index() {
        let serial = try_map(1000, 1, |i| Ok(i * i)).unwrap();
        let parallel = try_map(1000, 4, |i| Ok(i * i)).unwrap();
        assert_eq!(serial, parallel);
    }

    #[test]
    fn stretches_hold_every_item_once_and_are_short_enough_to_share() {
        let nanos = |at: usize| 1000.0 * (at % 7) as f64;
        for count in [0, 1, 50, 5000] {
            let (serial, workers) = stretches(count, Some(1), nanos).unwrap();
            assert_eq!((workers, serial.len()), (1, count.min(1)));
            let (shared, workers) = stretches(count, None, nanos).unwrap();
            assert!(shared.iter().cloned().flatten().eq(0..count));
            assert!(workers == 1 || shared.len() >= 4 * workers);
        }
        assert!(stretches(3, Some(0), nanos).is_err());
    }

    #[test]
    fn the_lowest_error_wins() {
        let fail = |i: usize| {
            if i % 10 == 3 {
                return Err(Error::Argument(ArgumentError {
                    name: "i",
                    value: i.to_string(),
                    message: String::new(),
                }));
            }
            Ok(i)
        };
        for workers in [1, 4] {
            let error = try_map(100, workers, fail).unwrap_err();
            assert!(error.to_string().contains("i = 3"), "{error}");
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_survives() {
        let result = catch_unwind(|| try_map(8, 4, |i| if i == 5 { panic!("five") } else { Ok(i) }));
        assert!(result.is_err());
        assert_eq!(try_map(8, 4, Ok).unwrap().len(), 8);
    }

    #[test]
    fn a_team_does_the_work_and_is_left_again() {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        fn team(work: &(dyn Fn() + Sync)) {
            CALLS.fetch_add(1, Ordering::SeqCst);
            std::thread::scope(|scope| {
                for _ in 0..6 {
                    scope.spawn(work);
                }
                work();
            });
        }
        let names = on_team(team, || {
            try_map(1000, 3, |i| Ok((i, std::thread::current().name().map(str::to_owned))))
        })
        .unwrap();
        assert!(names.iter().enumerate().all(|(place, (i, _))| place == *i));
        assert!(
            names
                .iter()
                .all(|(_, name)| !name.as_deref().unwrap_or("").starts_with("recipnet-"))
        );
        assert_eq!(CALLS.load(Ordering::SeqCst), 1);
        // a panic comes through, and one worker needs no team
        let result = catch_unwind(|| on_team(team, || try_map(8, 4, |i| if i == 5 { panic!("five") } else { Ok(i) })));
        assert!(result.is_err());
        assert_eq!(on_team(team, || try_map(8, 1, Ok)).unwrap().len(), 8);
        assert_eq!(CALLS.load(Ordering::SeqCst), 2);
        assert_eq!(try_map(8, 4, Ok).unwrap().len(), 8);
        assert_eq!(CALLS.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn zero_threads_are_refused() {
        assert!(workers(Some(0), 1e9).is_err());
        assert_eq!(workers(Some(1), 1e9).unwrap(), 1);
        assert_eq!(workers(None, 0.0).unwrap(), 1);
    }
}
