//! Recording: a live source becomes a file that cannot be lost.

mod disk;
pub mod finish;
pub mod journal;
mod part;
pub mod place;
mod scan;
mod varint;

pub use part::journal_path;
