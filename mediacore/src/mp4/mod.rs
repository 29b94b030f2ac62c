//! ISO base media files (ISO/IEC 14496-12): what we write, and what we read.

pub mod fragment;
pub mod moov;
pub mod write;

pub use fragment::{Fragment, Run, SampleRow};
//! ISO base media file format (ISO/IEC 14496-12).

pub mod sample_entry;
