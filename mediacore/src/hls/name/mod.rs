//! File names of requests: what is asked for, and of which tracks.

mod parse;
#[cfg(test)]
mod tests;

use super::options::Container;
use super::set::TrackMask;
use crate::codec::Language;

/// One parsed file name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Name {
    /// What is asked for.
    pub what: What,
    /// Which tracks of which sequences. Empty: the default, which depends on `what`.
    pub selectors: Vec<Selector>,
    /// `-p<n>`: 90 kHz ticks added to every PTS.
    pub pts_delay: u32,
    /// `-l<xxx>`: only audio and subtitles of these languages; empty for all.
    pub languages: Vec<Language>,
    /// `-x<n>`: version of the output; 1 when not given.
    pub version: u32,
}

/// What a file name asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// The multivariant playlist.
    Master,
    /// A media playlist.
    Index,
    /// An I-frame playlist.
    Iframes,
    /// The key.
    Key,
    /// The fMP4 initialisation segment, of one clip when numbered.
    Init {
        /// The clip, from 0.
        clip: Option<u32>,
    },
    /// A media segment.
    Segment {
        /// The container.
        container: Container,
        /// The segment, from 0: `seg-1` is 0.
        number: u32,
    },
}

/// Some tracks of one sequence, or of all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Selector {
    /// Which sequence; `None` for each of them.
    pub sequence: Option<SequenceName>,
    /// Which tracks; `None` for the default of the file.
    pub tracks: Option<TrackMask>,
}

/// How a file name names a sequence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SequenceName {
    /// `f<n>`: by place, from 0.
    Place(u32),
    /// `s<id>`: by id.
    Id(String),
}
