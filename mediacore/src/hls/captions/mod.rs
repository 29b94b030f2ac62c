//! Subtitles: WebVTT and SubRip files as cues, and WebVTT segments of them.

use crate::time::Millis;

/// The cues of one subtitle file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Captions {
    /// What stands before the first cue, `WEBVTT` line and style blocks included, as segments repeat it.
    pub header: String,
    /// The cues in the order of their starts.
    pub cues: Vec<Cue>,
}

impl Captions {
    /// The end of the last cue.
    pub fn length(&self) -> Millis {
        self.cues.iter().map(|cue| cue.end).max().unwrap_or_default()
    }
}

/// One cue.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cue {
    /// When it appears.
    pub start: Millis,
    /// When it disappears.
    pub end: Millis,
    /// Its identifier line; empty without one.
    pub id: String,
    /// What follows the times on their line, with the leading blank; empty when there is nothing.
    pub settings: String,
    /// Its text lines, as they are.
    pub text: String,
}
