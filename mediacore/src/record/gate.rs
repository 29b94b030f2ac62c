//! Holds a connection's packets until decoding can start: at a key frame, with every track that was announced and comes in time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::codec::Kind;
use crate::time::Ticks;

use super::lane::{Lane, Prepared};

/// What may be held before the recording begins.
const MAX_HELD_BYTES: usize = 8 << 20;
const MAX_HELD: usize = 4096;
/// How long video may come without a key frame before it is said.
pub(super) const KEY_FRAME_NOTICE: Duration = Duration::from_secs(10);
/// How long a source that shows no video is given to show some.
const VIDEO_WAIT: Duration = Duration::from_secs(1);
/// Audio that begins less than this before the first picture is kept with it: a packet of AAC at 44.1 kHz.
const AUDIO_LEAD: Duration = Duration::from_millis(24);
/// The distance of two pictures where nothing tells it.
const PICTURE: Duration = Duration::from_millis(40);

/// A sample that waits, with the lane that it belongs to and when it came.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) lane: usize,
    pub(super) sample: Prepared,
    pub(super) at: Instant,
}

/// A gate that has not opened yet.
#[derive(Debug, Default)]
pub(super) struct Gate {
    since: Option<Instant>,
    held: VecDeque<Held>,
    bytes: usize,
    has_key: bool,
    video_seen: bool,
    noticed: bool,
    first_time: Option<Duration>,
    last_time: Option<Duration>,
}

impl Gate {
    /// Holds a sample. Gives the time waited so far when it is worth saying that no key frame comes.
    pub(super) fn hold(&mut self, held: Held, lanes: &[Lane]) -> Option<Duration> {
        let lane = &lanes[held.lane];
        let since = *self.since.get_or_insert(held.at);
        let waited = held.at.saturating_duration_since(since);
        let time = lane.source_time(&held.sample);
        self.first_time = self.first_time.or(time);
        self.last_time = time.or(self.last_time);
        if lane.kind == Kind::Video {
            self.video_seen = true;
            self.has_key |= held.sample.sync;
        }
        self.bytes += held.sample.data.len();
        self.held.push_back(held);
        if self.has_key || !self.video_seen {
            return None;
        }
        // Nothing of this can be shown; sound is kept a little, since it may come long before its picture.
        while self.bytes > MAX_HELD_BYTES / 4 || self.held.len() > MAX_HELD / 4 {
            let Some(oldest) = self.held.pop_front() else {
                break;
            };
            self.bytes -= oldest.sample.data.len();
        }
        (waited >= KEY_FRAME_NOTICE && !std::mem::replace(&mut self.noticed, true)).then_some(waited)
    }

    /// Whether the recording can begin now, with the lanes `inputs` that the connection has announced.
    pub(super) fn is_ready(
        &self,
        now: Instant,
        lanes: &[Lane],
        inputs: &[Option<usize>],
        wait: Duration,
    ) -> bool {
        if self.video_seen && !self.has_key {
            return false;
        }
        // A file's packets come faster than its clock runs: what counts is whichever is longer.
        let media = self
            .first_time
            .zip(self.last_time)
            .map(|(first, last)| last.saturating_sub(first));
        let clock = self.since.map(|since| now.saturating_duration_since(since));
        let waited = clock.unwrap_or_default().max(media.unwrap_or_default());
        if self.bytes > MAX_HELD_BYTES || self.held.len() > MAX_HELD {
            return true;
        }
        let mut announced = inputs.iter().flatten().map(|lane| &lanes[*lane]);
        let video = announced.clone().any(|lane| lane.kind == Kind::Video);
        let video_wait = if video { wait } else { VIDEO_WAIT };
        let audio = announced.all(|lane| lane.kind == Kind::Video || lane.track().is_some());
        let picture = if self.has_key {
            self.key_is_timed(lanes)
        } else {
            waited >= video_wait
        };
        (picture && audio) || waited >= wait
    }

    /// Whether what is held is worth recording when nothing more comes.
    pub(super) fn may_begin(&self) -> bool {
        self.has_key || !self.video_seen
    }

    /// What is held, from the first key frame on, in the order of arrival; with `early_audio`, all sound.
    pub(super) fn release(mut self, lanes: &[Lane], early_audio: bool) -> Vec<Held> {
        let is_video = |held: &Held| lanes[held.lane].kind == Kind::Video;
        let key = self
            .held
            .iter()
            .position(|held| is_video(held) && held.sample.sync);
        if let Some(key) = key {
            self.time_key(key, lanes);
        }
        let key_time = key.and_then(|key| self.time_of(key, lanes));
        let mut kept = Vec::new();
        for (index, held) in self.held.into_iter().enumerate() {
            let late = match key {
                None => true,
                Some(key) if is_video(&held) => index >= key,
                Some(_) if early_audio => true,
                // Sound may come long before or after the picture that it belongs to.
                Some(key) => match (lanes[held.lane].source_time(&held.sample), key_time) {
                    (Some(time), Some(key_time)) => time.saturating_add(AUDIO_LEAD) >= key_time,
                    _ => index >= key,
                },
            };
            if late {
                kept.push(held);
            }
        }
        kept
    }

    fn time_of(&self, index: usize, lanes: &[Lane]) -> Option<Duration> {
        let held = self.held.get(index)?;
        lanes[held.lane].source_time(&held.sample)
    }

    /// Whether the first key frame has a time, or a later picture from which it can be told.
    fn key_is_timed(&self, lanes: &[Lane]) -> bool {
        let mut pictures = self
            .held
            .iter()
            .filter(|held| lanes[held.lane].kind == Kind::Video);
        let Some(key) = pictures.find(|held| held.sample.sync) else {
            return false;
        };
        key.sample.pts.or(key.sample.dts).is_some() || pictures.any(|held| held.sample.pts.is_some())
    }

    /// RTSP gives the first picture without a time: it is one picture before the second.
    fn time_key(&mut self, key: usize, lanes: &[Lane]) {
        let Some(first) = self
            .held
            .get(key)
            .filter(|held| held.sample.pts.is_none() && held.sample.dts.is_none())
        else {
            return;
        };
        let lane = first.lane;
        let times = self
            .held
            .iter()
            .skip(key + 1)
            .filter(|held| held.lane == lane)
            .filter_map(|held| held.sample.pts);
        let mut times = times.take(2);
        let Some(second) = times.next() else { return };
        let base = lanes[lane].time_base();
        let measured = times
            .next()
            .map(|third| third.saturating_sub(second))
            .filter(|length| length.0 > 0);
        let told = lanes[lane]
            .frame_rate()
            .map(|(num, den)| Ticks::from_duration(Duration::from_secs(u64::from(den)) / num.max(1), base));
        let length = told
            .or(measured)
            .unwrap_or_else(|| Ticks::from_duration(PICTURE, base));
        let time = Some(second.saturating_sub(length));
        if let Some(first) = self.held.get_mut(key) {
            // Its decoding time is left to the timeline, as for the pictures after it.
            first.sample.pts = time;
        }
    }
}
