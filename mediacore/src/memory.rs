//! How much memory a long-running program keeps.

/// Makes the process give large blocks back to the system when they are freed, and share small ones among a few arenas: one for each
/// processor. To be called once, at the start of a program that runs for long, before it has threads.
pub fn settle() {
    av::memory::settle();
}

/// Gives back what of the program and of libav's libraries only loading them read: some twenty megabytes. To be called once, at the start
/// of a program that runs for long, before it has threads; it takes milliseconds.
pub fn forget_loading() {
    av::memory::forget_loading();
}

/// Gives back to the system what is free now, such as what starting took. Takes milliseconds, while which others wait for memory.
pub fn trim() {
    av::memory::trim();
}
