//! What a recording became: the report that everything which records gives at its end.

use std::path::PathBuf;
use std::time::Duration;

use crate::clock::WallTime;
use crate::codec::{Kind, Media, Track};
use crate::error::Error;
use crate::mp4::moov::TrackTables;
use crate::time::Ticks;

use super::finish::Method;
use super::session::End;

/// How a recording ended, for people: the words of the API.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Status {
    /// All that was asked for, or all that there was, is there.
    Completed,
    /// It was stopped, or the source or the disk went away; what was recorded until then is there.
    Interrupted,
    /// Nothing was recorded.
    Failed,
}

impl Status {
    /// `completed`, `interrupted` or `failed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }

    pub(super) fn of(end: End, recorded: bool) -> Self {
        match end {
            _ if !recorded => Self::Failed,
            End::Duration | End::Complete => Self::Completed,
            End::Stopped | End::SourceLost | End::Storage | End::Failed => Self::Interrupted,
        }
    }
}

/// What a recording became.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub status: Status,
    /// Why it ended.
    pub end: End,
    /// The error that ended it, if one did.
    pub error: Option<Error>,
    /// The files, in order; empty when nothing was recorded.
    pub parts: Vec<PartReport>,
    /// The list of the parts, when there is more than one.
    pub manifest: Option<PathBuf>,
    /// Media that is missing, by position on the recording's timeline.
    pub gaps: Vec<Gap>,
    /// How often a new connection was made.
    pub reconnects: u32,
    /// Timestamps and packets that were repaired.
    pub repaired: crate::timeline::Counters,
    /// How long finishing took, all parts together.
    pub finish_time: Duration,
}

impl Report {
    pub(super) fn failed(error: Error) -> Self {
        Self {
            status: Status::Failed,
            end: End::Failed,
            error: Some(error),
            parts: Vec::new(),
            manifest: None,
            gaps: Vec::new(),
            reconnects: 0,
            repaired: crate::timeline::Counters::default(),
            finish_time: Duration::ZERO,
        }
    }

    /// Length of all parts.
    pub fn duration(&self) -> Duration {
        self.parts.iter().map(|part| part.duration).sum()
    }

    /// When the media of all parts came.
    pub fn came(&self) -> Option<Came> {
        let mut all = self.parts.iter().filter_map(|part| part.came);
        let first = all.next()?;
        Some(all.fold(first, |all, part| Came {
            first: all.first,
            last: part.last,
        }))
    }

    /// Bytes of all parts.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }
}

/// When media came, by the wall clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Came {
    /// The first: when it was known what the file has to hold, which `start_wait` bounds.
    pub first: WallTime,
    /// The last that is there.
    pub last: WallTime,
}

/// One file of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct PartReport {
    /// Where it is.
    pub path: PathBuf,
    /// Where it begins on the recording's timeline.
    pub at: Duration,
    /// Its length.
    pub duration: Duration,
    /// Its size in bytes.
    pub size: u64,
    /// Its tracks.
    pub tracks: Vec<TrackReport>,
    /// When its media came; `None` for what was not recorded live.
    pub came: Option<Came>,
    /// How the `moov` got to the front; `None` while it is still a fragmented file, because finishing failed.
    pub method: Option<Method>,
}

/// One track of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackReport {
    /// What it is.
    pub track: Track,
    /// Frames per second; measured, for video. Zero for audio.
    pub frame_rate: f64,
    /// Samples in the file.
    pub samples: u64,
    /// Length of the track.
    pub duration: Duration,
    /// Bytes of its samples.
    pub bytes: u64,
}

/// Media that is missing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Gap {
    /// Where on the recording's timeline.
    pub at: Duration,
    /// How much is missing, as far as it is known.
    pub length: Duration,
    /// Why, in words.
    pub cause: String,
    /// The kind of track that misses it; `None` for all.
    pub kind: Option<Kind>,
}

impl TrackReport {
    pub(crate) fn new(track: &Track, tables: &TrackTables) -> Self {
        let base = tables.track.timescale.base();
        let ticks = i64::try_from(tables.tables.duration()).unwrap_or(i64::MAX);
        let duration = Ticks(ticks).to_duration(base);
        let samples = tables.tables.len() as u64;
        let frame_rate = match track.media {
            Media::Video { .. } if !duration.is_zero() => samples as f64 / duration.as_secs_f64(),
            _ => 0.0,
        };
        Self {
            track: track.clone(),
            frame_rate,
            samples,
            duration,
            bytes: tables.tables.bytes(),
        }
    }
}

/// How long a file with these tracks plays.
pub(crate) fn duration_of(tracks: &[TrackTables]) -> Duration {
    let end = |track: &TrackTables| {
        let (_, to) = track.tables.span()?;
        let to = track.end.map_or(to, |end| to.min(Ticks(end)));
        Some(Ticks(to.0.saturating_sub(track.start)).to_duration(track.track.timescale.base()))
    };
    tracks.iter().filter_map(end).max().unwrap_or_default()
}
