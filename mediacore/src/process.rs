//! What processes that this one starts get from it.

/// Keeps files and sockets that are open now from programs that this process starts, also those that were left open by whoever started
/// it. To be called at the start of a program that starts others.
pub fn keep_files() {
    av::process::keep_files();
}
