//! [`Cuts`]: where the segments of one clip of a timeline may start.

use std::sync::Arc;

use crate::hls::pick::first_from;
use crate::hls::set::KeyFrames;
use crate::hls::title::Title;
use crate::time::{Millis, Ticks, TimeBase};

/// Where the segments of a clip may start.
#[derive(Clone, Debug)]
pub enum Cuts<'a> {
    /// At the key frames that the mapping tells.
    Told(&'a KeyFrames),
    /// At the sync samples of its video.
    Samples(SyncSamples),
}

/// The sync samples of a clip's leading video track.
#[derive(Clone, Debug)]
pub struct SyncSamples {
    /// The clip's file.
    pub title: Arc<Title>,
    /// Which of [`Title::tracks`].
    pub track: usize,
    /// Where the clip starts in the file.
    pub from: Millis,
    /// Whether the file's edit list counts.
    pub edit_list: bool,
}

impl SyncSamples {
    /// When the first of them at or after `time` is decoded, both counted from the start of the clip and rounded down; `None` after
    /// the last. Costs two binary searches.
    pub(super) fn at_or_after(&self, time: Millis) -> Option<Millis> {
        let track = self.title.tracks().get(self.track)?;
        let index = self.title.samples(track)?;
        let delay = if self.edit_list { track.delay } else { Ticks::ZERO };
        let wanted = self
            .from
            .saturating_add(time)
            .floor_ticks(track.timescale)
            .saturating_sub(delay);
        let sample = index.sample(index.sync_after(first_from(index, wanted))?)?;
        let time = sample.dts.saturating_add(delay);
        let near = time.saturating_rescale(track.timescale.base(), TimeBase::MILLIS);
        let near = Millis(u64::try_from(near.0).unwrap_or(0));
        // Rounded to the nearest: one more than that is beyond the sample, and the segment would start at the next one.
        let late = near.floor_ticks(track.timescale) > time;
        Some(
            near.saturating_sub(Millis(u64::from(late)))
                .saturating_sub(self.from),
        )
    }
}
