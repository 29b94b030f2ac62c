//! Which versions run: this crate's and libav's.

use crate::error::{Error, ErrorKind, Result};

/// This crate's version and those of the loaded libav libraries, on one line.
pub fn version() -> String {
    let libav = av::version();
    format!(
        "{} (libavformat {}, libavcodec {})",
        env!("CARGO_PKG_VERSION"),
        libav.format,
        libav.codec
    )
}

/// Checks once, at the start of a program, that the loaded libav libraries are those that it was built for.
///
/// # Errors
/// `Unsupported`, with both versions.
pub fn check_libraries() -> Result<()> {
    av::check_version().map_err(|message| Error::new(ErrorKind::Unsupported, message))
}
