//! [`Segment`]: the samples of one segment on the 90 kHz clock, as containers take them.

use std::ops::Range;
use std::sync::Arc;

use super::title::{Title, TitleTrack};
use crate::codec::Kind;
use crate::mp4::{Samples, TrackIndex};
use crate::time::Timescale;

/// Ticks per second of everything that leaves: 90 kHz, as MPEG-TS has it.
pub const CLOCK: Timescale = Timescale::MPEG;

/// What one segment holds.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    /// Its number, from 0: `seg-1` is 0.
    pub number: u32,
    /// Video first, then audio. A stream may have no frame.
    pub streams: Vec<Stream>,
    /// What the first selected track's time 0 is on the source's own clock, in milliseconds: for ID3 timestamps.
    pub origin: u64,
    /// The sequence's id, for ID3 timestamps.
    pub sequence_id: Option<String>,
}

/// One track of a segment: a run of samples, or several when the segment crosses files.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The track as it is in the file that the segment starts in.
    pub title: Arc<Title>,
    /// Which of [`Title::tracks`].
    pub track: usize,
    /// By how much the first sample of the track's file is shown after it is decoded, in 90 kHz, with the shift asked for.
    pub initial_delay: i64,
    /// DTS of the first frame if there is one, else where the track ends if the segment was to start at a sync sample and none
    /// is left, else 0; in 90 kHz.
    pub start: i64,
    /// The samples.
    pub parts: Vec<Frames>,
}

/// Consecutive samples of one track of one file.
#[derive(Clone, Debug)]
pub struct Frames {
    /// The file.
    pub title: Arc<Title>,
    /// Which of [`Title::tracks`].
    pub track: usize,
    /// Which of its samples, from 0.
    pub samples: Range<u32>,
    /// From the track's ticks to the clock.
    pub clock: Clock,
    /// Which clip of the timeline, from any number on: files that are played as one clip (`concat`) share it. MPEG-TS ends
    /// what it holds back of sound where a clip ends.
    pub clip: u32,
    /// When the clip ends, in 90 kHz, where a timeline says so: its last sample lasts no longer.
    pub end: Option<i64>,
}

/// From a track's ticks to the 90 kHz clock of what is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Clock {
    /// Ticks per second of the track.
    pub scale: Timescale,
    /// Added to every DTS before it is converted: the edit list's delay, less the clip's start. In the track's ticks.
    pub offset: i64,
    /// Added to every composition offset before it is converted, so that none is negative. In the track's ticks.
    pub bias: i64,
    /// Added after the conversion: where the clip starts on the set's timeline. In 90 kHz.
    pub base: i64,
    /// Added to PTS only, after the conversion. In 90 kHz.
    pub shift: i64,
}

/// One sample on the 90 kHz clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Frame {
    /// Where its bytes start in the file.
    pub offset: u64,
    /// How many bytes it has.
    pub size: u32,
    /// When it is decoded.
    pub dts: i64,
    /// How much later it is shown.
    pub delay: i64,
    /// From its DTS to the next one's.
    pub duration: i64,
    /// Whether decoding can start here.
    pub key: bool,
}

impl Clock {
    /// Ticks of the track as 90 kHz, halves up.
    #[inline]
    pub fn rescale(&self, ticks: i64) -> i64 {
        let scale = i64::from(self.scale.get());
        match ticks
            .checked_mul(i64::from(CLOCK.get()))
            .and_then(|scaled| scaled.checked_add(scale / 2))
        {
            Some(scaled) => scaled.div_euclid(scale),
            None => {
                crate::time::Ticks(ticks)
                    .saturating_rescale(self.scale.base(), CLOCK.base())
                    .0
            }
        }
    }

    /// The 90 kHz time of a DTS in the track's ticks.
    #[inline]
    pub fn time(&self, dts: i64) -> i64 {
        self.rescale(dts.saturating_add(self.offset))
            .saturating_add(self.base)
    }
}

impl Frames {
    /// What the track is.
    pub fn track(&self) -> Option<&TitleTrack> {
        self.title.tracks().get(self.track)
    }

    /// The track's samples, all of them.
    pub fn index(&self) -> Option<&TrackIndex> {
        self.title.samples(self.track()?)
    }

    /// How many samples there are.
    pub fn len(&self) -> u32 {
        self.samples.end.saturating_sub(self.samples.start)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The frames in the order of decoding.
    pub fn iter(&self) -> FrameIter<'_> {
        FrameIter {
            samples: self.index().map(|index| index.samples(self.samples.clone())),
            clock: self.clock,
        }
    }
}

impl<'a> IntoIterator for &'a Frames {
    type Item = Frame;
    type IntoIter = FrameIter<'a>;

    fn into_iter(self) -> FrameIter<'a> {
        self.iter()
    }
}

impl Stream {
    /// What the track is, in the file that the segment starts in.
    pub fn described(&self) -> Option<&TitleTrack> {
        self.title.tracks().get(self.track)
    }

    /// Video or audio.
    pub fn kind(&self) -> Kind {
        self.described().map_or(Kind::Video, TitleTrack::kind)
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len() as usize).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(Frames::is_empty)
    }

    /// All frames, each with the number of its part.
    pub fn frames(&self) -> impl Iterator<Item = (usize, Frame)> {
        let numbered = self.parts.iter().enumerate();
        numbered.flat_map(|(number, part)| part.iter().map(move |frame| (number, frame)))
    }
}

/// See [`Frames::iter`].
#[derive(Clone, Debug)]
pub struct FrameIter<'a> {
    samples: Option<Samples<'a>>,
    clock: Clock,
}

impl Iterator for FrameIter<'_> {
    type Item = Frame;

    #[inline]
    fn next(&mut self) -> Option<Frame> {
        let sample = self.samples.as_mut()?.next()?;
        let clock = &self.clock;
        let at = sample.dts.0.saturating_add(clock.offset);
        let dts = clock.rescale(at);
        let shown = at
            .saturating_add(i64::from(sample.composition))
            .saturating_add(clock.bias);
        let next = clock.rescale(at.saturating_add(sample.duration.0));
        Some(Frame {
            offset: sample.offset,
            size: sample.size,
            dts: dts.saturating_add(clock.base),
            delay: clock
                .rescale(shown)
                .saturating_sub(dts)
                .saturating_add(clock.shift),
            duration: next.saturating_sub(dts),
            key: sample.sync,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.samples.as_ref().map_or((0, Some(0)), Iterator::size_hint)
    }
}

impl ExactSizeIterator for FrameIter<'_> {}
