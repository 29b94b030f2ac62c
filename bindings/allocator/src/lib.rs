//! The memory allocator of the `mediastack` binary: jemalloc, for Rust and for libav alike.
//!
//! A server that runs for months opens a demuxer at each reconnect and closes it again. glibc's allocator keeps the holes that this leaves
//! between what stays. jemalloc sorts blocks by their size into pages of their own, and gives pages back that were empty for a while. It
//! does not make memory flat: what was measured is in the README, "Not there yet".
//!
//! Where the system isn't Linux, the system's allocator stays.

#[cfg(target_os = "linux")]
mod jemalloc;
#[cfg(target_os = "linux")]
mod preloaded;

/// Gives back to the system what is free now: what starting took, and what is left by threads that ask for nothing any more. jemalloc does it
/// by itself only where memory is asked for. Takes milliseconds at most, while which others seldom wait.
pub fn trim() {
    #[cfg(target_os = "linux")]
    jemalloc::purge();
}
