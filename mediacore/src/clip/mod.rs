//! A span of time as a file of its own, without encoding: the needed bytes are copied, an edit list cuts exactly.

use std::path::Path;
use std::time::Duration;

use crate::codec::{Codec, Kind};
use crate::error::{Error, ErrorKind, Result};
use crate::mp4::SampleIndex;
use crate::remux::copy::Extents;
use crate::remux::fast::{self, Plan};
use crate::remux::open::Opened;
use crate::remux::tables::{Chosen, choose};
use crate::remux::target::{Scratch, check};
use crate::remux::{Dropped, Options, Report, remux};
use crate::time::Ticks;

/// An end that lies beyond the file's by no more than this is taken for it.
const SLACK: Duration = Duration::from_secs(1);

/// Writes what `input` shows from `from` up to `to` as the faststart MP4 `output`.
///
/// Playback starts exactly at `from`: video is kept from the sync sample at or before it, and the edit list leaves out what
/// comes before. Files that are no MP4 are remuxed beside the output first, which takes their size in disk space.
///
/// # Errors
/// `InvalidInput` when the span is empty or lies beyond the end; otherwise as [`remux`].
pub fn clip(input: &Path, output: &Path, from: Duration, to: Duration, options: &Options) -> Result<Report> {
    if from >= to {
        return Err(invalid(format!(
            "a clip from {} to {} has no length",
            seconds(from),
            seconds(to)
        )));
    }
    let opened = Opened::open(input)?;
    check(output, options.overwrite, Some(&opened.file))?;
    let span = Span { from, to };
    let failed = |error: Error| error.context(format!("clip {}", input.display()));
    if let Some(plan) = span.plan(&opened).map_err(failed)? {
        return plan.write(&opened, output, options).map_err(failed);
    }
    let scratch = Scratch::create(output)?;
    let whole = remux(input, &scratch.file("whole.mp4"), options)?;
    let part = whole
        .parts
        .iter()
        .find(|part| part.at <= from && from < part.at + part.duration.max(SLACK));
    let part = part
        .or(whole.parts.last())
        .ok_or_else(|| failed(invalid("there is no media in it".to_owned())))?;
    let opened = Opened::open(&part.path)?;
    let span = Span {
        from: from.saturating_sub(part.at),
        to: to.saturating_sub(part.at),
    };
    let plan = span.plan(&opened).map_err(failed)?;
    let plan = plan.ok_or_else(|| failed(Error::new(ErrorKind::Internal, "a remuxed file is no MP4")))?;
    let mut report = plan.write(&opened, output, options).map_err(failed)?;
    report.dropped = whole.dropped;
    report.notes.splice(0..0, whole.notes);
    Ok(report)
}

#[derive(Clone, Copy, Debug)]
struct Span {
    from: Duration,
    to: Duration,
}

impl Span {
    /// How to write the span by tables; `None` when the file has to be remuxed first.
    fn plan(self, opened: &Opened) -> Result<Option<Plan>> {
        let Some(index) = fast::index(opened)? else {
            return Ok(None);
        };
        let choice = choose(&index)?;
        if choice.needs_demuxing {
            return Ok(None);
        }
        let end = choice.chosen.iter().map(shown_end).max().unwrap_or_default();
        if self.from >= end || self.to > end.saturating_add(SLACK) {
            let (from, to) = (seconds(self.from), seconds(self.to));
            return Err(invalid(format!(
                "the clip from {from} to {to} reaches beyond the end at {}",
                seconds(end)
            )));
        }
        let mut ranges = Vec::new();
        let mut plan = Plan {
            tracks: Vec::new(),
            extents: Extents::default(),
            dropped: choice.dropped,
            notes: notes(&index),
        };
        for chosen in &choice.chosen {
            match self.cut(chosen, &mut ranges) {
                Some(tables) => plan.tracks.push((chosen.track.clone(), tables)),
                None => plan.dropped.push(Dropped {
                    codec: chosen.track.codec.to_string(),
                    reason: "it shows nothing in this span".to_owned(),
                }),
            }
        }
        if plan.tracks.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "nothing is shown in this span"));
        }
        plan.extents = Extents::of(ranges);
        Ok(Some(plan))
    }

    /// The span of one track; `None` when it has nothing in it.
    fn cut(
        self,
        chosen: &Chosen<'_>,
        ranges: &mut Vec<std::ops::Range<u64>>,
    ) -> Option<crate::mp4::moov::TrackTables> {
        let index = chosen.index;
        let presentation = index.presentation().unwrap_or_default();
        let base = index.timescale().base();
        let composition =
            |time: Duration| Ticks::from_duration(time, base).saturating_sub(presentation.shift);
        let (start, stop) = (composition(self.from), composition(self.to));
        let first_shown = presentation.start.map_or(start, |first| first.max(start));
        let stop_shown = presentation.end.map_or(stop, |end| end.min(stop));
        // The last in decoding order that is shown before the end.
        let (least, _) = index.composition_range();
        let mut last = index.at_dts(stop_shown.saturating_sub(Ticks(i64::from(least))))?;
        while index.sample(last)?.pts() >= stop_shown {
            last = last.checked_sub(1)?;
        }
        let shown = index.at_pts(first_shown);
        let at = shown.and_then(|number| index.sample(number));
        if first_shown >= stop_shown
            || at.is_some_and(|at| at.number == last && at.pts().saturating_add(at.duration) <= start)
        {
            return None;
        }
        let first = match (shown, chosen.track.kind()) {
            (None, _) => 0,
            (Some(number), Kind::Video) => index.sync_before(number).unwrap_or(0),
            (Some(number), Kind::Audio) => number.saturating_sub(preroll(chosen.track.codec)),
        };
        let mut tables = chosen.tables(first..last.saturating_add(1), ranges);
        tables.start = start.0;
        tables.first = Some(first_shown.0);
        tables.end = Some(stop_shown.0);
        Some(tables)
    }
}

/// Packets that a decoder needs before the first that sounds right; the edit list leaves them out.
const fn preroll(codec: Codec) -> u32 {
    match codec {
        Codec::Opus => 4,
        Codec::Aac | Codec::Mp3 => 1,
        _ => 0,
    }
}

/// When the last picture or sound of a track ends on the movie's timeline.
pub(crate) fn shown_end(chosen: &Chosen<'_>) -> Duration {
    let index = chosen.index;
    let presentation = index.presentation().unwrap_or_default();
    let count = index.sample_count();
    // The last pictures in decoding order are not the last shown.
    let end = index
        .samples(count.saturating_sub(64)..count)
        .map(|sample| sample.pts().saturating_add(sample.duration))
        .max()
        .unwrap_or_default();
    let end = presentation.end.map_or(end, |limit| limit.min(end));
    presentation.time(end).to_duration(index.timescale().base())
}

fn notes(index: &SampleIndex) -> Vec<String> {
    index.notes().iter().map(ToString::to_string).collect()
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}
