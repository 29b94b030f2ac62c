//! Segments of fragmented MP4.
