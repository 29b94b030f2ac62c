//! Repairs packet times and puts the tracks of several connections on one output timeline.
//!
//! No I/O and no clock: the caller says when a packet came. The model, from the outside in:
//!
//! - The **output timeline** starts at zero, where the earliest track of the first session starts. Tracks that start
//!   apart keep their distance. No output time is negative.
//! - An **epoch** maps a source clock to the output: one offset that all tracks of a session share, so that sound and
//!   picture stay as far apart as the source has them. A clock reset or a reconnect makes a new epoch; the last few are
//!   remembered, because tracks reach a reset at different packets.
//! - The **frontier** is the furthest output end over all tracks. A jump is judged against it and against the track's
//!   own end: up to [`Policy::max_hole`] past the frontier is a hole and stays as it is; more, or a step back, makes
//!   the packet a suspect. The next packet of that track decides: it fits the old clock (the suspect was an outlier
//!   and gets the place where it was expected), or it agrees with the suspect (the clock was reset).
//! - At a **seam** (the start of a session, a clock reset) packets are held until every living track shows one from the
//!   new clock, at most [`Policy::seam_hold`] of media or 128 packets per track. Then the offset is chosen such that no
//!   track overlaps its own past.
//! - **Durations** are settled by the successor: a packet is given back when the next one of its track is placed, or by
//!   [`Timeline::flush`]. The packet before a hole lasts until the hole's end. Video without DTS and of unknown
//!   reordering holds its first six packets to learn the depth.
//!
//! # Is a new connection a replay?
//! With [`Policy::live`], after an outage of `w` (wall clock, last packet to first packet), the first packets, mapped
//! with the old epoch to `m`, continue the old clock when all of this holds: `m` lies between `frontier − replay` and
//! `frontier + w + max_hole`; also between `frontier + w − replay` and `frontier + 1.2 w + 2 s` (a live source is never
//! ahead of the wall clock and its window is not longer than `replay`); and, when `m` lies before the frontier, the first
//! source time is neither within 2 s of zero nor within 2 s of the first source time of the session before (both look
//! like a restarted source, where a replay wrongly seen would lose media; a restart wrongly seen only repeats some).
//! A replay must also catch up: as long as it repeats, it must gain 1.5 s in every 3 s, else it is a new clock after all.
//! What continues the old clock keeps the epoch, and packets that the file has are dropped as duplicates.

mod epoch;
mod judge;
mod lane;
mod pace;
mod place;
mod reorder;
mod report;
mod seam;
#[cfg(test)]
mod tests;
mod unwrap;

use std::time::{Duration, Instant};

use crate::codec::Kind;
use crate::time::{Ticks, TimeBase, Timescale};
use epoch::{Epochs, Ns};
use lane::Lane;
use report::Reports;
use seam::{Replay, Seam};

/// Tracks that one timeline takes at most.
pub const MAX_TRACKS: usize = 64;

/// How to judge jumps and outages.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// The source is live, so that arrival times mean something. False for files: no wall-clock reasoning.
    pub live: bool,
    /// A forward jump past the frontier up to this long is a hole and stays; 10 s. Longer ones are judged as clock resets.
    pub max_hole: Duration,
    /// How far back a repeated packet is looked for, and how far behind the frontier a track counts as alive; 1 s.
    pub max_back: Duration,
    /// Whether time without media stays in the file.
    pub outage: Outage,
    /// The longest window that a server replays to a new connection; 60 s.
    pub replay: Duration,
    /// Media that is held at most at a seam, to see every track before the offset is chosen; 1 s.
    pub seam_hold: Duration,
    /// Holes from this length on are reported as [`Event::Gap`]; 1 s.
    pub list_hole: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            live: true,
            max_hole: Duration::from_secs(10),
            max_back: Duration::from_secs(1),
            outage: Outage::Close,
            replay: Duration::from_secs(60),
            seam_hold: Duration::from_secs(1),
            list_hole: Duration::from_secs(1),
        }
    }
}

impl Policy {
    /// For files: no wall-clock reasoning, everything else as for live sources.
    pub fn file() -> Self {
        Self {
            live: false,
            ..Self::default()
        }
    }
}

/// What happens on the output timeline to time without media: an outage, or silence longer than [`Policy::max_hole`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Outage {
    /// The output continues where it stopped; the gap is listed with its position and its real length.
    #[default]
    Close,
    /// The output keeps the time as a hole.
    Keep,
}

/// One track of the timeline; valid for the [`Timeline`] that made it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TrackId(usize);

impl TrackId {
    /// Position in the order of [`Timeline::add_track`], from 0.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// What the timeline must know about a track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TrackSpec {
    /// Video times are kept; audio of known packet length is smoothed.
    pub kind: Kind,
    /// Seconds per tick of the source's times.
    pub time_base: TimeBase,
    /// The source's times wrap after 2 to this power of ticks (33 for MPEG-TS, 32 for RTMP); 0 when they don't.
    pub wrap_bits: u32,
    /// Output ticks per second.
    pub timescale: Timescale,
    /// Nominal length of a packet in output ticks; used where neither packet nor bitstream tells.
    pub frame: Option<Ticks>,
    /// How many frames of video are reordered at most, where the codec's parameters tell; used only for packets without
    /// DTS. `None` learns it.
    pub reorder: Option<u32>,
}

/// The times of one packet as the source gives them.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Its track.
    pub track: TrackId,
    /// When to show it, in source ticks.
    pub pts: Option<Ticks>,
    /// When to decode it, in source ticks.
    pub dts: Option<Ticks>,
    /// How long it lasts in source ticks; zero when unknown.
    pub duration: Ticks,
    /// Whether decoding can start here.
    pub sync: bool,
    /// Its length as the bitstream says (1024 for AAC), in output ticks. Audio with it is smoothed.
    pub frame: Option<Ticks>,
}

/// A packet's place on the output timeline, in output ticks of its track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sample {
    /// Its track.
    pub track: TrackId,
    /// Which packet: pushed packets are counted per track from 0.
    pub token: u64,
    /// Decoding time; never negative, strictly increasing per track.
    pub dts: Ticks,
    /// Composition time, at or after `dts`.
    pub pts: Ticks,
    /// Until the next sample's `dts`; at least 1.
    pub duration: Ticks,
    /// Whether decoding can start here.
    pub sync: bool,
}

/// What became of a pushed packet. Each packet comes out once. The samples of a track come in the order of their tokens;
/// a drop may overtake samples that still wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Placed {
    /// It has a place.
    Sample(Sample),
    /// It is not used.
    Dropped {
        /// Its track.
        track: TrackId,
        /// Which packet, as in [`Sample::token`].
        token: u64,
        /// Why.
        reason: Reason,
    },
}

/// Why a packet is dropped.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reason {
    /// The file has it: the source sent it twice, or replayed it to a new connection.
    Duplicate,
    /// Sound that a late track has from before a seam that was already closed.
    Overlap,
    /// Sound from before the start of the output timeline.
    BeforeStart,
}

impl Reason {
    const ALL: [Self; 3] = [Self::Duplicate, Self::Overlap, Self::BeforeStart];
}

/// Why media is missing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cause {
    /// The connection was lost, with the reason in words.
    Connection(String),
    /// The source itself reported the loss, in words.
    Source(String),
    /// Nothing came for a while and the timestamps went on with the wall clock.
    Silence,
    /// The timestamps jump ahead.
    Missing,
}

/// Something that the caller may want to write down.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Media is missing. A replay that covers the whole outage makes none.
    Gap {
        /// Where on the output timeline.
        at: Duration,
        /// How much is missing; with [`Outage::Close`] the output timeline does not contain this time.
        length: Duration,
        /// Why.
        cause: Cause,
        /// The track that misses it; `None` for all.
        track: Option<TrackId>,
    },
    /// The source's clock jumped and the output goes on without a jump.
    ClockReset {
        /// The track that showed it first.
        track: TrackId,
        /// Where on the output timeline the new clock begins.
        at: Duration,
        /// The last source time of the old clock on that track, wraps undone.
        from: Ticks,
        /// The first source time of the new clock.
        to: Ticks,
        /// Seconds per tick of both.
        time_base: TimeBase,
    },
    /// Packets were dropped since the last such event; at most one event per reason in 10 s.
    Dropped {
        /// Why.
        reason: Reason,
        /// How many.
        count: u64,
    },
}

/// What was repaired, counted over the timeline's life.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counters {
    /// Packets pushed.
    pub packets: u64,
    /// Packets dropped, for any [`Reason`].
    pub dropped: u64,
    /// Timestamps that wrapped.
    pub wraps: u64,
    /// Single packets whose time was far off and was replaced by the expected one.
    pub outliers: u64,
    /// Packets moved so that DTS increases.
    pub nudged: u64,
    /// Packets whose PTS was raised to their DTS, or was unusable and replaced by it.
    pub raised: u64,
    /// Packets whose DTS was derived.
    pub derived: u64,
    /// Clock resets.
    pub resets: u64,
    /// Smoothed audio that had to be set to the source's time again.
    pub resyncs: u64,
    /// Holes listed.
    pub gaps: u64,
}

/// The timeline of one recording: all tracks, over all connections.
#[derive(Debug)]
pub struct Timeline {
    policy: Policy,
    limits: Limits,
    lanes: Vec<Lane>,
    epochs: Epochs,
    seam: Seam,
    replay: Option<Replay>,
    arrival: Option<Instant>,
    silence: Duration,
    clock: Option<Ns>,
    arrivals: u64,
    drained: bool,
    last_gap: (Ns, Ns),
    told: Option<String>,
    counters: Counters,
    reports: Reports,
}

/// The policy's lengths in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Limits {
    hole: Ns,
    back: Ns,
    replay: Ns,
    hold: Ns,
    list: Ns,
}

/// Where results go.
struct Sink<'a> {
    out: &'a mut Vec<Placed>,
    events: &'a mut Vec<Event>,
}

impl Timeline {
    /// An empty timeline.
    pub fn new(policy: Policy) -> Self {
        let limits = Limits {
            hole: epoch::from_duration(policy.max_hole),
            back: epoch::from_duration(policy.max_back),
            replay: epoch::from_duration(policy.replay),
            hold: epoch::from_duration(policy.seam_hold),
            list: epoch::from_duration(policy.list_hole),
        };
        Self {
            policy,
            limits,
            lanes: Vec::new(),
            epochs: Epochs::default(),
            seam: Seam::start(),
            replay: None,
            arrival: None,
            silence: Duration::ZERO,
            clock: None,
            arrivals: 0,
            drained: false,
            last_gap: (0, 0),
            told: None,
            counters: Counters::default(),
            reports: Reports::default(),
        }
    }

    /// A new output track, at any time; `None` past [`MAX_TRACKS`].
    pub fn add_track(&mut self, spec: TrackSpec) -> Option<TrackId> {
        if self.lanes.len() >= MAX_TRACKS {
            return None;
        }
        let id = TrackId(self.lanes.len());
        self.lanes.push(Lane::new(id, spec));
        Some(id)
    }

    /// The same output track gets its packets in another form, usually right after [`Timeline::begin_session`]: other
    /// source time base, wrap or reordering. The output timescale stays what it was.
    pub fn update_track(
        &mut self,
        track: TrackId,
        spec: TrackSpec,
        out: &mut Vec<Placed>,
        events: &mut Vec<Event>,
    ) {
        let sink = &mut Sink { out, events };
        if track.0 < self.lanes.len() {
            self.settle(sink);
            self.lanes[track.0].change(spec);
        }
    }

    /// A new connection begins, the first one too; `outage` says why the one before ended. Packets of the old connection
    /// that still wait for a decision are placed.
    pub fn begin_session(
        &mut self,
        now: Instant,
        outage: Option<Cause>,
        out: &mut Vec<Placed>,
        events: &mut Vec<Event>,
    ) {
        let sink = &mut Sink { out, events };
        self.settle(sink);
        self.reports.tick(now, sink.events);
        self.begin_seam(seam::Kind::Session(outage));
    }

    /// The source announced that its clock may change here (`EXT-X-DISCONTINUITY`): what follows continues without a
    /// hole. Packets that still wait for a decision are placed.
    pub fn discontinuity(&mut self, out: &mut Vec<Placed>, events: &mut Vec<Event>) {
        self.settle(&mut Sink { out, events });
        if self.seam.opening {
            return;
        }
        if self.epochs.newest().is_some() {
            self.begin_seam(seam::Kind::Discontinuity);
        }
    }

    /// The source itself told that media is lost here, with its words: the next jump ahead is listed with them, and when
    /// it is longer than [`Policy::max_hole`] it is treated as silence, not as a clock reset.
    pub fn lost(&mut self, cause: String) {
        self.told = Some(cause);
    }

    /// Takes one packet's times; appends what is settled by it to `out` and what happened to `events`. Packets of a
    /// track that this timeline does not have are ignored.
    ///
    /// `now` is when the packet came; going backwards does no harm.
    pub fn push(&mut self, now: Instant, times: Times, out: &mut Vec<Placed>, events: &mut Vec<Event>) {
        let index = times.track.0;
        if index >= self.lanes.len() {
            return;
        }
        let sink = &mut Sink { out, events };
        self.counters.packets += 1;
        self.arrivals += 1;
        self.silence = self
            .arrival
            .map_or(Duration::ZERO, |before| now.saturating_duration_since(before));
        self.arrival = Some(self.arrival.map_or(now, |before| before.max(now)));
        let near = self.clock;
        let lane = &mut self.lanes[index];
        lane.receive(&times, now, self.arrivals, near, &mut self.counters);
        while let Some(packet) = self.lanes[index].reorder.next(false) {
            self.feed(index, packet, sink);
        }
        self.reports.tick(now, sink.events);
    }

    /// The end, or a pause in which nothing may wait: everything held is placed, and each track's last packet gets its
    /// own length. More packets may follow.
    pub fn flush(&mut self, out: &mut Vec<Placed>, events: &mut Vec<Event>) {
        let sink = &mut Sink { out, events };
        self.settle(sink);
        for index in 0..self.lanes.len() {
            self.finish(index, sink);
        }
        self.reports.flush(sink.events);
    }

    /// Where the track ends so far, in output ticks; an estimate by the last packet's own length until it is settled.
    pub fn end(&self, track: TrackId) -> Ticks {
        self.lanes
            .get(track.0)
            .map_or(Ticks::ZERO, |lane| Ticks(lane.end().unwrap_or(0)))
    }

    /// The furthest end over all tracks.
    pub fn frontier(&self) -> Duration {
        Duration::from_nanos(u64::try_from(self.front().unwrap_or(0)).unwrap_or(0))
    }

    /// Where the track's first sample is, in output ticks; `None` before it is placed. The writer makes the track's edit
    /// list from it.
    pub fn start(&self, track: TrackId) -> Option<Ticks> {
        self.lanes.get(track.0).and_then(|lane| lane.start).map(Ticks)
    }

    /// Pushed packets that have not come out yet.
    pub fn held(&self) -> usize {
        self.lanes.iter().map(Lane::held).sum()
    }

    /// What was repaired so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}
