//! How long the segments of a playlist are: by the grid, or by the samples of the main track.

use std::ops::Range;

use super::cuts::Cuts;
use super::grid::Grid;
use super::stretch::{Cursor, stretches};
use super::{Entry, Segments, check_count};
use crate::hls::options::Segmentation;
use crate::hls::refusal::Refusal;
use crate::hls::set::Timeline;
use crate::mp4::TrackIndex;
use crate::time::{Millis, Ticks, TimeBase, Timescale};

/// The segments as the grid has them, the last one of each run with the rest. Where clips tell their key frames (`keys`:
/// one entry for each clip, or none), segments start at those.
///
/// # Errors
/// `BadRequest` for more than `limit` segments.
pub fn estimate(
    timeline: Option<&Timeline>,
    length: Millis,
    segmentation: &Segmentation,
    keys: &[Option<Cuts<'_>>],
    limit: u32,
) -> Result<Segments, Refusal> {
    let mut entries = Vec::new();
    for stretch in stretches(timeline, length, segmentation, keys) {
        check_count(stretch.first.saturating_add(stretch.count), limit)?;
        entries.reserve(usize::try_from(stretch.count).unwrap_or(0));
        let mut cursor = Cursor::default();
        let mut start = Millis::ZERO;
        let mut discontinuity = stretch.clip > 0;
        for number in 0..stretch.count {
            let end = stretch.boundary(number.saturating_add(1), &mut cursor);
            let duration = end.saturating_sub(start).0;
            start = end;
            if duration > 0 {
                entries.push(Entry {
                    number: stretch.first.saturating_add(number),
                    clip: u32::try_from(stretch.clip).unwrap_or(u32::MAX),
                    duration,
                    discontinuity,
                });
                discontinuity = false;
            }
        }
    }
    Ok(Segments {
        entries,
        scale: Timescale::MILLIS,
    })
}

/// The track whose samples say where segments really start: the first video track, else the first audio track.
#[derive(Clone, Debug)]
pub struct Main<'a> {
    /// Its samples.
    pub index: &'a TrackIndex,
    /// Those of them that are played.
    pub samples: Range<u32>,
    /// How long it is by its header, clipped.
    pub duration: Millis,
    /// Segments start at its sync samples only.
    pub aligned: bool,
}

/// The segments as the samples of `main` make them. `length` says how many there are, `longest` is the length of the longest
/// track: all segments that may be asked for have that.
///
/// A segment ends before the first sample (the first sync sample when aligned) at or after its end on the grid; the grid does not
/// move. Costs a few binary searches for each segment.
///
/// # Errors
/// `BadRequest` for more than `limit` segments.
pub fn accurate(
    main: &Main<'_>,
    length: Millis,
    longest: Millis,
    segmentation: &Segmentation,
    limit: u32,
) -> Result<Segments, Refusal> {
    let grid = Grid::new(segmentation);
    let scale = main.index.timescale();
    let count = grid.count(length);
    check_count(count, limit)?;
    // The last one listed has an end of its own when longer tracks go on after it.
    let cuts = match grid.count(longest) > count {
        true => count,
        false => count.saturating_sub(1),
    };
    let mut list = List::new(count, scale);
    let mut next = 0;
    while next < cuts {
        let limit = ticks(grid.end(next), scale);
        let Some(cut) = main.cut(limit) else { break };
        list.cut(next, cut);
        next += 1;
    }
    if next == count {
        return Ok(list.segments);
    }
    if !main.aligned && main.duration < length {
        let end = ticks(longest, scale);
        while next < cuts {
            list.cut(next, ticks(grid.end(next), scale).min(end));
            next += 1;
        }
        if next < count {
            list.cut(next, end);
        }
    } else {
        list.cut(next, main.total());
    }
    Ok(list.segments)
}

/// A list that grows by the end of each segment.
struct List {
    segments: Segments,
    start: Ticks,
}

impl List {
    fn new(count: u32, scale: Timescale) -> Self {
        let entries = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        Self {
            segments: Segments { entries, scale },
            start: Ticks::ZERO,
        }
    }

    /// Segment `number` ends at `end`; an empty one is not listed.
    fn cut(&mut self, number: u32, end: Ticks) {
        let duration = u64::try_from(end.saturating_sub(self.start).0).unwrap_or(0);
        self.start = self.start.max(end);
        if duration > 0 {
            self.segments.entries.push(Entry {
                number,
                clip: 0,
                duration,
                discontinuity: false,
            });
        }
    }
}

impl<'a> Main<'a> {
    /// The samples of `index` from `from` on and before `to`, both counted from the time that the file's edit list starts
    /// the movie; the first sample is decoded `delay` after that. When `aligned` they start with a sync sample.
    pub fn new(
        index: &'a TrackIndex,
        delay: Ticks,
        from: Millis,
        to: Option<Millis>,
        duration: Millis,
        aligned: bool,
    ) -> Self {
        let scale = index.timescale();
        let at = |time: Millis| first_at(index, time.floor_ticks(scale).saturating_sub(delay));
        let end = to.map_or(index.sample_count(), at);
        let mut first = match from {
            Millis::ZERO => 0,
            from => at(from),
        };
        if aligned {
            first = index.sync_after(first).unwrap_or(end);
        }
        Self {
            index,
            samples: first.min(end)..end,
            duration,
            aligned,
        }
    }

    /// Where the first sample is that may start a segment at or after `limit`, which counts from the first sample.
    fn cut(&self, limit: Ticks) -> Option<Ticks> {
        let start = self.time(self.samples.start);
        let mut sample = first_at(self.index, start.saturating_add(limit)).max(self.samples.start);
        if self.aligned {
            sample = self.index.sync_after(sample)?;
        }
        (sample < self.samples.end).then(|| self.time(sample).saturating_sub(start))
    }

    /// How long all its samples are.
    fn total(&self) -> Ticks {
        let start = self.time(self.samples.start);
        self.time(self.samples.end).saturating_sub(start)
    }

    /// The DTS of a sample; after the last, the end of the track.
    fn time(&self, sample: u32) -> Ticks {
        let sample = self.index.sample(sample);
        sample.map_or_else(|| self.index.end(), |sample| sample.dts)
    }
}

/// The first sample with a DTS at or after `time`; the number of samples when there is none.
fn first_at(index: &TrackIndex, time: Ticks) -> u32 {
    let before = index.at_dts(time.saturating_sub(Ticks(1)));
    before.map_or(0, |before| before.saturating_add(1))
}

fn ticks(time: Millis, scale: Timescale) -> Ticks {
    let time = Ticks(i64::try_from(time.0).unwrap_or(i64::MAX));
    time.saturating_rescale(TimeBase::MILLIS, scale.base())
}
