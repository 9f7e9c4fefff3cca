//! The OpenMP threads of a library that is loaded already, such as torch, for its operators.
//!
//! Threads of OpenMP spin for some milliseconds after each parallel region. A second pool would contend with them for
//! the same cores; the same threads, asked again while they spin, begin at once.

use recipnet_core::error::Result;

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::{CString, c_uint, c_void};
    use std::sync::OnceLock;

    use recipnet_core::parallel::{self, Team};

    /// `GOMP_parallel(function, data, threads, flags)`, which GNU's, LLVM's and Intel's OpenMP have: calls
    /// `function(data)` on each thread of a team that the calling thread leads; 0 threads are as many as are set.
    type Parallel = unsafe extern "C" fn(extern "C" fn(*mut c_void), *mut c_void, c_uint, c_uint);

    static PARALLEL: OnceLock<Parallel> = OnceLock::new();

    /// Look for OpenMP where the library at this path would find it. Loads nothing.
    pub fn find(path: &str) -> bool {
        let Ok(path) = CString::new(path) else {
            return false;
        };
        // SAFETY: both names end with NUL. The library is not loaded anew, so no code of it runs here. The handle is
        // never closed, so the function stays where it is.
        let symbol = unsafe {
            let library = libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
            if library.is_null() {
                return false;
            }
            libc::dlsym(library, c"GOMP_parallel".as_ptr())
        };
        if symbol.is_null() {
            return false;
        }
        // SAFETY: the name belongs to OpenMP's runtimes, whose binary interface has it with this type.
        PARALLEL.get_or_init(|| unsafe { std::mem::transmute::<*mut c_void, Parallel>(symbol) });
        true
    }

    extern "C" fn call(work: *mut c_void) {
        // SAFETY: `team` passes a reference to a reference, which live until the region ends.
        let work = unsafe { *work.cast::<&(dyn Fn() + Sync)>() };
        work();
    }

    fn team(mut work: &(dyn Fn() + Sync)) {
        match PARALLEL.get() {
            // SAFETY: `call` takes what is passed, `work` may be shared by threads and outlives the region, which ends
            // before the function returns.
            Some(parallel) => unsafe { parallel(call, (&raw mut work).cast(), 0, 0) },
            None => work(),
        }
    }

    pub fn run<R>(work: impl FnOnce() -> R) -> R {
        match PARALLEL.get() {
            Some(_) => parallel::on_team(team as Team, work),
            None => work(),
        }
    }
}

/// Whether the library at `path` is loaded and has OpenMP; from then on operators run on its threads.
#[pyo3::pyfunction]
pub fn use_openmp_of(path: &str) -> bool {
    #[cfg(target_os = "linux")]
    return linux::find(path);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        false
    }
}

/// Work on OpenMP's threads where they were found, else on our own.
///
/// # Errors
/// Those of `work`.
pub fn run<R>(work: impl FnOnce() -> Result<R>) -> Result<R> {
    #[cfg(target_os = "linux")]
    return linux::run(work);
    #[cfg(not(target_os = "linux"))]
    work()
}
