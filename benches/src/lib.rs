//! What the benchmarks share: media, a source that costs nothing, a live origin, and what a process costs.
#![forbid(unsafe_code)]

pub mod cost;
pub mod finish;
pub mod load;
pub mod media;
pub mod origin;
pub mod serve;
pub mod synthetic;
pub mod table;
pub mod tables;
