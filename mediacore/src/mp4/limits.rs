//! What we agree to read from a file that we did not make; one sentence for each number.

/// Bytes of one `moov` (a day of 60 fps video with audio needs about 90 MB).
pub const MOOV_BYTES: u64 = 1 << 30;

/// Bytes of one `moof`: two seconds need a few kilobytes, and a whole file in one fragment stays below this.
pub const MOOF_BYTES: u64 = 256 << 20;

/// Tracks of one file, of any kind.
pub const TRACKS: usize = 64;

/// Boxes inside boxes; the deepest that we follow is seven (`moov/trak/mdia/minf/stbl/stsd/avc1`).
pub const DEPTH: usize = 12;

/// Top-level boxes of one file: a day with a fragment for every frame of video and audio needs 14 million.
pub const TOP_LEVEL_BOXES: u64 = 1 << 25;

/// Samples that take no byte of their own in a fragment's tables, in one file (and never more than the file has bytes): a
/// few bytes could claim billions.
pub const IMPLIED_SAMPLES: u32 = 1 << 24;

/// Entries of one edit list.
pub const EDITS: usize = 4096;

/// Sample descriptions of one track.
pub const SAMPLE_ENTRIES: usize = 256;

/// Notes kept about one file; further ones are dropped, for they would say the same.
pub const NOTES: usize = 64;
