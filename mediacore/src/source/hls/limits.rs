//! What we agree to handle of one HLS source. Everything beyond is an error or a gap, never a larger allocation.

use std::time::Duration;

/// Bytes of a playlist: 20 000 entries of 200 bytes, eleven hours of two-second segments.
pub(crate) const PLAYLIST_BYTES: u64 = 4 << 20;
/// Segments in a playlist: more is no live window and no film.
pub(crate) const SEGMENTS: usize = 20_000;
/// Variants and renditions in a multivariant playlist; the largest seen in the field have some 60.
pub(crate) const VARIANTS: usize = 256;
/// Bytes of a segment: ten seconds at 200 Mbit/s.
pub(crate) const SEGMENT_BYTES: u64 = 256 << 20;
/// Bytes of an initialisation section; usual ones have less than 2 KiB.
pub(crate) const MAP_BYTES: u64 = 1 << 20;
/// Bytes of an AES-128 key: exactly these (RFC 8216, 4.3.2.4).
pub(crate) const KEY_BYTES: u64 = 16;
/// Keys that are remembered, so that a rotation back and forth costs no request.
pub(crate) const KEYS: usize = 8;
/// Bytes of a segment that are held in memory; the rest of a larger one goes to a temporary file without a name.
pub(crate) const MEMORY_BYTES: usize = 4 << 20;
/// The range of target durations that we follow; 0 would reload without a pause, a year never.
pub(crate) const TARGET: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How long the playlist may fail before the source counts as unreachable.
pub(crate) const PLAYLIST_PATIENCE: Duration = Duration::from_secs(30);
/// A live playlist without a new segment for this many target durations has ended …
pub(crate) const STALE_TARGETS: u32 = 5;
/// … but not before this time.
pub(crate) const STALE_MIN: Duration = Duration::from_secs(30);
/// Time for a playlist or a key, redirects included.
pub(crate) const SMALL_TIME: Duration = Duration::from_secs(10);
/// Time for a segment of a recording that has ended and that nobody waits for.
pub(crate) const VOD_TIME: Duration = Duration::from_secs(60);
