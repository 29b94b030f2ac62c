//! [`Stretch`]: a run of segments that are cut together, and where each of them is cut.

use super::cuts::Cuts;
use super::grid::{Grid, sum};
use crate::hls::options::Segmentation;
use crate::hls::set::Timeline;
use crate::time::Millis;

/// What is cut as one: the whole, or one clip of several that do not run into each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch<'a> {
    grid: Grid<'a>,
    /// The clip that it starts with, from 0.
    pub(super) clip: usize,
    /// The number of its first segment, from 0.
    pub(super) first: u32,
    /// How many segments it has.
    pub(super) count: u32,
    /// How long it is.
    pub(super) length: Millis,
    /// The lengths of the clips in it; empty when there is no timeline.
    pub(super) clips: &'a [Millis],
    keys: &'a [Option<Cuts<'a>>],
}

/// The stretches of the whole, in order. `keys` has one entry for each clip, or none.
pub(super) fn stretches<'a>(
    timeline: Option<&'a Timeline>,
    length: Millis,
    segmentation: &'a Segmentation,
    keys: &'a [Option<Cuts<'a>>],
) -> impl Iterator<Item = Stretch<'a>> {
    let grid = Grid::new(segmentation);
    let cut = timeline.filter(|timeline| timeline.discontinuity);
    let clips = timeline.map_or(&[][..], |timeline| &timeline.durations);
    let whole = match (timeline, cut) {
        (_, Some(_)) => None,
        (Some(_), None) => Some(sum(clips)),
        (None, None) => Some(length),
    };
    let whole = whole.map(|length| Stretch {
        grid,
        clip: 0,
        first: 0,
        count: grid.count(length),
        length,
        clips,
        keys,
    });
    let mut next = 0;
    let each = cut
        .into_iter()
        .flat_map(|timeline| timeline.durations.iter().enumerate());
    let each = each.map(move |(clip, length)| {
        let first = next;
        let end = grid.start(first).saturating_add(*length);
        let count = grid.count(end).saturating_sub(first).max(1);
        next = first.saturating_add(count);
        Stretch {
            grid,
            clip,
            first,
            count,
            length: *length,
            clips: clips.get(clip..=clip).unwrap_or_default(),
            keys: keys.get(clip..=clip).unwrap_or_default(),
        }
    });
    whole.into_iter().chain(each)
}

/// How far a walk over the key frames of a stretch has come. Boundaries are asked for in ascending order.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursor<'a> {
    clip: usize,
    start: Millis,
    key: Option<(i128, &'a [Millis])>,
}

impl<'a> Stretch<'a> {
    /// Where its segment `number` (from 0 within the stretch) starts, from the start of the stretch; the end of the stretch
    /// for the number after the last.
    pub(super) fn boundary(&self, number: u32, cursor: &mut Cursor<'a>) -> Millis {
        if number == 0 {
            return Millis::ZERO;
        }
        if number >= self.count {
            return self.length;
        }
        let start = self.grid.start(self.first.saturating_add(number));
        let nominal = start.saturating_sub(self.grid.start(self.first));
        match self.keys.is_empty() {
            true => nominal.min(self.length),
            false => self.snapped(nominal, cursor).min(self.length),
        }
    }

    /// The first key frame at or after `time`, the end of the clip when it has no later one; `time` itself where the clip
    /// does not tell its key frames.
    fn snapped(&self, time: Millis, cursor: &mut Cursor<'a>) -> Millis {
        loop {
            let length = match self.clips.get(cursor.clip) {
                Some(length) => *length,
                None if cursor.clip == 0 => self.length,
                None => return time,
            };
            let end = cursor.start.saturating_add(length);
            if time < end {
                let within = time.saturating_sub(cursor.start);
                let key = match self.keys.get(cursor.clip) {
                    None | Some(None) => return time,
                    Some(Some(Cuts::Samples(samples))) => samples.at_or_after(within),
                    Some(Some(Cuts::Told(keys))) => {
                        let told = (i128::from(keys.first), &keys.durations[..]);
                        next_key(cursor.key.get_or_insert(told), within)
                    }
                };
                return key.map_or(end, |key| cursor.start.saturating_add(key).min(end));
            }
            cursor.clip += 1;
            cursor.start = end;
            cursor.key = None;
        }
    }
}

/// Walks to the first key frame at or after `time`.
fn next_key((at, durations): &mut (i128, &[Millis]), time: Millis) -> Option<Millis> {
    while *at < i128::from(time.0) {
        let (duration, rest) = durations.split_first()?;
        *at += i128::from(duration.0);
        *durations = rest;
    }
    u64::try_from(*at).ok().map(Millis)
}
