//! [`Live`]: a recording as it is now, told by what became durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mediacore::record::{self, Phase, Still};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::time::Micros;
use crate::metrics;
use crate::store::tasks::Task;

/// Without new durable bytes for longer than this, a recording is not shown as one.
const STALLED: Duration = Duration::from_secs(15);

/// Over how long the bit rate is taken.
const RATE: Duration = Duration::from_secs(10);

/// How far the samples are apart that it is taken from. With one for each packet, each recording would keep room for the longest burst.
const STEP: Duration = Duration::from_millis(250);

/// What a recording does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// The first connection is being made.
    Connecting,
    /// Bytes became durable in the last 15 s.
    Recording,
    /// The connection is lost and is being made again.
    Reconnecting,
    /// It is connected, and nothing became durable in the last 15 s.
    Stalled,
    /// The disk is full; what comes waits in memory as long as that allows.
    DiskFull,
    /// The index is being written.
    Finishing,
}

/// A recording as it is now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Live {
    /// The task.
    pub(crate) task_id: i64,
    /// Its source.
    pub(crate) source_id: Option<i64>,
    /// The source's name.
    pub(crate) source_name: String,
    /// What it does.
    pub(crate) state: State,
    /// When it began.
    pub(crate) started_at: Option<Micros>,
    /// When it is to end; null is when the source ends or a person stops it.
    pub(crate) window_end: Option<Micros>,
    /// Seconds of media that a crash right now would leave.
    pub(crate) durable_s: f64,
    /// Bytes of the same.
    pub(crate) durable_bytes: u64,
    /// Seconds of media that came.
    pub(crate) received_s: f64,
    /// Bits per second that became durable over the last ten seconds.
    pub(crate) bit_rate: u64,
    /// Pictures per second of what became durable over the last ten seconds; null without any.
    pub(crate) fps: Option<f64>,
    /// Milliseconds since the last packet; null before the first.
    pub(crate) last_packet_ms: Option<u64>,
    /// Connections made after the first.
    pub(crate) reconnects: u32,
    /// Gaps so far.
    pub(crate) gaps: u64,
}

/// What of a recording is durable.
#[derive(Clone, Copy)]
struct Durable {
    bytes: u64,
    pictures: u64,
    length: Duration,
}

/// The last samples of a recording.
pub(super) struct Window {
    task: Task,
    now: record::Live,
    /// When what was durable.
    samples: VecDeque<(Instant, Durable)>,
    /// When bytes last became durable.
    grew: Instant,
}

impl Window {
    pub(super) fn new(task: &Task) -> Self {
        Self {
            task: task.clone(),
            now: record::Live::default(),
            samples: VecDeque::new(),
            grew: Instant::now(),
        }
    }

    pub(super) fn update(&mut self, now: &record::Live) {
        let at = Instant::now();
        metrics::DURABLE_BYTES.add(now.durable_bytes.saturating_sub(self.now.durable_bytes));
        metrics::RECONNECTS.add(now.reconnects.saturating_sub(self.now.reconnects).into());
        metrics::GAPS.add(now.gaps.saturating_sub(self.now.gaps));
        if now.durable_bytes > self.now.durable_bytes {
            self.grew = at;
        }
        let durable = Durable {
            bytes: now.durable_bytes,
            pictures: now.durable_pictures,
            length: now.durable,
        };
        // What is new comes with every packet. The newest gives way to the next until it is a step away from the one before.
        let mut newest = self.samples.iter_mut().rev();
        match (newest.next(), newest.next()) {
            (Some(last), Some((before, _))) if last.0.duration_since(*before) < STEP => *last = (at, durable),
            _ => self.samples.push_back((at, durable)),
        }
        while self
            .samples
            .front()
            .is_some_and(|(then, _)| at.duration_since(*then) > RATE)
        {
            self.samples.pop_front();
        }
        self.now = now.clone();
    }

    /// What it shows.
    pub(super) fn still(&self) -> Option<Arc<Still>> {
        self.now.still.clone()
    }

    fn state(&self) -> State {
        match self.now.phase {
            _ if self.now.disk_full => State::DiskFull,
            Phase::Connecting => State::Connecting,
            Phase::Reconnecting => State::Reconnecting,
            Phase::Finishing | Phase::Ended => State::Finishing,
            Phase::Recording if self.grew.elapsed() > STALLED => State::Stalled,
            Phase::Recording => State::Recording,
        }
    }

    pub(super) fn view(&self) -> Live {
        let rate = match (self.samples.front(), self.samples.back()) {
            (Some((from, less)), Some((to, more))) if to > from => {
                more.bytes.saturating_sub(less.bytes) as f64 * 8.0 / to.duration_since(*from).as_secs_f64()
            }
            _ => 0.0,
        };
        let fps = match (self.samples.front(), self.samples.back()) {
            // By the media's time, in which a source that sends in bursts is steady.
            (Some((_, less)), Some((_, more)))
                if more.pictures > less.pictures && more.length > less.length =>
            {
                let rate = (more.pictures - less.pictures) as f64 / (more.length - less.length).as_secs_f64();
                Some((rate * 1e2).round() / 1e2)
            }
            _ => None,
        };
        let seconds = |length: Duration| (length.as_secs_f64() * 1e3).round() / 1e3;
        Live {
            task_id: self.task.id,
            source_id: self.task.source_id,
            source_name: self.task.source_name.clone(),
            state: self.state(),
            started_at: self.task.started_at,
            window_end: self.task.window_end,
            durable_s: seconds(self.now.durable),
            durable_bytes: self.now.durable_bytes,
            received_s: seconds(self.now.received),
            bit_rate: rate.round() as u64,
            fps,
            last_packet_ms: self
                .now
                .last_packet
                .map(|at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)),
            reconnects: self.now.reconnects,
            gaps: self.now.gaps,
        }
    }
}
