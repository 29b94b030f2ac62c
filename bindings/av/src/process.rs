//! What processes that this one starts get from it.

/// The first descriptor after those of standard input, output and error.
#[cfg(target_os = "linux")]
const FIRST: libc::c_uint = 3;

/// Keeps what is open now, whoever opened it, from programs that this process starts. Rust opens files that way by itself; what was
/// left open by the one who started this process is not. Nothing happens on systems older than Linux 5.11.
pub fn keep_files() {
    #[cfg(target_os = "linux")]
    {
        let flags = libc::CLOSE_RANGE_CLOEXEC;
        // SAFETY: sets a flag of descriptors, which says what happens to them in other programs; none is closed here.
        unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, flags) };
    }
}
