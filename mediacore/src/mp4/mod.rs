//! ISO base media file format (ISO/IEC 14496-12).

pub mod sample_entry;
