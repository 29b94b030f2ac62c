//! [`place`]: which part of which clip a segment stands for.

use super::cuts::Cuts;
use super::stretch::{Cursor, Stretch, stretches};
use crate::hls::options::Segmentation;
use crate::hls::refusal::{Reason, Refusal};
use crate::hls::set::Timeline;
use crate::time::Millis;

/// A part of one clip.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Which clip, from 0.
    pub clip: usize,
    /// From where, counted from the clip's start.
    pub from: Millis,
    /// To where, exclusive; `None` to the end of the tracks.
    pub to: Option<Millis>,
}

/// What segment `number` (from 0) stands for: one part, or several where clips run into each other.
///
/// `length` is how long the whole is when there is no `timeline`; its last segment then goes to the end of every track.
/// Clips of a timeline end where the timeline says.
///
/// # Errors
/// `NoStreams` beyond the last segment; `BadRequest` there when the clips are cut one by one, as the reference answers.
pub fn place(
    number: u32,
    timeline: Option<&Timeline>,
    length: Millis,
    segmentation: &Segmentation,
) -> Result<Vec<Place>, Refusal> {
    place_at_keys(number, timeline, length, segmentation, &[])
}

/// As [`place`], cut at the key frames that the clips tell: one entry of `keys` for each clip.
///
/// # Errors
/// As [`place`].
pub fn place_at_keys(
    number: u32,
    timeline: Option<&Timeline>,
    length: Millis,
    segmentation: &Segmentation,
    keys: &[Option<Cuts<'_>>],
) -> Result<Vec<Place>, Refusal> {
    let mut total = 0;
    for stretch in stretches(timeline, length, segmentation, keys) {
        if let Some(within) = number.checked_sub(stretch.first)
            && within < stretch.count
        {
            return Ok(parts(&stretch, within));
        }
        total = stretch.first.saturating_add(stretch.count);
    }
    let reason = match timeline {
        Some(timeline) if timeline.discontinuity => Reason::BadRequest,
        _ => Reason::NoStreams,
    };
    let asked = u64::from(number) + 1;
    Err(Refusal::new(reason, format!("segment {asked} of {total}")))
}

fn parts(stretch: &Stretch<'_>, number: u32) -> Vec<Place> {
    let mut cursor = Cursor::default();
    let from = stretch.boundary(number, &mut cursor);
    let last = number.saturating_add(1) >= stretch.count;
    let to = stretch.boundary(number.saturating_add(1), &mut cursor);
    if stretch.clips.is_empty() {
        let to = (!last).then_some(to);
        return vec![Place { clip: 0, from, to }];
    }
    let mut parts = Vec::new();
    let mut start = Millis::ZERO;
    for (clip, length) in stretch.clips.iter().enumerate() {
        let end = start.saturating_add(*length);
        // An empty segment is an empty part of the clip that it lies in.
        let here = if from == to {
            parts.is_empty() && (from < end || clip + 1 == stretch.clips.len())
        } else {
            from < end && to > start
        };
        if here {
            parts.push(Place {
                clip: stretch.clip.saturating_add(clip),
                from: from.saturating_sub(start),
                to: Some(to.min(end).saturating_sub(start)),
            });
        }
        start = end;
    }
    parts
}
