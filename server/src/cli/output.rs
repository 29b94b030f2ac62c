//! Writing to standard output and standard error when nobody may be reading: a closed pipe is no reason to fail.

use std::io::{self, Write};

/// Writes `text` and a line end to standard output.
pub(crate) fn line(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Writes `text` and a line end to standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
