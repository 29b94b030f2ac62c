//! ISO base media files (ISO/IEC 14496-12): what we write, and what we read.

pub mod fragment;
pub mod moov;
pub mod sample_entry;
pub mod write;

pub use fragment::{Fragment, Run, SampleRow};
