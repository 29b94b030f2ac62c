//! A simulated power cut: every operation of a recording is written down by a preloaded library, and from that log the folder
//! is built as a disk would have it that lost its power between any two of them.
//!
//! - [`Recorded`] runs the binary under `tests/shim/power.c` and reads its log.
//! - [`Disk`] replays the log and knows what is durable: see there for what is assumed of a disk.
//! - [`Entries`] reads the recorder's journal with eyes of our own, to know what had to survive.

mod disk;
mod entries;
mod file;
mod log;
mod random;
mod recorded;

pub use disk::{Disk, Folder, Names, Unsynced};
pub use entries::{Entries, Entry};
pub use log::{Log, Operation};
pub use random::Random;
pub use recorded::{Preloaded, Recorded, read_folder, read_tree, write_folder, write_tree};
