//! Where a title is cut into segments, how many there are, and how long each of them is. All in exact integers; nothing here
//! knows what the segments are packed as.

mod cuts;
mod durations;
mod grid;
mod place;
mod stretch;
#[cfg(test)]
pub(super) mod synthetic;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use cuts::{Cuts, SyncSamples};
pub use durations::{Main, accurate, estimate};
pub use grid::Grid;
pub use place::{Place, place, place_at_keys};

use super::options::{Durations, LengthPolicy, Options, Segmentation};
use super::pick::{Pick, Picked};
use super::refusal::Refusal;
use super::set::{ClipSource, Set};
use crate::codec::Kind;
use crate::time::{Millis, Ticks, TimeBase, Timescale};

/// The segments of one playlist.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Segments {
    /// The segments that have a length, in order.
    pub entries: Vec<Entry>,
    /// Ticks per second of their durations.
    pub scale: Timescale,
}

/// One segment of a playlist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its number, from 0. Numbers of segments without any length are left out.
    pub number: u32,
    /// The clip that it starts in, from 0; 0 where clips run into each other.
    pub clip: u32,
    /// How long it is, in ticks of [`Segments::scale`].
    pub duration: u64,
    /// Its times do not go on from those of the entry before.
    pub discontinuity: bool,
}

impl Segments {
    /// How long an entry is, rounded to milliseconds, halves up.
    pub fn millis(&self, entry: &Entry) -> Millis {
        if self.scale == Timescale::MILLIS {
            return Millis(entry.duration);
        }
        let ticks = Ticks(i64::try_from(entry.duration).unwrap_or(i64::MAX));
        let ms = ticks.saturating_rescale(self.scale.base(), TimeBase::MILLIS);
        Millis(u64::try_from(ms.0).unwrap_or(0))
    }

    /// The longest of the durations, rounded to milliseconds.
    pub fn longest(&self) -> Millis {
        let longest = self.entries.iter().max_by_key(|entry| entry.duration);
        longest.map_or(Millis::ZERO, |entry| self.millis(entry))
    }
}

/// The segmentation of a set: its own segment length wins over the configured one.
pub fn segmentation<'a>(set: &Set, configured: &'a Segmentation) -> Cow<'a, Segmentation> {
    match set.segment_duration {
        Some(duration) if duration != configured.duration => Cow::Owned(Segmentation {
            duration,
            ..configured.clone()
        }),
        _ => Cow::Borrowed(configured),
    }
}

/// The key frames that the clips of one sequence tell, one entry for each clip; empty when none of them does, or when the
/// beginning of the set is cut off, from where they no longer count.
pub fn told_keys(set: &Set, sequence: usize) -> Vec<Option<Cuts<'_>>> {
    let clips = set
        .sequences
        .get(sequence)
        .map_or(&[][..], |sequence| &sequence.clips);
    if set.span.from > Millis::ZERO || clips.iter().all(|clip| clip.key_frames.is_none()) {
        return Vec::new();
    }
    clips
        .iter()
        .map(|clip| clip.key_frames.as_ref().map(Cuts::Told))
        .collect()
}

/// The segments that a playlist of the selected tracks lists.
///
/// Durations are those of the samples where the options ask for that and the set has no timeline; else those of the grid, cut
/// at `keys`: one entry for each clip, or none.
///
/// # Errors
/// `BadRequest` for more segments than the options allow.
pub fn segments(
    set: &Set,
    options: &Options,
    picked: &Picked,
    keys: &[Option<Cuts<'_>>],
) -> Result<Segments, Refusal> {
    let segmentation = segmentation(set, &options.segmentation);
    let limit = options.limits.segments;
    let length = listed_length(picked, segmentation.length);
    if set.timeline.is_none()
        && keys.is_empty()
        && segmentation.durations == Durations::Accurate
        && let Some(main) = main_track(set, options, &segmentation, picked)
    {
        return accurate(&main, length, picked.length, &segmentation, limit);
    }
    estimate(set.timeline.as_ref(), length, &segmentation, keys, limit)
}

/// How long playlists say that the whole is.
fn listed_length(picked: &Picked, policy: LengthPolicy) -> Millis {
    let length = match policy {
        LengthPolicy::Max => picked.length,
        LengthPolicy::Min => picked.shortest,
    };
    if length > Millis::ZERO || !picked.tracks.is_empty() {
        return length;
    }
    let captions = picked.captions.iter().map(|captions| captions.duration);
    captions.max().unwrap_or(length)
}

/// The track whose samples tell the durations; none where several files are played as one.
fn main_track<'a>(
    set: &Set,
    options: &Options,
    segmentation: &Segmentation,
    picked: &'a Picked,
) -> Option<Main<'a>> {
    let video = picked.of(Kind::Video).next();
    let pick: &Pick = video.or_else(|| picked.tracks.first())?;
    let track = pick.described()?;
    let index = pick.title.samples(track)?;
    let clip = set.sequences.get(pick.sequence)?.clips.first()?;
    let ClipSource::File(_) = &clip.source else {
        return None;
    };
    let delay = match options.ignore_edit_list {
        true => Ticks::ZERO,
        false => track.delay,
    };
    let from = clip.from.saturating_add(set.span.from);
    let to = set.span.to.map(|to| clip.from.saturating_add(to));
    let aligned = segmentation.align && track.kind() == Kind::Video && !index.all_sync();
    Some(Main::new(index, delay, from, to, pick.duration, aligned))
}

fn check_count(count: u32, limit: u32) -> Result<(), Refusal> {
    match count > limit {
        true => Err(Refusal::bad_request(format!(
            "{count} segments, at most {limit} are listed"
        ))),
        false => Ok(()),
    }
}
