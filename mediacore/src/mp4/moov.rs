//! The two `moov` boxes of a recording: the short one in front of the fragments, and the complete one of the finished file.

mod header;
mod tables;

pub use header::{MovieTrack, ftyp, init};
pub use tables::{SampleTables, TrackTables, complete};
