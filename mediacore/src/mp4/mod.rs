//! ISO base media files (ISO/IEC 14496-12): what we write, and what we read.

pub mod fragment;
pub mod moov;
pub mod sample_entry;
pub mod write;

pub use fragment::{Fragment, Run, SampleRow};
//! ISO base media files (ISO/IEC 14496-12): reading their boxes and indexing their samples.

pub mod boxes;
pub mod index;
pub mod limits;

pub use boxes::ReadAt;
pub use index::{Edit, Movie, Note, Presentation, Sample, SampleIndex, Samples, TrackIndex};
