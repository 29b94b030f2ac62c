//! Fragmented MP4: initialisation and media segments (ISO/IEC 14496-12, 8.8 and 8.16; RFC 8216, 3.3), as the reference
//! writes them.
//!
//! A media segment is its `moof` in memory and ranges of the source file: the media's bytes are never looked at, unless they
//! are encrypted sample by sample.

mod init;
mod protect;
mod segment;
#[cfg(test)]
mod tests;

pub use init::init;
pub use protect::Protection;
pub use segment::segment;

/// The output version (`-x<n>`) from which brands and runs are those of DASH.
const DASH: u32 = 2;
