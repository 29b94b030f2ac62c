//! How much memory a long-running program keeps.

/// Gives back what of the program and of libav's libraries only loading them read: some twenty megabytes. To be called once, at the start
/// of a program that runs for long, before it has threads; it takes milliseconds.
pub fn forget_loading() {
    av::memory::forget_loading();
}
