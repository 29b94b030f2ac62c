//! What a request's path stands for before a file is opened: sequences of clips, and the timeline they are on.
//!
//! A plain file is a set of one sequence with one clip. A multi URI (`.urlset`) is one sequence for each file. A mapping
//! (the JSON of nginx-vod-module) can say everything that is here.

use crate::codec::Language;
use crate::time::Millis;

/// Sequences of one set; the URL grammar has no more (`f1` to `f32`).
pub const MAX_SEQUENCES: usize = 32;

/// Clips of one timeline.
pub const MAX_CLIPS: usize = 128;

/// Renditions of the same content, on one timeline.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Set {
    /// The set's own id (`$vod_set_id`).
    pub id: Option<String>,
    /// 1 to [`MAX_SEQUENCES`].
    pub sequences: Vec<Sequence>,
    /// How long each clip is, when the set says so; without it every sequence has one clip of its own length.
    pub timeline: Option<Timeline>,
    /// It is one file as the request named it: selectors of sequences are of no account, and URLs have none.
    pub plain: bool,
    /// Overrides the configured length of segments.
    pub segment_duration: Option<Millis>,
    /// The part of the whole that is asked for.
    pub span: Span,
    /// Captions inside the video; an empty list says that there are none.
    pub closed_captions: Option<Vec<ClosedCaptions>>,
    /// Which clip's files manifests describe, from 0; the last one when not given.
    pub reference_clip: Option<usize>,
}

/// The clips' lengths.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Timeline {
    /// One for each clip, none zero.
    pub durations: Vec<Millis>,
    /// Each clip is cut into segments by itself and starts after an `EXT-X-DISCONTINUITY`; else they are one run.
    pub discontinuity: bool,
}

/// From where to where, in time of the source.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Span {
    /// The first moment.
    pub from: Millis,
    /// The moment after the last; `None` to the end.
    pub to: Option<Millis>,
}

/// One rendition or a set of tracks that belong together.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sequence {
    /// The part of the request's path that stands for it, with its path parameters, as URLs print it: equal for
    /// sequences of one mapping, different for the files of a multi URI.
    pub uri: String,
    /// Its own id: `s<id>` in file names.
    pub id: Option<String>,
    /// Wins over the file's language.
    pub language: Option<Language>,
    /// What people see in a menu; wins over the file's.
    pub label: Option<String>,
    /// Whether players choose it by themselves.
    pub default: Option<bool>,
    /// Bits per second to be told instead of the measured ones.
    pub bitrate: Bitrates,
    /// Bits per second on average, told when given.
    pub average_bitrate: Bitrates,
    /// One for each clip of the timeline; one without a timeline.
    pub clips: Vec<Clip>,
}

/// Bits per second by kind of track.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Bitrates {
    /// Of the video.
    pub video: Option<u64>,
    /// Of the audio.
    pub audio: Option<u64>,
}

/// One file, or several played as one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Clip {
    /// Where the media is.
    pub source: ClipSource,
    /// Which of the tracks take part.
    pub tracks: TrackMask,
    /// Where the clip starts in its file.
    pub from: Millis,
    /// How much later than coded each kind is shown.
    pub shift: Shift,
    /// Where segments may be cut, when the mapping says so.
    pub key_frames: Option<KeyFrames>,
}

/// Where a clip's media is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClipSource {
    /// One file, as the mapping or the URL names it.
    File(String),
    /// Files played as one continuous clip.
    Concat {
        /// The files, in order.
        paths: Vec<String>,
        /// How long each is played; as many as there are paths.
        durations: Vec<Millis>,
        /// Where in the clip the first file starts.
        offset: Millis,
    },
}

/// A forward shift of presentation times by kind of track.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Shift {
    /// Of the video.
    pub video: Millis,
    /// Of the audio.
    pub audio: Millis,
    /// Of the subtitles.
    pub subtitles: Millis,
}

/// Key frame times that a mapping gives (`keyFrameDurations`, `firstKeyFrameOffset`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeyFrames {
    /// The first one, from the start of the clip.
    pub first: i64,
    /// From each to the next.
    pub durations: Vec<Millis>,
}

/// Captions carried inside the video (CEA-608 and 708).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClosedCaptions {
    /// `CC1` to `CC4`, `SERVICE1` to `SERVICE63`.
    pub id: String,
    /// What people see in a menu.
    pub label: String,
    /// The language.
    pub language: Option<Language>,
    /// Whether it is the one to choose.
    pub default: Option<bool>,
}

/// Which tracks of a file: bit `n` is track `n + 1` of its kind.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TrackMask {
    /// Video tracks.
    pub video: u64,
    /// Audio tracks.
    pub audio: u64,
}

impl TrackMask {
    /// Every track.
    pub const ALL: Self = Self {
        video: u64::MAX,
        audio: u64::MAX,
    };
    /// No track.
    pub const NONE: Self = Self { video: 0, audio: 0 };
    /// The first of each kind: what segments and media playlists have when nothing else is said.
    pub const FIRST: Self = Self { video: 1, audio: 1 };

    /// The tracks in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            video: self.video & other.video,
            audio: self.audio & other.audio,
        }
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.video == 0 && self.audio == 0
    }
}

impl Clip {
    /// All tracks of one file from its start.
    pub fn file(path: impl Into<String>) -> Self {
        Self {
            source: ClipSource::File(path.into()),
            tracks: TrackMask::ALL,
            from: Millis::ZERO,
            shift: Shift::default(),
            key_frames: None,
        }
    }
}

impl Set {
    /// How many clips one after the other there are; at least one.
    pub fn clip_count(&self) -> usize {
        self.timeline
            .as_ref()
            .map_or(1, |timeline| timeline.durations.len())
    }
}
