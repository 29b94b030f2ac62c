//! ISO base media files (ISO/IEC 14496-12): reading their boxes and indexing their samples.

pub mod boxes;
pub mod index;
pub mod limits;

pub use boxes::ReadAt;
pub use index::{Edit, Movie, Note, Presentation, Sample, SampleIndex, Samples, TrackIndex};
