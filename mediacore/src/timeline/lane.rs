//! One track: what it has received, what it holds, where it ends.

use std::collections::VecDeque;
use std::time::Instant;

use super::epoch::{Anchor, Ns, SECOND, nanos, ticks};
use super::pace::Pace;
use super::reorder::Reorder;
use super::unwrap::unwrap;
use super::{Cause, Counters, Kind, TimeBase, Times, TrackId, TrackSpec};

/// Source times that are remembered to recognise a packet that is sent twice.
const REMEMBERED: usize = 64;

/// A received packet with its wraps undone, in source ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming {
    pub(super) token: u64,
    /// Number of the packet over all tracks: the order of arrival.
    pub(super) arrival: u64,
    pub(super) now: Instant,
    pub(super) dts: i64,
    pub(super) pts: i64,
    /// Its own length in output ticks; 0 when unknown.
    pub(super) length: i64,
    /// Its length by the bitstream, in output ticks; only of audio.
    pub(super) frame: Option<i64>,
    pub(super) sync: bool,
    /// The frontier when it became a suspect.
    pub(super) front: Option<Ns>,
}

/// A placed packet whose duration is not settled.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) token: u64,
    pub(super) dts: i64,
    pub(super) pts: i64,
    pub(super) natural: i64,
    pub(super) frame: Option<i64>,
    pub(super) sync: bool,
    /// The hole in front of it: position, length, cause, whether all tracks have it.
    pub(super) hole: Option<(Ns, Ns, Cause, bool)>,
    /// It lies further ahead than expected, so that the next packet may show it to be an outlier.
    pub(super) jumped: bool,
    pub(super) seen_before: Option<i64>,
    pub(super) pace_before: Pace,
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) id: TrackId,
    pub(super) spec: TrackSpec,
    pub(super) reorder: Reorder,
    /// The source clock in use; none until the first packet after a seam is placed.
    pub(super) anchor: Option<Anchor>,
    /// The last source DTS that was believed.
    pub(super) seen: Option<i64>,
    pub(super) pending: Option<Pending>,
    /// The packet before `pending`, kept while `pending` may turn out to be an outlier.
    pub(super) earlier: Option<Pending>,
    /// DTS of the last sample that was given back.
    pub(super) previous: Option<i64>,
    /// The next DTS is not before this.
    pub(super) floor: i64,
    pub(super) start: Option<i64>,
    pub(super) pace: Pace,
    /// Packets that wait at a seam, or the suspect.
    pub(super) wait: VecDeque<Incoming>,
    /// Two packets agree on a new clock.
    pub(super) confirmed: bool,
    /// Came to a seam that was closed: it may overlap its past.
    pub(super) joining: bool,
    /// Gets again what it already has.
    pub(super) replaying: bool,
    /// The packet before was dropped because it came twice.
    pub(super) repeating: bool,
    /// The distance between the last two packets, in output ticks.
    pub(super) spacing: i64,
    token: u64,
    lap: Option<i64>,
    dated: bool,
    step: i64,
    /// Length of the last packet in source ticks; 0 when it did not tell.
    own: i64,
    recent: [i64; REMEMBERED],
    next_recent: usize,
}

impl Lane {
    pub(super) fn new(id: TrackId, spec: TrackSpec) -> Self {
        Self {
            id,
            spec,
            reorder: Reorder::new(spec.reorder),
            anchor: None,
            seen: None,
            pending: None,
            earlier: None,
            previous: None,
            floor: 0,
            start: None,
            pace: Pace::default(),
            wait: VecDeque::new(),
            confirmed: false,
            joining: false,
            replaying: false,
            repeating: false,
            spacing: 0,
            token: 0,
            lap: None,
            dated: false,
            step: 0,
            own: 0,
            recent: [i64::MIN; REMEMBERED],
            next_recent: 0,
        }
    }

    /// Another form of source; nothing waits.
    pub(super) fn change(&mut self, spec: TrackSpec) {
        let timescale = self.spec.timescale;
        self.spec = TrackSpec { timescale, ..spec };
        self.seen = None;
        self.anchor = None;
        self.restart();
    }

    /// A seam begins; nothing waits.
    pub(super) fn restart(&mut self) {
        self.reorder = Reorder::new(self.spec.reorder);
        self.confirmed = false;
        self.joining = false;
        self.replaying = false;
        self.repeating = false;
        self.dated = false;
        self.step = 0;
        self.own = 0;
        self.lap = None;
        self.recent = [i64::MIN; REMEMBERED];
    }

    /// Takes a packet's times and hands it to the reordering stage. `clock` is the last source time of any track.
    pub(super) fn receive(
        &mut self,
        times: &Times,
        now: Instant,
        arrival: u64,
        clock: Option<Ns>,
        counters: &mut Counters,
    ) {
        let token = self.token;
        self.token += 1;
        let bits = self.spec.wrap_bits;
        let near = self.seen.or_else(|| clock.map(|time| ticks(time, self.base())));
        let dts = times.dts.map(|raw| unwrap(raw.0, near, bits));
        let pts = times.pts.map(|raw| unwrap(raw.0, dts.or(near), bits));
        self.count_wrap(times, dts.or(pts), counters);
        let audio = self.spec.kind == Kind::Audio;
        let frame = times.frame.filter(|_| audio).map(|frame| frame.0);
        let mut packet = Incoming {
            token,
            arrival,
            now,
            dts: 0,
            pts: 0,
            length: 0,
            frame: frame.filter(|frame| self.plausible(*frame)),
            sync: times.sync,
            front: None,
        };
        packet.length = packet.frame.unwrap_or_else(|| self.own_length(times));
        let usual = self.usual();
        let expected = self
            .seen
            .map_or_else(|| near.unwrap_or(0), |seen| seen.saturating_add(usual));
        self.own = ticks(self.output(packet.length.max(0)), self.base());
        match (dts, pts) {
            (Some(dts), pts) => {
                packet.dts = dts;
                packet.pts = match pts {
                    Some(pts) if !audio => pts,
                    None if !audio => dts.saturating_add(self.reorder.delay()),
                    _ => dts,
                };
                self.dated = true;
                self.reorder.pass(packet);
            }
            (None, Some(pts)) if audio => {
                (packet.dts, packet.pts) = (pts, pts);
                self.reorder.pass(packet);
            }
            (None, Some(pts)) if self.dated => {
                counters.derived += 1;
                packet.pts = pts;
                packet.dts = if usual > 0 { expected.min(pts) } else { pts };
                self.reorder.pass(packet);
            }
            (None, Some(pts)) => {
                counters.derived += 1;
                packet.pts = pts;
                let nominal = self.spec.frame.map_or(0, |frame| frame.0);
                let step = if times.duration.0 > 0 && packet.length > 0 {
                    times.duration.0
                } else if self.plausible(nominal) {
                    nanos(nominal, self.spec.timescale.base()).saturating_div(self.tick().max(1))
                } else {
                    0
                };
                let far = ticks(3 * SECOND, self.base());
                self.reorder.derive(packet, step, far);
            }
            (None, None) => {
                counters.derived += 1;
                (packet.dts, packet.pts) = (expected, expected);
                self.reorder.pass(packet);
            }
        }
    }

    /// Source ticks from the last packet to the next, by the best that is known; 0 when nothing is.
    fn usual(&self) -> i64 {
        let nominal = self.spec.frame.map_or(0, |frame| frame.0);
        if self.own > 0 {
            self.own
        } else if self.step > 0 {
            self.step
        } else if self.plausible(nominal) {
            ticks(self.output(nominal), self.base())
        } else {
            0
        }
    }

    /// The length of one source tick.
    pub(super) fn tick(&self) -> Ns {
        nanos(1, self.base())
    }

    pub(super) fn base(&self) -> TimeBase {
        self.spec.time_base
    }

    /// A source time for comparing tracks.
    pub(super) fn source(&self, time: i64) -> Ns {
        nanos(time, self.base())
    }

    /// An output time for comparing tracks.
    pub(super) fn output(&self, time: i64) -> Ns {
        nanos(time, self.spec.timescale.base())
    }

    /// A length in output ticks.
    pub(super) fn ticks(&self, time: Ns) -> i64 {
        ticks(time, self.spec.timescale.base())
    }

    /// Where the current clock puts a source time, in output ticks.
    pub(super) fn map(&self, time: i64) -> i64 {
        self.anchor.map_or(0, |anchor| anchor.map(time))
    }

    /// The last DTS placed.
    pub(super) fn last(&self) -> Option<i64> {
        self.pending.as_ref().map(|pending| pending.dts).or(self.previous)
    }

    /// The end so far; none before the first packet.
    pub(super) fn end(&self) -> Option<i64> {
        match &self.pending {
            Some(pending) => Some(pending.dts.saturating_add(pending.natural)),
            None => self.previous.map(|_| self.floor),
        }
    }

    /// How long a packet lasts, by the best that is known; at least 1.
    pub(super) fn natural(&self, length: i64) -> i64 {
        let nominal = self.spec.frame.map_or(0, |frame| frame.0);
        let rate = i64::from(self.spec.timescale.get());
        if length > 0 {
            length
        } else if self.spacing > 0 && self.spacing <= rate {
            self.spacing
        } else if self.plausible(nominal) {
            nominal
        } else {
            (rate / 25).max(1)
        }
    }

    /// A step back up to this many output ticks is jitter.
    pub(super) fn tolerance(&self, back: Ns) -> i64 {
        let natural = self
            .pending
            .as_ref()
            .map_or_else(|| self.natural(0), |pending| pending.natural);
        let frames = natural.saturating_mul(5) / 2;
        frames.max(self.ticks(SECOND / 50)).min(self.ticks(back)).max(1)
    }

    /// Whether this source time was placed lately.
    pub(super) fn repeats(&self, dts: i64) -> bool {
        self.recent.contains(&dts)
    }

    /// The packet's source time is believed.
    pub(super) fn remember(&mut self, dts: i64) {
        if let Some(seen) = self.seen {
            let step = dts.saturating_sub(seen);
            if step > 0 && nanos(step, self.base()) <= SECOND {
                self.step = step;
            }
        }
        self.seen = Some(dts);
        if let Some(slot) = self.recent.get_mut(self.next_recent) {
            *slot = dts;
        }
        self.next_recent = (self.next_recent + 1) % REMEMBERED;
    }

    pub(super) fn held(&self) -> usize {
        self.reorder.held()
            + self.wait.len()
            + usize::from(self.pending.is_some())
            + usize::from(self.earlier.is_some())
    }

    /// The packet's declared duration in output ticks; 0 when there is none that can be believed.
    fn own_length(&self, times: &Times) -> i64 {
        if times.duration.0 <= 0 {
            return 0;
        }
        let length = self.ticks(self.source(times.duration.0));
        if self.plausible(length) { length } else { 0 }
    }

    /// A packet lasts longer than nothing and at most ten seconds.
    fn plausible(&self, length: i64) -> bool {
        length > 0 && length <= i64::from(self.spec.timescale.get()).saturating_mul(10)
    }

    fn count_wrap(&mut self, times: &Times, time: Option<i64>, counters: &mut Counters) {
        if !(1..=60).contains(&self.spec.wrap_bits) {
            return;
        }
        if let (Some(raw), Some(time)) = (times.dts.or(times.pts), time) {
            let lap = time.wrapping_sub(raw.0);
            if self.lap.is_some_and(|before| before != lap) {
                counters.wraps += 1;
            }
            self.lap = Some(lap);
        }
    }
}
