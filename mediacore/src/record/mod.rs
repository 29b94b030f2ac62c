//! Recording: a live source becomes a file that cannot be lost.

pub mod journal;
mod varint;
