//! Recording: a live source becomes a file that cannot be lost.
//!
//! [`Recorder::start`] gives a [`Recording`] that runs on its own thread until it is stopped, has what it was asked for, or the
//! source is gone for good; [`Recording::wait`] gives the [`Report`]. After a crash, [`recover`](recover::recover) finishes the file.
//!
//! ```text
//! Input ─packets─▶ intake (lanes: MP4 form · timeline: times · cutter: fragments) ─▶ sink ─▶ disk thread ─▶ file + journal
//!                  session decides when to connect, read, pause, end                        finish ◀─ journal
//! ```
//! Everything between the input and the sink is free of I/O.

pub(crate) mod cutter;
mod disk;
pub mod finish;
mod gate;
pub(crate) mod gather;
pub(crate) mod intake;
pub mod journal;
pub(crate) mod lane;
pub mod manifest;
pub(crate) mod part;
pub mod place;
pub mod rebuild;
mod recorder;
pub mod recover;
pub(crate) mod report;
mod scan;
pub mod session;
mod sink;
pub mod still;
mod transcode;
mod varint;
mod worker;

pub use intake::Notice;
pub use lane::AudioPolicy;
pub use part::journal_path;
pub use recorder::{Event, Live, Options, Phase, Recorder, Recording, Stopper};
pub use report::{Came, Gap, PartReport, Report, Status, TrackReport};
pub use session::{End, Reconnect};
pub use still::Still;

/// How a live source's times are judged.
fn timeline_policy(outage: crate::timeline::Outage) -> crate::timeline::Policy {
    crate::timeline::Policy {
        outage,
        ..crate::timeline::Policy::default()
    }
}
