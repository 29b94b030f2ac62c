//! Which tracks a request is about: its selectors applied to the opened files.

use std::sync::Arc;

mod choose;

use super::refusal::Refusal;
use super::set::Sequence;
use super::title::{Title, TitleTrack};
use crate::codec::{Kind, Language};
use crate::mp4::TrackIndex;
use crate::time::{Millis, Ticks};

pub(super) use choose::{empty, in_mask, numbered, pick, selected};

/// A file as a clip needs it.
#[derive(Clone, Debug)]
pub enum File {
    /// Video and audio.
    Title(Arc<Title>),
    /// Subtitles.
    Captions(Arc<super::captions::Captions>),
    /// There is no byte in it.
    Empty,
}

/// Where the packager gets its files. Implementations keep opened files, for opening costs time in proportion to the `moov`.
pub trait Open {
    /// The file that a mapping or a URL calls `path`.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `BadData`; whatever the caller shall see.
    fn open(&self, path: &str) -> Result<File, Refusal>;
}

/// The tracks that a request selects, in the clip whose files describe the whole.
#[derive(Clone, Debug, Default)]
pub struct Picked {
    /// Video and audio tracks in the order of sequences, within one the video first.
    pub tracks: Vec<Pick>,
    /// Subtitles in the order of sequences.
    pub captions: Vec<PickedCaptions>,
    /// How many sequences the set has, selected or not.
    pub sequences: usize,
    /// How long the whole is: by the timeline, else by the longest selected track.
    pub length: Millis,
    /// The length of the shortest selected track that has one; that of the timeline with one.
    pub shortest: Millis,
}

/// One selected track.
#[derive(Clone, Debug)]
pub struct Pick {
    /// Which sequence of the set, from 0.
    pub sequence: usize,
    /// Its number among the accepted tracks of its kind in its file, from 1, as file names print it.
    pub number: u32,
    /// Its file.
    pub title: Arc<Title>,
    /// Which of [`Title::tracks`].
    pub track: usize,
    /// How long it is in this request: clipped, in a timeline pinned to the clip's duration.
    pub duration: Millis,
    /// Language, of the sequence or of the file.
    pub language: Option<Language>,
    /// What people see in a menu: the sequence's label, else the language's own name for itself.
    pub label: Option<String>,
    /// Bits per second: what the sequence says, else what was measured.
    pub bitrate: u64,
    /// Bits per second on average, when the sequence says them.
    pub average_bitrate: Option<u64>,
}

/// Selected subtitles.
#[derive(Clone, Debug)]
pub struct PickedCaptions {
    /// Which sequence of the set, from 0.
    pub sequence: usize,
    /// The cues.
    pub captions: Arc<super::captions::Captions>,
    /// Language; English when nothing says one.
    pub language: Option<Language>,
    /// What people see in a menu.
    pub label: Option<String>,
    /// Where in the file the clip starts.
    pub from: Millis,
    /// The forward shift asked for.
    pub later: Millis,
    /// How long they are in this request: to the end of the last cue, clipped.
    pub duration: Millis,
}

impl Pick {
    /// What the track is.
    ///
    /// A pick is only made of a track that is there.
    pub fn described(&self) -> Option<&TitleTrack> {
        self.title.tracks().get(self.track)
    }

    /// Video or audio.
    pub fn kind(&self) -> Kind {
        self.described().map_or(Kind::Video, TitleTrack::kind)
    }
}

/// The first sample whose DTS is at or after `time`; one beyond the last when there is none.
pub(super) fn first_from(index: &TrackIndex, time: Ticks) -> u32 {
    index
        .at_dts(time.saturating_sub(Ticks(1)))
        .map_or(0, |before| before.saturating_add(1))
}

impl Picked {
    /// Whether nothing is selected.
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty() && self.captions.is_empty()
    }

    /// The selected tracks of one kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Pick> {
        self.tracks.iter().filter(move |pick| pick.kind() == kind)
    }

    /// Whether `sequence` is given with its id in names instead of its number: ids of up to ten characters are.
    pub fn id_in_names(sequence: &Sequence) -> Option<&str> {
        sequence.id.as_deref().filter(|id| id.len() < 11)
    }
}
