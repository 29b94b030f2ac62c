//! ISO base media files (ISO/IEC 14496-12): what we write, and what we read.

pub mod boxes;
pub mod fragment;
pub mod index;
pub mod limits;
pub mod moov;
pub mod sample_entry;
pub mod write;

pub use boxes::ReadAt;
pub use fragment::{Fragment, Run, SampleRow};
pub use index::{Edit, Movie, Note, Presentation, Sample, SampleIndex, Samples, TrackIndex};
