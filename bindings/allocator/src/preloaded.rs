//! What jemalloc calls while it sets itself up, whatever is preloaded.
//!
//! It does so on behalf of the first block that anybody asks for: it reads a clock and makes a condition variable. A library that replaces
//! clocks, such as libfaketime, sets itself up at the first call of these, and asks for memory: each would wait for the other, for ever,
//! before `main`. So the binary is linked with `--wrap` for both functions, and what jemalloc asks of them needs no library.

use libc::{c_int, clockid_t, pthread_cond_t, pthread_condattr_t, timespec};

unsafe extern "C" {
    fn __real_clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int;
    fn __real_pthread_cond_init(
        condition: *mut pthread_cond_t,
        attributes: *const pthread_condattr_t,
    ) -> c_int;
}

/// `clock_gettime` for everything that is linked into the binary; the coarse clock, which jemalloc reads, is asked of the system.
///
/// # Safety
///
/// As that of the C library: `time` can be written to.
// SAFETY: only a linker that was told to wrap calls it, with the arguments of the one that is wrapped.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    if clock == libc::CLOCK_MONOTONIC_COARSE {
        // SAFETY: the system call takes what the function takes, and the caller vouches for it.
        let code = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
        return if code == 0 { 0 } else { -1 };
    }
    // SAFETY: handed on as it came.
    unsafe { __real_clock_gettime(clock, time) }
}

/// `pthread_cond_init` for everything that is linked into the binary; a usual one is one that was written as such.
///
/// # Safety
///
/// As that of the C library: `condition` can be written to, `attributes` are initialized or null.
// SAFETY: as above.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_pthread_cond_init(
    condition: *mut pthread_cond_t,
    attributes: *const pthread_condattr_t,
) -> c_int {
    if attributes.is_null() {
        // SAFETY: the caller vouches for the place; POSIX has the two ways of initializing be equivalent.
        unsafe { condition.write(libc::PTHREAD_COND_INITIALIZER) };
        return 0;
    }
    // SAFETY: handed on as it came.
    unsafe { __real_pthread_cond_init(condition, attributes) }
}
