//! How much a worker may have, and how long it may take.
//!
//! | work | memory | processor | file that it writes | to its answer | without progress |
//! |---|---|---|---|---|---|
//! | probe | 512 MiB | 30 s | none | 30 s | |
//! | thumbnail | 2 GiB | 60 s | none | 60 s | |
//! | pictures of recordings, 500 | 1 GiB | 60 s | none | 15 s each | |
//! | remux, clip | 2 GiB | 10 min + 1 s for each MB | 2 × the input + 1 GiB | | 60 s |
//! | sound | 2 GiB | 6 h + 4 s for each MB | 64 × the input + 1 GiB | | 60 s |
//!
//! Memory is what is written to (`RLIMIT_DATA`): code and libraries don't count, and the address space has 8 GiB more. Libav takes some
//! 500 MB for the tables of a day of 60 fps in an MP4, and 400 MB for each of the largest pictures that it decodes. Long work is watched by its
//! progress; the numbers for its processor are there to end what tells of progress and never ends.

use std::time::Duration;

use mediacore::{Error, ErrorKind, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::wire::Work;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Address space beyond the memory: programs, libraries, and what is reserved and never used.
const RESERVED: u64 = 8 * GIB;

/// The system takes larger numbers for no limit.
const MOST: u64 = 1 << 60;

/// Files that are open at a time: the input, the output, a folder, and three for talking.
const FILES: u64 = 32;

/// What one worker may have.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Limits {
    /// Bytes.
    pub(super) memory: u64,
    /// Seconds of one processor.
    pub(super) processor_s: u64,
    /// Bytes of the largest file that it writes.
    pub(super) file: u64,
    /// How long an answer may take.
    pub(super) time: Option<Duration>,
    /// How long it may get no further.
    pub(super) patience: Option<Duration>,
}

impl Limits {
    /// Those of a work whose input has so many bytes.
    pub(super) fn of(work: &Work, input: u64) -> Self {
        let seconds = Duration::from_secs;
        let short = |memory, time_s| Self {
            memory,
            processor_s: time_s,
            file: 0,
            time: Some(seconds(time_s)),
            patience: None,
        };
        let long = |memory, base_s, per_mb_s: u64, times| Self {
            memory,
            processor_s: (input / 1_000_000)
                .saturating_mul(per_mb_s)
                .saturating_add(base_s),
            file: input.saturating_mul(times).saturating_add(GIB).min(MOST),
            time: None,
            patience: Some(seconds(60)),
        };
        match work {
            Work::Nothing | Work::Probe { .. } => short(512 * MIB, 30),
            Work::Thumbnail { .. } => short(2 * GIB, 60),
            Work::Pictures => Self {
                processor_s: 60,
                ..short(GIB, 15)
            },
            Work::Remux { .. } | Work::Clip { .. } => long(2 * GIB, 600, 1, 2),
            Work::Audio { .. } => long(2 * GIB, 6 * 3600, 4, 64),
        }
    }

    /// Sets them for this process.
    pub(super) fn apply(&self) -> Result<()> {
        let address = self.memory.saturating_add(RESERVED);
        for (resource, most) in [
            (Resource::Data, self.memory),
            (Resource::As, address),
            (Resource::Cpu, self.processor_s),
            (Resource::Fsize, self.file),
            (Resource::Nofile, FILES),
            (Resource::Core, 0),
        ] {
            // Who started the server may have set less, and nobody may have more than that.
            let most = getrlimit(resource).maximum.map_or(most, |least| least.min(most));
            let limit = Rlimit {
                current: Some(most),
                // The first signal says why it ends; a second later another ends it whatever it does.
                maximum: Some(most.saturating_add(u64::from(resource == Resource::Cpu))),
            };
            setrlimit(resource, limit).map_err(|cause| {
                Error::new(ErrorKind::Internal, format!("limit {resource:?} to {most}")).with_source(cause)
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::wire::Place;

    #[test]
    fn long_work_has_time_by_its_size_and_short_work_a_deadline() {
        let (input, output) = (Place("a".into()), Place("b".into()));
        let probe = Limits::of(&Work::Probe { input: input.clone() }, u64::MAX);
        assert_eq!((probe.time, probe.file), (Some(Duration::from_secs(30)), 0));
        let remux = Work::Remux { input, output };
        let (small, large) = (Limits::of(&remux, 0), Limits::of(&remux, 11_000_000_000));
        assert_eq!((small.processor_s, large.processor_s), (600, 11_600));
        assert_eq!(
            (small.time, small.patience),
            (None, Some(Duration::from_secs(60)))
        );
        assert!(large.file > 22_000_000_000);
        assert_eq!(Limits::of(&remux, u64::MAX).file, MOST);
    }
}
