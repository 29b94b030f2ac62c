//! Subtitles: WebVTT and SubRip files as cues, and WebVTT segments of them.

mod parse;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::ops::Range;

use crate::time::Millis;

/// Bytes of the largest subtitle file that is read.
pub const MAX_FILE: u64 = 16 << 20;

/// The cues of one subtitle file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Captions {
    /// What stands before the first cue, as segments repeat it: the `WEBVTT` line and style blocks.
    pub header: String,
    /// The cues in the order of the file.
    pub cues: Vec<Cue>,
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
    /// Its text and the blank lines after it, as they are.
    pub text: String,
}

impl Captions {
    /// The end of the last cue.
    pub fn length(&self) -> Millis {
        self.cues.iter().map(|cue| cue.end).max().unwrap_or_default()
    }

    /// A WebVTT file of the cues that are seen in `range`, with the times that they have in the whole file plus `shift`.
    pub fn segment(&self, range: Range<Millis>, shift: Shift) -> String {
        let mut out = self.header.clone();
        let seen = |cue: &&Cue| cue.start < range.end && cue.end > range.start;
        for cue in self.cues.iter().filter(seen) {
            if !cue.id.is_empty() {
                out.push_str(&cue.id);
                out.push('\n');
            }
            push_time(&mut out, shift.apply(cue.start));
            out.push_str(" --> ");
            push_time(&mut out, shift.apply(cue.end));
            out.push_str(&cue.settings);
            out.push('\n');
            out.push_str(&cue.text);
        }
        out
    }

    /// Bytes on the heap.
    pub fn heap_size(&self) -> usize {
        let text = |cue: &Cue| cue.id.capacity() + cue.settings.capacity() + cue.text.capacity();
        let cues: usize = self.cues.iter().map(text).sum();
        self.header.capacity() + self.cues.capacity() * size_of::<Cue>() + cues
    }
}

/// How cue times differ from those of the file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Shift {
    /// Taken off first: what is cut off the beginning.
    pub earlier: Millis,
    /// Then added.
    pub later: Millis,
}

impl Shift {
    fn apply(self, time: Millis) -> Millis {
        time.saturating_sub(self.earlier).saturating_add(self.later)
    }
}

/// `HH:MM:SS.mmm`; hours have more digits when they need them.
fn push_time(out: &mut String, time: Millis) {
    let (seconds, ms) = (time.0 / 1000, time.0 % 1000);
    let (minutes, hours) = (seconds / 60 % 60, seconds / 3600);
    let written = write!(out, "{hours:02}:{minutes:02}:{:02}.{ms:03}", seconds % 60);
    debug_assert!(written.is_ok(), "a string takes everything");
}
