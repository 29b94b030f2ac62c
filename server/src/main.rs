//! The `mediastack` binary.
fn main() {}
